"""`hitl-tui audit`: verifies the audit log, prints its head, and exports it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from hitl_tui import atomic_write
from hitl_tui.cli import output
from hitl_tui.cli.command_group import Group, example
from hitl_tui.cli.context import interrupt_on_signals
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.home import find_home
from hitl_tui.sanitize import visible
from hitl_tui.store import audit as log


@click.group(cls=Group, epilog=example("hitl-tui audit verify"))
def audit() -> None:
    """Verify and export the audit log.

    The log is append-only, and each entry holds the hash of the one before it.
    """


@audit.command("verify", epilog=example("hitl-tui audit head > head.txt", "hitl-tui audit verify --head-file head.txt"))
@click.option("--head", metavar="HEAD", help="An earlier `audit head`; finds entries cut off or rewritten since.")
@click.option("--head-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with an earlier `audit head`.")
@json_option
@common_options
def verify(head: str | None, head_file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Verify the log offline.

    Checks every link, the tables against the log in both directions, and the
    schema. Exits with 1 if one differs. That the whole log was written anew, or
    that its end was cut off, shows only by a head that was kept elsewhere.
    """
    text = head_file.read_text("utf-8", "replace") if head_file else head
    found = log.verify(find_home(home).database, log.read_head(text) if text is not None else None)
    click.echo(output.as_json(_json(found)) if json_ else visible(_text(found)))
    sys.exit(1 if found.problem else 0)


@audit.command("head", epilog=example("hitl-tui audit head > head.txt"))
@common_options
def head(home: str | None, reviewer: str | None) -> None:
    """Print the last entry's number and hash.

    Keep them on another machine, and pass them to `audit verify` later.
    """
    click.echo(str(log.head(find_home(home).database)))


@audit.command("export", epilog=example("hitl-tui audit export audit.jsonl"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@common_options
def export(file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Write every entry as one line of JSON.

    Writes to FILE, which must not exist yet, or to standard output.
    """
    entries = log.entries(find_home(home).database)
    if file is None:
        _write(entries, sys.stdout.write)
        return
    with interrupt_on_signals(), atomic_write.whole(file) as out:
        count = _write(entries, out.write)
    click.echo(visible(f"{count:,} entries written to {file}"))


def _write(entries: Iterable[object], write: Callable[[str], object]) -> int:
    count = 0
    for entry in entries:
        write(json.dumps(entry, ensure_ascii=True) + "\n")
        count += 1
    return count


def _text(found: log.Verified) -> str:
    count = f"{found.head.seq:,} entr{'y' if found.head.seq == 1 else 'ies'}"
    if found.problem:
        return f"FAILED after {count}: {found.problem}"
    return f"verified: {count}; head {found.head}"


def _json(found: log.Verified) -> dict[str, object]:
    return {"good": not found.problem, "entries": found.head.seq, "head": str(found.head), "problem": found.problem or None}
