"""Levels that agents' tools are at, how they came there, and what people decided of their last calls."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, ActorKind, Evidence, Facts, Level, LevelChange, PauseKind, Risk, ToolLevel
from hitl_tui.oversight.autonomy import WeighedDecision, evidence
from hitl_tui.policy.schema import AutonomyRules
from hitl_tui.store.connection import Store
from hitl_tui.store.history import catch_up
from hitl_tui.store.levels import Change, change, level_of

CHANGES = "id, agent, tool, was, level, actor, at, why, actor_kind"
LEVEL = "agent, tool, level, at, actor"
NAMES = "SELECT agent, tool FROM cells WHERE scope = 'tool' UNION SELECT agent, tool FROM autonomy ORDER BY agent, tool"
CALLS = f"IN ({', '.join(repr(kind.value) for kind in PauseKind if kind.is_tool_call)})"
"""Of a review's kind: it asks for calls of a tool, and is no question that only bears the tool's name."""
DECIDED = (  # the terms are those of the index history_people
    "SELECT at, kind = 'approve' AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.decision = h.decision AND f.rating < 0 "
    "AND f.withdrawn_at IS NULL), confidence, spot_check, actor_key FROM (SELECT * FROM history WHERE agent = ? AND tool = ? AND in_force "
    "AND actor_kind = 'person' AND (SELECT kind FROM reviews WHERE id = review) "
    f"{CALLS} ORDER BY decision DESC LIMIT ?) h WHERE at >= ? ORDER BY decision DESC"
)
LAST = (
    "SELECT v.kind, coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END) FROM history h "
    "JOIN reviews v ON v.id = h.review JOIN actions a ON a.review = h.review AND a.slot = h.slot "
    f"WHERE h.agent = ? AND h.tool = ? AND v.kind {CALLS} ORDER BY h.decision DESC LIMIT 1"
)
CAME_AT = (  # a fall that was taken back, and its being taken back, are no change
    "SELECT max(at) FROM autonomy a WHERE agent = ? AND tool = ? AND (SELECT count(*) FROM autonomy b WHERE b.decision = a.decision) < 2"
)


ONE_AGENT = "(SELECT count(*) FROM agents WHERE name = ?1) < 2"
"""Levels go by an agent's name: while several projects have one of that name, no level counts for any of them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent's tool that has a level, or may get one."""

    facts: Facts
    """Of its last call, without arguments."""
    current: ToolLevel
    why: str
    """Why it is at its level; empty from the start."""
    evidence: Evidence


def levels(store: Store, agent: str) -> dict[tuple[str, str], ToolLevel]:
    """What the tools of an agent have earned, at once."""
    return dict(map(_tool_level, store.read_now(f"SELECT {LEVEL} FROM levels WHERE agent = ?1 AND {ONE_AGENT}", (agent,))))


async def shared_names(store: Store) -> set[str]:
    """Names of agents that several projects have."""
    return {str(name) for (name,) in await store.all("SELECT name FROM agents GROUP BY name HAVING count(*) > 1")}


async def every_level(store: Store) -> dict[tuple[str, str], ToolLevel]:
    """The same of all agents."""
    return dict(map(_tool_level, await store.all(f"SELECT {LEVEL} FROM levels")))


def _tool_level(row: Any) -> tuple[tuple[str, str], ToolLevel]:
    agent, tool, level, at, actor, *_ = row
    return (agent, tool), ToolLevel(Level(level), at, actor)


async def candidates(store: Store, rules: AutonomyRules, now: float) -> list[Candidate]:
    """Every tool that anybody decided a call of, by agent and tool, with the evidence; cost follows the window, not the history."""
    await catch_up(store)
    rows = await store.all(f"SELECT {LEVEL}, why FROM levels")
    current, why = dict(map(_tool_level, rows)), {(row[0], row[1]): str(row[-1]) for row in rows}
    found = []
    for agent, tool in await store.all(NAMES):
        if (facts := await _last_call(store, agent, tool)) or (agent, tool) in current:
            facts = facts or Facts(agent, tool, kind=PauseKind.TOOL_CALLS)
            seen = await _evidence(store, agent, tool, rules, now)
            found.append(Candidate(facts, current.get((agent, tool), ToolLevel()), why.get((agent, tool), ""), seen))
    return found


async def _last_call(store: Store, agent: str, tool: str) -> Facts | None:
    """What the last call that was decided asked for; None where nothing of that name was ever a call."""
    row = await store.one(LAST, (agent, tool))
    return Facts(agent, tool, kind=PauseKind(row[0]), risk=Risk(row[1]) if row[1] in list(Risk) else None) if row else None


async def _evidence(store: Store, agent: str, tool: str, rules: AutonomyRules, now: float) -> Evidence:
    rows = await store.all(DECIDED, (agent, tool, rules.window, now - rules.window_s))
    (came_at,) = await store.one(CAME_AT, (agent, tool))
    decided = [WeighedDecision(at, bool(unchanged), confidence, bool(spot_check)) for at, unchanged, confidence, spot_check, _ in rows]
    return evidence(decided, came_at, await _attention(store, {row[4] for row in rows}, rows[-1][0]) if rows else (0, 0))


async def _attention(store: Store, people: set[str], since: float) -> tuple[int, int]:
    """How many attention checks these people were shown since that Unix time, and how many they caught."""
    who = json.dumps(list(people))
    asked = "SELECT count(*), coalesce(sum(caught), 0) FROM attention_checks WHERE caught IS NOT NULL AND found_at >= ? "
    shown, caught = await store.one(f"{asked} AND actor_key IN (SELECT value FROM json_each(?))", (since, who))
    return int(shown), int(caught)


async def changes(store: Store, agent: str, tool: str) -> list[LevelChange]:
    """How a tool came to its level, newest first."""
    found = await store.all(f"SELECT {CHANGES} FROM autonomy WHERE agent = ? AND tool = ? ORDER BY id DESC", (agent, tool))
    return [_change(row) for row in found]


async def put(
    store: Store, agent: str, tool: str, was: Level, level: Level, actor: str, why: str, found: Evidence, now: float
) -> LevelChange | None:
    """Put a tool on a level, with the evidence as it was; None when it is no longer where it was."""
    body = canonical_json.dumps(asdict(found))
    async with store.transaction() as db:
        if level_of(db, agent, tool) is not was:
            return None
        number = change(db, Change(agent, tool, was, level, Actor(actor), now, canonical_json.storable(why), body))
    return LevelChange(number, agent, tool, was, level, actor, now, canonical_json.storable(why))


def _change(row: Any) -> LevelChange:
    id_, agent, tool, was, level, actor, at, why, actor_kind = row
    return LevelChange(id_, agent, tool, Level(was), Level(level), actor, at, why, ActorKind(actor_kind))
