"""`hitl-tui prune`: deletes the threads of old runs."""

from __future__ import annotations

import time

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import with_inbox
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.errors import Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Role


@command("hitl-tui prune --older-than 30d --dry-run")
@click.option("--older-than", metavar="TIME", required=True, help="Age of a thread's newest run, since it ended; like 30d, 12h or 2w.")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
@json_option
@common_options
def prune(older_than: str, dry_run: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Delete the threads of old runs.

    Deletes checkpoints, traces, contexts, logs, work folders, and runs that never opened a review. Reviews and decisions are kept: they
    are the record of who allowed what. A pruned run cannot be retried. Console and workers may keep running. The database files do not
    shrink; their free space is reused.
    """
    from hitl_tui.agents.prune import prune_threads  # imports LangGraph, which `--help` must not

    if older_than.strip()[-1:].isdigit():
        raise Refused(f"{older_than!r} has no unit", "write it like 30d, 12h or 2w")
    before = time.time() - parse_duration(older_than)

    async def work(inbox: Inbox, opened: Home) -> None:
        if not dry_run:
            await inbox.require(Role.PRUNE, "prune")
        freed = await prune_threads(inbox.store, opened, before, dry_run, inbox.reviewer)
        click.echo(output.as_json({**freed.as_dict(), "dry_run": dry_run}) if json_ else freed.sentence(dry_run))

    with_inbox(work, home, reviewer)
