"""The reviews that the queue lists: open ones that match the filter, and for a while those just decided."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.inbox import Inbox
from hitl_tui.model import ReviewRow, ReviewState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.widgets.virtual_list import SortedIds

NEAR = 50
"""Items looked through on each side for the next one to decide."""
FEW = (3, 5)
"""The list is narrow from the first number of items down, and wide again from more than the second on: one more does not move it."""


class QueueModel:
    """Adds reviews to the list and removes them."""

    def __init__(
        self, owner: Widget, inbox: Inbox, items: QueueList, let_go: Callable[[Sequence[int]], None], clock: Callable[[], float]
    ) -> None:
        self._inbox = inbox
        self._items = items
        self._open = SortedIds()
        self._decided_items = DecidedItems(owner, let_go, clock)
        self.filter = ""
        """A line of the filter language; empty for everything."""
        self.loaded = False

    @property
    def waiting(self) -> int | None:
        """How many reviews are open; None until they have been counted."""
        return len(self._open) if self.loaded else None

    @property
    def any(self) -> bool:
        """Whether the list is shown: it has items, or a filter that matches none."""
        return len(self._items.order) > 0 or bool(self.filter)

    async def load(self) -> None:
        """Read all ids, at the start and for another filter."""
        ids = await self._inbox.reviews.open_ids()
        self._open, self.loaded = SortedIds(ids), True
        shown = await self._inbox.reviews.matching_ids(self.filter) if self.filter else array("q", ids)
        order = SortedIds(shown)
        for id_ in self._fitting([id_ for id_ in self._decided_items if id_ in self._items.rows]):
            order.add(id_)
        self._items.load(order)
        self.title()

    def apply(self, changed: Sequence[ReviewRow]) -> dict[int, ReviewRow]:
        """Add, update or remove reviews. Returns the changed ones that the list shows."""
        put: dict[int, ReviewRow] = {}
        fitting = self._fitting([row.id for row in changed if row.state == ReviewState.OPEN])
        for row in changed:
            if row.state == ReviewState.OPEN:
                self._open.add(row.id)
                self._decided_items.stay(row.id)
                if row.id in fitting or row.id in self._items.order:  # what is listed stays in its place
                    put[row.id] = row
            else:
                self._open.drop(row.id)
                if row.id in self._items.order:
                    put[row.id] = row
        self._decided_items.put(row for row in put.values() if row.state != ReviewState.OPEN)
        self._items.apply(put)
        self.title()
        return put

    def leave(self, ids: Sequence[int]) -> None:
        """Remove decided items."""
        self._items.apply({}, ids)
        self.title()

    def decided(self, review: int) -> None:
        """Count a review as decided."""
        self._open.drop(review)

    def after(self, review: int) -> int | None:
        """The next open item, else the one before."""
        order = self._items.order
        place = order.place(review)
        near = [*range(place + 1, min(place + NEAR, len(order))), *range(place - 1, max(-1, place - NEAR), -1)]
        return next((order.at(at) for at in near if order.at(at) in self._open), None)

    def title(self) -> None:
        """Show the number of items above the list, and make room for the review if there are few."""
        count = f"{len(self._open):,}" if not self.filter else f"{len(self._items.order):,} of {len(self._open):,}"
        title = f"Waiting  {count}" if not self.filter else f"Waiting  {count}  /{one_line(self.filter, 20)}"
        self._items.border_title = title.replace("[", "\\[")
        few, many = len(self._items.order) <= FEW[0], len(self._items.order) > FEW[1]
        if few or many:
            self._items.set_class(few, "-few")

    def _fitting(self, ids: Sequence[int]) -> Collection[int]:
        return self._inbox.reviews.filter(self.filter, ids) if self.filter and ids else ids


LINGER_S = 2.0
"""Least time for which a decided item stays in the list."""


class DecidedItems:
    """Keeps decided items in the list until noticed, and while undo is possible."""

    def __init__(self, owner: Widget, let_go: Callable[[Sequence[int]], None], clock: Callable[[], float]) -> None:
        self._owner = owner
        self._let_go = let_go
        self._clock = clock
        self._leaving: dict[int, float] = {}
        self._timer: Timer | None = None

    def __iter__(self) -> Iterator[int]:
        return iter(self._leaving)

    def put(self, rows: Iterable[ReviewRow]) -> None:
        """Keep decided rows for a while; the time of a known one continues."""
        now = self._clock()
        for row in rows:
            self._leaving.setdefault(row.id, time.monotonic() + max(LINGER_S, (row.effective_at or 0.0) - now))
        self._wait()

    def stay(self, review: int) -> None:
        """Keep a review that is open again."""
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
