"""A read-only text in a dialog: a traceback, a difference, the help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.text_view import TextView


class PageScreen(DialogScreen[None]):
    """Shows lines of text."""

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__(title, [("j k", "scroll"), ("/", "search"), ("esc", "back")])
        self._text = lines

    def body(self) -> Iterable[Widget]:
        yield TextView(id="page")

    def on_mount(self) -> None:
        page = self.query_one("#page", TextView)
        page.show(self._text)
        page.focus()
