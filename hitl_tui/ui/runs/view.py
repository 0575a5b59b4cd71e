"""F2: every run on the left, the one under the cursor beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult

from hitl_tui.inbox import Changes
from hitl_tui.model import ReviewState, Run, RunState, Subject
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import group
from hitl_tui.ui.feedback.controller import MESSAGE_HINT, RATING_HINTS, RatingController, Step
from hitl_tui.ui.messages import FailuresSeen, HintsChanged, Opened, RowsChanged, RunChosen
from hitl_tui.ui.runs.list import RunOrder, RunsList
from hitl_tui.ui.runs.outcome import takes_messages
from hitl_tui.ui.runs.pane import RunPane
from hitl_tui.ui.runtime.errors import report, reports_errors, store_errors
from hitl_tui.ui.runtime.key_queue import DEAD_TIME_S, DIALOG_GROUP, ask
from hitl_tui.ui.runtime.live_updates import RETRY_S
from hitl_tui.ui.runtime.worker_pool import no_worker, own_targets
from hitl_tui.ui.text.lines import agent_name, line
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView

WORDS = "failed  waiting  done  cancelled: words of the state, agent, title or error"
"""What the help of the filter says first."""
NO_RUN = "there is no run here"
OVER = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})


class RunsView(ListDetail[RunsList, RunPane]):
    """Watches, cancels and retries runs."""

    GROUPS = ("runs", "ratings", "pane")
    SHEET = Path(__file__).with_name("runs.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._clock = clock
        self._home, self._workers = context.home, context.workers
        self._loaded = False
        self._unseen: set[int] = set()
        """Failed runs that the reviewer had not seen when the list was read."""
        self._filter = ""
        """A line of the filter language; empty for everything."""
        self._typed_filter = ""
        self._wanted: int | None = None
        """The run to go to once the list is read."""
        self._is_opened = False
        """The person has just come: the cursor goes to what failed since."""
        self._came_from_queue = False
        self._moved_at = 0.0
        """When the cursor last went to a run by itself."""
        self._texts: dict[int, str] = {}
        """By run: the next message, as typed."""
        self.items = RunsList(inbox.runs.rows, self._moved, clock)
        self.pane = RunPane(context.home, clock, inbox.reviewer)
        self._rating = RatingController(self, inbox, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-runs", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-runs", TextView).show(
            [line("No run yet.", "strong"), line(""), line("Press n to start one: choose an agent and enter its task.")]
        )
        self.set_interval(1, self._tick)

    @property
    def focus_target(self) -> RunsList:
        """What has the keys when the view is shown."""
        return self.items

    @property
    def detail_focus(self) -> TextView:
        """What has the keys in the details."""
        return next(document for document in self.pane.query(TextView) if document.display)

    def shown(self, selection: Selection) -> None:
        self._is_opened = True
        self._load()

    async def take(self, changes: Changes) -> None:
        self._apply(changes.runs)
        await self._follow()

    def _tick(self) -> None:
        """Redraw ages and the time a run takes; failures that are on the screen now have been seen."""
        if not self.display:
            return
        self.items.refresh()
        self.pane.count_up()
        if self.items.unserved or any(row.state == RunState.QUEUED for row in self.items.rows.values()):
            self._read_unserved()
        if seen := self._unseen.intersection(self.items.in_view):
            self._unseen -= seen
            self.post_message(FailuresSeen(sorted(seen)))

    @work(group="load", exclusive=True)
    async def _load(self) -> None:
        """Read all ids. Failures that were not seen yet come first."""
        self.items.loading = not self._loaded
        ids, unseen = await self._read_ids()
        fresh, self._unseen = unseen - self._unseen, unseen
        fresh = (unseen if self._is_opened else fresh).intersection(ids)
        self._loaded, self.items.loading = True, False
        self.items.load(RunOrder(ids, unseen.intersection(ids)))
        self._show_if_any()
        self._read_unserved()
        if self._wanted is not None:
            self.items.select(self._wanted)
        elif fresh:
            self.items.select(self.items.order.at(0), by_itself=True)
        self._wanted, self._is_opened = None, False

    async def _read_ids(self) -> tuple[Sequence[int], set[int]]:
        """The runs that match the filter, and unseen failures; tried again until they are read."""
        while True:
            try:
                ids = await self._inbox.runs.matching_ids(self._filter)
                return ids, {one.run for one in await self._inbox.runs.unseen_failures()}
            except store_errors() as error:
                report(self, error)
                await asyncio.sleep(RETRY_S)

    def _apply(self, changed: Sequence[Run]) -> None:
        """Take in runs that are new or changed."""
        if self._loaded and changed:
            fitting = self._inbox.runs.fitting(self._filter, [run.id for run in changed]) if self._filter else [run.id for run in changed]
            self._unseen |= {run.id for run in changed if run.state == RunState.FAILED}
            self.items.apply({run.id: run for run in changed if run.id in fitting or run.id in self.items.order})
            here = next((run for run in changed if run.id == self.items.cursor), None)
            if here:
                self.pane.show(here)
                self._tell_unserved()
            self._show_if_any()

    async def _follow(self) -> None:
        """Read on in the trace of the run under the cursor."""
        trace = self.pane.trace
        if self.display and trace.run is not None:
            self.pane.rate(await self._inbox.feedback.of_run(trace.run))
            trace.take(await self._inbox.runs.trace(trace.run, trace.after))

    def go_to(self, run: int | None) -> None:
        """Put the cursor on a run, from the queue; without a filter if it hides the run. None where the queue shows no run."""
        self._came_from_queue, self._wanted = True, run
        if run is not None and run not in self.items.order:
            self._filter = ""
        self._load()

    @work(group="unserved", exclusive=True)
    @reports_errors
    async def _read_unserved(self) -> None:
        """Find out which agents no worker runs: their runs stay queued."""
        found = await self._inbox.agents.unserved(own_targets(self._workers))
        self.items.unserved = {agent: no_worker(agent, target, self._home.path) for agent, target in found.items()}
        self.items.refresh()
        self._tell_unserved()

    def _tell_unserved(self) -> None:
        run = self.pane.run
        self.pane.tell(self.items.unserved.get(run.agent, "") if run and run.state == RunState.QUEUED else "")

    def _show_if_any(self) -> None:
        filtered = f"  /{one_line(self._filter, 20)}" if self._filter else ""
        self.items.nothing = f"no run matches {one_line(self._filter, 60)},\nesc clears" if self._filter else ""
        self.items.border_title = f"Runs  {len(self.items.order):,}{filtered}".replace("[", "\\[")
        self.set_class(not len(self.items.order) and not self._filter, "-empty")
        self.post_message(HintsChanged())

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        held = self.items.rows.get(id_) if id_ is not None else None
        self._moved_at = time.monotonic() if by_itself else self._moved_at
        self.pane.show(held)
        self._tell_unserved()
        if id_ is not None:
            self._read(id_)
        self.post_message(HintsChanged())

    @work(group="run", exclusive=True)
    @reports_errors
    async def _read(self, id_: int) -> None:
        self.pane.show(await self._inbox.runs.get(id_))
        self._tell_unserved()
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

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_filter(self) -> None:
        from hitl_tui.ui.dialogs.filter import FilterScreen

        before, runs = self._filter, self._inbox.runs
        cursor = self.items.cursor
        asked = (self._typed_filter, self._filter_by, self._filter_values, runs.filter_fields, runs.check_filter, WORDS)
        screen = FilterScreen("runs", before, *asked)
        wanted = await ask(self, screen)
        self._typed_filter = screen.draft if wanted is None else ""
        if wanted is None:
            self._wanted = cursor
        self._filter_by(before if wanted is None else wanted)

    async def _filter_values(self) -> dict[str, list[str]]:
        return {**await self._inbox.reviews.filter_values(), "": list(RunState)}

    def _filter_by(self, text: str) -> None:
        self._filter = text
        self._load()

    def clear_filter(self) -> bool:
        """Show all runs again; whether there was a filter."""
        if not self._filter:
            return False
        self._wanted = self.items.cursor
        self._filter_by("")
        return True

    async def action_show_review(self) -> None:
        """Go to the review that the run waits for, or back to the queue."""
        run = self.pane.run
        if run and any(row.state == ReviewState.OPEN for row in await self._inbox.reviews.of_run(run.id)):
            self.post_message(RunChosen(run.id))
        elif self._came_from_queue:
            await self.run_action("app.show('queue')")
        else:
            self.say_why(f"run r{run.id} waits for nobody" if run else NO_RUN)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_continue(self) -> None:
        """Send the next message of the conversation to an agent that has finished."""
        from hitl_tui.ui.dialogs.next_message import NextMessageScreen

        run = self.pane.run
        if run is None:
            self.say_why(NO_RUN)
            return
        if run.state not in OVER:
            self.say_why(f"run r{run.id} is {run.state}: only a finished run takes another message")
            return
        if not takes_messages(run):
            self.say_why(f"{agent_name(run.agent)} keeps no conversation: n starts another run")
            return
        screen = NextMessageScreen(self._inbox, run, self._texts.get(run.id, ""))
        made = await ask(self, screen)
        if made is None:
            self._texts[run.id] = screen.draft
            return
        self._texts.pop(run.id, None)
        self.notify(f"run r{made} goes on with the conversation of r{run.id}", timeout=3)
        self._wanted = made
        self._load()
        self.post_message(RowsChanged())

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    @work(group="send")
    @reports_errors
    async def action_retry(self) -> None:
        """Retry the run under the cursor, which the person must have seen there."""
        run = self.pane.run
        if run is None:
            self.say_why(NO_RUN)
        elif not self.pane.size.width and run.id not in self.items.in_view:
            self.items.reveal()
            self._moved_at = time.monotonic()
            self.say_why(f"run r{run.id} was not on the screen: look at it, then press the key again")
        elif time.monotonic() - self._moved_at < DEAD_TIME_S:
            self.say_why(f"ignored: the cursor had just come to run r{run.id}")
        else:
            await self._inbox.runs.retry(run.id)
            self.notify(f"run r{run.id} goes on from its checkpoint", timeout=3)
            self.post_message(RowsChanged())

    def action_cancel(self) -> None:
        run = self.pane.run
        if run and run.state not in OVER:
            self._cancel(run)
        else:
            self.say_why(f"run r{run.id} is {run.state}: there is nothing to cancel" if run else NO_RUN)

    def action_release(self) -> None:
        run = self.pane.run
        if run and run.silent_s(self._clock()):
            self._release(run)
        else:
            self.say_why(f"run r{run.id} is not held by a worker that does not respond" if run else NO_RUN)

    def action_rate(self, rating: Step) -> None:
        if self.pane.run:
            self._rating.press(Subject(self.pane.run.id), f"run r{self.pane.run.id}", rating)
        else:
            self.say_why(NO_RUN)

    def action_rate_message(self) -> None:
        if self.pane.run:
            self._rating.choose_message(self.pane.run.id)
        else:
            self.say_why(NO_RUN)

    async def action_take_over(self) -> None:
        if self.pane.run:
            await self.run_action(f"app.take_over({self.pane.run.id})")
        else:
            self.say_why(NO_RUN)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def _cancel(self, run: Run) -> None:
        from hitl_tui.ui.dialogs.attention_result import show_result
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        about = f"{one_line(run.agent)}: {one_line(run.title, 120)}"
        question = f"Cancel run r{run.id}? Its open reviews are closed; what it did stays done."
        waiting = [row.id for row in await self._inbox.reviews.of_run(run.id) if row.state == ReviewState.OPEN]
        calls = [action for id_ in waiting for action in (await self._inbox.reviews.get(id_)).actions]
        if await ask(self, ConfirmScreen(f"Cancel run r{run.id}", question, about, yes="cancel the run", no="keep it", calls=calls)):
            await self._inbox.runs.cancel(run.id)
            show_result(self, self._inbox.runs.attention_check(run.id))
            self.post_message(RowsChanged())

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def _release(self, run: Run) -> None:
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        about = f"{one_line(run.agent)}: {one_line(run.title, 120)}"
        question = (
            f"Release run r{run.id} from its worker? Another continues it from its checkpoint. The step that the worker is in may still "
            "have its effects; what was approved and may have run is asked again."
        )
        if await ask(self, ConfirmScreen(f"Release run r{run.id}", question, about, yes="release the run", no="keep it")):
            await self._inbox.runs.release(run.id)
            self.post_message(RowsChanged())

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        run = self.pane.run
        hints: list[Hint] = [("back", "clear filter")] if self._filter and not self.is_inside else []
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
        if run.silent_s(self._clock()):
            hints.append(("release_run", "release"))
        if run.state == RunState.DONE and takes_messages(run):
            hints.append(("continue", "next message"))
        hints += [("show_review", "review")] if run.state == RunState.WAITING else []
        return [*hints, self.find_hint("filter_runs"), *RATING_HINTS, ("next_tab", "next tab"), MESSAGE_HINT]
