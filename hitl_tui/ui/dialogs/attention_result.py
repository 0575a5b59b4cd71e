"""What came of an attention check, told at once and calmly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Attention
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen


class CheckScreen(DialogScreen[None]):
    """Goes with one key; until then no other decides anything."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "back", "go on", show=False)]

    def __init__(self, check: Attention) -> None:
        super().__init__("Attention check", [("enter", "go on")])
        self._check = check

    def body(self) -> Iterable[Widget]:
        caught = self._check.caught
        yield Static(
            Content.styled("✓ you caught it" if caught else "○ you missed it", "bold $text-success" if caught else "bold $text-warning")
        )
        yield Static(Content(visible(f"What was wrong: {self._check.wrong}.")), classes="gap")
        said = "Nothing was going to run. It is in no history and no rate; the agent never asked for it."
        yield Static(Content.styled(said, "$foreground 60%"), classes="gap")


def tell(owner: Widget, check: Attention | None) -> None:
    """Show it, where there is anything to tell."""
    if check is not None:
        owner.app.push_screen(CheckScreen(check))
