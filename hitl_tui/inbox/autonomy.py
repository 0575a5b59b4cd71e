"""Autonomy levels of tools: current level, evidence and proposal of each tool, and setting a level."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Level, LevelChange, Levels, Role, ToolAutonomy, ToolLevel
from hitl_tui.oversight import autonomy as levels
from hitl_tui.policy.schema import AutonomyRules, Policy
from hitl_tui.store import Store
from hitl_tui.store import autonomy as rows

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

SHARED = "agents of several projects had this name: its level applies to none of them"
OFF = (
    "no tool can earn anything: the policy has no [autonomy]",
    "remove the # before [autonomy] in policy.toml; `hitl-tui policy init` writes one into the home",
)


class Autonomy:
    """Autonomy levels, as one reviewer sees and changes them."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    @property
    def rules(self) -> AutonomyRules | None:
        """What the policy requires of a tool before its next level; None if it has no autonomy levels."""
        policy = self._inbox.policy.status().policy
        return policy.autonomy if policy else None

    async def tools(self) -> list[ToolAutonomy]:
        """Every tool of which people decided calls, by agent and name; empty if the policy has no autonomy levels."""
        policy = self._inbox.policy.status().policy
        return await tools(self._store, policy) if policy else []

    async def set(self, agent: str, tool: str, level: Level, why: str = "") -> LevelChange:
        """Set a tool's level. A level higher than the evidence supports needs a `why`.

        Raises:
            Refused: the policy has no autonomy levels, nobody decided a call of the tool, it has the level already, or `why` is missing.
            Stale: its level was changed meanwhile.
        """
        await self._inbox.require(Role.AUTONOMY, "set a level")
        current = await self._tool(agent, tool)
        why = " ".join(why.split())
        _check(current, level, why)
        supported = level.rank > current.level.rank and not why
        said = current.says if supported else why
        made = await rows.set_level(
            self._store, agent, tool, current.level, level, self._inbox.reviewer, said, current.evidence, time.time()
        )
        if made is None:
            raise Stale(f"{agent}'s {tool} is no longer at {current.level}", "look at it again")
        self._inbox.ring()
        return made

    async def accept(self, agent: str, tool: str) -> LevelChange:
        """Set a tool to its proposed level.

        Raises:
            Refused: no level is proposed.
            Stale: its level was changed meanwhile.
        """
        current = await self._tool(agent, tool)
        if current.proposed is None:
            raise Refused(f"no other level of {agent}'s {tool} is proposed: {current.says}", "wait, or set one and say why")
        return await self.set(agent, tool, current.proposed)

    async def changes(self, agent: str, tool: str) -> list[LevelChange]:
        """Changes of a tool's level, newest first."""
        return await rows.changes(self._store, agent, tool)

    async def _tool(self, agent: str, tool: str) -> ToolAutonomy:
        if self.rules is None:
            raise Refused(*OFF)
        found = [one for one in await self.tools() if (one.agent, one.tool) == (agent, tool)]
        if not found:
            raise Refused(f"nobody has decided any call of a tool {tool!r} of {agent!r}", "`hitl-tui autonomy` lists those that were")
        return found[0]


def _check(current: ToolAutonomy, level: Level, why: str) -> None:
    name = f"{current.agent}'s {current.tool}"
    if level is current.level:
        raise Refused(f"{name} is at {level} already", "nothing was changed")
    supported = current.proposed.rank if current.proposed else current.level.rank
    if level.rank > supported and not why:
        raise Refused(f"{level} is more than {name} has earned ({current.says})", "say why it may go there all the same")


async def tools(store: Store, policy: Policy) -> list[ToolAutonomy]:
    """Every tool with its level under a policy; empty if the policy has no autonomy levels."""
    if policy.autonomy is None:
        return []
    made, shared = [], await rows.shared_names(store)
    for one in await rows.candidates(store, policy.autonomy, time.time()):
        bar = SHARED if one.facts.agent in shared else levels.why_barred(one.facts, policy)
        proposed, says = levels.proposal(one.current.level, one.evidence, policy.autonomy, bar)
        current = one.current
        made.append(
            ToolAutonomy(one.facts.agent, one.facts.tool, current.level, current.since, current.by, one.why, one.evidence, proposed, says)
        )
    return made


def as_proposed(found: Sequence[ToolAutonomy], now: float) -> Levels:
    """The levels if every proposal were accepted."""
    return {
        (one.agent, one.tool): ToolLevel(one.proposed, now, "proposal") if one.proposed else ToolLevel(one.level, one.since, one.by)
        for one in found
    }
