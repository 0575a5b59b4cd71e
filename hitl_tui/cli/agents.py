"""`hitl-tui agents`: which agents there are."""

from __future__ import annotations

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import with_inbox
from hitl_tui.cli.options import json_option, shared, targets_argument
from hitl_tui.cli.targets import describe, parsed
from hitl_tui.errors import BadTarget
from hitl_tui.inbox import Inbox
from hitl_tui.settings import Home


@command()
@targets_argument
@json_option
@shared
def agents(targets: tuple[str, ...], json_: bool, home: str | None, reviewer: str | None) -> None:
    """List agents; TARGETs are loaded first, so that what they hold is known here."""

    async def work(inbox: Inbox, place: Home) -> None:
        wanted = parsed(targets) if targets or not await inbox.agents() else []
        problems = [f"{target} cannot be loaded: {problem}" for target in wanted if (problem := describe(place, target))]
        found = await inbox.agents()
        if json_:
            click.echo(output.as_json([output.agent_json(agent) for agent in found]))
        else:
            click.echo(output.table((a.name, a.label, f"broken: {a.error}" if a.error else a.description) for a in found))
        if problems:
            raise BadTarget("; ".join(problems))

    with_inbox(work, home, reviewer)
