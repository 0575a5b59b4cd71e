"""F4, the insights view: figures and charts of past decisions by agent, tool, reviewer and rule, for a chosen period."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.worker import Worker

from hitl_tui.inbox import Changes
from hitl_tui.oversight.statistics import Statistics
from hitl_tui.ui.commands import group
from hitl_tui.ui.insights.figures import ENOUGH, Period, no_data_lines
from hitl_tui.ui.insights.list import InsightsList, insights_rows
from hitl_tui.ui.insights.pane import InsightsPane
from hitl_tui.ui.messages import HintsChanged, TabChosen
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView
from hitl_tui.ui.widgets.virtual_list import SortedIds

REST_S = 1.0
"""Least time between two reads, however fast people decide."""


class InsightsView(ListDetail[InsightsList, InsightsPane]):
    """Reads the figures in the background; a period that was read before is drawn at once."""

    GROUPS = ("insights", "pane")
    SHEET = Path(__file__).with_name("insights.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        self._clock = context.clock
        self._read: dict[str, Statistics] = {}
        """Figures by period, as last read."""
        self._reader: Worker[None] | None = None
        self._is_stale = False
        self.items = InsightsList(self._moved)
        self.pane = InsightsPane(context.inbox.reviewer)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-insights", classes="empty-page")

    @property
    def focus_target(self) -> InsightsList | TextView:
        """What takes the focus when the view is shown."""
        return self.query_one("#no-insights", TextView) if self.has_class("-empty") else self.items

    # Reading

    def shown(self, selection: Selection) -> None:
        self.load()

    async def take(self, changes: Changes) -> None:
        if self.display and (changes.reviews or not changes.whole):
            self.follow()

    def load(self) -> None:
        """Read the figures of the chosen period now."""
        self._reader = self._keep_reading()

    def follow(self) -> None:
        """Read again soon, for something was decided."""
        self._is_stale = True
        if self._reader is None or self._reader.is_finished:
            self.load()

    @work(group="insights", exclusive=True)
    @reports_errors
    async def _keep_reading(self) -> None:
        self._is_stale = True
        while self._is_stale:
            self._is_stale = False
            await self._read_period(self.pane.period)
            await asyncio.sleep(REST_S)

    async def _read_period(self, period: Period) -> None:
        found = all_time = await self._inbox.insights.read(period.since(self._clock()))
        if found.decisions < ENOUGH and period.days is not None:
            all_time = await self._inbox.insights.read()
        self._read[period.id] = found
        if period is self.pane.period:  # else another one was chosen meanwhile
            self._draw(found, period)
            self._show_empty_page(all_time)

    def _draw(self, found: Statistics, period: Period) -> None:
        items = self.items
        selected = items.rows.get(items.cursor) if items.cursor is not None else None
        rows = insights_rows(found, self._inbox.reviewer)
        items.rows = {row.id: row for row in rows}
        items.cursor = next((row.id for row in rows if selected and row.key == selected.key), None)
        items.load(SortedIds(range(len(rows))))
        items.border_title = f"Insights  {period.title}"
        self._show_row()
        self.post_message(HintsChanged())

    def _show_row(self) -> None:
        items = self.items
        self.pane.show(items.rows.get(items.cursor) if items.cursor is not None else None, self._read.get(self.pane.period.id))

    def _show_empty_page(self, all_time: Statistics) -> None:
        """Show the page for an empty home, or hide it."""
        had_focus = self.has_focus_within
        self.set_class(all_time.decisions < ENOUGH and not all_time.trainings, "-empty")
        if self.has_class("-empty"):
            self.query_one("#no-insights", TextView).show(no_data_lines(all_time))
        if had_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.focus_target)

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        if not by_itself:
            self._show_row()
        self.post_message(HintsChanged())

    # Keys

    def action_tab(self, by: int) -> None:
        self.pane.step_period(by)
        self._show_period()

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._show_period()

    def _show_period(self) -> None:
        period = self.pane.period
        if period.id in self._read:
            self._draw(self._read[period.id], period)
        else:
            self._show_row()
        self.load()

    def action_numbers(self) -> None:
        self.pane.toggle_table()
        self.post_message(HintsChanged())

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_practice(self) -> None:
        """Ask about calls that cannot run, keep the figures, and show them."""
        from hitl_tui.oversight.practice import CALLS, result_of
        from hitl_tui.ui.dialogs.choice import ChoiceScreen
        from hitl_tui.ui.dialogs.text_page import PageScreen
        from hitl_tui.ui.insights.practice import SHARES, PracticeScreen, result_lines, share_options

        about = f"{CALLS} calls that can never run, good and bad ones in random order, like those of this home. How many are to be bad?"
        place = await ask(self, ChoiceScreen("Practice", about, share_options()))
        if place is None:
            return
        queue = await self._inbox.practice.queue(CALLS, SHARES[place], secrets.token_hex(8))
        if not queue:
            self.say_why("there are no calls to practise on: no agent with tools is loaded")
            return
        answers = await ask(self, PracticeScreen(queue))
        if answers:
            found = result_of(answers)
            await self._inbox.practice.keep(found)
            self.load()
            await ask(self, PageScreen("Practice: what you caught", list(result_lines(found, answers))))

    def hints(self) -> list[Hint]:
        """The keys that work now."""
        if self.has_class("-empty"):
            return [("practice", "practice")]
        return [self.detail_hint, ("period", "period"), ("numbers", "charts" if self.pane.is_table else "table"), ("practice", "practice")]
