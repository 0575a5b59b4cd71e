"""What was asked and decided before, read in order of reviews, a batch at a time: however much there is, little of it is in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any

from hitl_tui.model import DecisionKind, Outcome, Past, PauseKind, Recalled, Remembered
from hitl_tui.store.answers import answer_of
from hitl_tui.store.connection import Store

BATCH = 500
LAST = 20
ACTION = (
    "SELECT d.review, d.slot, v.agent, a.name, a.args, v.kind, a.allowed, "
    "coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END), coalesce(a.confidence, v.confidence), v.note, "
    "d.kind, d.actor, v.opened_at, d.at, a.outcome "
    "FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot "
    "WHERE NOT d.superseded AND d.review NOT IN (SELECT review FROM attention) AND "
)
PAST = f"{ACTION}(d.review, d.slot) > (?, ?) AND d.at >= ? ORDER BY d.review, d.slot LIMIT ?"
SIMILAR = f"{ACTION}d.agent = ? AND d.tool = ? AND d.review != ? ORDER BY d.id DESC LIMIT {LAST}"


async def decided_since(store: Store, since: float) -> AsyncGenerator[list[Past], None]:
    """Every action decided since that Unix time, with what was decided last of it; in batches, by review and slot."""
    review, slot = 0, -1
    while rows := await store.all(PAST, (review, slot, since, BATCH)):
        batch = [_past(row) for row in rows]
        yield batch
        review, slot = batch[-1].review, batch[-1].slot


async def similar(store: Store, review: int, agent: str, tools: Collection[str]) -> list[Past]:
    """The last actions of these tools of the agent that were decided, but for those of one review; newest first."""
    found = [_past(row) for tool in tools for row in await store.all(SIMILAR, (agent, tool, review))]
    return sorted(found, key=lambda past: past.decided_at, reverse=True)[:LAST]


async def recalled(store: Store, rows: Sequence[Remembered]) -> list[Recalled]:
    """These decisions with what was proposed and said, in the same order."""
    found = await store.all(
        "SELECT d.id, a.args, d.kind, d.args, d.message, (SELECT min(first_at) FROM looks l WHERE l.review = d.review) "
        "FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.id IN (SELECT value FROM json_each(?))",
        (json.dumps([row.decision for row in rows]),),
    )
    said = {number: (json.loads(proposed), answer_of(kind, args, message), seen) for number, proposed, kind, args, message, seen in found}
    return [Recalled(row, *said[row.decision]) for row in rows]


def _past(row: Any) -> Past:
    review, slot, agent, tool, args, kind, allowed, risk, confidence, note, decision, actor, opened_at, at, outcome = row
    return Past(
        review, slot, agent, tool, json.loads(args), PauseKind(kind), tuple(map(DecisionKind, json.loads(allowed))), risk, confidence, note,
        DecisionKind(decision), actor, opened_at, at, outcome and Outcome(outcome),
    )  # fmt: skip
