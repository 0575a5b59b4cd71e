"""`hitl-tui export`: writes decisions as training data, with a manifest."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hitl_tui import filter_language
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import interrupt_on_signals
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.export import FORMATS, ExportResult, IncludedCases, Masker, read_masks, writer
from hitl_tui.home import Home, find_home
from hitl_tui.inbox import reviewer_name
from hitl_tui.model import Role
from hitl_tui.people.file import PeopleFile
from hitl_tui.people.rights import identify, refusal
from hitl_tui.sanitize import visible
from hitl_tui.settings import login, read_settings
from hitl_tui.store import Store, approvals, audit
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.training_data import cases


@command("hitl-tui export mails.jsonl --format dpo --filter 'decided:edit since:30d'")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="sft", show_default=True)
@click.option("--filter", "wanted", metavar="FILTER", default="", help="Which decisions, like decided:edit; default: all.")
@click.option("--keep-policy", is_flag=True, help="Include decisions by policy and timeouts.")
@click.option("--keep-fast", is_flag=True, help="Include decisions faster than anyone can read.")
@click.option("--keep-undoable", is_flag=True, help="Include decisions that can still be undone.")
@click.option("--masks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with more patterns to mask.")
@click.option("--no-masks", is_flag=True, help="Do not mask secrets and personal data.")
@json_option
@common_options
def export(
    file: Path, format_: str, wanted: str, keep_policy: bool, keep_fast: bool, keep_undoable: bool, masks: Path | None, no_masks: bool,
    json_: bool, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Export decisions as training data.

    Writes FILE, which must not exist yet, and a manifest beside it.
    """
    opened = find_home(home).prepare()
    masker = Masker(read_masks(masks.read_text("utf-8", "replace"), str(masks))) if masks else None if no_masks else Masker()
    who = reviewer or read_settings(opened).reviewer
    bar: Any
    with interrupt_on_signals(), click.progressbar(length=1, label="exporting", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def progress(done: int, most: int) -> None:
            bar.length = most
            bar.update(done - bar.pos)

        rules = IncludedCases(keep_policy, keep_fast, keep_undoable)
        done = asyncio.run(_export(opened, file, format_, wanted, rules, masker, who, progress))
    click.echo(output.as_json(done.as_json()) if json_ else visible("\n".join(done.lines(file))))


async def _export(
    home: Home,
    path: Path,
    format_: str,
    wanted: str,
    rules: IncludedCases,
    masker: Masker | None,
    reviewer: str,
    progress: Callable[[int, int], None],
) -> ExportResult:
    """Write the decisions that match a filter into a new file. `progress` gets the reviews read so far, and the most there can be."""
    now = time.time()
    asked = filter_language.parse(wanted, now)
    async with Store.open(home.database) as store:
        people = TrustedPeople(store, PeopleFile(home.path)).current()
        by = identify(people, reviewer, login())
        reviewer_name(by.name)  # refuses a name that nobody may have

        async def record(done: ExportResult) -> None:  # before the files get their names: no data leaves without an audit entry
            async with store.transaction() as db:
                audit.note(db, time.time(), "exported", by, done.as_json())

        if refused := refusal(people, by.name, Role.EXPORT):
            async with store.transaction() as db:
                approvals.note_refusal(db, now, by, "export", refused)
            raise refused

        done = ExportResult(format_, wanted, str(audit.head(home.database)), now)
        [(most,)] = await store.all("SELECT count(*) FROM reviews WHERE decided_at IS NOT NULL")
        async with contextlib.aclosing(cases(store, asked)) as found:
            await writer.write(path, found, done, rules, masker, lambda seen: progress(seen, most), record)
    return done
