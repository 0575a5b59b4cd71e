"""Pick the step of the ladder that an agent's tool shall stand on. Nothing is picked before the person does."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Level, Standing
from hitl_tui.policy.schema import Policy
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.choice_list import ChoiceList
from hitl_tui.ui.policy import autonomy_levels


class LevelScreen(DialogScreen[Level]):
    """Comes back with another level than it has; why is asked next."""

    def __init__(self, standing: Standing, policy: Policy) -> None:
        super().__init__(f"Level of {standing.tool}", [("1-4", "pick"), ("enter", "go on and say why"), ("esc", "back")])
        self._standing, self._policy = standing, policy

    def body(self) -> Iterable[Widget]:
        now = self._standing.level
        yield Static("The lowest is strictest; each step lets more go on by itself.", classes="label", markup=False)
        width = max(map(len, autonomy_levels.STEPS)) + 2
        yield ChoiceList(
            [f"{'▶' if one is now else ' '} {one:<{width}}{autonomy_levels.does(one, self._policy)}" for one in autonomy_levels.STEPS]
        )

    def field(self) -> Widget | None:
        return self.query_one(ChoiceList)

    def on_choice_list_picked(self, message: ChoiceList.Picked) -> None:
        level = autonomy_levels.STEPS[message.place]
        here = level is self._standing.level
        self.complain(f"it is at {level} already" if here else "")
        if message.sent and not here:
            self.dismiss(level)
