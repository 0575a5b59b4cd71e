"""How far each agent's tool goes by itself: where it stands, what the evidence says, and people's word on the next step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Held, Level, LevelChange, Levels, Standing
from hitl_tui.oversight import autonomy as ladder
from hitl_tui.policy.schema import Ladder, Policy
from hitl_tui.store import Store
from hitl_tui.store import autonomy as rows

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

SHARED = "several projects have an agent of this name: none of their levels counts"
OFF = (
    "no tool can earn anything: the policy has no [autonomy]",
    "add that table to policy.toml; `hitl-tui policy init` writes one into the home",
)


class Autonomy:
    """The ladder, as one reviewer sees and changes it."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    @property
    def ladder(self) -> Ladder | None:
        """What the policy wants of a tool before its next level; None where there is no ladder."""
        policy = self._inbox.policy.status().policy
        return policy.ladder if policy else None

    async def standings(self) -> list[Standing]:
        """Where every tool stands that people decided calls of, by agent and tool; none where there is no ladder."""
        policy = self._inbox.policy.status().policy
        return await standings(self._store, policy) if policy else []

    async def set(self, agent: str, tool: str, level: Level, why: str = "") -> LevelChange:
        """Put a tool on a level. Higher than the evidence supports needs a `why`; lower never does.

        Raises:
            Refused: there is no ladder, nobody decided any call of the tool, it is there already, or a `why` is missing.
            Stale: its level was changed meanwhile.
        """
        standing = await self._standing(agent, tool)
        why = " ".join(why.split())
        _check(standing, level, why)
        supported = level.rank > standing.level.rank and not why
        said = standing.says if supported else why
        made = await rows.put(self._store, agent, tool, standing.level, level, self._inbox.reviewer, said, standing.evidence, time.time())
        if made is None:
            raise Stale(f"{agent}'s {tool} is no longer at {standing.level}", "look at it again")
        self._inbox.ring()
        return made

    async def accept(self, agent: str, tool: str) -> LevelChange:
        """Put a tool on the level that is proposed.

        Raises:
            Refused: none is.
            Stale: its level was changed meanwhile.
        """
        standing = await self._standing(agent, tool)
        if standing.proposed is None:
            raise Refused(f"no other level of {agent}'s {tool} is proposed: {standing.says}", "wait, or set one and say why")
        return await self.set(agent, tool, standing.proposed)

    async def changes(self, agent: str, tool: str) -> list[LevelChange]:
        """How a tool came to its level, newest first."""
        return await rows.changes(self._store, agent, tool)

    async def _standing(self, agent: str, tool: str) -> Standing:
        if self.ladder is None:
            raise Refused(*OFF)
        found = [one for one in await self.standings() if (one.agent, one.tool) == (agent, tool)]
        if not found:
            raise Refused(f"nobody has decided any call of a tool {tool!r} of {agent!r}", "`hitl-tui autonomy` lists those that were")
        return found[0]


def _check(standing: Standing, level: Level, why: str) -> None:
    name = f"{standing.agent}'s {standing.tool}"
    if level is standing.level:
        raise Refused(f"{name} is at {level} already", "nothing was changed")
    supported = standing.proposed.rank if standing.proposed else standing.level.rank
    if level.rank > supported and not why:
        raise Refused(f"{level} is more than {name} has earned ({standing.says})", "say why it may go there all the same")


async def standings(store: Store, policy: Policy) -> list[Standing]:
    """Where every tool stands by a policy; none where it has no ladder."""
    if policy.ladder is None:
        return []
    made, shared = [], await rows.shared_names(store)
    for one in await rows.climbers(store, policy.ladder, time.time()):
        bar = SHARED if one.facts.agent in shared else ladder.why_barred(one.facts, policy)
        proposed, says = ladder.proposal(one.held.level, one.evidence, policy.ladder, bar)
        held = one.held
        made.append(Standing(one.facts.agent, one.facts.tool, held.level, held.since, held.by, one.why, one.evidence, proposed, says))
    return made


def as_proposed(found: Sequence[Standing], now: float) -> Levels:
    """The levels as they were if every proposal was accepted."""
    return {
        (one.agent, one.tool): Held(one.proposed, now, "proposal") if one.proposed else Held(one.level, one.since, one.by) for one in found
    }
