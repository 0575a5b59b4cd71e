"""A text that agent, tool or summary must hold."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input

from hitl_tui.ui.dialogs.frame import DialogScreen


class FilterScreen(DialogScreen[str]):
    """Comes back with the text; an empty one shows everything again."""

    def __init__(self, now: str) -> None:
        super().__init__("Filter the queue", [("enter", "filter"), ("empty", "shows everything"), ("esc", "back")])
        self._now = now

    def body(self) -> Iterable[Widget]:
        yield Input(self._now, placeholder="agent, tool or summary holds …")

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())
