"""Notifications of escalations: one per channel, each sent once where that is possible.

A notification is `sending` while a worker hands it over. When that worker dies, nobody knows whether it got through, and it is sent
again: at least once, not exactly once. The addresses that the channels stand for are only in the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, ActorKind, Escalation, Notification
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction

COLUMNS = "n.id, n.escalation, e.review, n.channel, n.state, n.due_at, n.tries, n.error, n.ended_at"
LIVE = (
    "FROM notifications n JOIN escalations e ON e.id = n.escalation JOIN runs r ON r.id = e.run "
    "WHERE n.state IN ('due', 'sending') AND r.project = :project"
)
DUE = "n.state = 'due' AND n.due_at <= :now"
LOST = "n.state = 'sending' AND n.worker NOT IN (SELECT id FROM workers)"
"""Its worker died over it, or stopped."""
READY = f"{LIVE} AND ({DUE} OR {LOST})"
MOOT = "(e.acknowledged_at IS NOT NULL OR (SELECT state FROM reviews v WHERE v.id = e.review) != 'open')"
"""Somebody has it already, or nothing is left to decide."""
ESCALATION = "id, review, run, at, recipient, actor, why, note, step, next_at, acknowledged_at, acknowledged_by, actor_kind"


def add(db: Transaction, escalation: int, channels: Sequence[str], due_at: float) -> None:
    """Have an escalation told by these channels from that Unix time on; a channel it is told by already is not added again."""
    db.executemany(
        "INSERT OR IGNORE INTO notifications (escalation, channel, due_at) VALUES (?, ?, ?)",
        [(escalation, name, due_at) for name in channels],
    )


def any_due(store: Store, project: int, now: float) -> bool:
    """Whether a notification of the project is due at that Unix time, or was lost."""
    return bool(store.read_now(f"SELECT 1 {READY} LIMIT 1", {"project": project, "now": now}))


def unsettled(store: Store, project: int, now: float) -> bool:
    """Whether a notification of the project is on its way or due; one that waits for a later time is neither."""
    asked = f"SELECT 1 {LIVE} AND ({DUE} OR n.state = 'sending') LIMIT 1"
    return bool(store.read_now(asked, {"project": project, "now": now}))


async def postpone(store: Store, project: int, now: float, until: float) -> None:
    """Let what is due wait until that Unix time."""
    chosen = f"SELECT n.id {READY}"
    values = {"project": project, "now": now, "until": until}
    await store.write(f"UPDATE notifications SET state = 'due', worker = NULL, due_at = :until WHERE id IN ({chosen})", values)


async def drop(store: Store, project: int, now: float, all_of_them: bool = False) -> None:
    """Give up what is due of escalations that somebody has claimed or decided meanwhile, or all that is due."""
    chosen = f"SELECT n.id {READY}" + ("" if all_of_them else f" AND {MOOT}")
    await store.write(
        f"UPDATE notifications SET state = 'dropped', worker = NULL, ended_at = :now WHERE id IN ({chosen})",
        {"project": project, "now": now},
    )


async def take(store: Store, worker: str, project: int, now: float, most: int) -> list[Notification]:
    """Take up to so many notifications that are due, oldest first: they are `sending` by this worker, and nobody else takes them."""
    chosen = f"SELECT n.id {READY} ORDER BY n.due_at, n.id LIMIT :most"
    async with store.transaction() as db:
        rows = db.rows(
            f"UPDATE notifications SET state = 'sending', worker = :worker, tries = tries + 1 WHERE id IN ({chosen}) RETURNING id",
            {"worker": worker, "project": project, "now": now, "most": most},
        )
        return _read(db, [int(row[0]) for row in rows])


def _read(db: Transaction, ids: Sequence[int]) -> list[Notification]:
    marks = ", ".join("?" * len(ids))
    rows = db.rows(
        f"SELECT {COLUMNS} FROM notifications n JOIN escalations e ON e.id = n.escalation WHERE n.id IN ({marks}) ORDER BY n.id", tuple(ids)
    )
    return [Notification(*row) for row in rows]


async def sent(store: Store, worker: str, notification: Notification, now: float) -> None:
    """It got through."""
    async with store.transaction() as db:
        if _end(db, worker, notification, "sent", "", now, now):
            _log(db, notification, "notified", now, {})


async def failed(store: Store, worker: str, notification: Notification, error: str, now: float, again_at: float | None) -> None:
    """It did not; it is tried again at that Unix time, or with None not at all. The error may hold no secrets."""
    error = canonical_json.storable(error)
    async with store.transaction() as db:
        if _end(db, worker, notification, "failed" if again_at is None else "due", error, again_at or now, None if again_at else now):
            _log(db, notification, "notify_failed", now, {"error": error, "again_at": again_at})
            db.execute("INSERT INTO changes (review) VALUES (?)", (notification.review,))  # a screen that shows it looks again


def _end(db: Transaction, worker: str, notification: Notification, state: str, error: str, due_at: float, ended_at: float | None) -> bool:
    cursor = db.execute(
        "UPDATE notifications SET state = ?, error = ?, due_at = ?, ended_at = ?, worker = NULL "
        "WHERE id = ? AND state = 'sending' AND worker = ?",
        (state, error, due_at, ended_at, notification.id, worker),
    )
    return cursor.rowcount == 1


def _log(db: Transaction, notification: Notification, kind: str, now: float, more: dict[str, Any]) -> None:
    review, run = db.row("SELECT review, run FROM escalations WHERE id = ?", (notification.escalation,))
    body = {"escalation": notification.escalation, "channel": notification.channel, "try": notification.tries, **more}
    audit.note(db, now, kind, PROGRAM, body, run, review)


async def of_review(store: Store, review: int) -> list[Notification]:
    """Every notification of a review's escalations, in order."""
    rows = await store.all(
        f"SELECT {COLUMNS} FROM notifications n JOIN escalations e ON e.id = n.escalation WHERE e.review = ? ORDER BY n.id", (review,)
    )
    return [Notification(*row) for row in rows]


async def told_of(store: Store, notification: Notification) -> Escalation:
    """The escalation a notification tells of."""
    found = Escalation(*await store.one(f"SELECT {ESCALATION} FROM escalations WHERE id = ?", (notification.escalation,)))
    return replace(found, actor_kind=ActorKind(found.actor_kind))
