"""A list to pick one value from, by number or with the arrows. Nothing is picked at first, unless the caller says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.message import Message
from textual.strip import Strip

from hitl_tui.sanitize import visible_line
from hitl_tui.ui.widgets.border_notes import BelowNote, lines_below
from hitl_tui.ui.widgets.styled_lines import ScrollSurface
from hitl_tui.ui.widgets.text_view import row_starts

MARK = 3
"""Cells of the mark and the number before a choice."""
BESIDE = 2
"""Cells of the scrollbar, which lies over the last column, and of the one beside it."""


class ChoiceList(ScrollSurface):
    """Each choice in full, on as many rows as it needs."""

    MOVING_KEYS: ClassVar = frozenset("123456789jk") | {"down", "up"}
    """Keys that only pick: they act while held, and when several come at once."""

    NUMBERS_SUBMIT: ClassVar = False
    """Whether a number submits its choice."""

    @dataclass
    class Picked(Message):
        """A choice is picked, or (`sent`) the picked one is submitted."""

        place: int
        sent: bool

    def __init__(self, choices: Sequence[str], picked: int | None = None, id: str | None = None, leads: Sequence[str] = ()) -> None:
        """`leads`: words before the choices, all of the same length; a choice that needs more rows goes on below itself."""
        super().__init__(id=id)
        self.choices = choices
        self._leads = leads
        self.picked = picked
        self._texts = [visible_line(choice)[0] for choice in choices]
        self._rows: list[tuple[int, int, int]] = []
        """The choice that each row belongs to, and where in its text the row begins and ends."""
        self._below = BelowNote(self, lines_below)

    def on_mount(self) -> None:
        self._below.begin()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._wrapped(width))

    def on_resize(self) -> None:
        self._rows = self._wrapped(self.size.width)
        self.measure(len(self._rows))
        self._below.draw()
        self._reveal()

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        if row >= len(self._rows):
            return self.strip([], self.size.width)
        place, start, end = self._rows[row]
        here = place == self.picked
        number = f"{place + 1} " if place < 9 and not start else "  "
        style = "strong" if here else ""
        lead = self._leads[place] if self._leads else ""
        pieces = [("▌" if here else " ", "accent"), (number, "accent"), (" " * len(lead) if start else lead, style)]
        pieces.append((self._texts[place][start:end], style))
        return self.strip(pieces, self.size.width, marked=here)

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            if self.picked is not None:
                self.post_message(self.Picked(self.picked, sent=True))
        elif event.key.isdecimal() and event.key != "0":
            self._pick(int(event.key) - 1, sent=self.NUMBERS_SUBMIT)
        elif event.key in ("down", "j"):
            self._pick(0 if self.picked is None else self.picked + 1)
        elif event.key in ("up", "k"):
            self._pick(0 if self.picked is None else self.picked - 1)

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        row = -1 if inside is None else inside.y + self.scroll_offset.y
        if 0 <= row < len(self._rows):
            self._pick(self._rows[row][0])

    def _wrapped(self, width: int) -> list[tuple[int, int, int]]:
        rows, room = list[tuple[int, int, int]](), width - MARK - BESIDE - max(map(len, self._leads), default=0)
        for place, text in enumerate(self._texts):
            starts = list(row_starts(text, room))
            rows += [(place, start, end) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
        return rows

    def _pick(self, place: int, sent: bool = False) -> None:
        if 0 <= place < len(self.choices):
            self.picked = place
            self.refresh()
            self._reveal()
            self.post_message(self.Picked(place, sent))

    def _reveal(self) -> None:
        """Scroll as little as needed to see the picked choice."""
        rows = [row for row, (place, _, _) in enumerate(self._rows) if place == self.picked]
        if not rows:
            return
        if rows[0] < self.scroll_offset.y:
            self.scroll_to(y=rows[0], animate=False)
        elif rows[-1] >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=rows[-1] + 1 - self.size.height, animate=False)


class QuickChoiceList(ChoiceList):
    """One of which a number submits its choice at once."""

    MOVING_KEYS: ClassVar = frozenset({"j", "k", "down", "up"})
    NUMBERS_SUBMIT: ClassVar = True
