"""The details of the history view: a decision and its changes, and tabs with log, people, conversation and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hitl_tui.argument_text import name_line
from hitl_tui.model import HistoryEntry, HistoryRow
from hitl_tui.ui.history.render import entry_lines, tab_lines, titles
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.review import render
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, agent_name, line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView


class HistoryPane(DetailPane):
    """Shows one decision."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="history-details")
        self._reviewer = reviewer
        self._clock = clock
        self._row: HistoryRow | None = None
        self.entry: HistoryEntry | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="history-facts")
        yield TextView(id="history-text")
        yield TabBar(titles(None), id="history-tabs")
        yield TextView(id="history-tab")

    def wait(self, row: HistoryRow | None) -> None:
        """Clear the pane while a decision is read."""
        self._row, self.entry = row, None
        self._draw()

    def show(self, entry: HistoryEntry) -> None:
        """Show a decision; the same one shown again keeps its scroll position."""
        if entry != self.entry:
            self._row, self.entry = entry.row, entry
            self._draw()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#history-tabs", TabBar).step(by)
        self._draw_tab()

    @property
    def text(self) -> TextView:
        """The decision, above the tabs."""
        return self.query_one("#history-text", TextView)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    @property
    def _viewer(self) -> Viewer:
        return Viewer(self._reviewer, self._clock())

    def _draw(self) -> None:
        entry = self.entry
        self.draw_title()
        self._draw_facts()
        self.text.show(entry_lines(entry, self._viewer) if entry else ())
        self.query_one("#history-tabs", TabBar).retitle(told := titles(entry), render.short_tab_titles(told))
        self._draw_tab()

    def on_resize(self) -> None:
        self._draw_facts()

    def _draw_facts(self) -> None:
        entry, facts = self.entry, Content("")
        if entry:
            nobody = Viewer("", self._clock())  # so that no undo is offered here
            facts = render.facts(entry.review, entry.action, entry.context, nobody, max(0, self.size.width - 2))
        self.query_one("#history-facts", Static).update(facts)

    def _draw_tab(self) -> None:
        chosen = self.query_one("#history-tabs", TabBar).chosen
        lines: Iterator[Line] = tab_lines(chosen, self.entry, self._viewer) if self.entry else iter(())
        first = next(lines, None)
        nothing = [line("nothing", "muted")] if self.entry else []
        self.query_one("#history-tab", TextView).show(chain([first], lines) if first else nothing)

    def title(self) -> tuple[str, Sequence[str]]:
        row, entry = self._row, self.entry
        if row is None:
            return "", ()
        slot = f"  call {row.slot + 1}" if entry and len(entry.review.actions) > 1 else ""
        source = f"run r{row.run} · review {row.review}"
        return name_line(row.tool, 40) + slot, (f"{agent_name(row.agent)} · {source}", source)
