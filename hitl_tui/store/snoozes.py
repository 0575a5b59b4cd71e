"""Snoozed reviews: out of one person's queue until a time, and at the latest until something about them changes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hitl_tui.model import ReviewState, person_key
from hitl_tui.store import changefeed
from hitl_tui.store.connection import Store


async def snooze(store: Store, reviews: Sequence[int], reviewer: str, until: float | None) -> None:
    """Hide open reviews from a person until a Unix time, or with None until they change."""
    values = [(review, person_key(reviewer), until, ReviewState.OPEN) for review in reviews]
    async with store.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO snoozes (review, reviewer_key, until) SELECT id, ?2, ?3 FROM reviews WHERE id = ?1 AND state = ?4",
            values,
        )
        changefeed.touch(db)


async def wake(store: Store, reviews: Sequence[int], reviewer: str) -> None:
    """Show reviews again that a person has snoozed."""
    async with store.transaction() as db:
        db.executemany("DELETE FROM snoozes WHERE review = ? AND reviewer_key = ?", [(review, person_key(reviewer)) for review in reviews])
        changefeed.touch(db)


def snoozed(store: Store, reviewer: str) -> dict[int, float | None]:
    """The reviews this person does not see now, each with the Unix time at which they do again. Reads at once."""
    found = store.read_now(
        "SELECT review, until FROM snoozes WHERE reviewer_key = ? AND coalesce(until, ? + 1) > ?",
        (person_key(reviewer), *2 * (time.time(),)),
    )
    return {int(review): until for review, until in found}
