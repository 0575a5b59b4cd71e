"""Texts on the lower border of a widget: why a key did nothing, for a moment, and what stays, such as what goes on below."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.cells import cell_len
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.formatting import counted
from hitl_tui.sanitize import visible

REMARK_S = 3.0
"""Time for which a remark is shown."""
BETWEEN = " · "
GOES_ON = "-goes-on"
"""Class of what does not fit in a dialog: its lower border says what follows."""


class BorderNotes:
    """Shares the border between several texts. The remark comes first; what stays gives way where there is no room for it."""

    def __init__(self, widget: Widget, names: Iterable[str] = ()) -> None:
        """`names` are those of texts that stay, the most important first."""
        self._widget = widget
        self._remark = ""
        self._staying = dict.fromkeys(names, "")
        self._timer: Timer | None = None

    def put(self, name: str, text: str) -> None:
        """Show a text that stays; an empty one removes it."""
        if self._staying.get(name, "") != text:
            self._staying[name] = text
            self.draw()

    def remark(self, text: str) -> bool:
        """Show why a key did nothing, for a moment, or with an empty text no longer. False if there is no room for it."""
        self._remark = text if cell_len(visible(text)) <= self._room else ""
        if self._timer:
            self._timer.stop()
        self._timer = self._widget.set_timer(REMARK_S, lambda: self.remark("")) if self._remark else None
        self.draw()
        return self._remark == text

    def draw(self) -> None:
        """Draw what there is room for."""
        remark, shown = visible(self._remark), ""
        room = self._room - (cell_len(remark + BETWEEN) if remark else 0)
        for text in filter(None, self._staying.values()):
            longer = f"{shown}{BETWEEN}{text}" if shown else text
            shown = longer if cell_len(longer) <= room else shown
        between = BETWEEN if remark and shown else ""
        self._widget.border_subtitle = Content.assemble((remark, "$text-warning"), (f"{between}{shown}", "$text-muted"))

    @property
    def _room(self) -> int:
        """Cells between the corners, with a cell of the line and one of distance on each side."""
        return max(0, self._widget.outer_size.width - 6)


class BelowNote:
    """Says below a widget of a dialog how much of its content follows, in a row that the widget has only while not all of it fits."""

    def __init__(self, widget: Widget, told: Callable[[int], str]) -> None:
        """`told` names what follows, from the number of rows that do."""
        self._widget = widget
        self._told = told

    def begin(self) -> None:
        """Follow what the widget shows; to be called when it is mounted."""
        for name in ("virtual_size", "scroll_y"):
            self._widget.watch(self._widget, name, self.draw, init=False)

    def draw(self) -> None:
        """Draw it anew; to be called when the widget's size has changed."""
        widget = self._widget
        had, rows = widget.has_class(GOES_ON), widget.virtual_size.height
        goes_on = rows > widget.size.height + had and widget.size.height + had > 1
        widget.set_class(goes_on, GOES_ON)
        below = max(0, rows - int(widget.scroll_y) - (widget.size.height + had - goes_on))
        widget.border_subtitle = Content((self._told(below) if below else "▴ end") if goes_on else "")


def lines_below(rows: int) -> str:
    """`▾ 61 more lines`."""
    return f"▾ {counted(rows, 'more line')}"
