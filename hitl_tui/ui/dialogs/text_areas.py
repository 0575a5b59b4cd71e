"""Text areas of dialogs: text and JSON that enter submits, text of any length, and JSON. Each says below how many lines follow.

Enter submits where one thing is typed and sent; in what is edited as a document it breaks the line, as ctrl+j does everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea

from hitl_tui.ui.widgets.border_notes import BelowNote, lines_below


class PlainArea(TextArea):
    """Says in its last row what follows of a text that does not fit, and may be painted once more after it was removed.

    Textual's own raises KeyError then, as its styles are gone.
    """

    def __init__(self, text: str, **how: Any) -> None:
        super().__init__(text, tab_behavior="focus", highlight_cursor_line=False, **how)
        self._below = BelowNote(self, lines_below)

    def on_mount(self) -> None:
        self._below.begin()

    def on_resize(self) -> None:
        self._below.draw()

    def get_cursor_line_end_location(self) -> tuple[int, int]:
        """Where `end` goes: to the end of the row on the screen, and from there to the end of the line, which may take several rows."""
        found = super().get_cursor_line_end_location()
        row = self.cursor_location[0]
        return (row, len(self.document[row])) if found == self.cursor_location else found

    def get_cursor_line_start_location(self, smart_home: bool = False) -> tuple[int, int]:
        """Where `home` goes: to the start of the row on the screen, and from there to the start of the line."""
        found = super().get_cursor_line_start_location(smart_home)
        return (found[0], 0) if found == self.cursor_location else found

    def render_lines(self, crop: Region) -> list[Strip]:
        return super().render_lines(crop) if self.is_attached else [Strip.blank(crop.width)] * crop.height


class SendArea(PlainArea):
    """What is sent as it is typed: enter submits, ctrl+j breaks the line, and pasted lines stay lines."""

    @dataclass
    class Sent(Message):
        """Enter was pressed."""

        text: str

    def __init__(self, text: str = "", id: str | None = None, placeholder: str = "", line_numbers: bool = False) -> None:
        super().__init__(text, id=id, placeholder=placeholder, show_line_numbers=line_numbers)
        self.move_cursor(self.document.end)

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent(self.text))
        elif event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self.insert("\n")


class TextBox(PlainArea):
    """Plain text of any length: enter breaks the line, and tab moves the focus on."""

    def __init__(self, text: str, id: str, placeholder: str = "") -> None:
        super().__init__(text, id=id, placeholder=placeholder)


class JsonArea(PlainArea):
    """JSON: enter breaks the line, tab moves the focus on."""

    def __init__(self, text: str = "", id: str | None = None, line_numbers: bool = True, placeholder: str = "") -> None:
        super().__init__(text, id=id, show_line_numbers=line_numbers, placeholder=placeholder)
