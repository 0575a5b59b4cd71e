"""`hitl-tui stats`: figures of the decisions, by agent, tool, reviewer and rule."""

from __future__ import annotations

import time

import click

from hitl_tui.cli import output, stats_output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import completes, home_option, json_option
from hitl_tui.formatting import long_duration, parse_duration
from hitl_tui.inbox import Inbox
from hitl_tui.store.statistics import StatisticsFilter


@command("hitl-tui stats", "hitl-tui stats --since 7d --agent 'mail*'")
@click.option("--since", metavar="TIME", help="Only this long back, like 7d, in whole days (UTC); default: all.")
@click.option("--agent", metavar="GLOB", default="*", shell_complete=completes("agents"), help="Only these agents.")
@click.option("--tool", metavar="GLOB", default="*", shell_complete=completes("tools"), help="Only these tools.")
@click.option("--reviewer", metavar="NAME", default="*", help="Only decisions of this reviewer; may be a glob.")
@json_option
@home_option
def stats(since: str | None, agent: str, tool: str, reviewer: str, json_: bool, home: str | None) -> None:
    """Show approval rates, times, calibration and reviewers.

    Also what people edit, why they reject, and who decides faster than anyone can read. Ranges of more than a month are in whole weeks.
    """
    length = parse_duration(since) if since else None
    began = 0.0 if length is None else max(0.0, time.time() - length)

    async def work(inbox: Inbox) -> str:
        found = await inbox.insights.read(began, StatisticsFilter(agent, tool, reviewer))
        if json_:
            return output.as_json(stats_output.as_json(found))
        return "\n".join(stats_output.lines(found, "in total" if length is None else f"in the last {long_duration(length)}"))

    print_from_inbox(work, home, None)
