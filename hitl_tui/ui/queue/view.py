"""F1: open reviews, the one under the cursor beside them, and on a wide screen the trace of its run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from textual import work
from textual.app import ComposeResult
from textual.timer import Timer

from hitl_tui import pinned_session
from hitl_tui.argument_text import name_line
from hitl_tui.formatting import counted
from hitl_tui.inbox import Changes
from hitl_tui.model import Action, DecisionKind, HandBack, Outcome, Review, ReviewRow, ReviewState, Subject
from hitl_tui.sanitize import visible
from hitl_tui.ui.commands import group
from hitl_tui.ui.feedback.controller import MESSAGE_HINT, RATING_HINTS, RatingController, Step
from hitl_tui.ui.messages import HintsChanged, PageSeen, RowsChanged, RunShown
from hitl_tui.ui.queue.claim_controller import ClaimController
from hitl_tui.ui.queue.decision_controller import DecisionController
from hitl_tui.ui.queue.empty_state import empty_lines, read_empty_state
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.queue.prefetch_cache import LoadedReview, PrefetchCache
from hitl_tui.ui.queue.prompts import Prompts
from hitl_tui.ui.queue.queue_model import QueueModel
from hitl_tui.ui.queue.queue_order import Sort
from hitl_tui.ui.queue.undo_stack import UndoStack
from hitl_tui.ui.queue.view_tracking import ViewTracker
from hitl_tui.ui.review import render
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runs.trace import TracePane
from hitl_tui.ui.runtime.clipboard import copy
from hitl_tui.ui.runtime.errors import reports_errors, store_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView

SNOOZES = (("15 min", 900.0), ("1 h", 3600.0), ("4 h", 14_400.0), ("1 d", 86_400.0), ("until something changes", None))
"""For how many seconds a review can be snoozed."""
NO_REVIEW = "there is no review here"
AHEAD = 2
"""Reviews read ahead on each side of the cursor."""
REFRESH_S = 1.0
"""Seconds between two drawings of ages, deadlines, claims and who looks at what. What others do is drawn at once."""


class QueueView(ListDetail[QueueList, ReviewPane]):
    """The queue. It decides only on what was on the screen."""

    GROUPS = ("queue", "ratings", "pane")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._prompts = Prompts(self, context.settings, lambda agent, tool: inbox.feedback.reasons(agent, tool))
        self._cache = PrefetchCache(inbox)
        self._undo_stack = UndoStack(inbox.reviewer, clock)
        self._workers = context.workers
        self._counting: Timer | None = None
        self._last_run: int | None = None
        """The run of the review that was shown last: `v` goes to it when the queue is empty."""
        self._decisions = DecisionController(self, inbox, self._prompts, self._undo_stack, self)
        self.items = QueueList(lambda ids: self._queue.fetch(ids), self._moved, clock, inbox.reviewer)
        self.pane = ReviewPane(inbox.reviewer, clock)
        self.pane.approve_asks = self._decisions.approve_asks
        self._loading, self._missed = asyncio.Lock(), list[ReviewRow]()
        self._queue = QueueModel(self, inbox, self.items, self._let_go, clock)
        self._tracker = ViewTracker(self, self.pane, inbox, self._cache)
        self._claims = ClaimController(self, inbox, self._prompts, self)
        self._rating = RatingController(self, inbox, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TracePane("queue-trace")
        yield TextView(id="empty", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#queue-trace").border_title = "Trace"
        self.query_one("#empty", TextView).display = False
        self.set_interval(REFRESH_S, self._tick)

    def on_show(self) -> None:
        self._tracker.at(self.items.cursor)
        self.pane.arguments.refresh()  # the time on the screen of its rows begins anew

    def on_hide(self) -> None:
        self._tracker.away()  # nobody looks at a review behind another view

    async def on_unmount(self) -> None:
        await self._tracker.leave()

    @property
    def focus_target(self) -> QueueList:
        """What takes the focus when the view is shown."""
        return self.items

    @property
    def detail_focus(self) -> TextView:
        """What takes the focus in the details."""
        return self.pane.arguments

    @property
    def cursor(self) -> int | None:
        """The review under the cursor."""
        return self.items.cursor

    @property
    def row(self) -> ReviewRow | None:
        """Row of the review under the cursor; None until it is read."""
        return self.items.rows.get(self.items.cursor) if self.items.cursor is not None else None

    @property
    def calls(self) -> Sequence[Action]:
        """The calls of the review under the cursor, once they are read."""
        review = self.pane.review
        return review.actions if review and review.row.id == self.items.cursor else ()

    @property
    def drafts(self) -> dict[tuple[int, int, str], str]:
        """Texts typed and not submitted, by review, slot and decision."""
        return self._prompts.drafts

    @property
    def viewer(self) -> Viewer:
        """The reviewer, and the time now."""
        return self.pane.viewer

    @property
    def busy(self) -> bool:
        """Whether a decision is being asked for or stored."""
        return self._decisions.busy

    @property
    def waiting(self) -> int | None:
        """How many reviews are open; None until they have been counted."""
        return self._queue.waiting

    @property
    def selection(self) -> Selection:
        """The selected review and call, for views that explain them."""
        return Selection(self.items.cursor, self.pane.slot)

    # Rows coming in

    async def take(self, changes: Changes) -> None:
        if not changes.whole:
            await self.load()
        self.apply(changes.reviews)
        self._queue.refresh_snoozes()
        self._show_viewers()
        await self.follow()
        await self._read_empty_state()

    async def load(self) -> None:
        """Read all ids, once, or again for another filter or order."""
        async with self._loading:
            try:
                await self._queue.load()
            finally:
                missed, self._missed = self._missed, []
                self.apply(missed, now=True)
        self._show_if_any()
        await self._read_empty_state()

    def apply(self, changed: Sequence[ReviewRow], now: bool = False) -> None:
        """Show reviews that are new or changed; while all ids are being read, once that is done, or `now`."""
        if self._loading.locked() and not now:
            self._missed += changed
            return
        if not self._queue.loaded:
            return
        for row in changed:
            self._cache.forget(row.id)
            self._undo_stack.apply(row)
        put = self._queue.apply(changed)
        if self.items.cursor in put:
            self._reread(self.items.cursor)
        elif self._prompts.asks_about in put:
            self._retell(self._prompts.asks_about)
        self._wait()
        self._show_if_any()

    async def _read_empty_state(self) -> None:
        """Show agents and running runs while nothing waits."""
        if self.has_class("-empty"):
            now = await read_empty_state(self._inbox, self._workers)
            for page in self.query("#empty").results(TextView):
                page.splice(0, list(empty_lines(now)), follows_end=False)

    @work(group="empty", exclusive=True)
    @reports_errors
    async def _read_empty_state_again(self) -> None:
        await self._read_empty_state()

    async def follow(self) -> None:
        """Show new events in the trace beside the review, if there is room for it."""
        trace = self.query_one(TracePane)
        has_room = self.is_on("-three") and self.size.width and not self.has_class("-empty")
        if has_room and trace.run is not None:
            trace.rate(await self._inbox.feedback.of_run(trace.run), self.viewer)
            trace.take(await self._inbox.runs.trace(trace.run, trace.after))
            self.set_class(trace.is_bare, "-bare-trace")  # the review gets its columns

    def on_resize(self) -> None:
        self.call_after_refresh(self._follow_again)  # there may be room for the trace only now

    @work(group="trace", exclusive=True)
    @reports_errors
    async def _follow_again(self) -> None:
        await self.follow()

    def _wait(self) -> None:
        """Set a timer for the next change of a countdown; none while none runs."""
        if self._counting:
            self._counting.stop()
        wait = self._undo_stack.next_tick()
        self._counting = None if wait is None else self.set_timer(wait, self._count_down)

    def _tick(self) -> None:
        """Redraw ages, deadlines, claims and who looks at what, once a second."""
        self._tracker.renew()
        with contextlib.suppress(*store_errors()):  # it is tried again in a second
            self._show_viewers()
        self.items.refresh()
        if self.has_class("-empty"):
            self._read_empty_state_again()
        if self.row is not None and (self.row.deadline_at or self.row.claimed_until):
            self.pane.count_down()

    def _show_viewers(self) -> None:
        """Show who else looks at the reviews now."""
        viewers = self._inbox.reviews.others_looking()
        if viewers != self.items.viewers:
            self.items.viewers = self.pane.viewers = viewers
            self.items.refresh()
            self.pane.count_down()

    def show_hand_backs(self, waiting: Sequence[HandBack]) -> None:
        """Show which runs were handed back and wait for other people, and how many of them for this reviewer."""
        found, mine = {one.run: one for one in waiting}, [one for one in waiting if one.needs_me]
        if found != self.items.hand_backs:
            self.items.hand_backs = self.pane.hand_backs = found
            elsewhere = ", ".join(f"r{one.run}" for one in mine if not one.is_listed)
            told = f"{counted(len(mine), 'hand-back')} to confirm" if mine else ""
            self.items.notes.put("hand-backs", f"{told} ({elsewhere}: F2)" if elsewhere else told)
            self.items.refresh()
            if self.has_class("-empty"):
                self._read_empty_state_again()
            self.pane.count_down()
            self.post_message(HintsChanged())

    def _count_down(self) -> None:
        self._wait()
        self.items.refresh()
        self.pane.count_down()
        self.post_message(HintsChanged())

    def _let_go(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            self._prompts.forget(id_)
        self._queue.leave(ids)
        self._show_if_any()

    def _show_if_any(self) -> None:
        any_ = self._queue.any
        had_focus = self.has_focus_within
        self.query_one("#empty").display = not any_
        self.set_class(not any_, "-empty")
        if not any_ and had_focus:
            self.screen.set_focus(self.query_one("#empty"))
        elif any_ and self.query_one("#empty").has_focus:
            self.screen.set_focus(self.items)
        self.post_message(HintsChanged())

    def on_page_seen(self, message: PageSeen) -> None:
        message.stop()
        self.post_message(HintsChanged())

    # The review under the cursor

    def go_to(self, review: int) -> None:
        """Put the cursor on a review."""
        self.items.select(review)
        self.screen.set_focus(self.items)

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        if by_itself:
            self._decisions.disarm()
        loaded = self._cache.get(id_) if id_ is not None else None
        if loaded:
            self._show(loaded)
        else:
            self.pane.wait(self.items.rows.get(id_) if id_ is not None else None)
            if id_ is not None:
                self._reread(id_)
        self._tracker.at(id_)
        self._read_ahead()
        self.post_message(HintsChanged())

    def _show(self, loaded: LoadedReview) -> None:
        self.pane.show(loaded)
        self._last_run = loaded.review.row.run
        self.query_one(TracePane).follow(loaded.review.row.run)
        self._tracker.at(loaded.review.row.id)
        self.post_message(HintsChanged())

    def _reread(self, id_: int) -> None:
        self._read(id_)

    @work(group="review", exclusive=True)
    @reports_errors
    async def _read(self, id_: int) -> None:
        slow = self.set_timer(0.1, self.pane.show_loading)
        try:
            loaded = await self._cache.read(id_)
        finally:
            slow.stop()
            self.pane.loading = False
        self._prompts.tell(loaded.review, self.pane.viewer)
        if id_ == self.items.cursor:
            self._show(loaded)
            await self.follow()

    @work(group="told", exclusive=True)
    @reports_errors
    async def _retell(self, id_: int) -> None:
        self._prompts.tell((await self._cache.read(id_)).review, self.pane.viewer)

    @work(group="ahead", exclusive=True)
    @reports_errors
    async def _read_ahead(self) -> None:
        await self._cache.read_ahead(self.items.neighbours(AHEAD))
        await self.follow()

    def enter(self) -> None:
        """Show the details."""
        super().enter()
        self._tracker.at(self.items.cursor)

    def action_back(self) -> None:
        if self._decisions.take_back():
            return
        if self.items.has_focus and self.items.marks:
            self.items.unmark()
            return
        super().action_back()
        if not self.shows_details:
            self._tracker.away()

    def action_call(self, by: int) -> None:
        if self.pane.turn(by):
            self.post_message(HintsChanged())
        else:
            self.say_why("this review has one call" if self.pane.review else NO_REVIEW)

    def action_tab(self, by: int) -> None:
        if self.has_class("-empty"):
            self.say_why(NO_REVIEW)
        else:
            self.pane.step_tab(by)

    def action_context(self) -> None:
        if self.has_class("-empty"):
            self.say_why(NO_REVIEW)
        else:
            self.pane.zoom()

    def action_show_run(self) -> None:
        self.post_message(RunShown(self.row.run if self.row else self._last_run))

    def action_difference(self) -> None:
        action, review = self.pane.action, self.pane.review
        decision = review.decisions.get(action.slot) if action and review else None
        if action is None or decision is None or decision.answer.kind != DecisionKind.EDIT:
            self.say_why("nothing was edited here")
            return
        self._prompts.show_difference(action, decision.answer.args)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_filter(self) -> None:
        before, cursor, marks = self._queue.filter, self.items.cursor, set(self.items.marks)

        def tried(text: str) -> None:
            self._show_matching(text, marks)

        wanted = await self._prompts.filter(before, self._inbox, tried)
        if wanted is None:
            await self._filter_by(before, marks)
            self.items.select(cursor or 0, by_itself=True)
        elif wanted != before:
            await self._filter_by(wanted, marks)

    @work(group="filter", exclusive=True)
    @reports_errors
    async def _show_matching(self, text: str, marks: Collection[int]) -> None:
        await self._filter_by(text, marks)

    async def _filter_by(self, text: str, marks: Collection[int] = ()) -> None:
        """Show the reviews that match a filter, and of the marks those on them."""
        self._queue.filter, self.items.marks = text, set(marks)
        await self.load()

    def clear_filter(self) -> bool:
        """Show all reviews again; whether there was a filter."""
        if not self._queue.filter:
            return False
        self._show_matching("", self.items.marks)
        return True

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_copy(self) -> None:
        """Copy a value of the call that is shown; of several, the person chooses one."""
        action = self.pane.action
        if action is None:
            self.say_why(NO_REVIEW)
            return
        values = render.copyable(action)
        place: int | None = 0
        if len(values) > 1:
            place = await self._prompts.choose("Copy", "What goes to the clipboard, exactly as it is?", [name for name, _ in values])
        if place is not None:
            name, text = values[place]
            await copy(self.app, text)
            self.notify(visible(f"copied {name}: {counted(len(text), 'character')}"), timeout=3, markup=False)

    # Deciding

    def choose(self, place: int) -> bool:
        """Answer a question with one of the listed answers, after a look at it in the dialog."""
        action = self.pane.action
        if action is None or not action.choices:
            return False
        if place < len(action.choices):
            self._decisions.decide(DecisionKind.RESPOND, place=place)
        else:
            self.say_why(f"there are {len(action.choices)} answers")
        return True

    def action_approve(self) -> None:
        self._decisions.decide(DecisionKind.APPROVE)

    def action_edit(self) -> None:
        self._decisions.decide(DecisionKind.EDIT)

    def action_edit_outside(self) -> None:
        self._decisions.decide(DecisionKind.EDIT, outside=True)

    def action_reject(self) -> None:
        self._decisions.decide(DecisionKind.REJECT)

    def action_revise(self) -> None:
        self._decisions.decide(DecisionKind.REJECT, again=True)

    def action_respond(self) -> None:
        self._decisions.decide(DecisionKind.RESPOND)

    async def action_take_over(self) -> None:
        if self.row is not None:
            await self.run_action(f"app.take_over({self.row.run})")
        elif waiting := self._unlisted_hand_back:
            await self.run_action(f"app.take_over({waiting.run})")
        else:
            self.say_why(NO_REVIEW)

    @property
    def _unlisted_hand_back(self) -> HandBack | None:
        """What `t` opens where the queue is empty: a hand-back that this reviewer may confirm, or one of their own."""
        found = [one for one in self.items.hand_backs.values() if one.needs_me or one.is_mine]
        return min(found, key=lambda one: not one.needs_me, default=None) if self.has_class("-empty") else None

    @work(group="send")
    @reports_errors
    async def action_undo(self) -> None:
        await self._decisions.undo()

    async def decisions_undone(self, reviews: Sequence[int]) -> None:
        """Decisions were taken back: the reviews are open, and the first is under the cursor again."""
        if not reviews:
            return
        self.apply(rows := await self._inbox.reviews.rows(reviews))
        if self._queue.order.grouped:
            await self.load()
        if reviews[0] not in self.items.order or not self._queue.order.grouped:
            self.items.apply({row.id: row for row in rows})  # whatever the filter says
        self.items.select(reviews[0], by_itself=True)
        self._reread(reviews[0])

    def reviews_decided(self, whole: Sequence[int], others: Sequence[int]) -> None:
        """Decisions of many were stored, or refused."""
        for review in (*whole, *others):
            self._cache.forget(review)
        for review in whole:
            self._queue.decided(review)
        self.items.unmark()
        cursor = self.items.cursor
        if cursor is not None and cursor in whole:
            self._on_from(cursor)
        elif cursor is not None and cursor in others:
            self._reread(cursor)

    def review_decided(self, review: int, whole: bool) -> None:
        """A decision was stored or refused. `whole`: nothing of the review is left to decide."""
        self._cache.forget(review)
        if not whole:
            self._reread(review)
        elif self.items.cursor == review:
            self._advance(review)

    def awaiting_others(self, review: int) -> None:
        """This person did their part: go to the next review; this one stays open."""
        self._cache.forget(review)
        if self.items.cursor == review:
            self._on_from(review)

    def _advance(self, from_id: int) -> None:
        """Go from a decided review to the next open one, else to the one before."""
        self._queue.decided(from_id)
        self._on_from(from_id)

    def _on_from(self, from_id: int) -> None:
        following = self._queue.after(from_id)
        if following is None:
            self._reread(from_id)
        else:
            self.items.select(following, by_itself=True)

    def action_rate(self, rating: Step) -> None:
        review, action = self.pane.review, self.pane.action
        if review and action and not self.has_class("-empty"):
            subject = Subject(review.row.run, review.row.id, action.slot)
            self._rating.press(subject, f"{name_line(action.name, 40)} of r{review.row.run}", rating)
        else:
            self.say_why(NO_REVIEW)

    def action_rate_message(self) -> None:
        if self.row and not self.has_class("-empty"):
            self._rating.choose_message(self.row.run)
        else:
            self.say_why(NO_REVIEW)

    # Many at once

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_decide_many(self) -> None:
        if chosen := self._queue.chosen(self.items.cursor):
            await self._decisions.decide_many(chosen)
        else:
            self.say_why("there is nothing to decide here")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_order(self) -> None:
        now = self._queue.order
        options = [str(sort) for sort in Sort] + ["a row for each review" if now.grouped else "group reviews of the same tools"]
        options.append("hide snoozed reviews" if self._queue.show_snoozed else "show snoozed reviews")
        place = await self._prompts.choose("Sort and group", f"The queue is shown {now.told()}.", options, at_once=True)
        if place is None:
            return
        if place < len(Sort):
            self._queue.order = replace(now, sort=list(Sort)[place])
        elif place == len(Sort):
            self._queue.order = replace(now, grouped=not now.grouped)
        else:
            self._queue.show_snoozed = not self._queue.show_snoozed
        await self.load()

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_snooze(self) -> None:
        chosen = self._queue.chosen(self.items.cursor)
        if not chosen:
            self.say_why(NO_REVIEW if self.row is None else "only a review that waits can be snoozed")
            return
        if chosen[0] in self._queue.snoozed:
            await self._inbox.reviews.wake(chosen)
        else:
            text = f"Hides {counted(len(chosen), 'review')} from your queue; others still see it. What changes comes back at once."
            place = await self._prompts.choose("Snooze", text, [name for name, _ in SNOOZES])
            if place is None:
                return
            seconds = SNOOZES[place][1]
            await self._inbox.reviews.snooze(chosen, None if seconds is None else time.time() + seconds)
        self.items.unmark()
        self._queue.refresh_snoozes()
        self._show_if_any()

    # Grants

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_grant(self) -> None:
        """Make a grant from the call that is shown."""
        from hitl_tui.ui.dialogs.grant import GrantScreen

        review, action = self.pane.review, self.pane.action
        if review is None or action is None:
            self.say_why(NO_REVIEW)
            return
        if action.outcome is Outcome.TAKEOVER:
            self.say_why("no grant lifts a takeover: t takes the run over")
            return
        offer = await self._inbox.grants.offer(review.row.id, action.slot)
        wanted = await ask(self, GrantScreen(offer))
        if wanted is None:
            return
        made = await self._inbox.grants.make(offer, wanted.scope, wanted.uses, wanted.for_s, this_run=wanted.this_run, risk=wanted.risk)
        uses = counted(made.uses, "call")
        self.notify(visible(f"grant {made.id}: {uses} like it run without asking; this one still waits"), timeout=5, markup=False)
        self.post_message(RowsChanged())

    # Claims and escalations

    @work(group=DIALOG_GROUP)
    async def action_claim(self) -> None:
        await self._claims.claim()

    @work(group=DIALOG_GROUP)
    async def action_escalate(self) -> None:
        await self._claims.escalate()

    # Words

    def urgent_hints(self) -> list[Hint]:
        """The undo key, while it works."""
        label = self._undo_stack.label(self.items.cursor)
        return [("undo", label)] if label else []

    def hints(self) -> list[Hint]:
        """The keys that work now."""
        if unlisted := self._unlisted_hand_back:
            return [("take_over", "confirm it" if unlisted.needs_me else "back to it"), MESSAGE_HINT]
        hints: list[Hint] = []
        action, review = self.pane.action, self.pane.review
        if action and review and review.row.state == ReviewState.OPEN and not review.row.read_only:
            hints += render.decision_hints(review, action, self._approve_does(review, action))
            if len(review.actions) > 1:
                hints.append(("next_call", "next call"))
            claim = [("claim", self._claims.claim_does)]
            waiting = self.items.hand_backs.get(review.row.run)
            taken, escalated = [("take_over", "confirm it" if waiting and waiting.needs_me else "take over")], [("escalate", "escalate")]
            viewer = self.viewer
            cannot_sign = pinned_session.kind() == "browser" and self._inbox.reviews.must_sign([action])
            if cannot_sign or self._inbox.reviews.refusal(review, [action.slot]):
                hints = [*[hint for hint in hints if hint[0] == "next_call"], *escalated]
            elif review.row.is_claimed_by_another(viewer.reviewer, viewer.now):
                hints = [*claim, *hints, *taken, *escalated]
            elif review.row.is_taken_over:  # by this reviewer, who left the takeover screen
                plain = [(key, key if key in (DecisionKind.REJECT, DecisionKind.RESPOND) else does) for key, does in hints]
                hints = [("take_over", "back to it"), *plain, *escalated, *claim]  # their dialogs explain what these do
            else:
                allow: list[Hint] = [("grant", "allow the like")] if _may_be_granted(review, action) else []
                first, then = (taken, hints) if action.outcome is Outcome.TAKEOVER else (hints, taken)
                hints = [*first, *then, *escalated, *allow, *claim]
        if (self.is_inside and not self.has_class("-empty")) or self.items.cursor is not None:
            hints.append(self.detail_hint)
        if action and review and action.slot in review.decisions:
            hints += RATING_HINTS
        if self.items.cursor is not None:
            hints += [
                ("mark", "mark"),
                ("context", "context"),
                ("show_run", "its run"),
                self.find_hint("filter"),
                ("order", "sort"),
                ("snooze", "snooze"),
                ("copy", "copy"),
                MESSAGE_HINT,
            ]
        return [*self._hints_of_several(), *hints]

    def _approve_does(self, review: Review, action: Action) -> str:
        """What approve does before all of a call has been seen; empty if it approves."""
        if self.shows_details and not self.pane.arguments.reads_on:
            return ""
        return "approve anyway" if self.shows_details and self._decisions.approve_asks(review, action) else "read on"

    def _hints_of_several(self) -> list[Hint]:
        """The keys for several calls at once, and for the list as a whole."""
        review = self.pane.review
        if self.items.marks:
            return [("decide_many", f"decide {len(self.items.marks):,} marked"), ("back", "unmark")]
        grouped, calls = len(self.items.groups.members(self.items.cursor or 0)), len(review.undecided) if review else 0
        told = f"all {grouped:,} reviews" if grouped > 1 else f"all {calls:,} calls" if calls > 1 else ""
        hints: list[Hint] = [("decide_many", told)] if told else []
        return [*hints, ("back", "clear filter")] if self._queue.filter and not self.is_inside else hints


def _may_be_granted(review: Review, action: Action) -> bool:
    """Whether a grant may let calls like it run, as far as its row tells: no rule says who decides it, or how."""
    is_open = review.row.kind.is_tool_call and action.slot in review.undecided and action.outcome is not Outcome.TAKEOVER
    return is_open and not (action.decider or action.may_need_several or action.signed)
