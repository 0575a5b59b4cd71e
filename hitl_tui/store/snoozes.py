"""Snoozed reviews: hidden from one person's queue until a time or until they change, whichever is first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hitl_tui.model import person_key
from hitl_tui.store import changefeed
from hitl_tui.store.connection import Store

SNOOZE = """
INSERT OR REPLACE INTO snoozes (review, reviewer_key, until)
SELECT id, :key, :until FROM reviews WHERE id = :review AND state = 'open'
"""
SNOOZED = "SELECT review, until FROM snoozes WHERE reviewer_key = :key AND (until IS NULL OR until > :now)"


async def snooze(store: Store, reviews: Sequence[int], reviewer: str, until: float | None) -> None:
    """Hide open reviews from a person until a Unix time; None: until they change."""
    async with store.transaction() as db:
        db.executemany(SNOOZE, [{"review": review, "key": person_key(reviewer), "until": until} for review in reviews])
        changefeed.touch(db)


async def wake(store: Store, reviews: Sequence[int], reviewer: str) -> None:
    """Show reviews again that a person snoozed."""
    async with store.transaction() as db:
        db.executemany(
            "DELETE FROM snoozes WHERE review = :review AND reviewer_key = :key",
            [{"review": review, "key": person_key(reviewer)} for review in reviews],
        )
        changefeed.touch(db)


def snoozed(store: Store, reviewer: str) -> dict[int, float | None]:
    """The reviews that are hidden from this person now, each with the Unix time until when; None: until it changes. Reads at once."""
    found = store.read_now(SNOOZED, {"key": person_key(reviewer), "now": time.time()})
    return {int(review): until for review, until in found}
