"""Deadlines: what is not decided in time goes to somebody else or is rejected, never approved."""

from __future__ import annotations

from typing import Any

from hitl_tui import canonical_json
from hitl_tui.formatting import long_duration
from hitl_tui.model import UNTIL_HANDED_BACK, Answer, DecisionKind, PauseKind
from hitl_tui.store import attention_findings, escalations
from hitl_tui.store.answers import DECIDE, row_of
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import undecided_actions

OPEN = (
    "reviews v INDEXED BY reviews_deadline JOIN runs r ON r.id = v.run WHERE v.state = 'open' AND v.deadline_at IS NOT NULL "
    f"AND coalesce(v.claimed_until, 0) < {UNTIL_HANDED_BACK} AND r.project = ?"
)
"""Whoever has taken a run over is not hurried."""


def overdue(store: Store, project: int, now: float) -> list[int]:
    """Open reviews of this project's runs whose deadline is over."""
    return [
        int(row[0])
        for row in store.glance(f"SELECT v.id FROM {OPEN} AND v.deadline_at <= ? ORDER BY v.deadline_at LIMIT 100", (project, now))
    ]


def next_due(store: Store, project: int, now: float) -> float | None:
    """When the next deadline is, as Unix time."""
    found = store.glance(f"SELECT v.deadline_at FROM {OPEN} AND v.deadline_at > ? ORDER BY v.deadline_at LIMIT 1", (project, now))
    return float(found[0][0]) if found else None


async def enforce(store: Store, review: int, now: float) -> bool:
    """Do what the policy says of a review that nobody decided in time; once, whoever else does the same.

    False when there was nothing to do: it was decided first, or its deadline has been seen to.
    """
    async with store.transaction() as db:
        found: list[Any] = await db.execute_fetchall(
            "SELECT deadline_at - opened_at, deadline_then, deadline_rule, recipient, note, kind FROM reviews "
            "WHERE id = ? AND state = 'open' AND deadline_at <= ? AND coalesce(claimed_until, 0) < ?",
            (review, now, UNTIL_HANDED_BACK),
        )
        if not found:
            return False
        length_s, then, rule, to, note, kind = found[0]
        await db.execute("UPDATE reviews SET deadline_at = NULL WHERE id = ?", (review,))
        why = f"nobody decided it within {long_duration(round(length_s, 3))}"
        if await attention_findings.lapsed(db, review, why):
            return True
        actor = f"timeout:{rule}"
        keeps = await _keeps_from_rejecting(db, review, note, kind) if then == "reject" else ""
        if then == "reject" and not keeps:
            await _reject(db, review, actor, f"{why} (rule {rule!r})", now)
        else:
            await escalations.add(db, review, to, actor, f"{why}; it is not rejected, for {keeps}" if keeps else why, now)
        return True


async def _keeps_from_rejecting(db: Transaction, review: int, note: str, kind: str) -> str:
    """Why a person must look though time is up, as a clause; empty when nobody must."""
    if note:
        return f"it has a warning: {note}"
    held = await db.execute_fetchall(
        "SELECT t.actor FROM takeovers t JOIN reviews v ON v.run = t.run WHERE v.id = ? "
        "AND t.state IN ('open', 'handed_back', 'submitted')",
        (review,),
    )
    if held:
        return f"{held[0][0]} has taken the run over"
    if kind == PauseKind.DRAFT:
        return "the agent would only write another draft"
    stubborn = [action.name for action in await undecided_actions(db, review) if DecisionKind.REJECT not in action.allowed]
    return f"the graph takes no rejection of {canonical_json.one_line(stubborn[0], 40)}" if stubborn else ""


async def _reject(db: Transaction, review: int, actor: str, reason: str, now: float) -> None:
    for action in await undecided_actions(db, review):
        await db.execute(DECIDE, row_of(review, action, Answer(DecisionKind.REJECT, message=reason), actor, now, now, None))
