"""Choose one of a few things: a number picks it and enter does it, or where nothing is lost the number does it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.choice_list import ChoiceList, QuickChoiceList


class ChoiceScreen(DialogScreen[int]):
    """Returns the place of the chosen option, from 0."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "submit", "choose", show=False)]

    def __init__(self, title: str, about: str, options: Sequence[str], at_once: bool = False) -> None:
        """`at_once`: a number chooses without enter."""
        numbers = f"1-{min(9, len(options))}"
        super().__init__(title, [(numbers, "choose" if at_once else "pick"), ("enter", "choose"), ("esc", "back")])
        self._about, self._options, self._at_once = about, options, at_once

    def body(self) -> Iterable[Widget]:
        yield Static(Content(visible(self._about)), classes="label")
        yield (QuickChoiceList if self._at_once else ChoiceList)(self._options)

    def on_choice_list_picked(self, message: ChoiceList.Picked) -> None:
        if message.sent:
            self.dismiss(message.place)

    async def action_submit(self) -> None:
        picked = self.query_one(ChoiceList).picked
        if picked is None:
            self.complain("pick one with its number or the arrows")
        else:
            self.dismiss(picked)
