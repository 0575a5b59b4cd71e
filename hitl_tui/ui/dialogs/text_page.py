"""A read-only text in a dialog: a traceback, a difference, the help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from textual.widget import Widget

from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.text_view import TextView

WIDEST, BESIDE = 140, 10
"""Columns of the dialog at most, and those beside its text."""


class PageScreen(DialogScreen[None]):
    """Shows lines of text."""

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__(title, [("j k", "scroll"), ("/", "search"), ("esc", "back")])
        self._text = lines

    @property
    def columns(self) -> int:
        longest = max((cell_len(one.text) + one.gutter for one in self._text), default=0)
        return min(WIDEST, max(self.WIDTH, longest + BESIDE))

    def body(self) -> Iterable[Widget]:
        yield TextView(id="page")

    def on_mount(self) -> None:
        page = self.query_one("#page", TextView)
        page.show(self._text)
        page.focus()
