"""Ask for a reason that is recorded: why a person takes what somebody else has, or sets a level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.model import Action
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import ReviewScreen, calls_view


class ReasonScreen(ReviewScreen[str]):
    """Returns the reason, never an empty one."""

    def __init__(self, title: str, text: str, submit: str = "take it", draft: str = "", calls: Sequence[Action] = ()) -> None:
        """`submit` is the hint of the enter key; `calls` are those that it is about."""
        super().__init__(title, [("enter", submit), ("esc", "back")])
        self._text = text
        self._calls = calls
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        if self._calls:
            yield calls_view(self._calls)
        yield Static(Content(visible(self._text)), classes="label")
        yield Input(self.draft, placeholder="the reason, recorded in the history", select_on_focus=False)

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = event.value

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        reason = self.query_one(Input).value.strip()
        if reason:
            self.dismiss(reason)
        else:
            self.complain("a reason is required")
