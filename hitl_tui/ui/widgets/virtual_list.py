"""A list of items of two rows or so drawn on Textual's line API: it holds all ids, and rows only for what is in view."""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events, work
from textual.strip import Strip

from hitl_tui.formatting import counted
from hitl_tui.ui.commands import group
from hitl_tui.ui.messages import KeyIgnored, Opened, ReadOn
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.widgets.border_notes import BorderNotes
from hitl_tui.ui.widgets.styled_lines import Piece, ScrollSurface


class SortedIds:
    """A sorted set of ids, read by place; `newest_first` only turns the places round."""

    def __init__(self, ids: Iterable[int] = (), newest_first: bool = False) -> None:
        self._ids = ids if isinstance(ids, array) else array("q", ids)
        self._turned = newest_first

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: int) -> bool:
        place = bisect_left(self._ids, id_)
        return place < len(self._ids) and self._ids[place] == id_

    def at(self, place: int) -> int:
        """The id at a place."""
        return self._ids[len(self._ids) - 1 - place if self._turned else place]

    def slice(self, start: int, end: int) -> list[int]:
        """The ids from one place up to another, as far as there are."""
        return [self.at(place) for place in range(max(0, start), min(end, len(self)))]

    def place(self, id_: int) -> int:
        """Where the id is, or would be."""
        place = bisect_left(self._ids, id_)
        return len(self._ids) - 1 - place if self._turned else place

    def add(self, id_: int) -> bool:
        """Put an id in; whether it was new."""
        if id_ in self:
            return False
        self._ids.insert(bisect_left(self._ids, id_), id_)
        return True

    def drop(self, id_: int) -> bool:
        """Take an id out; whether it was there."""
        if id_ not in self:
            return False
        del self._ids[bisect_left(self._ids, id_)]
        return True


HEIGHT = 2
"""Rows of an item, where its list does not say otherwise."""
MARGIN = 40
"""Items fetched beyond the view, each way."""
KEPT = 400
"""Rows kept in memory beyond which those out of view are forgotten."""

T = TypeVar("T")


class VirtualList(ScrollSurface, Generic[T]):
    """The cursor is an id, not a place: nothing that arrives or leaves moves it to another item."""

    GROUPS: ClassVar[tuple[str, ...]] = ("list",)
    """The groups of commands it has actions for."""
    BINDINGS = group(*GROUPS)
    rows_each = HEIGHT
    """Rows of an item."""
    noun = "item"
    """What an item is, for the number of those below."""
    is_complete = True
    """Whether there are no more items than it knows of."""

    def __init__(self, fetch: Callable[[Sequence[int]], Awaitable[list[T]]], moved: Callable[[int | None, bool], None], *, id: str) -> None:
        super().__init__(id=id)
        self._fetch = fetch
        self._moved = moved
        self.order = SortedIds()
        self.rows: dict[int, T] = {}
        self.cursor: int | None = None
        self.nothing = ""
        """What the list says while it has no items, in a row for each line."""
        self.notes = BorderNotes(self, ("marks", "hand-backs", "above", "below"))

    def paint(self, row: T, part: int, width: int) -> Iterator[Piece]:
        """The pieces of one of an item's rows. Its last column stays free: the scrollbar stands beside it."""
        raise NotImplementedError

    def key_of(self, row: T) -> int:
        """The id of a row."""
        raise NotImplementedError

    def load(self, order: SortedIds) -> None:
        """Show other ids; the cursor stays on its item when that is still there."""
        self.order = order
        if self.cursor is None or self.cursor not in order:
            self._to(order.at(0) if len(order) else None, by_itself=True)
        self._measure()
        self.reveal()
        self.refresh()

    def reload(self) -> None:
        """Ids came or went: show them, and fetch rows that are in view now."""
        if self.cursor is None and len(self.order):
            self._to(self.order.at(0), by_itself=True)
        self._measure()
        self.refresh()

    def apply(self, put: Mapping[int, T], drop: Iterable[int] = ()) -> None:
        """Take in items that are new or changed, and let others go, without moving what is under the cursor."""
        with self._holding_still():
            for id_, row in put.items():
                self.order.add(id_)
                self.rows[id_] = row
            orphaned = None
            for id_ in drop:
                if id_ == self.cursor:
                    orphaned = self.order.place(id_)
                self.order.drop(id_)
                self.rows.pop(id_, None)
            if orphaned is not None or (self.cursor is None and len(self.order)):
                place = min(orphaned or 0, len(self.order) - 1)
                self._to(self.order.at(place) if place >= 0 else None, by_itself=True)
        self._forget()
        self.refresh()

    def select(self, id_: int, by_itself: bool = False) -> None:
        """Put the cursor on an item and bring it into view."""
        if id_ in self.order:
            self._to(id_, by_itself)
            self.reveal()

    def reveal(self) -> None:
        """Scroll as little as needed to see the cursor's item."""
        if self.cursor is None or not self.size.height:
            return
        top = self._row_of(self.cursor)
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        elif top + self.rows_each > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=top + self.rows_each - self.size.height, animate=False)

    def neighbours(self, reach: int) -> list[int]:
        """Ids around the cursor, the next ones first."""
        if self.cursor is None:
            return []
        place = self.order.place(self.cursor)
        return self.order.slice(place + 1, place + 1 + reach) + self.order.slice(place - reach, place)

    def action_move(self, by: int) -> None:
        self._go((self.order.place(self.cursor) if self.cursor is not None else 0) + by)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.size.height // self.rows_each - 1))

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self.order) - 1)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(Opened(self.cursor))
        else:
            self.post_message(KeyIgnored("the list is empty"))

    def action_read_on(self) -> None:
        self.post_message(ReadOn())

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is None:
            return
        self._go((inside.y + self.scroll_offset.y) // self.rows_each, within=True)
        if event.chain > 1:
            self.action_open()

    def on_resize(self) -> None:
        self._measure()
        self.reveal()
        self.notes.draw()  # there is other room

    def on_key_ignored(self, message: KeyIgnored) -> None:
        """Say it on the own border; where there is no room, let the view say it."""
        if self.remark(message.reason):
            message.stop()

    def remark(self, text: str) -> bool:
        """Show for a moment why a key did nothing, or with an empty text no longer. False if there is no room for it."""
        return self.size.width > 0 and self.notes.remark(text)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want()
        self._tell_hidden()

    def render_line(self, y: int) -> Strip:
        place, part = divmod(y + self.scroll_offset.y, self.rows_each)
        width = self.size.width
        if not len(self.order):
            said = self.nothing.split("\n")
            return self.strip([(f"   {said[y]}" if y < len(said) else "", "muted")], width)
        if place >= len(self.order):
            return self.strip([], width)
        id_ = self.order.at(place)
        here = id_ == self.cursor
        bar = ("▌" if here else " ", "accent")
        row = self.rows.get(id_)
        room = width - 1 - (self.styles.scrollbar_size_vertical if self.show_vertical_scrollbar else 0)  # it lies over the last column
        pieces = [("  …", "muted")] if row is None else list(self.paint(row, part, room))
        return self.strip([bar, *pieces], width, marked=here)

    def _go(self, place: int, within: bool = False) -> None:
        if within and place >= len(self.order):
            return
        last = len(self.order) - 1
        if last < 0:
            self.post_message(KeyIgnored("the list is empty"))
            return
        id_ = self.order.at(max(0, min(place, last)))
        if id_ == self.cursor and not within:
            which = "last" if place >= last else "first"
            self.post_message(KeyIgnored(f"this is the {which} item" if last else "there is no other item"))
        self._to(id_, by_itself=False)
        self.reveal()

    def _to(self, id_: int | None, by_itself: bool) -> None:
        if id_ != self.cursor:
            self.cursor = id_
            self.refresh()
            self._moved(id_, by_itself)

    @contextlib.contextmanager
    def _holding_still(self) -> Iterator[None]:
        top = self.scroll_offset.y
        anchor = self.cursor
        if len(self.order) and (anchor is None or not top - self.rows_each < self._row_of(anchor) < top + self.size.height):
            anchor = self.order.at(min(top // self.rows_each, len(self.order) - 1))
        lines_down = self._row_of(anchor) - top if anchor is not None else 0
        yield
        self._measure()
        if anchor is not None and anchor in self.order:
            self.scroll_to(y=max(0, self._row_of(anchor) - lines_down), animate=False)

    def _row_of(self, id_: int) -> int:
        return self.order.place(id_) * self.rows_each

    def _measure(self) -> None:
        self.measure(len(self.order) * self.rows_each)
        self._want()
        self._tell_hidden()

    def _tell_hidden(self) -> None:
        """Say on the border how many items are not on the screen, or not whole, above and below."""
        above = -(-self.scroll_offset.y // self.rows_each) if self.size.height else 0
        self.notes.put("above", f"▴ {above:,} above" if above and len(self.order) else "")
        below = len(self.order) - (self.scroll_offset.y + self.size.height) // self.rows_each if self.size.height else 0
        more = "" if self.is_complete else "more than "
        self.notes.put("below", f"▾ {more}{counted(below, f'more {self.noun}')}" if below > 0 else "")

    def _window(self, margin: int) -> list[int]:
        top = self.scroll_offset.y // self.rows_each
        return self.order.slice(top - margin, top + (self.size.height or 50) // self.rows_each + 1 + margin)

    def _want(self) -> None:
        if any(id_ not in self.rows for id_ in self._window(1)):
            missing = [id_ for id_ in self._window(MARGIN) if id_ not in self.rows]
            self._fill(missing)

    @work(group="rows", exclusive=True)
    @reports_errors
    async def _fill(self, ids: Sequence[int]) -> None:
        self.rows |= {self.key_of(row): row for row in await self._fetch(ids)}
        self._forget()
        self.refresh()

    def _forget(self) -> None:
        if len(self.rows) > KEPT:
            near = set(self._window(MARGIN)) | {self.cursor}
            self.rows = {id_: row for id_, row in self.rows.items() if id_ in near}
