"""Choose the autonomy level of a tool. Nothing is picked until the person picks it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Level, ToolAutonomy
from hitl_tui.policy.schema import Policy
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.choice_list import ChoiceList
from hitl_tui.ui.policy.autonomy_levels import CURRENT, LEVELS, does


class LevelScreen(DialogScreen[Level]):
    """Returns a level other than the present one; the caller asks for a reason next."""

    def __init__(self, tool_autonomy: ToolAutonomy, policy: Policy) -> None:
        super().__init__(f"Level of {tool_autonomy.tool}", [("1-4", "pick"), ("enter", "choose"), ("esc", "back")])
        self._tool, self._policy = tool_autonomy, policy

    def body(self) -> Iterable[Widget]:
        current = self._tool.level
        yield Static("From strict to autonomous:", classes="label", markup=False)
        width = max(map(len, LEVELS)) + 2
        leads = [f"{CURRENT if level is current else ' '} {level:<{width}}" for level in LEVELS]
        yield ChoiceList([does(level, self._policy) for level in LEVELS], leads=leads)

    def field(self) -> Widget | None:
        return self.query_one(ChoiceList)

    def on_choice_list_picked(self, message: ChoiceList.Picked) -> None:
        self._choose(message.place, message.sent)

    async def action_submit(self) -> None:
        picked = self.query_one(ChoiceList).picked
        if picked is None:
            self.complain("pick a level first")
        else:
            self._choose(picked, sent=True)

    def _choose(self, place: int, sent: bool) -> None:
        level = LEVELS[place]
        is_current = level is self._tool.level
        self.complain(f"already at {level}" if is_current else "")
        if sent and not is_current:
            self.dismiss(level)
