"""Attention checks in the queue: ended by whoever says anything of them, and told about only afterwards.

What keeps them from ever running is in the schema itself: no worker, no program and no mistake here gets past those triggers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Attention
from hitl_tui.store.connection import Store, Transaction

COLUMNS = "review, wrong, actor, said, caught, found_at"


async def waits(db: Transaction, run: int) -> bool:
    """Within a transaction: whether the run only carries a check, of which nobody has said anything."""
    return bool(await db.execute_fetchall("SELECT 1 FROM runs WHERE id = ? AND attention AND state = 'waiting'", (run,)))


async def caught(db: Transaction, actor: str, said: str, *, run: int | None = None, review: int | None = None) -> bool:
    """Within a transaction: somebody stopped a check without deciding it, which ends it; False when there is none that waits."""
    cursor = await db.execute(
        "UPDATE attention SET actor = ?1, said = ?2, caught = 1, found_at = ?3 WHERE caught IS NULL AND review IN "
        "(SELECT id FROM reviews WHERE (id = ?4 OR run = ?5) AND state = 'open')",
        (actor, canonical_json.plain(said), time.time(), review, run),
    )
    return cursor.rowcount > 0


async def lapsed(db: Transaction, review: int, note: str) -> bool:
    """Within a transaction: nobody said anything of a check in time, which ends it unsaid; False when it is none that waits."""
    cursor = await db.execute(
        "UPDATE reviews SET state = 'expired', note = ? WHERE id = ? AND state = 'open' AND id IN (SELECT review FROM attention)",
        (canonical_json.plain(note), review),
    )
    return cursor.rowcount > 0


def carried(store: Store, run: int) -> bool:
    """Whether a run only carried a check, and is over."""
    return bool(store.glance("SELECT 1 FROM runs WHERE id = ? AND attention AND state != 'waiting'", (run,)))


def of_review(store: Store, review: int) -> Attention | None:
    """What became of a review that was an attention check; None while it waits, and of every other review."""
    return _read(store.glance(f"SELECT {COLUMNS} FROM attention WHERE review = ? AND caught IS NOT NULL", (review,)))


def of_run(store: Store, run: int) -> Attention | None:
    """The same of the one review of a run."""
    asked = f"SELECT {COLUMNS} FROM attention WHERE review IN (SELECT id FROM reviews WHERE run = ?) AND caught IS NOT NULL"
    return _read(store.glance(asked, (run,)))


def _read(rows: Sequence[Any]) -> Attention | None:
    return next((Attention(review, wrong, actor, said, bool(found), at) for review, wrong, actor, said, found, at in rows), None)
