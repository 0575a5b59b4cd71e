"""Inks: the few meanings a piece of text can have, each a style of the theme, for widgets that draw their own lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

NAMES = (
    "muted", "faint", "strong", "title", "accent", "error", "warning", "success", "code", "key", "string", "number", "literal", "cursor",
    "added", "removed", "rule",
)  # fmt: skip

Piece = tuple[str, str]
"""Text and its ink; an empty ink is plain text."""


class Inked(Widget):
    """A widget with all inks as component styles; the style sheet gives them their colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{name}" for name in NAMES}

    def ink(self, names: str) -> Style:
        """The style of an ink, or of several at once."""
        if not names:
            return self.rich_style
        return self.get_component_rich_style(*(f"ink--{name}" for name in names.split()))

    def strip(self, pieces: Iterable[Piece], width: int, fill: str = "") -> Strip:
        """One row of exactly `width` cells; `fill` is an ink whose background goes under the whole row."""
        segments = [Segment(text, self.ink(ink)) for text, ink in pieces if text]
        drawn = Strip(segments).adjust_cell_length(width, self.rich_style)
        return drawn if not fill else _under(drawn, self.ink(fill))


def _under(strip: Strip, fill: Style) -> Strip:
    ground = Style(bgcolor=fill.bgcolor)
    return Strip([Segment(text, (style or Style()) + ground) for text, style, _ in strip], strip.cell_length)
