"""One decision of the history: what was decided and what it changed, largest, and under it all that surrounded it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hitl_tui.model import Entry, Remembered
from hitl_tui.sanitize import one_line
from hitl_tui.ui.history.render import entry_lines, tab_lines, titles
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.review import render
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView


class HistoryPane(DetailPane):
    """Shows the decision under the cursor."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="memory")
        self._reviewer = reviewer
        self._clock = clock
        self._row: Remembered | None = None
        self.entry: Entry | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="memory-facts")
        yield TextView(id="memory-text")
        yield TabBar(titles(None), id="memory-tabs")
        yield TextView(id="memory-tab")

    def wait(self, row: Remembered | None) -> None:
        """It is being read; nothing of another is shown meanwhile."""
        self._row, self.entry = row, None
        self._draw()

    def show(self, entry: Entry) -> None:
        """Show a decision; one that is shown already stays as it is read."""
        if entry != self.entry:
            self._row, self.entry = entry.row, entry
            self._draw()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#memory-tabs", TabBar).step(by)
        self._draw_tab()

    @property
    def text(self) -> TextView:
        """The decision, above the tabs."""
        return self.query_one("#memory-text", TextView)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    @property
    def _viewer(self) -> Viewer:
        return Viewer(self._reviewer, self._clock())

    def _draw(self) -> None:
        entry = self.entry
        self.draw_title()
        anybody = Viewer("", self._clock())  # nothing is taken back here
        facts = render.facts(entry.review, entry.context, anybody) if entry else Content("")
        self.query_one("#memory-facts", Static).update(facts)
        self.text.show(entry_lines(entry, self._viewer) if entry else ())
        self.query_one("#memory-tabs", TabBar).retitle(titles(entry))
        self._draw_tab()

    def _draw_tab(self) -> None:
        chosen = self.query_one("#memory-tabs", TabBar).chosen
        lines: Iterator[Line] = tab_lines(chosen, self.entry, self._viewer) if self.entry else iter(())
        first = next(lines, None)
        nothing = [line("nothing", "muted")] if self.entry else []
        self.query_one("#memory-tab", TextView).show(chain([first], lines) if first else nothing)

    def title(self) -> tuple[str, Sequence[str]]:
        row, entry = self._row, self.entry
        if row is None:
            return "", ()
        slot = f"  #{row.slot}" if entry and len(entry.review.actions) > 1 else ""
        source = f"run r{row.run} · review {row.review}"
        return one_line(row.tool, 40) + slot, (f"{one_line(row.agent, 40)} · {source}", source)
