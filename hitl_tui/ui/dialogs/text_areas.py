"""Text areas of dialogs: plain text that enter submits, and JSON without invisible characters."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from hitl_tui.sanitize import INVISIBLE


class SendArea(TextArea):
    """Plain text: enter submits, ctrl+j breaks the line."""

    @dataclass
    class Sent(Message):
        """Enter was pressed."""

        text: str

    def __init__(self, text: str = "", id: str | None = None, placeholder: str = "") -> None:
        super().__init__(text, id=id, tab_behavior="focus", highlight_cursor_line=False, placeholder=placeholder)

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent(self.text))
        elif event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self.insert("\n")


class JsonArea(TextArea):
    """JSON: enter breaks the line."""

    def __init__(self, text: str = "", id: str | None = None) -> None:
        super().__init__(text, id=id, tab_behavior="focus", show_line_numbers=True, highlight_cursor_line=False)


def escaped(json_text: str) -> str:
    """The same JSON with invisible characters escaped, so that an editor shows them."""
    return INVISIBLE.sub(lambda match: _escape(match[0]), json_text)


def _escape(character: str) -> str:
    point = ord(character)
    if point in (0x0A, 0x09):
        return character
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"
