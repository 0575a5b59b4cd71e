"""`hitl-tui stats`: what the decisions say about agents, tools, reviewers and rules."""

from __future__ import annotations

import time

import click

from hitl_tui import durations
from hitl_tui.cli import output, stats_output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option
from hitl_tui.inbox import Inbox
from hitl_tui.store.statistics import Only


@command()
@click.option("--since", metavar="TIME", help="Of so long, like 7d, by whole days (UTC), beyond a month by weeks; else of all time.")
@click.option("--agent", metavar="GLOB", default="*", help="Only of these agents.")
@click.option("--tool", metavar="GLOB", default="*", help="Only of these tools.")
@click.option("--reviewer", metavar="NAME", default="*", help="Only what this person decided; may be a glob.")
@json_option
@click.option("--home", metavar="DIR", help="Databases, config and logs; else HITL_TUI_HOME, else the user's data folder.")
def stats(since: str | None, agent: str, tool: str, reviewer: str, json_: bool, home: str | None) -> None:
    """What the decisions say: rates and times, what is edited and why it is rejected, calibration, and how people read."""
    length = durations.seconds(since) if since else None
    began = 0.0 if length is None else max(0.0, time.time() - length)

    async def told(inbox: Inbox) -> str:
        found = await inbox.insights.read(began, Only(agent, tool, reviewer))
        if json_:
            return output.as_json(stats_output.as_json(found))
        return "\n".join(stats_output.lines(found, "ever" if length is None else f"in the last {durations.told(length)}"))

    tell(told, home, None)
