"""Why a person does something that others must understand: a line that may not be empty."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen


class ReasonScreen(DialogScreen[str]):
    """Comes back with the reason."""

    def __init__(self, title: str, question: str, does: str = "take it") -> None:
        super().__init__(title, [("enter", does), ("esc", "back")])
        self._question = question

    def body(self) -> Iterable[Widget]:
        yield Static(Content(visible(self._question)), classes="label")
        yield Input(placeholder="why; it is written down")

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(event.value.strip())
        else:
            self.complain("say why")
