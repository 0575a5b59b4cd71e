"""Thumbs, now or later, and the reasons people give."""

from __future__ import annotations

from collections.abc import Callable

from hitl_tui.store import Store


class RatingsDesk:
    """What one reviewer thinks of decisions, messages and runs."""

    def __init__(self, store: Store, reviewer: str, ring: Callable[[], None]) -> None:
        self._store = store
        self._reviewer = reviewer
        self._ring = ring
