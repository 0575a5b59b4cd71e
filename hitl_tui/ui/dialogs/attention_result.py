"""The result of an attention check, shown right after the decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import AttentionCheck
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen


class CheckScreen(DialogScreen[None]):
    """Closes with enter or space; no other key decides anything meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "back", "continue", show=False)]

    def __init__(self, check: AttentionCheck) -> None:
        super().__init__("Attention check", [("enter", "continue")])
        self._check = check

    def body(self) -> Iterable[Widget]:
        caught = self._check.caught
        yield Static(
            Content.styled("✓ you caught it" if caught else "○ you missed it", "bold $text-success" if caught else "bold $text-warning")
        )
        yield Static(Content(visible(f"What was wrong: {self._check.wrong}.")), classes="gap")
        note = "The call was a test: it would never have run, and it is not part of the history or of any rate."
        yield Static(Content.styled(note, "$text-muted"), classes="gap")


def show_result(owner: Widget, check: AttentionCheck | None) -> None:
    """Show the result of a check, if there was one."""
    if check is not None:
        owner.app.push_screen(CheckScreen(check))
