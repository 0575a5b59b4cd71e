"""F2: every run on the left, the one under the cursor beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult

from hitl_tui.inbox import Changes
from hitl_tui.model import ReviewState, Run, RunState, Subject
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import group
from hitl_tui.ui.feedback.controller import MESSAGE_HINT, RATING_HINTS, RatingController, Step
from hitl_tui.ui.messages import HintsChanged, Opened, RowsChanged, RunChosen
from hitl_tui.ui.runs.list import RunsList
from hitl_tui.ui.runs.pane import RunPane
from hitl_tui.ui.runtime.errors import STORE_ERRORS, report, reports_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.runtime.live_updates import RETRY_S
from hitl_tui.ui.text.lines import line
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView
from hitl_tui.ui.widgets.virtual_list import SortedIds

OVER = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})


class RunsView(ListDetail[RunsList, RunPane]):
    """Watches, cancels and retries runs."""

    GROUPS = ("runs", "ratings", "pane")
    SHEET = Path(__file__).with_name("runs.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._loaded = False
        self.items = RunsList(inbox.runs.rows, self._moved, clock)
        self.pane = RunPane(context.home.run_log, clock, inbox.reviewer)
        self._rating = RatingController(self, inbox, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-runs", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-runs", TextView).show(
            [line("No run yet.", "strong"), line(""), line("Press n to start one: choose an agent and enter its task.")]
        )
        self.set_interval(1, self.items.refresh)

    @property
    def focus_target(self) -> RunsList:
        """What has the keys when the view is shown."""
        return self.items

    @property
    def detail_focus(self) -> TextView:
        """What has the keys in the details."""
        return next(document for document in self.pane.query(TextView) if document.display)

    def shown(self, selection: Selection) -> None:
        if not self._loaded:
            self._load()

    async def take(self, changes: Changes) -> None:
        self._apply(changes.runs)
        await self._follow()

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        """Read all ids, until they are read."""
        self.items.loading = True
        while not self._loaded:
            try:
                ids = await self._inbox.runs.ids()
            except STORE_ERRORS as error:
                report(self, error)
                await asyncio.sleep(RETRY_S)
            else:
                self._loaded, self.items.loading = True, False
                self.items.load(SortedIds(ids, newest_first=True))
                self._show_if_any()

    def _apply(self, changed: Sequence[Run]) -> None:
        """Take in runs that are new or changed."""
        if self._loaded and changed:
            self.items.apply({run.id: run for run in changed})
            here = next((run for run in changed if run.id == self.items.cursor), None)
            if here:
                self.pane.show(here)
            self._show_if_any()

    async def _follow(self) -> None:
        """Read on in the trace of the run under the cursor."""
        trace = self.pane.trace
        if self.display and trace.run is not None:
            self.pane.rate(await self._inbox.feedback.of_run(trace.run))
            trace.take(await self._inbox.runs.trace(trace.run, trace.after))

    def go_to(self, run: int) -> None:
        """Put the cursor on a run."""
        self.items.select(run)
        self.screen.set_focus(self.items)

    def _show_if_any(self) -> None:
        self.items.border_title = f"Runs  {len(self.items.order):,}"
        self.set_class(not len(self.items.order), "-empty")
        self.post_message(HintsChanged())

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        held = self.items.rows.get(id_) if id_ is not None else None
        self.pane.show(held)
        if id_ is not None:
            self._read(id_)
        self.post_message(HintsChanged())

    @work(group="run", exclusive=True)
    @reports_errors
    async def _read(self, id_: int) -> None:
        self.pane.show(await self._inbox.runs.get(id_))
        await self._follow()
        self.post_message(HintsChanged())

    @on(Opened)
    @reports_errors
    async def _go_in(self, message: Opened) -> None:
        """Open the review that the run waits for, else its details."""
        message.prevent_default().stop()
        run = self.pane.run
        if run and run.state == RunState.WAITING and any(row.state == ReviewState.OPEN for row in await self._inbox.reviews.of_run(run.id)):
            self.post_message(RunChosen(run.id))
            return
        self.enter()

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    @work(group="send")
    @reports_errors
    async def action_retry(self) -> None:
        if self.pane.run:
            await self._inbox.runs.retry(self.pane.run.id)
            self.post_message(RowsChanged())

    def action_cancel(self) -> None:
        if self.pane.run and self.pane.run.state not in OVER:
            self._cancel(self.pane.run)

    def action_rate(self, rating: Step) -> None:
        if self.pane.run:
            self._rating.press(Subject(self.pane.run.id), f"run r{self.pane.run.id}", rating)

    def action_rate_message(self) -> None:
        if self.pane.run:
            self._rating.choose_message(self.pane.run.id)

    async def action_take_over(self) -> None:
        if self.pane.run:
            await self.run_action(f"app.take_over({self.pane.run.id})")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def _cancel(self, run: Run) -> None:
        from hitl_tui.ui.dialogs.attention_result import show_result
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        about = f"{one_line(run.agent)}: {one_line(run.title, 120)}"
        question = f"Cancel run r{run.id}? Its open reviews are closed; what it did stays done."
        if await ask(self, ConfirmScreen(f"Cancel run r{run.id}", question, about, yes="cancel the run", no="keep it")):
            await self._inbox.runs.cancel(run.id)
            show_result(self, self._inbox.runs.attention_check(run.id))
            self.post_message(RowsChanged())

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        run = self.pane.run
        hints: list[Hint] = []
        if run is None:
            return hints
        if self.is_inside:
            hints.append(("back", "back"))
        else:
            hints.append(("open", "review" if run.state == RunState.WAITING else "details"))
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            hints.append(("retry", "retry"))
        if run.state in (RunState.WAITING, RunState.FAILED, RunState.CANCELLED):
            hints.append(("take_over_run", "take over"))
        if run.state not in OVER:
            hints.append(("cancel", "cancel"))
        return [*hints, *RATING_HINTS, ("next_tab", "next tab"), MESSAGE_HINT]
