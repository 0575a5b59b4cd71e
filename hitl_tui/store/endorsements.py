"""What the first of several people who are needed said of an action, as long as it stands."""

from __future__ import annotations

from hitl_tui import canonical_json
from hitl_tui.model import Endorsement
from hitl_tui.store.answers import answer_of
from hitl_tui.store.connection import Store, Transaction

UNDECIDED = "NOT EXISTS (SELECT 1 FROM decisions d WHERE d.review = e.review AND d.slot = e.slot AND NOT d.superseded)"


async def of(store: Store, review: int) -> list[Endorsement]:
    """What stands of a review, oldest first; also what a decision has come of."""
    found = await store.all(
        "SELECT slot, kind, args, message, actor, at FROM endorsements WHERE review = ? AND withdrawn_at IS NULL ORDER BY id", (review,)
    )
    return [Endorsement(slot, answer_of(kind, args, message), actor, at) for slot, kind, args, message, actor, at in found]


async def withdraw(db: Transaction, review: int, now: float, actor: str | None = None, at: float | None = None, note: str = "") -> None:
    """Within a transaction: what somebody said at that time of undecided actions stands no more; without an actor nobody's word does."""
    found = await db.execute_fetchall(
        "SELECT e.id, e.slot, v.run FROM endorsements e JOIN reviews v ON v.id = e.review WHERE e.review = ?1 AND e.withdrawn_at IS NULL "
        f"AND (?2 IS NULL OR (e.actor = ?2 COLLATE NOCASE AND e.at = ?3 AND {UNDECIDED}))",
        (review, actor, at),
    )
    for id_, slot, run in found:
        await db.execute("UPDATE endorsements SET withdrawn_at = ? WHERE id = ?", (now, id_))
        body = canonical_json.dumps({"endorsement": id_, "slot": slot, "note": note or None})
        await db.execute(
            "INSERT INTO log (at, kind, actor, run, review, body) VALUES (?, 'withdrawn', ?, ?, ?, ?)",
            (now, actor or "", run, review, body),
        )


async def last_of(db: Transaction, review: int, actor: str) -> float | None:
    """When somebody last spoke for an action that is undecided still, as Unix time."""
    [(at,)] = await db.execute_fetchall(
        "SELECT max(e.at) FROM endorsements e WHERE e.review = ? AND e.actor = ? COLLATE NOCASE AND e.withdrawn_at IS NULL "
        f"AND {UNDECIDED}",
        (review, actor),
    )
    return None if at is None else float(at)
