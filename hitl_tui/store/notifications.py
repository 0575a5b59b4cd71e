"""Notifications as rows: one per channel of an escalation, or of a hand-back that others must confirm. `notify/` delivers them.

A notification is `sending` while a worker delivers it. If that worker dies, it is sent again: at least once, not exactly once. The
addresses of the channels are only in the policy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, Notification
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction

SELECT = """
SELECT n.id, n.escalation, e.review, n.channel, n.state, n.due_at, n.tries, n.error, n.ended_at, n.takeover
FROM notifications n LEFT JOIN escalations e ON e.id = n.escalation
"""
LIVE = """
FROM notifications n LEFT JOIN escalations e ON e.id = n.escalation LEFT JOIN takeovers t ON t.id = n.takeover
JOIN runs r ON r.id = coalesce(e.run, t.run)
WHERE n.state IN ('due', 'sending') AND r.project = :project
"""
DUE = "n.state = 'due' AND n.due_at <= :now"
LOST = "n.state = 'sending' AND n.worker NOT IN (SELECT id FROM workers)"
"""Its worker died or stopped while it delivered it."""
READY = f"{LIVE} AND ({DUE} OR {LOST})"
MOOT = """(
    e.acknowledged_at IS NOT NULL OR (SELECT state FROM reviews v WHERE v.id = e.review) != 'open'
    OR t.state != 'handed_back' OR NOT t.unconfirmed
)"""
"""Somebody has claimed the review, it is no longer open, or the hand-back waits for nobody any more."""
TAKE = f"""
UPDATE notifications SET state = 'sending', worker = :worker, tries = tries + 1
WHERE id IN (SELECT n.id {READY} ORDER BY n.due_at, n.id LIMIT :limit) RETURNING id
"""
END = """
UPDATE notifications SET state = :state, error = :error, due_at = :due_at, ended_at = :ended_at, worker = NULL
WHERE id = :id AND state = 'sending' AND worker = :worker
"""


def add(db: Transaction, escalation: int, channels: Sequence[str], due_at: float) -> None:
    """Notify people of an escalation by these channels from that Unix time on; a channel that it already has is not added again."""
    db.executemany(
        "INSERT OR IGNORE INTO notifications (escalation, channel, due_at) VALUES (:escalation, :channel, :due_at)",
        [{"escalation": escalation, "channel": name, "due_at": due_at} for name in channels],
    )


def add_hand_back(db: Transaction, takeover: int, channels: Sequence[str], due_at: float) -> None:
    """Notify people by these channels, from that Unix time on, of a hand-back that waits; what was due of an earlier one is dropped."""
    db.execute("UPDATE notifications SET state = 'dropped', ended_at = ? WHERE takeover = ? AND state = 'due'", (due_at, takeover))
    db.executemany(
        "INSERT INTO notifications (takeover, channel, due_at) VALUES (:takeover, :channel, :due_at)",
        [{"takeover": takeover, "channel": name, "due_at": due_at} for name in channels],
    )


def any_due(store: Store, project: int, now: float) -> bool:
    """Whether a notification of the project must be sent at that Unix time. Reads at once."""
    return bool(store.read_now(f"SELECT 1 {READY} LIMIT 1", {"project": project, "now": now}))


def unsettled(store: Store, project: int, now: float) -> bool:
    """Whether a notification of the project is due or being sent; not one that waits for a later time. Reads at once."""
    live = f"SELECT 1 {LIVE} AND ({DUE} OR n.state = 'sending') LIMIT 1"
    return bool(store.read_now(live, {"project": project, "now": now}))


async def postpone(store: Store, project: int, now: float, until: float) -> None:
    """Delay due notifications until that Unix time."""
    chosen = f"SELECT n.id {READY}"
    values = {"project": project, "now": now, "until": until}
    await store.write(f"UPDATE notifications SET state = 'due', worker = NULL, due_at = :until WHERE id IN ({chosen})", values)


async def drop(store: Store, project: int, now: float, all_of_them: bool = False) -> None:
    """Drop due notifications of what waits for nobody any more, or all that are due."""
    chosen = f"SELECT n.id {READY}" + ("" if all_of_them else f" AND {MOOT}")
    await store.write(
        f"UPDATE notifications SET state = 'dropped', worker = NULL, ended_at = :now WHERE id IN ({chosen})",
        {"project": project, "now": now},
    )


async def take(store: Store, worker: str, project: int, now: float, limit: int) -> list[Notification]:
    """Take up to so many due notifications, oldest first: they become `sending` by this worker, so that no other takes them."""
    values = {"worker": worker, "project": project, "now": now, "limit": limit}
    async with store.transaction() as db:
        ids = [int(id_) for (id_,) in db.rows(TAKE, values)]
        taken = db.rows(f"{SELECT} WHERE n.id IN (SELECT value FROM json_each(?)) ORDER BY n.id", (json.dumps(ids),))
        return [Notification(*row) for row in taken]


async def sent(store: Store, worker: str, notification: Notification, now: float) -> None:
    """Store that a notification was delivered."""
    async with store.transaction() as db:
        if _end(db, worker, notification, "sent", "", now, now):
            _log(db, notification, "notified", now, {})


async def failed(store: Store, worker: str, notification: Notification, error: str, now: float, again_at: float | None) -> None:
    """Store that a delivery failed. It is tried again at that Unix time; not at all if None. The error must not contain secrets."""
    error = canonical_json.storable(error)
    async with store.transaction() as db:
        if _end(db, worker, notification, "failed" if again_at is None else "due", error, again_at or now, None if again_at else now):
            _log(db, notification, "notify_failed", now, {"error": error, "again_at": again_at})
            if notification.review is not None:
                db.execute("INSERT INTO changes (review) VALUES (?)", (notification.review,))  # a screen that shows it looks again


def _end(db: Transaction, worker: str, notification: Notification, state: str, error: str, due_at: float, ended_at: float | None) -> bool:
    values = {"state": state, "error": error, "due_at": due_at, "ended_at": ended_at, "id": notification.id, "worker": worker}
    return db.execute(END, values).rowcount == 1


def _log(db: Transaction, notification: Notification, kind: str, now: float, more: dict[str, Any]) -> None:
    if notification.takeover is None:
        review, run = db.row("SELECT review, run FROM escalations WHERE id = ?", (notification.escalation,))
        about = {"escalation": notification.escalation}
    else:
        review, (run,) = None, db.row("SELECT run FROM takeovers WHERE id = ?", (notification.takeover,))
        about = {"hand_back": notification.takeover}
    body = {**about, "channel": notification.channel, "try": notification.tries, **more}
    audit.note(db, now, kind, PROGRAM, body, run, review)


async def of_review(store: Store, review: int) -> list[Notification]:
    """Every notification of a review's escalations, in order."""
    return [Notification(*row) for row in await store.all(f"{SELECT} WHERE e.review = ? ORDER BY n.id", (review,))]
