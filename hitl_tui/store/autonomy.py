"""Autonomy levels of agents' tools, their changes, and the evidence: what people decided about their last calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, ActorKind, Evidence, Facts, Level, LevelChange, PauseKind, Risk, ToolLevel
from hitl_tui.oversight.autonomy import WeighedDecision, evidence
from hitl_tui.policy.schema import AutonomyRules
from hitl_tui.store.connection import Store
from hitl_tui.store.history import catch_up, judgements
from hitl_tui.store.levels import LAST_DECISION, NewLevel, change, level_of

CHANGES = """
SELECT id, agent, tool, was, level, actor, at, why, actor_kind FROM autonomy WHERE agent = :agent AND tool = :tool ORDER BY id DESC
"""
LEVEL = "agent, tool, level, at, actor"
TOOLS = "SELECT agent, tool FROM cells WHERE scope = 'tool' UNION SELECT agent, tool FROM autonomy ORDER BY agent, tool"
CALLS = f"IN ({', '.join(repr(kind.value) for kind in PauseKind if kind.is_tool_call)})"
"""Condition on a review's kind: it asks about tool calls, and is not a question that only has a tool's name."""
DECIDED = f"""
SELECT decision, at, actor_key,
    kind = 'approve' AND NOT EXISTS (
        SELECT 1 FROM feedback f WHERE f.decision = h.decision AND f.rating < 0 AND f.withdrawn_at IS NULL
    ),
    confidence, spot_check
FROM (
    SELECT * FROM history
    WHERE agent = :agent AND tool = :tool AND in_force AND actor_kind = 'person' AND decision < :before
        AND (SELECT kind FROM reviews WHERE id = review) {CALLS}
    ORDER BY decision DESC LIMIT :limit
) h
ORDER BY decision DESC
"""
"""People's decisions on the last calls of a tool; the terms are those of the index `history_people`."""
LAST = f"""
SELECT v.kind, coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END)
FROM history h
JOIN reviews v ON v.id = h.review
JOIN actions a ON a.review = h.review AND a.slot = h.slot
WHERE h.agent = :agent AND h.tool = :tool AND v.kind {CALLS} ORDER BY h.decision DESC LIMIT 1
"""
CAME_AFTER = f"""
SELECT coalesce(json_extract(evidence, '$.{LAST_DECISION}'), (SELECT max(id) FROM decisions WHERE at <= a.at), 0) FROM autonomy a
WHERE agent = :agent AND tool = :tool AND (SELECT count(*) FROM autonomy b WHERE b.decision = a.decision) < 2
ORDER BY id DESC LIMIT 1
"""
"""The last decision before a tool came to its level; before this version only times were stored.

Lowering that was taken back does not count, nor does taking it back.
"""
SHARED = """
SELECT 1 FROM agent_names n WHERE n.graph = levels.agent AND NOT EXISTS (SELECT 1 FROM agent_names o WHERE o.name = levels.agent)
"""
"""Condition on a level: it is of a name that agents of several projects had, before each had one of its own. It applies to none of them."""
OF_AGENT = f"""
SELECT {LEVEL} FROM levels WHERE agent = :agent AND NOT EXISTS ({SHARED})
"""
CHECKS = """
SELECT count(*), coalesce(sum(caught), 0) FROM attention_checks
WHERE caught IS NOT NULL AND found_at >= :since AND actor_key IN (SELECT value FROM json_each(:people))
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent's tool that has a level, or could get one."""

    facts: Facts
    """Those of its last call, without arguments."""
    current: ToolLevel
    why: str
    """Why it is at its level; empty if it never changed."""
    evidence: Evidence


def levels(store: Store, agent: str) -> dict[tuple[str, str], ToolLevel]:
    """The levels of an agent's tools, by agent and tool. Reads at once."""
    return dict(map(_tool_level, store.read_now(OF_AGENT, {"agent": agent})))


async def shared_names(store: Store) -> set[str]:
    """Names that agents of several projects had before each had one of its own."""
    return {str(name) for (name,) in await store.all(f"SELECT DISTINCT agent FROM levels WHERE EXISTS ({SHARED})")}


async def every_level(store: Store) -> dict[tuple[str, str], ToolLevel]:
    """The levels of all agents' tools, by agent and tool."""
    return dict(map(_tool_level, await store.all(f"SELECT {LEVEL} FROM levels")))


def _tool_level(row: Any) -> tuple[tuple[str, str], ToolLevel]:
    agent, tool, level, at, actor = row
    return (agent, tool), ToolLevel(Level(level), at, actor)


async def candidates(store: Store, rules: AutonomyRules, now: float) -> list[Candidate]:
    """Every tool of which a call was decided, with the evidence, by agent and tool. The cost depends on the window, not on the history."""
    await catch_up(store)
    current = await every_level(store)
    why = {(agent, tool): str(text) for agent, tool, text in await store.all("SELECT agent, tool, why FROM levels")}
    found = []
    for agent, tool in await store.all(TOOLS):
        if (facts := await _last_call(store, agent, tool)) or (agent, tool) in current:
            facts = facts or Facts(agent, tool, kind=PauseKind.TOOL_CALLS)
            seen = await _evidence(store, agent, tool, rules, now)
            found.append(Candidate(facts, current.get((agent, tool), ToolLevel()), why.get((agent, tool), ""), seen))
    return found


async def _last_call(store: Store, agent: str, tool: str) -> Facts | None:
    """The facts of the last decided call; None if there is none."""
    row = await store.one(LAST, {"agent": agent, "tool": tool})
    if row is None:
        return None
    kind, risk = row
    return Facts(agent, tool, kind=PauseKind(kind), risk=Risk(risk) if risk in list(Risk) else None)


async def _evidence(store: Store, agent: str, tool: str, rules: AutonomyRules, now: float) -> Evidence:
    tool_of = {"agent": agent, "tool": tool}
    made = [one for one in await judgements(store, DECIDED, tool_of, rules.window) if one[0][1] >= now - rules.window_s]
    came_after = next((int(number) for (number,) in await store.all(CAME_AFTER, tool_of)), None)
    decided = [_weighed(one) for one in made]
    people = {key for ((_, _, key, *_), *_) in made}
    return evidence(decided, came_after, await _attention(store, people, decided[-1].at) if decided else (0, 0))


def _weighed(rows: Sequence[Any]) -> WeighedDecision:
    """One judgement on calls of a tool: unchanged only if all of them are, with the mean of the confidences that they state."""
    stated = [confidence for *_, confidence, _ in rows if confidence is not None]
    number, at = rows[0][:2]
    is_unchanged, is_spot_check = all(row[3] for row in rows), any(row[5] for row in rows)
    return WeighedDecision(at, is_unchanged, fmean(stated) if stated else None, is_spot_check, number)


async def _attention(store: Store, people: set[str], since: float) -> tuple[int, int]:
    """How many attention checks these people were shown since that Unix time, and how many they caught."""
    shown, caught = await store.one(CHECKS, {"since": since, "people": json.dumps(list(people))})
    return int(shown), int(caught)


async def changes(store: Store, agent: str, tool: str) -> list[LevelChange]:
    """Changes of a tool's level, newest first."""
    return [_change(row) for row in await store.all(CHANGES, {"agent": agent, "tool": tool})]


async def set_level(
    store: Store, agent: str, tool: str, was: Level, level: Level, actor: str, why: str, found: Evidence, now: float
) -> LevelChange | None:
    """Change a tool's level, and store the evidence with it. None if it is no longer at level `was`."""
    body = canonical_json.dumps(asdict(found))
    async with store.transaction() as db:
        if level_of(db, agent, tool) is not was:
            return None
        number = change(db, NewLevel(agent, tool, was, level, Actor(actor), now, canonical_json.storable(why), body))
    return LevelChange(number, agent, tool, was, level, actor, now, canonical_json.storable(why))


def _change(row: Any) -> LevelChange:
    id_, agent, tool, was, level, actor, at, why, actor_kind = row
    return LevelChange(id_, agent, tool, Level(was), Level(level), actor, at, why, ActorKind(actor_kind))
