"""Who has a review for the time being: it keeps the others from deciding it, is over by itself, and is taken only with a reason."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import UNTIL_HANDED_BACK, ReviewState
from hitl_tui.store import error_context
from hitl_tui.store.connection import Store, Transaction

LOG = "INSERT INTO log (at, kind, actor, run, review, body) SELECT ?, ?, ?, run, id, ? FROM reviews WHERE id = ?"


async def claim(store: Store, review: int, actor: str, for_s: float, reason: str) -> None:
    """Give it to somebody for so many seconds from now; with that its escalations have found who attends to them.

    Raises:
        Refused: somebody else has it, and there is no reason to take it.
        Stale: it is no longer open, or its run is in somebody's hands.
    """
    now = time.time()
    async with store.transaction() as db:
        holder = await _holder(db, review, actor, now, is_open=True)
        if holder and not holder.mine and not reason:
            raise error_context.held(review, holder.name, holder.until)
        await db.execute(
            "UPDATE escalations SET acknowledged_at = ?, acknowledged_by = ?, next_at = NULL WHERE review = ? AND acknowledged_at IS NULL",
            (now, actor, review),
        )
        await db.execute("UPDATE reviews SET claimed_by = ?, claimed_until = ? WHERE id = ?", (actor, now + for_s, review))
        body = {"until": now + for_s, "from": holder.name if holder and not holder.mine else None, "reason": reason or None}
        await db.execute(LOG, (now, "claimed", actor, canonical_json.dumps(body), review))


async def release(store: Store, review: int, actor: str) -> None:
    """Give it back before its time is over.

    Raises:
        Refused: it is not theirs.
        Stale: its run is in somebody's hands.
    """
    now = time.time()
    async with store.transaction() as db:
        holder = await _holder(db, review, actor, now)
        if holder is None:
            raise Refused(f"nobody has review {review}", "nothing was changed")
        if not holder.mine:
            raise error_context.held(review, holder.name, holder.until)
        await db.execute("UPDATE reviews SET claimed_by = NULL, claimed_until = NULL WHERE id = ?", (review,))
        await db.execute(LOG, (now, "released", actor, "{}", review))


async def keep_off(db: Transaction, review: int, actor: str, now: float) -> None:
    """Within a transaction: see that nobody else has an open review that is about to be acted upon.

    Raises:
        Refused: somebody else has it.
        Stale: it is no longer open.
    """
    holder = await _holder(db, review, actor, now, is_open=True)
    if holder and not holder.mine:
        raise error_context.held(review, holder.name, holder.until)


@dataclass(frozen=True, slots=True)
class _Holder:
    name: str
    until: float
    mine: bool


async def _holder(db: Transaction, review: int, actor: str, now: float, is_open: bool = False) -> _Holder | None:
    found = await db.execute_fetchall(
        "SELECT state, note, decided, decided_at, claimed_by, claimed_until, claimed_by = ?2 COLLATE NOCASE FROM reviews WHERE id = ?1",
        (review, actor),
    )
    if not found:
        raise error_context.unknown(review)
    state, note, decided, decided_at, name, until, mine = found[0]
    if is_open and state != ReviewState.OPEN:
        raise error_context.closed(review, state, note, decided, decided_at)
    if name and until >= UNTIL_HANDED_BACK:
        raise error_context.in_hands(review, name, bool(mine))
    return _Holder(name, until, bool(mine)) if name and until > now else None
