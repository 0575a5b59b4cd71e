"""Text areas of dialogs: text that enter submits, text of any length, and JSON."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea


class RemovableArea(TextArea):
    """A text area that may be painted once more after it was removed; Textual's own raises KeyError then, as its styles are gone."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return super().render_lines(crop) if self.is_attached else [Strip.blank(crop.width)] * crop.height


class SendArea(RemovableArea):
    """Plain text: enter submits, ctrl+j breaks the line, and pasted lines stay lines."""

    @dataclass
    class Sent(Message):
        """Enter was pressed."""

        text: str

    def __init__(self, text: str = "", id: str | None = None, placeholder: str = "") -> None:
        super().__init__(text, id=id, tab_behavior="focus", highlight_cursor_line=False, placeholder=placeholder)
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


class TextBox(RemovableArea):
    """Plain text of any length: enter breaks the line, tab moves the focus on."""

    def __init__(self, text: str, id: str, placeholder: str = "") -> None:
        super().__init__(text, id=id, tab_behavior="focus", highlight_cursor_line=False, placeholder=placeholder)


class JsonArea(RemovableArea):
    """JSON: enter breaks the line, tab moves the focus on."""

    def __init__(self, text: str = "", id: str | None = None, line_numbers: bool = True, placeholder: str = "") -> None:
        super().__init__(
            text, id=id, tab_behavior="focus", show_line_numbers=line_numbers, highlight_cursor_line=False, placeholder=placeholder
        )
