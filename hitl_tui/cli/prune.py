"""`hitl-tui prune`: forgets old threads."""

from __future__ import annotations

import time

import click

from hitl_tui import durations
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import with_inbox
from hitl_tui.cli.options import json_option, shared
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.settings import Home


@command()
@click.option("--older-than", metavar="TIME", required=True, help="How long every run of a thread must be over, like 30d, 12h or 2w.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@json_option
@shared
def prune(older_than: str, dry_run: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Delete old threads whole: their checkpoints, traces, contexts, logs and work folders, and runs that never asked anybody.

    Reviews, what was asked and what was decided are kept: they are the history of who allowed what. A run that is pruned cannot be
    retried. Console and workers may go on meanwhile. The databases do not shrink; the room in them is used again.
    """
    from hitl_tui.agents.prune import prune_threads  # LangGraph, which `--help` does without

    if older_than.strip()[-1:].isdigit():
        raise Refused(f"{older_than!r} has no unit", "write it like 30d, 12h or 2w")
    before = time.time() - durations.seconds(older_than)

    async def work(inbox: Inbox, place: Home) -> None:
        freed = await prune_threads(inbox.store, place, before, dry_run, inbox.reviewer)
        click.echo(output.as_json({**freed.as_dict(), "dry_run": dry_run}) if json_ else freed.sentence(dry_run))

    with_inbox(work, home, reviewer)
