"""Lessons: proposed by rules, edited, accepted or dropped by people."""

from __future__ import annotations

from collections.abc import Callable

from hitl_tui.store import Store


class LessonsDesk:
    """What one reviewer makes of lessons."""

    def __init__(self, store: Store, reviewer: str, ring: Callable[[], None]) -> None:
        self._store = store
        self._reviewer = reviewer
        self._ring = ring
