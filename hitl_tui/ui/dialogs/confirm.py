"""A yes-or-no question about calls or anything else, answered with y or n; enter does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Action
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen, calls_view
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.text_view import TextView


class ConfirmScreen(DialogScreen[bool]):
    """Returns True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "yes", "yes", show=False), Binding("n", "back", "no", show=False)]

    def __init__(
        self, title: str, question: str, about: str = "", yes: str = "yes", no: str = "no", text: Sequence[Line] = (),
        calls: Sequence[Action] = (),
    ) -> None:  # fmt: skip
        """`text` is a longer text that the question is about; it can be scrolled. `calls` are those it is about: a single one in full."""
        super().__init__(title, [("y", yes), ("n", no), *([("j k", "scroll")] if text else [])])
        self._question, self._about, self._text, self._calls = question, about, text, calls

    def body(self) -> Iterable[Widget]:
        if self._calls:
            yield calls_view(self._calls)
        yield Static(Content(visible(self._question)))
        if self._about:
            yield Static(Content.styled(visible(self._about), "$text-muted"), classes="gap")
        if self._text:
            yield TextView(id="page")

    def on_mount(self) -> None:
        if self._text:
            page = self.query_one("#page", TextView)
            page.show(self._text)
            page.focus()

    def action_yes(self) -> None:
        self.dismiss(True)

    async def action_submit(self) -> None:
        self.action_yes()
