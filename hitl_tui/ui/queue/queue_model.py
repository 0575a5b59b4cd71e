"""The reviews that the queue lists: open ones that match the filter, and for a while those just decided."""

from __future__ import annotations

import asyncio
import contextlib
import time
from array import array
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.effects.view import GRAVE
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import ReviewRow, ReviewState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.queue.brief_args import group_differences
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.queue.queue_order import ORDINARY, Groups, Key, Order, RankedIds, Sort, names_of, ordered, urgency
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.widgets.virtual_list import SortedIds

NEAR = 50
"""Items looked through on each side for the next one to decide."""
FEW = (3, 5)
"""The list is narrow from the first number of items down, and wide again from more than the second on: one more does not move it."""
RESTS_S = 0.2
"""Seconds without new rows after which it is looked for what their calls destroy."""
MOST_COMPARED = 100
"""Reviews of a group whose arguments are compared for its row."""

SLICE_S, REST_S = 0.001, 0.002
"""Seconds for which work on a large queue is done at a time, and for which keys and frames then have their turn."""

T = TypeVar("T")


async def _in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a rest every `SLICE_S`."""
    until = time.monotonic() + SLICE_S
    for item in items:
        yield item
        if time.monotonic() > until:
            await asyncio.sleep(REST_S)
            until = time.monotonic() + SLICE_S


class QueueModel:
    """Adds reviews to the list and removes them."""

    def __init__(
        self, owner: Widget, inbox: Inbox, items: QueueList, let_go: Callable[[Sequence[int]], None], clock: Callable[[], float]
    ) -> None:
        self._inbox = inbox
        self._items = items
        self._open = SortedIds()
        self._owner = owner
        self._me: frozenset[str] = frozenset()
        self._snoozed: dict[int, float | None] = {}
        self._wake: Timer | None = None
        self.order = Order()
        """How the list is to be sorted and grouped with the next load."""
        self._order = self.order
        """How it is sorted and grouped now."""
        self.show_snoozed = False
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
        """Read all ids, at the start and for another filter or order. Keys act meanwhile; the list changes at the end, at once.

        Rows that change meanwhile must be applied afterwards.
        """
        order, wanted = self.order, self.filter
        ids = await self._inbox.reviews.open_ids()
        shown = await self._inbox.reviews.matching_ids(wanted) if wanted else array("q", ids)
        snoozed = self._inbox.reviews.snoozed()
        hidden: Collection[int] = () if self.show_snoozed else snoozed
        listed: Sequence[int] = [id_ for id_ in shown if id_ not in hidden] if hidden else shown
        tools = await self._tools_of(listed, bool(wanted or hidden)) if order.needs_tools else {}
        me, urgent = await self._urgency() if order.sort is Sort.URGENCY else (self._me, [])
        groups = Groups(tools) if order.grouped else Groups()
        ids_in_order = ordered(order.sort, groups.leaders if order.grouped else listed, tools, urgent)
        if (wanted, order) != (self.filter, self.order):
            return  # another filter or order is read next
        self._open, self.loaded = SortedIds(ids), True
        self._snoozed, self._me, self._order = snoozed, me, order
        self._items.regroup(groups)
        for id_ in self._fitting([id_ for id_ in self._decided_items if id_ in self._items.rows]):
            ids_in_order.add(id_)
        self._items.marks &= set(shown)
        self._items.load(ids_in_order)
        self._compare(self._items.rows.values())
        self._plan_wake()
        self.title()

    async def _tools_of(self, ids: Sequence[int], are_some: bool) -> dict[Key, list[int]]:
        """The reviews by agent and tools; `are_some`: not all that are open."""
        tools: Mapping[Key, list[int]] = await self._inbox.reviews.by_tools()
        if not are_some:
            return dict(tools)
        listed = set(ids)
        chosen = {key: [id_ for id_ in members if id_ in listed] for key, members in tools.items()}
        return {key: members for key, members in chosen.items() if members}

    async def _urgency(self) -> tuple[frozenset[str], list[tuple[Key, int]]]:
        """The names under which something is escalated to this person, and what is urgent for them."""
        urgent = await self._inbox.reviews.urgent()
        me = names_of(self._inbox.reviewer, self._groups_of_people() if any(one.escalated for one in urgent) else {})
        return me, [(key, one.id) async for one in _in_slices(urgent) if (key := urgency(one, me)) != ORDINARY]

    def _groups_of_people(self) -> Mapping[str, Sequence[str]]:
        policy = self._inbox.policy.active()
        return policy.groups if policy else {}

    async def fetch(self, ids: Sequence[int]) -> list[ReviewRow]:
        """Read rows for the list."""
        rows = await self._inbox.reviews.rows(ids)
        self._compare(rows)
        self._look_for_destruction()
        return rows

    def _look_for_destruction(self) -> None:
        start_worker(self._owner, "destroyed", self._find_destruction, exclusive=True)

    async def _find_destruction(self) -> None:
        """Find out which calls of the list destroy data, once it rests: the risk that is stated may say less."""
        await asyncio.sleep(RESTS_S)
        found, wanted = self._items.destroyed, dict(self._items.rows)
        for gone in [id_ for id_ in found if id_ not in wanted]:
            del found[gone]
        try:
            for row in wanted.values():
                if row.id not in found and row.state == ReviewState.OPEN and row.kind.is_tool_call and row.worst_risk not in GRAVE:
                    with contextlib.suppress(Refused):  # it was deleted meanwhile
                        found[row.id] = next(iter((await self._inbox.policy.destroyed(await self._inbox.reviews.get(row.id))).values()), "")
                        if found[row.id]:
                            self._items.refresh()
                        await asyncio.sleep(REST_S)
        except store_errors() as error:
            report(self._owner, error)

    def _compare(self, rows: Iterable[ReviewRow]) -> None:
        """Say in rows that stand for a group how its calls differ, soon."""
        if self._order.grouped:
            start_worker(self._owner, "groups", self._compare_groups, list(rows))

    async def _compare_groups(self, rows: Sequence[ReviewRow]) -> None:
        groups, notes = self._items.groups, self._items.group_notes
        try:
            for row in rows:
                if self._items.groups is not groups:
                    return  # the queue was sorted or grouped anew, and its rows are compared anew
                members = groups.members(row.id)
                if len(members) > 1 and len(row.tools) == 1 and row.id not in notes:
                    notes[row.id] = group_differences(await self._inbox.reviews.first_args(members[:MOST_COMPARED]))
                    await asyncio.sleep(REST_S)
        except store_errors() as error:
            report(self._owner, error)
        self._items.refresh()

    def chosen(self, cursor: int | None) -> list[int]:
        """The open reviews that a decision on many is about: those marked, else those of the row under the cursor."""
        wanted = self._items.marks or (self._items.groups.members(cursor) if cursor is not None else ())
        return sorted(id_ for id_ in wanted if id_ in self._open)

    @property
    def snoozed(self) -> Collection[int]:
        """The reviews that this person has snoozed."""
        return self._snoozed

    def refresh_snoozes(self) -> None:
        """Hide what was snoozed and show what came back, after a change or when a time is over."""
        before, self._snoozed = self._snoozed, self._inbox.reviews.snoozed()
        if before.keys() != self._snoozed.keys() and not self.show_snoozed:
            self._items.apply({}, [id_ for id_ in self._snoozed if id_ not in before and id_ in self._open])
            back = [id_ for id_ in before if id_ not in self._snoozed and id_ in self._open]
            for id_ in self._fitting(back):
                self._items.order.add(id_)
            self._items.reload()
            self.title()
        self._plan_wake()

    def _plan_wake(self) -> None:
        if self._wake:
            self._wake.stop()
        until = min((at for at in self._snoozed.values() if at is not None), default=None)
        self._wake = None if until is None else self._owner.set_timer(max(0.05, until - time.time()), self.refresh_snoozes)

    def apply(self, changed: Sequence[ReviewRow]) -> dict[int, ReviewRow]:
        """Add, update or remove reviews. Returns the changed ones that the list shows."""
        put: dict[int, ReviewRow] = {}
        fitting = self._fitting([row.id for row in changed if row.state == ReviewState.OPEN])
        for row in changed:
            if row.state == ReviewState.OPEN:
                self._open.add(row.id)
                self._decided_items.stay(row.id)
                if self._is_listed(row, row.id in fitting):
                    put[row.id] = row
            else:
                self._open.drop(row.id)
                self._items.marks.discard(row.id)
                if row.id in self._items.order:
                    put[row.id] = row
                if (following := self._items.groups.drop(row.id)) is not None:
                    self._items.order.add(following)
        self._decided_items.put(row for row in put.values() if row.state != ReviewState.OPEN)
        self._items.apply(put)
        if put:
            self._look_for_destruction()
        self.title()
        return put

    def _is_listed(self, row: ReviewRow, fits: bool) -> bool:
        """Whether an open review has a row; it gets its place in the order and its group."""
        order = self._items.order
        if isinstance(order, RankedIds):
            order.rank(row.id, self._order.key(row.facts, self._me))
        if row.id in order:  # what is shown stays where it is, and is told as it is
            return True
        if not fits or (row.id in self._snoozed and not self.show_snoozed):
            return False
        if not self._order.grouped:
            return True
        if (before := self._items.groups.put(row.facts)) is not None and before != self._items.cursor:
            order.drop(before)
        return self._items.groups.leads(row.id)

    def leave(self, ids: Sequence[int]) -> None:
        """Remove decided items."""
        self._items.apply({}, ids)
        self.title()

    def decided(self, review: int) -> None:
        """Count a review as decided."""
        self._open.drop(review)

    def after(self, review: int) -> int | None:
        """The next open item, else the one before; within a group its next review."""
        order = self._items.order
        members = self._items.groups.members(review)
        if (following := next((id_ for id_ in members if id_ != review and id_ in self._open), None)) is not None:
            order.add(following)
            return following
        place = order.place(review)
        near = [*range(place + 1, min(place + NEAR, len(order))), *range(place - 1, max(-1, place - NEAR), -1)]
        return next((order.at(at) for at in near if order.at(at) in self._open), None)

    def title(self) -> None:
        """Show the number of items above the list, and make room for the review if there are few."""
        count = f"{len(self._open):,}" if not self.filter else f"{len(self._items.order):,} of {len(self._open):,}"
        asleep = sum(id_ in self._open for id_ in self._snoozed)
        parts = [f"Waiting  {count}", self._order.title(), f"{asleep:,} snoozed" if asleep else ""]
        title = " · ".join(filter(None, parts)) + (f"  /{one_line(self.filter, 20)}" if self.filter else "")
        self._items.border_title = title.replace("[", "\\[")
        self._items.nothing = f"no review matches {one_line(self.filter, 60)},\nesc clears" if self.filter else ""
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
