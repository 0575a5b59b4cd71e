"""A list to pick one value from, by number or with the arrows. Nothing is picked at first, unless the caller says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.strip import Strip

from hitl_tui.sanitize import visible_line
from hitl_tui.ui.widgets.styled_lines import StyledWidget


class ChoiceList(StyledWidget, can_focus=True):
    """One row per choice."""

    @dataclass
    class Picked(Message):
        """A choice is picked, or (`sent`) the picked one is submitted."""

        place: int
        sent: bool

    def __init__(self, choices: Sequence[str], picked: int | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.choices = choices
        self.picked = picked

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.choices)

    def render_line(self, y: int) -> Strip:
        here = y == self.picked
        if y >= len(self.choices):
            return self.strip([], self.size.width)
        pieces = [
            ("▌" if here else " ", "accent"),
            (f"{y + 1} " if y < 9 else "  ", "accent"),
            (visible_line(self.choices[y])[0], "strong" if here else ""),
        ]
        return self.strip(pieces, self.size.width, marked=here)

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            if self.picked is not None:
                self.post_message(self.Picked(self.picked, sent=True))
        elif event.key.isdecimal() and event.key != "0":
            self._pick(int(event.key) - 1)
        elif event.key in ("down", "j"):
            self._pick(0 if self.picked is None else self.picked + 1)
        elif event.key in ("up", "k"):
            self._pick(0 if self.picked is None else self.picked - 1)

    def on_click(self, event: events.Click) -> None:
        self._pick(event.y)

    def _pick(self, place: int) -> None:
        if 0 <= place < len(self.choices):
            self.picked = place
            self.refresh()
            self.post_message(self.Picked(place, sent=False))
