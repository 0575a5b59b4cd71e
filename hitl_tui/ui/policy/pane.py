"""What the list's cursor is on, in full, and under it which rule speaks for the review that was chosen in the queue, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from hitl_tui.model import LevelChange
from hitl_tui.policy.explain import Explained
from hitl_tui.policy.loader import PolicyNow
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.policy.autonomy_levels import standing_lines
from hitl_tui.ui.policy.entries import Entry
from hitl_tui.ui.policy.render import entry_lines, walk_lines
from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView

NOBODY = {"": "Why"}


class PolicyPane(DetailPane):
    """One entry and one walk."""

    def __init__(self, home: Path, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="policy")
        self._home = home
        self._reviewer = reviewer
        self._clock = clock
        self._explained: Explained | None = None
        self._path: Path | None = None

    def compose(self) -> ComposeResult:
        yield TextView(id="rule-text")
        with Vertical(id="walk-side"):
            yield TabBar(NOBODY, id="walk-rule")
            yield TextView(id="walk")

    @property
    def calls(self) -> int:
        """How many calls of the review have a walk of their own."""
        return len(self._explained.walks) if self._explained else 0

    def show_entry(self, entry: Entry | None, now: PolicyNow, changes: Sequence[LevelChange] | None = None) -> None:
        """Show a rule, or what is none; of a tool on the ladder with how it came there, once that is known."""
        standing, at = entry.standing if entry else None, self._clock()
        self.set_class(standing is not None, "-standing")
        if entry is None or now.policy is None:
            lines: Iterable[Line] = ()
        elif standing:
            lines = standing_lines(standing, changes, now.policy, self._reviewer, at)
        else:
            lines = entry_lines(entry, now.policy, at)
        self.query_one("#rule-text", TextView).show(lines)
        self._path = now.path
        self.draw_title()

    def draw_title(self) -> None:
        """The file, and where it is; of a long path its end."""
        name, folder = (self._path.name, self._path.parent) if self._path else ("", self._home)
        where = "of the home" if folder == self._home else f"in {visible(str(folder))}"
        room = max(1, self.size.width - len(name) - 8)
        where = where if len(where) <= room else f"…{where[1 - room :]}"
        self.border_title = Content.assemble(Content.styled(name, "bold $text"), Content.styled(f"  {where} ", "$foreground 60%"))

    def show_walk(self, found: Explained | None, slot: int | None = None) -> None:
        """Show why a review's actions are where they are; of one of them, where it is named."""
        self._explained = found
        tabs = self.query_one("#walk-rule", TabBar)
        tabs.retitle(_titles(found) if found else NOBODY)
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
        return self.query_one("#rule-text" if self.has_class("-standing") else "#walk", TextView)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_walk()

    def _draw_walk(self) -> None:
        chosen = self.query_one("#walk-rule", TabBar).chosen
        self.query_one("#walk", TextView).show(walk_lines(self._explained, int(chosen or 0)))


def _titles(found: Explained) -> dict[str, str]:
    """Slot → its tab; the first says of which review they are."""
    first, *others = found.review.actions
    number = f"#{first.slot} " if others else ""
    return {
        str(first.slot): f"Why {number}{one_line(first.name, 30)} of review {found.review.row.id}",
        **{str(action.slot): f"#{action.slot} {one_line(action.name, 30)}" for action in others},
    }
