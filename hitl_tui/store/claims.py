"""Claims and views of reviews, and the people who were active recently.

A claim keeps others from deciding a review, expires, and can be taken from somebody else only with a reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from hitl_tui.errors import Refused
from hitl_tui.model import UNTIL_HANDED_BACK, Actor, ActorKind, ReviewState, ReviewView, person_key
from hitl_tui.store import audit, errors
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import progress_of

RECENT = 400
"""How many of the newest views, decisions and escalations are read for the people who were active recently."""
RECENTLY_ACTIVE = f"""
SELECT * FROM (SELECT reviewer, last_at FROM review_views ORDER BY id DESC LIMIT {RECENT})
UNION ALL SELECT * FROM (SELECT actor, at FROM decisions WHERE actor_kind = '{ActorKind.PERSON}' ORDER BY id DESC LIMIT {RECENT})
UNION ALL SELECT * FROM (
    SELECT acknowledged_by, acknowledged_at FROM escalations WHERE acknowledged_by IS NOT NULL ORDER BY id DESC LIMIT {RECENT}
)
"""
CLAIM = "UPDATE reviews SET claimed_by = :actor, claimed_key = :key, claimed_until = :until WHERE id = :review"
RELEASE = "UPDATE reviews SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL WHERE id = ?"
ACKNOWLEDGE = """
UPDATE escalations SET acknowledged_at = :now, acknowledged_by = :actor, next_at = NULL
WHERE review = :review AND acknowledged_at IS NULL
"""
VIEWED_AGAIN = "UPDATE review_views SET last_at = :now, viewed_ms = viewed_ms + :ms WHERE review = :review AND reviewer_key = :key"
VIEWED_FIRST = """
INSERT INTO review_views (review, reviewer, reviewer_key, first_at, last_at, viewed_ms)
VALUES (:review, :reviewer, :key, :now, :now, :ms)
"""


async def claim(store: Store, review: int, actor: str, for_s: float, reason: str) -> None:
    """Claim a review for so many seconds from now, which acknowledges its escalations.

    Raises:
        Refused: somebody else has claimed it and no reason is given.
        Stale: it is no longer open, or its run is taken over.
    """
    now = time.time()
    values = {"review": review, "actor": actor, "key": person_key(actor), "now": now, "until": now + for_s}
    async with store.transaction() as db:
        holder = _holder(db, review, actor, now, is_open=True)
        if holder and not holder.mine and not reason:
            raise errors.claimed(review, holder.name, holder.until)
        db.execute(ACKNOWLEDGE, values)
        db.execute(CLAIM, values)
        body = {"until": now + for_s, "from": holder.name if holder and not holder.mine else None, "reason": reason or None}
        audit.note_review(db, now, "claimed", Actor(actor), body, review)


async def release(store: Store, review: int, actor: str) -> None:
    """Release a claim before it expires.

    Raises:
        Refused: this person has not claimed it.
        Stale: its run is taken over.
    """
    now = time.time()
    async with store.transaction() as db:
        holder = _holder(db, review, actor, now)
        if holder is None:
            raise Refused(f"nobody has review {review}", "nothing was changed")
        if not holder.mine:
            raise errors.claimed(review, holder.name, holder.until)
        db.execute(RELEASE, (review,))
        audit.note_review(db, now, "released", Actor(actor), {}, review)


def require_unclaimed(db: Transaction, review: int, actor: str, now: float) -> None:
    """Check within a transaction that a review is open and nobody else has claimed it.

    Raises:
        Refused: somebody else has claimed it.
        Stale: it is no longer open.
    """
    holder = _holder(db, review, actor, now, is_open=True)
    if holder and not holder.mine:
        raise errors.claimed(review, holder.name, holder.until)


@dataclass(frozen=True, slots=True)
class _Holder:
    name: str
    until: float
    mine: bool


def _holder(db: Transaction, review: int, actor: str, now: float, is_open: bool = False) -> _Holder | None:
    found = db.row("SELECT state, note, decided_at, claimed_by, claimed_key, claimed_until FROM reviews WHERE id = ?", (review,))
    if found is None:
        raise errors.unknown(review)
    state, note, decided_at, name, key, until = found
    mine = key == person_key(actor)
    if is_open and state != ReviewState.OPEN:
        raise errors.closed(review, state, note, progress_of(db, review).told(), decided_at)
    if name and until >= UNTIL_HANDED_BACK:
        raise errors.taken_over(review, name, mine)
    return _Holder(name, until, mine) if name and until > now else None


# Views, and recently active people


async def add_view(store: Store, review: int, reviewer: str, ms: int) -> None:
    """Add so many milliseconds to the time somebody viewed a review; the first view is logged.

    Raises:
        Refused: there is no such review.
    """
    now = time.time()
    values = {"review": review, "reviewer": reviewer, "key": person_key(reviewer), "now": now, "ms": max(0, ms)}
    async with store.transaction() as db:
        if not db.row("SELECT 1 FROM reviews WHERE id = ?", (review,)):
            raise errors.unknown(review)
        if not db.execute(VIEWED_AGAIN, values).rowcount:
            db.execute(VIEWED_FIRST, values)
            audit.note_review(db, now, "viewed", Actor(reviewer), {}, review)


async def views_of(store: Store, review: int) -> list[ReviewView]:
    """Everybody who viewed a review, in order of their first view."""
    found = await store.all("SELECT reviewer, first_at, last_at, viewed_ms FROM review_views WHERE review = ? ORDER BY id", (review,))
    return [ReviewView(*row) for row in found]


async def recent_people(store: Store, limit: int) -> list[tuple[str, float]]:
    """People who recently viewed, decided or claimed reviews, latest first, each with the Unix time of the last one."""
    last: dict[str, tuple[str, float]] = {}
    for name, at in await store.all(RECENTLY_ACTIVE):
        key = person_key(name)
        if key not in last or at > last[key][1]:
            last[key] = (str(name), float(at))
    return sorted(last.values(), key=lambda one: (-one[1], one[0]))[:limit]
