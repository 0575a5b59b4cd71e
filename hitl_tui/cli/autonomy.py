"""`hitl-tui autonomy`: lists the autonomy level of each tool with its evidence, and sets it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import ListByDefault, example
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, completes, json_option
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.autonomy import OFF
from hitl_tui.model import Level, LevelChange, ToolAutonomy
from hitl_tui.sanitize import visible

LEVELS = {level.replace(" ", "-"): level for level in Level}


@click.group(cls=ListByDefault, epilog=example("hitl-tui autonomy", "hitl-tui autonomy accept mail_assistant archive_mail"))
def autonomy() -> None:
    """List and set the autonomy level of each tool.

    Without a command it lists. Levels need [autonomy] in policy.toml.
    """


@autonomy.command("list", epilog=example("hitl-tui autonomy list --json"))
@json_option
@common_options
def list_(json_: bool, home: str | None, reviewer: str | None) -> None:
    """List the level of each tool with its evidence."""

    async def work(inbox: Inbox) -> str:
        if inbox.autonomy.rules is None:
            raise Refused(*OFF)
        found = await inbox.autonomy.tools()
        if json_:
            return output.as_json([_json(one) for one in found])
        accept = "\n\naccept a proposal: hitl-tui autonomy accept AGENT TOOL" if any(one.proposed for one in found) else ""
        return output.table(_cells(one) for one in found) + accept if found else "no data yet: nobody has decided a tool call"

    print_from_inbox(work, home, reviewer)


@autonomy.command("set", epilog=example("hitl-tui autonomy set mail_assistant archive_mail ask"))
@click.argument("agent", shell_complete=completes("agents"))
@click.argument("tool", shell_complete=completes("tools"))
@click.argument("level", type=click.Choice(list(LEVELS)))
@click.option("--why", metavar="TEXT", default="", help="Reason; required if the evidence does not support the level.")
@common_options
def set_(agent: str, tool: str, level: str, why: str, home: str | None, reviewer: str | None) -> None:
    """Set the level of an agent's tool. A lower level needs no evidence."""

    async def work(inbox: Inbox) -> str:
        return _change_text(await inbox.autonomy.set(agent, tool, LEVELS[level], why))

    print_from_inbox(work, home, reviewer)


@autonomy.command("accept", epilog=example("hitl-tui autonomy accept mail_assistant archive_mail"))
@click.argument("agent", shell_complete=completes("agents"))
@click.argument("tool", shell_complete=completes("tools"))
@common_options
def accept(agent: str, tool: str, home: str | None, reviewer: str | None) -> None:
    """Accept the proposed level of an agent's tool."""

    async def work(inbox: Inbox) -> str:
        return _change_text(await inbox.autonomy.accept(agent, tool))

    print_from_inbox(work, home, reviewer)


def _change_text(made: LevelChange) -> str:
    return visible(f"{made.agent}'s {made.tool}: {made.was} → {made.level}" + (f" ({made.why})" if made.why else ""))


def _cells(one: ToolAutonomy) -> tuple[str, ...]:
    proposed = f"proposed: {one.proposed}" if one.proposed else ""
    return (one.agent, one.tool, one.level, f"{one.evidence.unchanged} of {one.evidence.decisions} unchanged", one.says, proposed)


def _json(one: ToolAutonomy) -> dict[str, Any]:
    return {
        "agent": one.agent,
        "tool": one.tool,
        "level": one.level,
        "since": one.since,
        "by": one.by or None,
        "why": one.why or None,
        "evidence": asdict(one.evidence),
        "proposed": one.proposed,
        "says": one.says,
    }
