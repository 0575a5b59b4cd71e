"""A read-only text of any size: wraps what is near the view at once and the rest when idle, so that no payload can freeze the screen."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import ClassVar

from rich.cells import cell_len, get_character_cell_size
from textual import events, work
from textual.geometry import Region
from textual.reactive import reactive
from textual.selection import Selection
from textual.strip import Strip

from hitl_tui.formatting import counted
from hitl_tui.sanitize import is_mark, one_line
from hitl_tui.ui.commands import active_key, group
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text.lines import AGENT_BAR, Line, fit, layered
from hitl_tui.ui.text.search import Hit, TextSearch
from hitl_tui.ui.widgets.styled_lines import Piece, ScrollSurface

SLICE_S = 0.005
"""How long one idle slice may take."""
ROW_END = 1 << 30
"""Characters into a row for what stands after its end."""
END_S = 0.2
"""How long going to the end may take; of a longer text the rest follows when idle."""
SEARCH_KEYS = (("next_hit", "next"), ("previous_hit", "previous"), ("end_search", "ends"))
"""Commands of a search that the last row names, with what their keys do."""


class TextView(ScrollSurface):
    """Lines that can be scrolled to every character, and selected. Where they do not all fit, the last row says how many follow."""

    BINDINGS = group("text")
    ALLOW_SELECT = True
    PAGES_REPEAT: ClassVar[bool] = True
    """Whether a held key turns page after page. Not in texts that record what was read."""

    hits_told: reactive[str] = reactive("", repaint=False)
    """Which hit of the search is shown, and how many there are; empty without a search."""

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._source: Iterator[Line] = iter(())
        self._lines: list[Line] = []
        self._row_line = array("q")
        self._row_start = array("q")
        self._layout: Iterator[tuple[int, int]] = iter(())
        self._whole = True
        self._width = 0
        self._slicing = False
        self._follows_end = False
        self._is_at_end = True
        self.painted = False
        """Whether what is shown now has been on the screen."""
        self._search: TextSearch | None = None
        self._search_due = False
        self._painting = False
        self._selection: Selection | None = None
        """What is selected, as it was last painted."""

    def show(self, lines: Iterable[Line], at_end: bool = False) -> None:
        """Show another text from its top, or at its end until the person scrolls up."""
        self._source, self._lines = iter(lines), []
        self._search, self.hits_told = None, ""
        self.painted = False
        self._follows_end, self._is_at_end = at_end, True
        self._restart()
        if at_end:
            self._grow(0, time.monotonic() + SLICE_S)
        else:
            self.scroll_to(y=0, animate=False)

    def splice(self, keep: int, lines: Iterable[Line], follows_end: bool = True) -> None:
        """Keep the first lines and replace the rest; a view at the end stays at the end, unless `follows_end` is false."""
        follow = follows_end and self.scroll_offset.y >= self.max_scroll_y
        self._lines = [*islice(chain(self._lines, self._source), keep), *lines]
        self._source = iter(())
        if self._search:
            self._search.forget(keep)
        if self._whole and self._width:
            cut = bisect_left(self._row_line, keep)
            del self._row_line[cut:], self._row_start[cut:]
            self._layout, self._whole = self._laid_out(keep), False
            self._grow(self.scroll_offset.y + 2 * self.size.height, 0)
            self.refresh()
        else:
            self._restart()
        if follow:
            self._grow(0, time.monotonic() + END_S)
            self.scroll_to(y=self.max_scroll_y, animate=False)
        self._search_on()

    def action_scroll_end(self) -> None:
        self._grow(0, time.monotonic() + END_S)
        super().action_scroll_end()

    # Search

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("next_hit", "end_search"):
            return self._search is not None
        return not self.has_class("empty-page") if action == "search" else super().check_action(action, parameters)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_search(self) -> None:
        from hitl_tui.ui.dialogs.search import SearchScreen

        await ask(self, SearchScreen(self))

    def action_next_hit(self, by: int) -> None:
        if self._search:
            self._search.step(by)
            self._show_hit()

    def action_end_search(self) -> None:
        self.find("")

    @property
    def top(self) -> tuple[int, int]:
        """The line, and the offset in it, that the first row on the screen begins with."""
        return self._row(self.scroll_offset.y)[:2] if self.scroll_offset.y < len(self._row_line) else (0, 0)

    @property
    def searched(self) -> str:
        """The words that are searched for; empty without a search."""
        return self._search.words if self._search else ""

    def find(self, words: str, origin: tuple[int, int] | None = None) -> None:
        """Highlight every place of the words, and show the first from `origin` on, a line and an offset; no words end the search."""
        self._search = TextSearch(words, self.top if origin is None else origin) if words else None
        self.hits_told = ""
        self._measure()  # the last row tells of the search
        self.refresh()
        self._search_on()

    def _search_on(self) -> None:
        """Search for a slice of time; the rest when idle, also of lines that are not laid out yet."""
        search = self._search
        if search is None:
            return
        before = search.current
        search.look(self._lines, time.monotonic() + SLICE_S, self._whole)
        if search.current != before:
            self._show_hit()
        self.hits_told = search.told()
        self.refresh()
        if not search.is_complete and not self._search_due:
            self._search_due = True
            self.set_timer(0.02, self._search_again)

    def _search_again(self) -> None:
        self._search_due = False
        self._search_on()

    def _show_hit(self) -> None:
        """Bring the hit that the person is at on the screen."""
        search = self._search
        if search is None or search.current is None:
            return
        line, start, until = search.current.line, search.current.start * search.current.in_text, time.monotonic() + END_S
        while not self._whole and self._laid_out_to <= (line, start) and time.monotonic() < until:
            self._grow(len(self._row_line) + 1000, 0)
        first, over = bisect_left(self._row_line, line), bisect_right(self._row_line, line)
        row = max(0, bisect_right(self._row_start, start, first, over) - 1)
        if not self.scroll_offset.y <= row < self.scroll_offset.y + self.text_rows:
            self.scroll_to(y=max(0, row - self.text_rows // 3), animate=False, immediate=True)
        self.hits_told = search.told()
        self.refresh()

    @property
    def _laid_out_to(self) -> tuple[int, int]:
        return (self._row_line[-1], self._row_start[-1]) if self._row_line else (-1, 0)

    def _highlighted(self, index: int, start: int, end: int) -> Line:
        """A line with the hits of one of its rows marked."""
        one = self._lines[index]
        if self._search is None:
            return one
        search = self._search

        def style(hit: Hit) -> str:
            return "hit-here" if hit == search.current else "hit"

        spans = [(hit.start, hit.end, style(hit)) for hit in search.in_row(index, start, end)]
        lead = max(map(style, search.beside(index)), default=one.lead_style)
        return replace(one, spans=tuple(layered(one.spans, spans)), lead_style=lead)

    # Selection with the mouse

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """The text that is selected, without gutters and with the line breaks of the text."""
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else len(self._row_line) - 1
        pieces: list[str] = []
        for row in range(first, min(last + 1, len(self._row_line))):
            index, begins, _ = self._row(row)
            pieces.append("\n" if pieces and begins == 0 else "")
            if span := self._selected(row, selection):
                pieces.append(self._lines[index].text[slice(*span)])
        return "".join(pieces), "\n"

    def _selected(self, row: int, selection: Selection) -> tuple[int, int] | None:
        """Where in its line the selected part of a row begins and ends; None if nothing of it is selected."""
        span = selection.get_span(row)
        if span is None:
            return None
        index, start, end = self._row(row)
        gutter = sum(len(text) for text, _ in _beside(self._lines[index], start))
        begins, ends = (min(end, start + max(0, at - gutter)) for at in span)
        return (begins, end if span[1] < 0 else ends) if span[1] < 0 or begins < ends else None

    def _unselect(self) -> None:
        """What was selected stands elsewhere now."""
        if self.is_attached and self in self.screen.selections:
            self.screen.selections = {widget: one for widget, one in self.screen.selections.items() if widget is not self}

    # Layout

    def on_resize(self, event: events.Resize) -> None:
        if self._room != self._width:
            top = self._row_line[self.scroll_offset.y] if self.scroll_offset.y < len(self._row_line) else 0
            self._restart()
            self._seek(top)
        else:
            self._grow(self.scroll_offset.y + 2 * self.size.height, 0)
            self._measure()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._is_at_end = new_value >= self.max_scroll_y
        self._grow(int(new_value) + 2 * self.size.height, 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        self._painting, self._selection = True, self.text_selection if self.is_attached else None
        try:
            return super().render_lines(crop)
        finally:
            self._painting = False

    def render_line(self, y: int) -> Strip:
        """A row to paint; otherwise, for the mouse, one that tells at which character of the text each cell is."""
        self.painted = True
        row, width = y + self.scroll_offset.y, self.size.width
        if y >= self.text_rows:
            return self._located(self.strip([(_joined(self._last_row(), self._room), "muted")], width, marked=True), ROW_END, row - 1)
        if row >= len(self._row_line):
            return self._located(self.strip([], width), ROW_END, len(self._row_line) - 1)
        index, start, end = self._row(row)
        one = self._highlighted(index, start, end)
        if self._selection and (selected := self._selected(row, self._selection)):
            one = replace(one, spans=tuple(layered(one.spans, [(*selected, "selected")])))
        return self._located(self.strip(row_pieces(one, start, end), width, one.is_console), 0, row)

    def _located(self, strip: Strip, begins: int, row: int) -> Strip:
        """Tell the mouse at which character of a row a strip begins; paint needs none of it, and would take longer."""
        return strip if self._painting or row < 0 else strip.apply_offsets(begins, row)

    def _last_row(self) -> list[str]:
        """The status, with the search after its first part."""
        parts = self.status()
        if self._search:
            keys = [f"{key} {what}" for id_, what in SEARCH_KEYS if (key := active_key(self.app, id_))]
            parts[1:1] = [f"/{one_line(self._search.words, 20)}: {self._search.told()}", *([", ".join(keys)] if keys else [])]
        return parts

    def status(self) -> list[str]:
        """What the last row says of a text that does not fit, the most important first."""
        below = len(self._row_line) - self.scroll_offset.y - self.text_rows
        if below <= 0 and self._whole:
            return ["▴ end"]
        return [f"▾ {'' if self._whole else 'more than '}{counted(max(0, below), 'more line')}"]

    @property
    def goes_on(self) -> bool:
        """Whether the text has more rows than fit, or is searched, so that the last row of the view says so."""
        is_cut = len(self._row_line) > self.size.height or (bool(self._row_line) and not self._whole)
        return self.size.height > 1 and (is_cut or self._search is not None)

    @property
    def text_rows(self) -> int:
        """Rows of the view that show text."""
        return self.size.height - self.goes_on

    def _row(self, row: int) -> tuple[int, int, int]:
        """A row's line, and where in it the row begins and ends."""
        index, start = self._row_line[row], self._row_start[row]
        goes_on = row + 1 < len(self._row_line) and self._row_line[row + 1] == index
        return index, start, self._row_start[row + 1] if goes_on else len(self._lines[index].text)

    @property
    def _room(self) -> int:
        """Cells for the text. The scrollbar and a column beside it stay free: it appears when the text is already laid out."""
        beside = self.styles.gutter.width + self.styles.scrollbar_size_vertical + 1
        return max(0, self.outer_size.width - beside) if self.size.width else 0

    def _restart(self) -> None:
        self._unselect()
        self._width = self._room
        self._row_line, self._row_start = array("q"), array("q")
        self._layout, self._whole = self._laid_out(), False
        if self._width:
            self._grow(self.scroll_offset.y + 2 * self.size.height, 0)
        self.refresh()

    def _laid_out(self, index: int = 0) -> Iterator[tuple[int, int]]:
        while True:
            if index == len(self._lines):
                following = next(self._source, None)
                if following is None:
                    return
                self._lines.append(following)
            for start in row_starts(self._lines[index].text, self._width - self._lines[index].gutter):
                yield index, start
            index += 1

    def _grow(self, rows: int, until: float) -> None:
        """Lay out up to so many rows, and beyond them until the time is up; then go on when idle."""
        if self._whole or not self._width:
            return
        if len(self._row_line) < self.scroll_offset.y + self.size.height:
            self.refresh()  # the mark of what was missing is in view
        for count, (index, start) in enumerate(self._layout):
            self._row_line.append(index)
            self._row_start.append(start)
            if len(self._row_line) >= rows and (not until or (count % 64 == 0 and time.monotonic() > until)):
                break
        else:
            self._whole = True
            self.refresh()  # the last row knows the number now
        self._measure()
        if not self._whole and not self._slicing:
            self._slicing = True
            self.set_timer(0.01, self._slice)

    def _measure(self) -> None:
        self.measure(len(self._row_line) + self.goes_on)
        if self._follows_end and self._is_at_end:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    def _slice(self) -> None:
        self._slicing = False
        self._grow(len(self._row_line), time.monotonic() + SLICE_S)

    def _seek(self, index: int) -> None:
        until = time.monotonic() + END_S
        while not self._whole and (not self._row_line or self._row_line[-1] < index) and time.monotonic() < until:
            self._grow(len(self._row_line) + 1000, 0)
        if index:
            self.scroll_to(y=min(bisect_left(self._row_line, index), len(self._row_line) - 1), animate=False)


def _joined(parts: Iterable[str], width: int) -> str:
    """The parts on one row, as many of them as fit."""
    shown = ""
    for part in parts:
        longer = f"{shown} · {part}" if shown else part
        if shown and cell_len(longer) > width:
            break
        shown = longer
    return shown


MARK_CELLS = 2
"""Cells of a mark, with the gap after it."""
BARS = (f"{AGENT_BAR} ", "│ ", "┊ ")
"""Beside a line of agent text, beside its next row, and beside one that goes on within a word: a wrapped line is not several lines."""


def _beside(line: Line, start: int) -> Iterator[Piece]:
    """What stands beside the row of a line that begins at `start`."""
    if line.is_agent:
        yield BARS[0 if start == 0 else 1 if line.text[start - 1] == " " else 2], "muted"
    if line.mark and start == 0 and line.indent > MARK_CELLS:
        yield fit(line.lead, line.indent - MARK_CELLS, drawn=True), line.lead_style
        yield fit(line.mark, MARK_CELLS, drawn=True), line.mark_style
    elif line.indent or line.lead:
        yield fit(line.lead if start == 0 else "", line.indent, drawn=True), line.lead_style


def row_pieces(line: Line, start: int, end: int) -> Iterator[Piece]:
    """One row of a line, from one offset to another, with what stands beside it."""
    yield from _beside(line, start)
    at = start
    for a, b, style in line.spans:
        if b <= start:
            continue
        if a >= end:
            break
        if a > at:
            yield line.text[at:a], line.style
        yield line.text[max(a, at) : min(b, end)], style
        at = min(b, end)
    if at < end:
        yield line.text[at:end], line.style


def row_starts(text: str, width: int) -> Iterator[int]:
    """Offsets where the rows of one line begin; the first is 0. A row holds at most `width` cells, but for a blank at its end.

    A row is broken after the first of several blanks: those that the next one begins with can be seen.
    """
    yield 0
    at, size, width = 0, len(text), max(1, width)
    narrow = text.isascii()
    while at < size:
        full = at + width if narrow else _fitting(text, at, width)
        if full >= size:
            return
        blank = text.rfind(" ", at, full + 1)
        while blank > at and text[blank - 1] == " ":
            blank -= 1
        at = blank + 1 if blank > at else full
        if at < size:
            yield at


def _fitting(text: str, at: int, width: int) -> int:
    """The end of the longest piece from `at` that fits, without half a character at its end, and is at least one character."""
    piece = text[at : at + width]
    end = at + len(piece)
    if cell_len(piece) > width:
        cells = 0
        for place, character in enumerate(piece):
            cells += get_character_cell_size(character)
            if cells > width:
                end = at + max(1, place)
                break
    while at + 1 < end < len(text) and is_mark(text[end]):
        end -= 1
    return end
