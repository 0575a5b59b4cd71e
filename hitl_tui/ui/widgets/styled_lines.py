"""Styles: the few meanings a piece of text can have, each made of theme variables, for widgets that draw their own lines.

Component classes would say the same, but the style sheet works each of them out anew for every widget: a quarter of the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from hitl_tui.sanitize import is_mark
from hitl_tui.ui.runtime.textual_internals import update_scrollbars

STYLES = {
    "": ("foreground", 1.0, ""),
    "muted": ("text-muted", 1.0, ""),
    "faint": ("foreground", 0.4, ""),
    "strong": ("foreground", 1.0, "bold"),
    "title": ("text-accent", 1.0, "bold"),
    "accent": ("text-accent", 1.0, ""),
    "error": ("text-error", 1.0, ""),
    "warning": ("text-warning", 1.0, ""),
    "success": ("text-success", 1.0, ""),
    "code": ("text-warning", 1.0, "reverse"),
    "key": ("text-accent", 1.0, ""),
    "string": ("text-success", 1.0, ""),
    "number": ("text-warning", 1.0, ""),
    "literal": ("text-secondary", 1.0, "bold"),
    "comment": ("text-muted", 1.0, "italic"),
    "added": ("text-success", 1.0, ""),
    "removed": ("text-error", 1.0, ""),
    "added-word": ("text-success", 1.0, "bold underline"),
    "removed-word": ("text-error", 1.0, "bold underline"),
    "hit": ("text-accent", 1.0, "bold underline"),
    "hit-here": ("text-accent", 1.0, "bold reverse"),
    "added-strong": ("text-success", 1.0, "bold"),
    "removed-strong": ("text-error", 1.0, "bold"),
    "selected": ("foreground", 1.0, "reverse"),
    "rule": ("edge", 1.0, ""),
}
"""Style → theme variable, opacity, and what else; the words beside them must do without any of it. `faint` and `rule` are for no words."""

Piece = tuple[str, str]
"""Text and its style; an empty style is plain text."""


class StyledWidget(Widget):
    """A widget that draws its own lines, in named styles."""

    ALLOW_SELECT = False  # Textual would copy an empty text; subclasses that can tell what is selected allow it

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._style_cache: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        self._style_cache.clear()
        super().notify_style_update()

    def style_for(self, name: str) -> Style:
        """A named style, as drawn on this widget's background."""
        if name not in self._style_cache:
            variable, opacity, more = STYLES[name]
            ground = self.background_colors[1]
            colour = Color.parse(self.app.theme_variables[variable])
            drawn = colour if colour.ansi is not None else ground.blend(colour, opacity * colour.a, alpha=1.0)
            self._style_cache[name] = Style.parse(more) + Style(color=drawn.rich_color, bgcolor=ground.rich_color)
        return self._style_cache[name]

    def strip(self, pieces: Iterable[Piece], width: int, marked: bool = False) -> Strip:
        """One row of exactly `width` cells; a marked one stands out from the others."""
        segments = [Segment(text, self.style_for(style)) for text, style in _whole_characters(pieces)]
        drawn = Strip(segments).adjust_cell_length(width, self.style_for(""))
        return _on(drawn, Color.parse(self.app.theme_variables["panel"])) if marked else drawn


def _whole_characters(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, with marks at the beginning of one moved to the character that they belong to."""
    held: Piece = ("", "")
    for text, style in pieces:
        count = 0
        while held[0] and count < len(text) and not text.isascii() and is_mark(text[count]):
            count += 1
        if held[0]:
            yield held[0] + text[:count], held[1]
        held = (text[count:], style)
    if held[0]:
        yield held


def _on(strip: Strip, ground: Color) -> Strip:
    under = Style(bgcolor=ground.rich_color)
    return Strip([Segment(text, (style or Style()) + under) for text, style, _ in strip], strip.cell_length)


class ScrollSurface(StyledWidget, ScrollView, can_focus=True, inherit_bindings=False):
    """Scrolls at once, never by animation: what a person asked for is there with the next frame.

    It has no keys but those of its subclasses: Textual's would take left and right from the views.
    """

    DEFAULT_CSS = """
    ScrollSurface { overflow-x: hidden; overflow-y: auto; scrollbar-size: 0 1; scrollbar-gutter: stable; }
    """

    def measure(self, rows: int) -> None:
        """Say how many rows there are."""
        self.virtual_size = Size(self.size.width, rows)
        update_scrollbars(self)

    def action_scroll_down(self) -> None:
        self.scroll_by_key(1)

    def action_scroll_up(self) -> None:
        self.scroll_by_key(-1)

    def action_page_down(self) -> None:
        self.scroll_by_key(max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self.scroll_by_key(-max(1, self.size.height - 1))

    def action_scroll_home(self) -> None:
        self.scroll_by_key(-self.scroll_offset.y)

    def action_scroll_end(self) -> None:
        self.scroll_by_key(self.max_scroll_y - self.scroll_offset.y)

    def scroll_by_key(self, rows: int) -> None:
        """Scroll by so many rows, down or up; where there are none, say so in a view. A dialog keeps its rows for itself."""
        if 0 <= self.scroll_offset.y + (rows > 0) - (rows < 0) <= self.max_scroll_y and rows:
            self.scroll_relative(y=rows, animate=False)
        elif len(self.app.screen_stack) == 1:
            whole, end = not self.max_scroll_y, self.scroll_offset.y > 0
            from hitl_tui.ui.messages import KeyIgnored

            self.app.post_message(KeyIgnored("all of it is shown" if whole else f"this is the {'end' if end else 'beginning'}"))
