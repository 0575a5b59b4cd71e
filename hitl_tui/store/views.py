"""Who has seen a review, and for how long."""

from __future__ import annotations

import time

from hitl_tui.model import Look
from hitl_tui.store import error_context
from hitl_tui.store.connection import Store


async def saw(store: Store, review: int, reviewer: str, ms: int) -> None:
    """Add so many milliseconds to how long somebody looked; the first look is logged.

    Raises:
        Refused: there is no such review.
    """
    added = await store.write_soon(
        "INSERT INTO looks (review, reviewer, first_at, last_at, looked_ms) SELECT id, ?1, ?2, ?2, ?3 FROM reviews WHERE id = ?4 "
        "ON CONFLICT (review, reviewer) DO UPDATE SET last_at = excluded.last_at, looked_ms = looked_ms + excluded.looked_ms",
        (reviewer, time.time(), max(0, ms), review),
    )
    if not added:
        raise error_context.unknown(review)


async def of(store: Store, review: int) -> list[Look]:
    """Everybody who has seen it, in order of their first look."""
    found = await store.all("SELECT reviewer, first_at, last_at, looked_ms FROM looks WHERE review = ? ORDER BY id", (review,))
    return [Look(*row) for row in found]
