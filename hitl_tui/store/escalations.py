"""Escalations: a review put before somebody in particular, and the chain it goes along while nobody claims it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.formatting import long_duration
from hitl_tui.model import Escalation
from hitl_tui.policy.escalation import Step, following, started
from hitl_tui.store import attention_findings
from hitl_tui.store.claims import keep_off
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.notifications import add as add_notices

ROW = "id, review, run, at, recipient, actor, why, note, step, next_at, acknowledged_at, acknowledged_by"
ANYBODY = "anybody"
CHAIN = "policy:escalation"
"""Who escalates when nobody claimed something."""
AGENT = "agent:"
"""Agents sign so."""


# What people do


async def escalate(store: Store, review: int, to: str, actor: str, note: str, now: float) -> None:
    """Put an open review before somebody, or with an empty `to` before anybody, and give back the claim that the one who does so has.

    Raises:
        Refused: there is no such review, or somebody else has it.
        Stale: it is not open.
    """
    async with store.transaction() as db:
        await keep_off(db, review, actor, now)
        if await attention_findings.caught(db, actor, f"escalated to {to or ANYBODY}", review=review):
            return
        await _give_back(db, review, actor, now)
        await add(db, review, to, actor, f"{actor} escalated it", now, note)


async def _give_back(db: Transaction, review: int, actor: str, now: float) -> None:
    cursor = await db.execute(
        "UPDATE reviews SET claimed_by = NULL, claimed_until = NULL WHERE id = ? AND claimed_by = ? COLLATE NOCASE", (review, actor)
    )
    if cursor.rowcount:
        body = canonical_json.dumps({"reason": "escalated to somebody else"})
        await db.execute(
            "INSERT INTO log (at, kind, actor, run, review, body) SELECT ?, 'released', ?, run, id, ? FROM reviews WHERE id = ?",
            (now, actor, body, review),
        )


async def of_review(store: Store, review: int) -> list[Escalation]:
    """Every escalation of a review, oldest first."""
    return [Escalation(*row) for row in await store.all(f"SELECT {ROW} FROM escalations WHERE review = ? ORDER BY id", (review,))]


async def add(db: Transaction, review: int, to: str, actor: str, why: str, at: float, note: str = "", step: int | None = None) -> None:
    """Escalate a review within a transaction; the chain of an earlier escalation ends with it."""
    plain = canonical_json.plain
    to = plain(to)
    await db.execute("UPDATE escalations SET next_at = NULL WHERE review = ? AND next_at IS NOT NULL", (review,))
    await db.execute(
        "INSERT INTO escalations (review, run, at, recipient, actor, why, note, step) SELECT id, run, ?, ?, ?, ?, ?, ? FROM reviews "
        "WHERE id = ?",
        (at, to, plain(actor), plain(why), plain(note), step, review),
    )
    await db.execute("UPDATE reviews SET escalated = ? WHERE id = ?", (to or ANYBODY, review))


# What the worker does

NEW = "escalations e INDEXED BY escalations_new JOIN runs r ON r.id = e.run WHERE NOT e.taken_up AND r.project = ?"
WAITING = (  # of those that nobody claimed, and whose review still asks
    "escalations e INDEXED BY escalations_next JOIN runs r ON r.id = e.run JOIN reviews v ON v.id = e.review "
    "WHERE e.acknowledged_at IS NULL AND e.next_at IS NOT NULL AND r.project = ? AND v.state = 'open'"
)


def new(store: Store, project: int) -> list[int]:
    """Escalations of this project's runs that no worker has taken up."""
    return [int(row[0]) for row in store.glance(f"SELECT e.id FROM {NEW} ORDER BY e.id", (project,))]


def unclaimed(store: Store, project: int, now: float) -> list[int]:
    """Escalations of this project's runs that nobody has claimed in time."""
    return [int(row[0]) for row in store.glance(f"SELECT e.id FROM {WAITING} AND e.next_at <= ? ORDER BY e.next_at", (project, now))]


def next_due(store: Store, project: int, now: float) -> float | None:
    """When the next one's time is over, as Unix time."""
    found = store.glance(f"SELECT e.next_at FROM {WAITING} AND e.next_at > ? ORDER BY e.next_at LIMIT 1", (project, now))
    return float(found[0][0]) if found else None


async def take_up(
    store: Store,
    escalation: int,
    chain: Sequence[Step],
    channels: Sequence[str],
    due_at: float,
    now: float,
    knows: Callable[[str], bool] = lambda _: True,
) -> bool:
    """Put a new escalation to the chain, and have people told of it by these channels from that Unix time on; once, whoever else does
    the same. `knows` says whether a name can mean anybody: what an agent asks for by another goes where the chain begins.

    False when somebody else has.
    """
    async with store.transaction() as db:
        found = await db.execute_fetchall(
            "UPDATE escalations SET taken_up = 1 WHERE id = ? AND NOT taken_up RETURNING review, recipient, step, acknowledged_at, actor",
            (escalation,),
        )
        if not found:
            return False
        review, to, step, acknowledged_at, actor = found[0]
        if not await db.execute_fetchall("SELECT 1 FROM reviews WHERE id = ? AND state = 'open'", (review,)):
            return True
        await add_notices(db, escalation, channels, due_at)
        newer = await db.execute_fetchall("SELECT 1 FROM escalations WHERE review = ? AND id > ? LIMIT 1", (review, escalation))
        if not newer and acknowledged_at is None:
            if to and actor.startswith(AGENT) and not knows(to):
                note = f"it asked for {to!r}, and there is no such group, nor is anybody of that name in one"
                await db.execute("UPDATE escalations SET note = ? WHERE id = ?", (note, escalation))
                to = ""
            await _put_to_chain(db, escalation, review, to, step, chain, now)
        return True


async def _put_to_chain(
    db: Transaction, escalation: int, review: int, to: str, step: int | None, chain: Sequence[Step], now: float
) -> None:
    if step is None:
        to, step = started(chain, to)
        await db.execute("UPDATE escalations SET recipient = ?, step = ? WHERE id = ?", (to, step, escalation))
        await db.execute("UPDATE reviews SET escalated = ?1 WHERE id = ?2 AND escalated != ?1", (to or ANYBODY, review))
    if (later := following(chain, step)) is not None:
        await db.execute("UPDATE escalations SET next_at = ? WHERE id = ?", (now + later[1], escalation))


async def go_on(store: Store, escalation: int, chain: Sequence[Step], now: float) -> bool:
    """Let what nobody claimed in time go to the next step of the chain; once, whoever else does the same. False when it goes no further:
    somebody has it by now, or the chain has become shorter.
    """
    async with store.transaction() as db:
        found: list[Any] = await db.execute_fetchall(
            "UPDATE escalations SET next_at = NULL WHERE id = ? AND next_at <= ? AND acknowledged_at IS NULL "
            "AND review IN (SELECT id FROM reviews WHERE state = 'open') RETURNING review, step",
            (escalation, now),
        )
        if not found:
            return False
        review, step = found[0]
        has_it = await db.execute_fetchall("SELECT claimed_by FROM reviews WHERE id = ? AND claimed_until > ?", (review, now))
        if has_it:  # since before it was escalated
            await db.execute(
                "UPDATE escalations SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?", (now, has_it[0][0], escalation)
            )
            return False
        later = following(chain, step)
        if later is None:
            return False
        number, after_s = later
        why = f"nobody claimed it within {long_duration(after_s)}" if after_s else "so the policy's chain says"
        await add(db, review, chain[number].to, CHAIN, why, now, step=number)
        return True
