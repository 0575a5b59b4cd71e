"""`hitl-tui agents`: lists agents."""

from __future__ import annotations

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets, load_target, with_inbox
from hitl_tui.cli.options import common_options, json_option, targets_argument
from hitl_tui.errors import BadTarget
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox


@command("hitl-tui agents", "hitl-tui agents ./my_project")
@targets_argument
@json_option
@common_options
def agents(targets: tuple[str, ...], json_: bool, home: str | None, reviewer: str | None) -> None:
    """List the agents that can be launched.

    The agents of the TARGETs are loaded first.
    """

    async def work(inbox: Inbox, opened: Home) -> None:
        wanted = checked_targets(targets) if targets or not await inbox.agents.all() else []
        problems = [f"{target} cannot be loaded: {problem}" for target in wanted if (problem := load_target(opened, target))]
        found = await inbox.agents.all()
        if json_:
            click.echo(output.as_json([output.agent_json(agent) for agent in found]))
        else:
            click.echo(output.table((a.name, a.label, f"broken: {a.error}" if a.error else a.description) for a in found))
        if problems:
            raise BadTarget("; ".join(problems))

    with_inbox(work, home, reviewer)
