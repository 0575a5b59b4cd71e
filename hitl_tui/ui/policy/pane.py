"""The details of the policy view: the selected rule, setting or tool, and why the review selected in the queue was routed as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from hitl_tui.argument_text import name_line
from hitl_tui.model import GrantUse, LevelChange
from hitl_tui.policy.explain import Explanation
from hitl_tui.policy.loader import PolicyStatus
from hitl_tui.sanitize import visible
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.policy.autonomy_levels import level_lines
from hitl_tui.ui.policy.grant_rows import grant_lines
from hitl_tui.ui.policy.list import PolicyRow
from hitl_tui.ui.policy.render import row_lines, walk_lines
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView

NO_REVIEW = {"": "Why"}


class PolicyPane(DetailPane):
    """Shows one row of the list, and one walk through the rules."""

    def __init__(self, home: Path, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="policy")
        self._home = home
        self._reviewer = reviewer
        self._clock = clock
        self._explained: Explanation | None = None
        self._path: Path | None = None

    def compose(self) -> ComposeResult:
        yield TextView(id="rule-text")
        with Vertical(id="walk-side"):
            yield TabBar(NO_REVIEW, id="walk-rule")
            yield TextView(id="walk")

    @property
    def calls(self) -> int:
        """Calls of the review, each with a walk of its own."""
        return len(self._explained.walks) if self._explained else 0

    def show_row(
        self,
        row: PolicyRow | None,
        policy_now: PolicyStatus,
        changes: Sequence[LevelChange] | None = None,
        uses: Sequence[GrantUse] | None = None,
    ) -> None:
        """Show a rule, a setting, a tool or a grant; a tool's `changes` and a grant's `uses` are None until they are read."""
        tool_autonomy, now = row.autonomy if row else None, self._clock()
        self.set_class(tool_autonomy is not None, "-autonomy")
        lines: Iterable[Line] = ()
        if row and row.grant:
            lines = grant_lines(row.grant, uses, self._reviewer, now)
        elif row is None or policy_now.policy is None:
            lines = ()
        elif tool_autonomy:
            lines = level_lines(tool_autonomy, changes, policy_now.policy, self._reviewer, now)
        else:
            lines = row_lines(row, policy_now.policy, now)
        self.query_one("#rule-text", TextView).show(lines)
        self._path = policy_now.path
        self.draw_title()

    def draw_title(self) -> None:
        """Show the file's name and folder; a long path loses its beginning."""
        name, folder = (self._path.name, self._path.parent) if self._path else ("no policy.toml", self._home)
        where = "in the home" if folder == self._home else f"in {visible(str(folder))}"
        room = max(1, self.size.width - len(name) - 8)
        where = where if len(where) <= room else f"…{where[1 - room :]}"
        self.border_title = Content.assemble(Content.styled(name, "bold $text"), Content.styled(f"  {where} ", "$text-muted"))

    def show_walk(self, found: Explanation | None, slot: int | None = None) -> None:
        """Show why policy routed a review's calls as it did; `slot` chooses one of them."""
        self._explained = found
        tabs = self.query_one("#walk-rule", TabBar)
        tabs.retitle(_titles(found) if found else NO_REVIEW)
        if slot is not None and str(slot) in tabs.tabs:
            tabs.choose(str(slot))
        self._draw_walk()

    def step_tab(self, by: int) -> None:
        """Show another call of the review."""
        self.query_one("#walk-rule", TabBar).step(by)
        self._draw_walk()

    @property
    def text(self) -> TextView:
        """The walk through the rules, or a tool's autonomy level."""
        return self.query_one("#rule-text" if self.has_class("-autonomy") else "#walk", TextView)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_walk()

    def _draw_walk(self) -> None:
        chosen = self.query_one("#walk-rule", TabBar).chosen
        self.query_one("#walk", TextView).show(walk_lines(self._explained, int(chosen or 0)))


def _titles(found: Explanation) -> dict[str, str]:
    """Slot → title of its tab; the first names the review."""
    first, *others = found.review.actions
    number = f"{first.number} " if others else ""
    return {
        str(first.slot): f"Why {number}{name_line(first.name, 30)} · review {found.review.row.id}",
        **{str(action.slot): f"{action.number} {name_line(action.name, 30)}" for action in others},
    }
