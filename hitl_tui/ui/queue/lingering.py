"""Items that are over and stay in the list a while: until they have been noticed, and as long as they can be taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.model import ReviewRow

LINGER_S = 2.0
"""How long a decided item stays in the list at least."""


class Lingering:
    """One timer for all of them, and none while there are none."""

    def __init__(self, owner: Widget, let_go: Callable[[Sequence[int]], None], clock: Callable[[], float]) -> None:
        self._owner = owner
        self._let_go = let_go
        self._clock = clock
        self._leaving: dict[int, float] = {}
        self._timer: Timer | None = None

    def __iter__(self) -> Iterator[int]:
        return iter(self._leaving)

    def put(self, rows: Iterable[ReviewRow]) -> None:
        """These are over; of one that was over already the time runs on."""
        now = self._clock()
        for row in rows:
            self._leaving.setdefault(row.id, time.monotonic() + max(LINGER_S, (row.effective_at or 0.0) - now))
        self._wait()

    def stay(self, review: int) -> None:
        """It is open again."""
        if self._leaving.pop(review, None):
            self._wait()

    def _wait(self) -> None:
        if self._timer:
            self._timer.stop()
        self._timer = None
        if self._leaving:
            self._timer = self._owner.set_timer(max(0.001, min(self._leaving.values()) - time.monotonic()), self._leave)

    def _leave(self) -> None:
        now = time.monotonic()
        gone = [review for review, until in self._leaving.items() if until <= now]
        for review in gone:
            del self._leaving[review]
        self._wait()
        if gone:
            self._let_go(gone)
