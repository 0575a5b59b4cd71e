"""`hitl-tui autonomy`: where each agent's tool stands on the ladder, with the evidence; and people's word on its level."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import Group
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, shared
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.autonomy import OFF
from hitl_tui.model import Level, LevelChange, Standing
from hitl_tui.sanitize import visible

LEVELS = {level.replace(" ", "-"): level for level in Level}


class Listing(Group):
    """Without a command of its own it lists."""

    otherwise = ("list",)


@click.group(cls=Listing)
def autonomy() -> None:
    """How far each agent's tool goes by itself: lists the levels with their evidence, and sets them."""


@autonomy.command("list")
@json_option
@shared
def list_(json_: bool, home: str | None, reviewer: str | None) -> None:
    """List where every tool stands that people decided calls of, what they decided, and what its next level needs."""

    async def work(inbox: Inbox) -> str:
        if inbox.autonomy.ladder is None:
            raise Refused(*OFF)
        found = await inbox.autonomy.standings()
        if json_:
            return output.as_json([_json(one) for one in found])
        accept = "\n\n`hitl-tui autonomy accept AGENT TOOL` takes what is proposed" if any(one.proposed for one in found) else ""
        return output.table(_cells(one) for one in found) + accept if found else "nobody has decided any call of a tool yet"

    tell(work, home, reviewer)


@autonomy.command("set")
@click.argument("agent")
@click.argument("tool")
@click.argument("level", type=click.Choice(list(LEVELS)))
@click.option("--why", metavar="TEXT", default="", help="Why it may go there, when the evidence does not support it.")
@shared
def set_(agent: str, tool: str, level: str, why: str, home: str | None, reviewer: str | None) -> None:
    """Put a tool of an agent on a level; lower is always possible."""

    async def work(inbox: Inbox) -> str:
        return _told(await inbox.autonomy.set(agent, tool, LEVELS[level], why))

    tell(work, home, reviewer)


@autonomy.command("accept")
@click.argument("agent")
@click.argument("tool")
@shared
def accept(agent: str, tool: str, home: str | None, reviewer: str | None) -> None:
    """Put a tool of an agent on the level that is proposed."""

    async def work(inbox: Inbox) -> str:
        return _told(await inbox.autonomy.accept(agent, tool))

    tell(work, home, reviewer)


def _told(made: LevelChange) -> str:
    return visible(f"{made.agent}'s {made.tool}: {made.was} → {made.level}" + (f" ({made.why})" if made.why else ""))


def _cells(one: Standing) -> tuple[str, ...]:
    proposed = f"→ {one.proposed} is proposed" if one.proposed else ""
    return (one.agent, one.tool, one.level, f"{one.evidence.unchanged} of {one.evidence.decisions} unchanged", one.says, proposed)


def _json(one: Standing) -> dict[str, Any]:
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
