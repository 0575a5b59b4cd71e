"""Changes of autonomy levels within a transaction: by a person, or automatically when a person finds an automatic call wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui.model import Actor, ActorKind, Level
from hitl_tui.store import audit
from hitl_tui.store.connection import Transaction

ORDER = tuple(Level)
"""From asking always to acting alone."""
AUTOMATIC = Actor("autonomy", ActorKind.SYSTEM)
"""The actor of a change that no person made."""
INSERT = """
INSERT INTO autonomy (agent, tool, was, level, actor, actor_kind, at, why, evidence, decision, feedback)
VALUES (:agent, :tool, :was, :level, :actor, :actor_kind, :at, :why, :evidence, :decision, :feedback)
"""
DECIDED_CALL = """
SELECT d.agent, d.tool, d.review, d.slot, d.kind, d.actor, d.actor_kind, d.at, a.spot_check AND a.grant_id IS NULL,
    EXISTS (SELECT 1 FROM attention_checks t WHERE t.review = d.review)
FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.id = ?
"""
LOWERED_BEFORE = """
SELECT 1 FROM decisions o JOIN autonomy f ON f.decision = o.id
WHERE o.review = :review AND o.slot = :slot GROUP BY o.id HAVING o.id = :decision OR (count(*) = 1 AND o.undone_at IS NULL)
"""
"""Whether an earlier decision on the same call lowered the level already: the call was sent, was asked again and is refused again."""
LOWERED_BY = """
SELECT agent, tool FROM autonomy f WHERE f.decision = :decision AND NOT EXISTS
    (SELECT 1 FROM autonomy p WHERE p.agent = f.agent AND p.tool = f.tool AND p.id > f.id AND p.decision IS NULL)
"""
"""The tool whose level a decision lowered, unless a person has set the level since."""
LAST_DECISION = "last_decision"
"""Key in the evidence of a change: the number of the last decision before it. Only what comes later counts at the new level."""
DID = {"edit": "edited", "reject": "rejected", "respond": "answered in place of"}


@dataclass(frozen=True, slots=True)
class NewLevel:
    """A change of level to be stored."""

    agent: str
    tool: str
    was: Level
    level: Level
    by: Actor
    at: float
    why: str
    evidence: str = "{}"
    """JSON."""
    decision: int | None = None
    """The decision that caused it."""
    feedback: int | None = None
    """The rating that caused it."""


@dataclass(frozen=True, slots=True)
class _DecidedCall:
    agent: str
    tool: str
    review: int
    slot: int
    kind: str
    actor: str
    actor_kind: str
    at: float
    is_spot_check: bool
    is_attention_check: bool


def level_of(db: Transaction, agent: str, tool: str) -> Level:
    """The level of an agent's tool."""
    found = db.row("SELECT level FROM levels WHERE agent = :agent AND tool = :tool", {"agent": agent, "tool": tool})
    return Level(found[0]) if found else Level.ASK


def change(db: Transaction, new: NewLevel) -> int:
    """Store a change of level with its audit entry. Returns its number."""
    (last,) = db.row("SELECT coalesce(max(id), 0) FROM decisions", {})
    new = replace(new, evidence=json.dumps({**json.loads(new.evidence), LAST_DECISION: last}))
    body: dict[str, Any] = {name: getattr(new, name) for name in NewLevel.__slots__ if name not in ("by", "at")}
    number = int(db.execute(INSERT, {**body, "actor": new.by.name, "actor_kind": new.by.kind, "at": new.at}).lastrowid or 0)
    audit.note(db, new.at, "autonomy", new.by, {**body, "evidence": json.loads(new.evidence)})
    return number


def lower_for_decision(db: Transaction, decision: int) -> None:
    """Lower the tool's level when a person did not approve a spot check."""
    call = _decided_call(db, decision)
    if call.kind in DID and call.is_spot_check and not call.is_attention_check:
        _lower(db, decision, call, call.at, f"{call.actor} {DID[call.kind]} a spot check, review {call.review}")


def lower_for_feedback(db: Transaction, decision: int, feedback: int, actor: str, at: float) -> None:
    """Lower the tool's level when a person rates a call down that policy approved, or a spot check that somebody approved."""
    call = _decided_call(db, decision)
    if call.kind == "approve" and (call.actor_kind == "policy" or call.is_spot_check):
        what = "a spot check" if call.is_spot_check else "what went on by itself"
        _lower(db, decision, call, at, f"{actor} gave thumbs down to {what}, review {call.review}", feedback)


def _decided_call(db: Transaction, decision: int) -> _DecidedCall:
    return _DecidedCall(*db.row(DECIDED_CALL, (decision,)))


def _lower(db: Transaction, decision: int, call: _DecidedCall, at: float, why: str, feedback: int | None = None) -> None:
    level = level_of(db, call.agent, call.tool)
    if level is Level.ASK or db.row(LOWERED_BEFORE, {"review": call.review, "slot": call.slot, "decision": decision}):
        return
    lower = ORDER[ORDER.index(level) - 1]
    change(db, NewLevel(call.agent, call.tool, level, lower, AUTOMATIC, at, why, decision=decision, feedback=feedback))


def restore(db: Transaction, decision: int, at: float) -> None:
    """Raise the level again that a decision lowered, because it was undone or replaced before it was sent."""
    for agent, tool in db.rows(LOWERED_BY, {"decision": decision}):
        level = level_of(db, agent, tool)
        higher = ORDER[min(ORDER.index(level) + 1, len(ORDER) - 1)]
        change(db, NewLevel(agent, tool, level, higher, AUTOMATIC, at, "the decision was taken back", decision=decision))
