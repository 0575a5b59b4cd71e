"""`hitl-tui audit`: checks the chained log, says where it ends, and writes it out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from hitl_tui import atomic_write
from hitl_tui.cli import output
from hitl_tui.cli.command_group import Group
from hitl_tui.cli.options import json_option, shared
from hitl_tui.cli.stopping import in_order
from hitl_tui.sanitize import visible
from hitl_tui.settings import find_home
from hitl_tui.store import audit as log


@click.group(cls=Group)
def audit() -> None:
    """The chained log of everything that was launched, asked and decided."""


@audit.command("verify")
@click.option("--head", metavar="HEAD", help="What `audit head` printed earlier: shows whether entries were cut off or written anew since.")
@click.option("--head-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The same, in a file.")
@json_option
@shared
def verify(head: str | None, head_file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check every link, offline. Exit 1 when one is broken, or a decision, an action or the history is not what the log says."""
    text = head_file.read_text("utf-8", "replace") if head_file else head
    found = log.verify(find_home(home).database, log.read_mark(text) if text is not None else None)
    click.echo(output.as_json(_json(found)) if json_ else visible(_told(found)))
    sys.exit(1 if found.problem else 0)


@audit.command("head")
@shared
def head(home: str | None, reviewer: str | None) -> None:
    """Where the log ends: keep it elsewhere, and give it to `audit verify` later."""
    click.echo(str(log.head(find_home(home).database)))


@audit.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@shared
def export(file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Write every entry as a line of JSON, to FILE (which must be new) or to the screen."""
    entries = log.entries(find_home(home).database)
    if file is None:
        _write(entries, sys.stdout.write)
        return
    with in_order(), atomic_write.whole(file) as out:
        count = _write(entries, out.write)
    click.echo(visible(f"{count:,} entries are in {file}"))


def _write(entries: Iterable[object], write: Callable[[str], object]) -> int:
    count = 0
    for entry in entries:
        write(json.dumps(entry, ensure_ascii=True) + "\n")
        count += 1
    return count


def _told(found: log.Verified) -> str:
    count = f"{found.mark.seq:,} entr{'y' if found.mark.seq == 1 else 'ies'}"
    if found.problem:
        return f"NOT GOOD after {count}: {found.problem}"
    return f"good: {count}, each vouches for the one before; the head is {found.mark}"


def _json(found: log.Verified) -> dict[str, object]:
    return {"good": not found.problem, "entries": found.mark.seq, "head": str(found.mark), "problem": found.problem or None}
