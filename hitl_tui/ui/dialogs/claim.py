"""Take a review that somebody else has claimed: why is asked, and stays in its history."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.formatting import until_time
from hitl_tui.model import ReviewRow
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import ReviewScreen


class ClaimScreen(ReviewScreen[str]):
    """Comes back with the reason."""

    def __init__(self, row: ReviewRow, now: float, draft: str) -> None:
        super().__init__(f"Claim {row.title}", [("enter", "take it"), ("esc", "back")])
        self._row, self._now = row, now
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        until = until_time(self._row.claimed_until or self._now, self._now)
        who = one_line(self._row.claimed_by or "", 40)
        says = f"{who} has it {until}. You take it from {who}; the reason stays in its history."
        yield Static(Content(visible(says)), classes="label")
        yield Input(self.draft, placeholder="why you take it", select_on_focus=False)

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(event.value.strip())
        else:
            self.complain("a reason is needed; say in a few words why you take it")
