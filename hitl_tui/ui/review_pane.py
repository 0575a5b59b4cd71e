"""The review under the cursor: what is asked, largest, then why, then what surrounds it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from hitl_tui.model import Action, Context, Review, ReviewRow
from hitl_tui.safety import one_line
from hitl_tui.ui import review_lines
from hitl_tui.ui.calls_line import CallsLine
from hitl_tui.ui.document import Document
from hitl_tui.ui.lines import Line
from hitl_tui.ui.messages import CallChosen, TabChosen
from hitl_tui.ui.tab_line import TabLine
from hitl_tui.ui.wrap import row_starts

WHY_ROWS = 5
"""More than this is reached by scrolling."""


class ReviewPane(Vertical):
    """Shows one action of one review at a time."""

    def __init__(self) -> None:
        super().__init__(id="review")
        self.review: Review | None = None
        self.surroundings = Context()
        self.slot = 0
        self._row: ReviewRow | None = None
        self._shown_at = 0.0
        self.zoomed = False

    def compose(self) -> ComposeResult:
        yield Static(id="facts")
        yield CallsLine()
        yield Document(id="arguments")
        yield TabLine({"Why": "Why"}, id="why-rule")
        yield Document(id="why")
        yield TabLine(review_lines.tab_titles(self.surroundings), id="tabs")
        yield Document(id="surroundings")

    def on_mount(self) -> None:
        self.query_one("#arguments", Document).can_focus = True
        self.show(None, Context())

    @property
    def action(self) -> Action | None:
        """The action that is shown."""
        return self.review.actions[self.slot] if self.review else None

    @property
    def seen(self) -> bool:
        """Whether what is asked has been on the screen."""
        return self.review is not None and self.query_one("#arguments", Document).painted

    @property
    def looked_ms(self) -> int:
        """How long the review has been in view."""
        return int((time.monotonic() - self._shown_at) * 1000)

    def show(self, review: Review | None, context: Context, slot: int | None = None) -> None:
        """Show a review at its first undecided action, or at the one given."""
        if review is None or self.review is None or review.row.id != self.review.row.id:
            self._shown_at = time.monotonic()
        self.review, self.surroundings = review, context
        self._row = review.row if review else None
        self.loading = False
        if review:
            self.slot = slot if slot is not None else next(iter(review.undecided), 0)
        self._draw()

    def wait(self, row: ReviewRow | None) -> None:
        """Nothing to see yet: the review is being read."""
        self.review, self._row = None, row
        self._draw()

    def show_loading(self) -> None:
        """Reading takes long enough to say so."""
        self.loading = True

    def turn(self, by: int) -> bool:
        """Go to another call of the review; whether there is one."""
        if self.review is None or len(self.review.actions) < 2:
            return False
        self.slot = (self.slot + by) % len(self.review.actions)
        self._draw(only_action=True)
        return True

    def zoom(self) -> None:
        """Give the whole pane to the surroundings, or take it back."""
        self.zoomed = not self.zoomed
        self.set_class(self.zoomed, "-zoomed")

    def on_call_chosen(self, message: CallChosen) -> None:
        message.stop()
        self.turn(message.slot - self.slot)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#tabs", TabLine).step(by)
        self._draw_tab()

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height."""
        document = self.query_one("#surroundings" if self.zoomed else "#arguments", Document)
        document.scroll_relative(y=direction * max(1, document.size.height // 2), animate=False)

    def on_resize(self, event: events.Resize) -> None:
        self._draw_title()
        self.call_after_refresh(self._draw_why, self.action)

    def _draw(self, only_action: bool = False) -> None:
        review, action = self.review, self.action
        self._draw_title()
        self.query_one(CallsLine).show(review, self.slot)
        facts = review_lines.facts(review, self.surroundings) if review else Content("")
        self.query_one("#facts", Static).update(facts)
        self.query_one("#arguments", Document).show(review_lines.argument_lines(review, action) if review and action else ())
        self._draw_why(action)
        if not only_action:
            self.query_one("#tabs", TabLine).retitle(review_lines.tab_titles(self.surroundings))
            self._draw_tab()

    def _draw_why(self, action: Action | None) -> None:
        why, rule = self.query_one("#why", Document), self.query_one("#why-rule", TabLine)
        lines = list(review_lines.why_lines(action, self.surroundings)) if action else []
        why.show(lines)
        why.display = rule.display = bool(lines)
        self._fit_why(lines)

    def _fit_why(self, lines: Sequence[Line]) -> None:
        """As many rows as it takes, up to a few."""
        width = self.query_one("#arguments", Document).size.width
        rows = (1 for line in lines for _ in row_starts(line.text, width - line.indent))
        self.query_one("#why", Document).styles.height = max(1, sum(islice(rows, WHY_ROWS)))

    def _draw_tab(self) -> None:
        tabs = self.query_one("#tabs", TabLine)
        lines = review_lines.tab_lines(tabs.chosen, self.review, self.surroundings) if self.review else ()
        self.query_one("#surroundings", Document).show(lines)

    def _draw_title(self) -> None:
        """Tool on the left and its source on the right of the upper border."""
        if self._row is None:
            self.border_title = ""
            return
        action = self.action
        left = one_line(action.name if action else self._row.title, 40)
        right = review_lines.source(self._row, self.review)
        room = self.size.width - cell_len(left) - cell_len(right) - 6
        if room < 2:
            right, room = "", 0
        parts = [Content.styled(left, "bold $text"), Content.styled(f" {'─' * room} " if right else "", "$panel-lighten-1")]
        self.border_title = Content.assemble(*parts, Content.styled(right, "$foreground 60%"))
