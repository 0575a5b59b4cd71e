"""Which recent decisions of this reviewer can still be undone, for how long, and in which order. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import ceil

from hitl_tui.model import ReviewRow, ReviewState
from hitl_tui.ui.review import assignment

KEPT = 1000
"""Decisions remembered."""


class UndoStack:
    """The decisions made in this console, newest last, with their rows."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        self._reviewer = reviewer
        self._clock = clock
        self._made: deque[int] = deque(maxlen=KEPT)
        self._rows: dict[int, ReviewRow] = {}
        self._until: dict[int, float] = {}
        self._together: dict[int, tuple[int, ...]] = {}

    def decided_together(self, reviews: Sequence[int]) -> None:
        """Decisions of them were stored here at once; one undo takes all of them back."""
        for review in reviews:
            self.decided(review)
        self._together |= dict.fromkeys(reviews, tuple(reviews))

    def together(self, review: int) -> tuple[int, ...]:
        """The reviews whose decisions are taken back with that of this one, itself included."""
        return self._together.get(review, (review,))

    def decided(self, review: int) -> None:
        """Remember a decision made in this console."""
        self._together.pop(review, None)
        self._made.append(review)
        self._rows = {known: row for known, row in self._rows.items() if known in self._made and known != review}

    def dropped(self, review: int) -> None:
        """Forget the newest decision of a review: it was undone, or can no longer be."""
        if review in self._made:
            self._made.reverse()
            self._made.remove(review)
            self._made.reverse()
        self._until.pop(review, None)
        self._rows.pop(review, None)
        self._together.pop(review, None)

    def apply(self, row: ReviewRow) -> None:
        """Update a review's row."""
        if row.id in self._made:
            self._rows[row.id] = row
        self._until.pop(row.id, None)
        if assignment.undo_seconds(row, self._reviewer, self._clock()):
            self._until[row.id] = row.effective_at or 0.0

    def first(self, cursor: int | None) -> int | None:
        """The review whose decision `undo` takes back: the one under the cursor while its time runs, else the newest made here.

        If nothing else is left, one whose time is over: undoing it is refused with a reason.
        """
        now, late = self._clock(), False
        if cursor is not None and self._until.get(cursor, 0.0) > now:
            return cursor
        for review in reversed(self._made):
            row = self._rows.get(review)
            if self._until.get(review, 0.0) > now or (not late and (row is None or _partly(row))):
                return review
            late = late or (row is not None and row.state != ReviewState.OPEN)
        if cursor in self._rows and _partly(self._rows[cursor]):
            return cursor
        return self._made[-1] if self._made else None

    def label(self, cursor: int | None) -> str:
        """Label of the undo key with the seconds left; empty if there is nothing to undo."""
        review, now = self.first(cursor), self._clock()
        if review is None:
            return ""
        if review in self._until:
            return f"undo {ceil(self._until[review] - now)} s" if self._until[review] > now else ""
        row = self._rows.get(review)
        return "undo" if row and _partly(row) else ""

    def next_tick(self) -> float | None:
        """Seconds until a countdown changes; None without one."""
        now = self._clock()
        self._until = {review: until for review, until in self._until.items() if until > now}
        if not self._until:
            return None
        soonest = min(self._until.values()) - now
        return soonest - ceil(soonest) + 1


def _partly(row: ReviewRow) -> bool:
    return row.state == ReviewState.OPEN and bool(row.decided)
