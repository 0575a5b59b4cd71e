"""F4: what the decisions say: what there is to look at on the left, its figures and plots beside it, of a period one chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.worker import Worker

from hitl_tui.inbox import Inbox
from hitl_tui.oversight.statistics import Insights
from hitl_tui.ui.commands import group
from hitl_tui.ui.insights.entries import Period, entries
from hitl_tui.ui.insights.figures import not_enough_lines
from hitl_tui.ui.insights.list import InsightsList
from hitl_tui.ui.insights.pane import InsightsPane
from hitl_tui.ui.messages import HintsChanged, TabChosen
from hitl_tui.ui.runtime.errors import steady
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListAndDetails
from hitl_tui.ui.widgets.text_view import Document
from hitl_tui.ui.widgets.virtual_list import Order

ENOUGH = 2
"""Decisions from which on there are figures at all."""
REST_S = 1.0
"""How long after reading it is read again at the soonest, however fast people decide."""


class InsightsView(Horizontal, ListAndDetails[InsightsPane]):
    """Reads figures in the background, and draws those of a period at once when they were read before."""

    BINDINGS = group("insights", "pane")

    def __init__(self, inbox: Inbox, clock: Callable[[], float]) -> None:
        super().__init__(id="insights-view")
        self._inbox = inbox
        self._clock = clock
        self._known: dict[str, Insights] = {}
        self._reader: Worker[None] | None = None
        self._is_stale = False
        self.items = InsightsList(self._moved)
        self.pane = InsightsPane(inbox.reviewer)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield Document(id="no-insights")

    @property
    def first(self) -> InsightsList | Document:
        """What has the keys when the view is shown."""
        return self.query_one("#no-insights", Document) if self.has_class("-empty") else self.items

    # Figures coming in

    def load(self) -> None:
        """Read the period's figures now."""
        self._reader = self._read_on()

    def follow(self) -> None:
        """Something was decided: read it, soon."""
        self._is_stale = True
        if self._reader is None or self._reader.is_finished:
            self.load()

    @work(group="insights", exclusive=True)
    @steady
    async def _read_on(self) -> None:
        self._is_stale = True
        while self._is_stale:
            self._is_stale = False
            await self._read(self.pane.period)
            await asyncio.sleep(REST_S)

    async def _read(self, period: Period) -> None:
        found = ever = await self._inbox.insights.read(period.since(self._clock()))
        if found.decisions < ENOUGH and period.days is not None:
            ever = await self._inbox.insights.read()
        self._known[period.id] = found
        if period is self.pane.period:  # else another was chosen meanwhile, and is read
            self._draw(found, period)
            self._show_if_any(ever)

    def _draw(self, found: Insights, period: Period) -> None:
        items = self.items
        on = items.rows.get(items.cursor) if items.cursor is not None else None
        made = entries(found, self._inbox.reviewer)
        items.rows = {entry.id: entry for entry in made}
        items.cursor = next((entry.id for entry in made if on and entry.of == on.of), None)  # it stays on what it is about
        items.load(Order(range(len(made))))
        items.border_title = f"Insights  {period.title}"
        self._show_entry()
        self.post_message(HintsChanged())

    def _show_entry(self) -> None:
        items = self.items
        self.pane.show(items.rows.get(items.cursor) if items.cursor is not None else None, self._known.get(self.pane.period.id))

    def _show_if_any(self, ever: Insights) -> None:
        """Figures, or the page that says what will be here."""
        had_focus = self.has_focus_within
        self.set_class(ever.decisions < ENOUGH, "-empty")
        if self.has_class("-empty"):
            self.query_one("#no-insights", Document).show(not_enough_lines(ever))
        if had_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.first)

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        if not by_itself:
            self._show_entry()
        self.post_message(HintsChanged())

    # Keys

    def action_tab(self, by: int) -> None:
        self.pane.step_period(by)
        self._turn_to_period()

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._turn_to_period()

    def _turn_to_period(self) -> None:
        period = self.pane.period
        if period.id in self._known:
            self._draw(self._known[period.id], period)
        else:
            self._show_entry()
        self.load()

    def action_numbers(self) -> None:
        self.pane.turn()
        self.post_message(HintsChanged())

    # Words

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        if self.has_class("-empty"):
            return []
        return [self.way, ("period", "period"), ("numbers", "plots" if self.pane.is_table else "table")]
