"""The arguments of a call, page by page, with a record of which of their rows have been on the screen."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import ceil

from rich.cells import cell_len
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.timer import Timer

from hitl_tui.formatting import counted
from hitl_tui.sanitize import visible
from hitl_tui.ui.messages import PageSeen
from hitl_tui.ui.runtime.key_queue import DEAD_TIME_S
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.border_notes import REMARK_S
from hitl_tui.ui.widgets.text_view import TextView

SEEN_S = DEAD_TIME_S
"""Seconds a row must have been on the screen to count as seen."""
REMEMBERED_CALLS = 500
"""Calls of which it is remembered what was seen."""


class Coverage:
    """The parts of a text that have been seen: disjoint ranges of offsets, in order. Offsets do not depend on how the text wraps."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ranges: list[tuple[int, int]] = []
        for begin, end in ranges:
            self.add(begin, end)

    def add(self, begin: int, end: int) -> None:
        """Add a range, joined with those that it touches."""
        if begin >= end:
            return
        first = bisect_left(self._ranges, begin, key=lambda one: one[1])
        last = bisect_right(self._ranges, end, key=lambda one: one[0])
        if first < last:
            begin, end = min(begin, self._ranges[first][0]), max(end, self._ranges[last - 1][1])
        self._ranges[first:last] = [(begin, end)]

    def gaps(self, end: int) -> Iterator[tuple[int, int]]:
        """The ranges before `end` that are missing."""
        at = 0
        for begin, over in self._ranges:
            if begin >= end:
                break
            if begin > at:
                yield at, begin
            at = over
        if at < end:
            yield at, end

    def moved(self, by: int) -> Coverage:
        """The same ranges `by` offsets further; what comes to lie before the beginning is dropped."""
        return Coverage((max(0, begin + by), end + by) for begin, end in self._ranges)


class ArgumentsView(TextView):
    """Shows what is asked. A row counts as seen after `SEEN_S` on the screen, once for all calls of the same digest."""

    PAGES_REPEAT = False

    def __init__(self) -> None:
        super().__init__(id="arguments")
        self.how_to_read_on: Callable[[], str] = str
        """Tells the keys that show the next page, e.g. `a or space reads on`."""
        self._known: OrderedDict[str, Coverage] = OrderedDict()
        self._seen_whole: set[str] = set()
        """The digests among them of which every row has been seen."""
        self._digest = ""
        self._head_size = 0
        self._coverage = Coverage()
        self._line_at: list[int] = []
        self._painted_at: dict[int, float] = {}
        self._due: Timer | None = None
        self._remark = ""
        self._remark_ends: Timer | None = None
        self._marks: Mapping[str, tuple[str, str]] = {}

    def show_call(self, digest: str, head: Sequence[Line], arguments: Iterable[Line]) -> None:
        """Show a call from its top.

        Args:
            digest: identifies the arguments; empty for nothing.
            head: what stands above them and may change, e.g. what others said.
            arguments: what the call would do; always the same for a digest.
        """
        self._record()
        self._keep()
        self.remark("")
        self._digest, self._head_size = digest, sum(len(one.text) + 1 for one in head)
        self._coverage = self._known.get(digest, Coverage()).moved(self._head_size)
        self._painted_at.clear()
        self._line_at.clear()
        self.show(chain(head, arguments))

    def mark_values(self, marks: Mapping[str, tuple[str, str]]) -> None:
        """Put marks with styles beside the values of arguments, by their names as drawn. No text moves, and what was seen stays seen."""
        if marks != self._marks:
            self._marks = marks
            self.refresh()

    def _highlighted(self, index: int, start: int, end: int) -> Line:
        one = super()._highlighted(index, start, end)
        if start or not one.is_agent or one.lead not in self._marks:
            return one
        mark, style = self._marks[one.lead]
        return replace(one, mark=mark, mark_style=style)

    @property
    def all_seen(self) -> bool:
        """Whether every row has been on the screen for long enough."""
        self._record()
        return self._whole and next(self._coverage.gaps(self._text_size), None) is None

    def has_seen(self, digest: str) -> bool:
        """Whether every row of a call has been seen, now or when it was shown before."""
        return digest in self._seen_whole or (digest == self._digest and self.all_seen)

    @property
    def reads_on(self) -> bool:
        """Whether there are pages left that have not been seen. Before the text is laid out there may be."""
        return (self.goes_on or not self._row_line) and not self.all_seen

    @property
    def end_seen(self) -> bool:
        """Whether the last row has been on the screen for long enough."""
        self._record()
        return self._whole and not any(end == self._text_size for _, end in self._coverage.gaps(self._text_size))

    @property
    def page_seen(self) -> bool:
        """Whether the rows that are on the screen now have been there for long enough."""
        self._record()
        rows = self._rows_shown()
        end = self._span(rows[-1])[1] if rows else 0
        return bool(rows) and all(gap[1] <= self._span(rows[0])[0] for gap in self._coverage.gaps(end))

    @property
    def unseen_rows(self) -> int:
        """Rows that have not been seen, as they are wrapped now; of a text that is still being laid out those known so far."""
        self._record()
        return sum(map(len, self._gaps()))

    @property
    def seen_share(self) -> float:
        """The share of the text that has been seen, from 0 to 1."""
        self._record()
        size = self._text_size
        return round(1 - sum(end - begin for begin, end in self._coverage.gaps(size)) / size, 4) if size and self._whole else 0.0

    @property
    def page(self) -> tuple[int, int]:
        """The page on the screen, from 1, and how many there are."""
        rows = max(1, self.text_rows)
        return 1 + ceil(self.scroll_offset.y / rows), max(1, ceil(len(self._row_line) / rows))

    def action_page_down(self) -> None:
        """Go a page down; at the end, back to the first row that has not been seen."""
        if self._whole and self.scroll_offset.y >= self.max_scroll_y and not self.all_seen:
            self.read_on()
        else:
            super().action_page_down()

    def read_on(self) -> None:
        """Show the first row that has not been seen, at the top where there is enough below it."""
        gap = next(self._gaps(), None)
        if gap is not None:
            self.scroll_to(y=gap[0], animate=False)

    def status(self) -> list[str]:
        page, pages = self.page
        unseen = self.unseen_rows
        where = f"page {page} of {pages}{'' if self._whole else ' or more'}"
        seen = f"{where}{' seen' if self.page_seen else ''}"
        if self._whole and self.scroll_offset.y + self.text_rows >= len(self._row_line):
            return ["▴ end", f"{counted(unseen, 'line')} above not seen", "space shows them", where] if unseen else ["▴ end", seen]
        if self._whole and not unseen:
            return [*super().status(), f"all {pages} pages seen"]
        return [*super().status(), seen, *([how] if unseen and (how := self.how_to_read_on()) else [])]

    def remark(self, text: str) -> bool:
        """Show why a key did nothing, for a moment, or with an empty text no longer.

        It stands on the last row, beside what that says of the text. False if there is no room for it: the text fills all rows.
        """
        shown = visible(text) if self._has_room(visible(text)) else ""
        if self._remark_ends:
            self._remark_ends.stop()
        self._remark_ends = self.set_timer(REMARK_S, lambda: self.remark("")) if shown else None
        if shown != self._remark:
            self._remark = shown
            self.refresh()
        return shown == visible(text)

    def _has_room(self, remark: str) -> bool:
        """Whether the last row is no row of the text, and is long enough."""
        if not self.display:
            return False
        if self.goes_on:
            return cell_len(f"{remark} · {self.status()[0]}") <= self._room
        return len(self._row_line) < self.size.height and cell_len(remark) <= self._room

    def render_line(self, y: int) -> Strip:
        if self._remark and y == self.size.height - 1:
            rest = f" · {self.status()[0]}" if self.goes_on else ""
            return self.strip([(self._remark, "warning"), (rest, "muted")], self.size.width, marked=True)
        row = y + self.scroll_offset.y
        if y < self.text_rows and row < len(self._row_line) and row not in self._painted_at:
            self._painted_at[row] = time.monotonic()
            if self._due is None:
                self._due = self.set_timer(SEEN_S + 0.01, self._look)
        return super().render_line(y)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._forget_hidden()

    def on_resize(self, event: events.Resize) -> None:
        self._forget_hidden()  # before Textual calls the base class, which wraps the text anew
        if self._room != self._width:
            self._record()
            self._painted_at.clear()
        self.post_message(PageSeen())  # pages have come or gone

    def on_hide(self) -> None:
        self._record()
        self._painted_at.clear()

    def on_show(self) -> None:
        self.refresh()  # rows on the screen again are painted again, and their time begins

    def _look(self) -> None:
        """The rows that were painted first have been on the screen for long enough; wait for those painted since."""
        waiting = [left for at in self._painted_at.values() if (left := at + SEEN_S - time.monotonic()) > 0]
        self._due = self.set_timer(max(waiting) + 0.01, self._look) if waiting else None
        self._record()
        if self.goes_on:
            self.refresh(Region(0, self.size.height - 1, self.size.width, 1))
        self.post_message(PageSeen())  # also of a text that fits: it may have had less room a moment ago

    def _record(self) -> None:
        """Take in what has been on the screen for long enough."""
        now = time.monotonic()
        for row, at in self._painted_at.items():
            if now - at >= SEEN_S:
                self._coverage.add(*self._span(row))

    def _forget_hidden(self) -> None:
        """Stop the time of rows that are no longer on the screen."""
        self._record()
        shown = self._rows_shown()
        self._painted_at = {row: at for row, at in self._painted_at.items() if row in shown}

    def _keep(self) -> None:
        """Remember what was seen of the call that is shown."""
        if self._digest:
            self._known[self._digest] = self._coverage.moved(-self._head_size)
            self._known.move_to_end(self._digest)
            if self.all_seen:
                self._seen_whole.add(self._digest)
            if len(self._known) > REMEMBERED_CALLS:
                self._seen_whole.discard(self._known.popitem(last=False)[0])

    def _rows_shown(self) -> range:
        return range(self.scroll_offset.y, min(self.scroll_offset.y + self.text_rows, len(self._row_line)))

    def _span(self, row: int) -> tuple[int, int]:
        """The offsets of a row; a line's last row holds its line break too."""
        index, start, end = self._row(row)
        at = self._line_offset(index)
        return at + start, at + end + (end == len(self._lines[index].text))

    @property
    def _text_size(self) -> int:
        """The offset after the last row that is laid out."""
        return self._span(len(self._row_line) - 1)[1] if self._row_line else 0

    def _line_offset(self, index: int) -> int:
        """The offset at which a line begins."""
        for known in range(len(self._line_at), index + 1):
            self._line_at.append(self._line_at[-1] + len(self._lines[known - 1].text) + 1 if known else 0)
        return self._line_at[index]

    def _gaps(self) -> Iterator[range]:
        """The rows that have not been seen, in stretches."""
        after = 0
        for begin, end in self._coverage.gaps(self._text_size):
            first, last = max(after, self._row_at(begin)), self._row_at(end - 1)
            if last >= first:
                yield range(first, last + 1)
            after = max(after, last + 1)

    def _row_at(self, offset: int) -> int:
        """The row that holds an offset."""
        index = bisect_right(self._line_at, offset) - 1
        first, over = bisect_left(self._row_line, index), bisect_right(self._row_line, index)
        return bisect_right(self._row_start, offset - self._line_at[index], first, over) - 1
