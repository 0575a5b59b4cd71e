"""Turns a key into a stored decision: only on what was on the screen, one at a time, never by a key meant for another item."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from textual.widget import Widget

from hitl_tui.effects.view import GRAVE
from hitl_tui.errors import HitlError, Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, Outcome, Review, ReviewState, Viewing, same_person
from hitl_tui.sanitize import visible
from hitl_tui.ui.commands import active_key
from hitl_tui.ui.messages import KeyIgnored, RowsChanged
from hitl_tui.ui.queue.call_comparison import undecided_calls
from hitl_tui.ui.queue.fatigue_guard import BECAUSE, FatigueGuard
from hitl_tui.ui.queue.prompts import PromptOptions, Prompts
from hitl_tui.ui.queue.undo_stack import UndoStack
from hitl_tui.ui.review import assignment, render
from hitl_tui.ui.review.assignment import ReviewActivity
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.runtime.key_queue import DEAD_TIME_S, DIALOG_GROUP
from hitl_tui.ui.text import labels
from hitl_tui.validation import can_revise, not_allowed

if TYPE_CHECKING:
    from hitl_tui.ui.dialogs.decide_many import ManyDecision

SETTLE_S = DEAD_TIME_S
"""Time for which decision keys are ignored after the item under the cursor changed by itself."""
NOTICE_S = 3.0
"""Time for which a notice is shown."""
SLOW_S = 0.3
"""Time after which the pane says that a decision is still being stored."""
LONG_PAGES = 20
"""Pages beyond which the policy's question comes at once, not only after `G`."""
APPROVE_PAUSE_S = 1.0
"""Pause required before approve works again after keys meant for a dialog that never opened."""


SIGNING = "waits for your key · esc takes it back"
"""What the pane says while a decision is signed."""
WAITS = "your key is waited for: esc takes the signature back"
MOST_TOGETHER = 1000
"""Reviews that one dialog decides at most."""


class DecisionView(Protocol):
    """What the controller needs of the view it decides for."""

    @property
    def cursor(self) -> int | None:
        """The review under the cursor."""

    def enter(self) -> None:
        """Bring the details on the screen."""

    def review_decided(self, review: int, whole: bool) -> None:
        """A decision was stored or refused. `whole`: nothing of the review is left to decide."""

    def awaiting_others(self, review: int) -> None:
        """This person did their part; the review waits for others."""

    async def decisions_undone(self, reviews: Sequence[int]) -> None:
        """Decisions were undone: the reviews are open again."""

    def reviews_decided(self, whole: Sequence[int], others: Sequence[int]) -> None:
        """Decisions of many were stored: of the first, nothing is left to decide; the others changed or were refused."""


def asks(action: Action, kind: DecisionKind, options: PromptOptions) -> bool:
    """Whether a dialog opens before the decision: for an approval only where something speaks against it, or a text goes with it."""
    template = action.templates.get(kind)
    takes_message = template is not None and template.takes_message
    return kind is not DecisionKind.APPROVE or action.outcome is Outcome.TAKEOVER or options.unseen_rows > 0 or takes_message


class DecisionController:
    """Decides on the review that the view's pane shows."""

    def __init__(self, owner: Widget, inbox: Inbox, prompts: Prompts, undo_stack: UndoStack, view: DecisionView) -> None:
        self._owner = owner
        self._inbox = inbox
        self._prompts = prompts
        self._undo_stack = undo_stack
        self._view = view
        self._fatigue_guard = FatigueGuard(owner, inbox)
        self._armed_at = 0.0
        self._notified, self._notified_until = "", 0.0
        self._asking = False
        self._undoing = 0
        self._signing = False
        self._behind: Review | None = None
        self._ignored, self._approve_at = "", 0.0
        self._storing = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a decision is being asked for, stored or undone."""
        return self._asking or self._undoing > 0

    def take_back(self) -> bool:
        """Take back the signature that is waited for; False if none is."""
        if self._signing:
            self._inbox.signing.take_back()
        return self._signing

    def disarm(self) -> None:
        """Ignore decision keys for a moment: something else came under the cursor."""
        self._armed_at = time.monotonic() + SETTLE_S

    def decide(self, kind: DecisionKind, outside: bool = False, again: bool = False, place: int | None = None) -> None:
        """Handle the key of a decision. `again`: send it back for revision. `place`: the listed answer to begin with, from 0."""
        pane, what = self._pane, "revision" if again else str(kind)
        if self._owner.has_class("-empty"):
            self._refuse("there is no review here")
            return
        if not pane.loading and (not pane.display or not pane.size.width):
            self._view.enter()
            self.disarm()
            self._ignore(kind, what, "read it first, then press the key again")
        elif pane.zoomed:
            pane.zoom()
            self.disarm()
            self._ignore(kind, what, "read the arguments first, then press the key again")
        elif self._signing:
            self._ignore(kind, what, WAITS)
        elif not pane.review or not pane.action or not self._accepts_keys:
            self._ignore(kind, what, "ignored: the item had just changed")
        elif kind == DecisionKind.APPROVE and self._ignored and time.monotonic() < self._approve_at:
            self._approve_at = time.monotonic() + APPROVE_PAUSE_S
            self._refuse(f"{self._ignored} was ignored; to approve instead, wait a second, then press")
        elif kind == DecisionKind.APPROVE:
            self._read_or_begin(pane.review, pane.action)
        else:
            self._begin(pane.review, pane.action, kind, PromptOptions(outside, again, place=place))

    def _read_or_begin(self, review: Review, action: Action) -> None:
        """Approve what has been seen; while a part of it has not, show that part, or ask where the policy lets a person skip it."""
        arguments = self._pane.arguments
        unseen = "" if review.row.state != ReviewState.OPEN or arguments.all_seen else self._unseen(review, action)
        if unseen == "allow" or not unseen:
            self._begin(review, action, DecisionKind.APPROVE, PromptOptions())
        elif not arguments.page_seen:
            self._refuse("ignored: this page has just come on the screen")
        elif self.approve_asks(review, action):
            self._begin(review, action, DecisionKind.APPROVE, PromptOptions(unseen_rows=arguments.unseen_rows))
        else:
            arguments.read_on()

    def approve_asks(self, review: Review, action: Action) -> bool:
        """Whether approve asks about what has not been seen, because the policy lets a person skip it."""
        arguments = self._pane.arguments
        is_late = arguments.end_seen or arguments.page[1] > LONG_PAGES
        return is_late and not arguments.all_seen and self._unseen(review, action) == "confirm"

    def _unread_beside(self, review: Review, action: Action) -> list[Action]:
        """The calls that an approval of this one lets run too, as far as they have not been seen whole and the policy wants that."""
        arguments, others = self._pane.arguments, (one for one in review.sharing(action) if one is not action)
        return [one for one in others if not arguments.has_seen(one.digest) and self._unseen(review, one) != "allow"]

    def _unseen(self, review: Review, action: Action) -> str:
        return self._inbox.policy.unseen(review.risk_of(action))

    @property
    def _accepts_keys(self) -> bool:
        """Whether a key decides now: what is shown is current, was painted, and did not change just now."""
        pane = self._pane
        return pane.review is not self._behind and pane.painted and not self.busy and time.monotonic() >= self._armed_at

    def _ignore(self, kind: DecisionKind, what: str, why: str) -> None:
        """Say why a key did nothing, and keep what is typed next from approving."""
        self._hold_approval(kind, what)
        self._refuse(why)

    def _refuse(self, why: str) -> None:
        """Say where the person looks why a key does nothing."""
        self._owner.post_message(KeyIgnored(why))

    def _hold_approval(self, kind: DecisionKind, what: str) -> None:
        if kind != DecisionKind.APPROVE:
            self._ignored, self._approve_at = what, math.inf

    @property
    def _pane(self) -> ReviewPane:
        return self._owner.query_one(ReviewPane)

    def _begin(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> None:
        viewer = self._pane.viewer
        if review.row.state != ReviewState.OPEN:
            self._refuse(f"review {review.row.id} is {render.outcome(review, viewer)}")
        elif review.row.read_only:
            self._refuse(f"nothing can be decided on its server: {review.row.read_only}")
        elif review.row.is_claimed_by_another(viewer.reviewer, viewer.now):
            self._refuse(assignment.first_claim(review.row, viewer.now))
        elif refused := self._inbox.reviews.refusal(review, [action.slot]):
            self._refuse(refused.happened)
        elif kind not in action.allowed:
            why, key = not_allowed(review.row.kind, action, kind), active_key(self._owner.app, "respond")
            is_open = action.allowed == (DecisionKind.RESPOND,) and key and not action.templates
            self._refuse(f"{why.happened}: {key} answers it in words" if is_open else str(why))
        elif options.again and not can_revise(review.row.kind, action):
            self._refuse("cannot be sent back: its graph does not read the reason")
        elif options.again and len(review.sharing(action)) > 1:
            self._refuse("cannot be sent back: it shares its id with another call, and both get one answer")
        elif kind == DecisionKind.APPROVE and (unread := self._unread_beside(review, action)):
            numbers = " and ".join(str(one.number) for one in unread)
            self._refuse(f"it gets one answer with call {numbers}, which shares its id: read that too (← →)")
        elif kind == DecisionKind.APPROVE and self._fatigue_guard.too_fast and (first := self._fatigue_guard.first(self._pane)):
            self._refuse(first)
            self._notify(f"{first}: {BECAUSE}")
        else:
            self._asking, self._ignored = True, ""
            group = DIALOG_GROUP if asks(action, kind, options) else "send"
            start_worker(self._owner, group, self._answer, review, action, kind, options)

    async def _answer(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> None:
        before, asked = self._pane.viewing, time.monotonic()

        def viewing() -> Viewing:
            """How it was viewed, with the time spent in the dialog above the call."""
            return replace(before, viewed_ms=(before.viewed_ms or 0) + int((time.monotonic() - asked) * 1000))

        try:
            if asks(action, kind, options):
                await self._ask(review, action, kind, options, viewing)
            else:
                await self._store(review, action, Answer(kind), viewing())
        except store_errors() as error:
            self._hold_approval(kind, str(kind))
            report(self._owner, error)
        finally:
            self._asking = False

    async def _ask(
        self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions, viewing: Callable[[], Viewing]
    ) -> None:
        """Ask for the answer in a dialog and store it. If somebody else was faster, the dialog opens again with what was typed."""
        options = replace(options, versions=self._pane.versions, person=self._inbox.reviewer)
        while (answer := await self._prompts.ask(review, action, kind, options)) is not None:
            try:
                await self._store(review, action, answer, viewing())
            except Stale as error:
                if kind == DecisionKind.APPROVE:
                    raise
                report(self._owner, error)
                options = replace(options, outside=False)
            else:
                return

    async def _store(self, review: Review, action: Action, answer: Answer, viewing: Viewing) -> None:
        """Store the answer, after a decision or an undo that is on its way, and show what comes of it."""
        async with self._storing:
            state = await self._send(review, action, answer, viewing)
            self._behind = review
            self._undo_stack.decided(review.row.id)
            self._fatigue_guard.decided(answer.kind, viewing)
            self.disarm()
            if action.may_need_several and state == ReviewState.OPEN and (answer.kind != DecisionKind.REJECT or action.blind):
                await self._not_enough(review.row.id, action)
            else:
                self._view.review_decided(review.row.id, state != ReviewState.OPEN)
            if state == ReviewState.APPLIED:
                self._tell_check(review.row.id)

    async def _send(self, review: Review, action: Action, answer: Answer, viewing: Viewing) -> ReviewState:
        try:
            with self._progress("storing the decision …", review.sharing(action)):
                answers = {one.slot: answer for one in review.sharing(action)}
                return await self._inbox.reviews.decide(
                    review, answers, viewing.viewed_ms, seen=viewing.seen, reading_ms=viewing.reading_ms
                )
        except HitlError:
            self._view.review_decided(review.row.id, False)
            raise

    def _tell_check(self, review: int) -> None:
        """Show the result if the review was an attention check."""
        if check := self._inbox.reviews.attention_check(review):
            from hitl_tui.ui.dialogs.attention_result import show_result

            show_result(self._owner, check)

    async def _not_enough(self, review: int, action: Action) -> None:
        """Say that more people must decide, and move on if this person has nothing left to do."""
        activity = ReviewActivity(await self._inbox.reviews.endorsements(review))
        undecided = (await self._inbox.reviews.get(review)).undecided
        mine = {one.slot: one for one in activity.endorsements if same_person(one.actor, self._inbox.reviewer)}
        if action.slot in undecided and action.slot in mine:
            told = assignment.agreed(action, activity, self._inbox.reviewer)
            again = f"another person must {labels.AGAIN[mine[action.slot].answer.kind]}"
            self._notify(f"{told}: {assignment.blind_need(action, activity) if action.blind else again}")
        if set(undecided) <= set(mine):
            self._view.awaiting_others(review)
        else:
            self._view.review_decided(review, False)

    async def undo(self) -> None:
        """Undo the newest decision that can be undone. Keys pressed meanwhile decide nothing."""
        if self._signing:
            self._refuse(WAITS)
            return
        self._undoing += 1
        try:
            async with self._storing:  # behind a decision that is on its way, and behind another undo
                await self._undo_newest()
        finally:
            self._undoing -= 1

    async def _undo_newest(self) -> None:
        review = self._undo_stack.first(self._view.cursor)
        if review is None:
            self._refuse("nothing of yours to take back here")
            return
        if len(reviews := self._undo_stack.together(review)) > 1:
            await self._undo_set(reviews)
            return
        try:
            with self._progress("undoing the decision …"):
                await self._inbox.reviews.undo(review)
        except Refused as error:
            if not isinstance(error, Stale):
                self._undo_stack.dropped(review)
            self._notify(str(error))
            return
        self._undo_stack.dropped(review)
        self.disarm()
        await self._view.decisions_undone([review])

    async def _undo_set(self, reviews: Sequence[int]) -> None:
        """Undo decisions that were made together; what cannot be taken back any more is said."""
        with self._progress("taking the decisions back …"):
            refused = await self._inbox.reviews.undo_many(reviews)
        for review in reviews:
            self._undo_stack.dropped(review)
        if refused:
            self._notify(f"{len(reviews) - len(refused)} of {len(reviews)} taken back; {next(iter(refused.values()))}")
        self.disarm()
        await self._view.decisions_undone([review for review in reviews if review not in refused])

    async def decide_many(self, ids: Sequence[int]) -> None:
        """Ask about all undecided calls of these reviews, and store what the person decides in one transaction."""
        if self.busy or not ids:
            return
        self._asking = True
        if len(ids) > MOST_TOGETHER:
            self._notify(f"the first {MOST_TOGETHER:,} of {len(ids):,} reviews: so many are decided together at most")
        try:
            found = [await self._inbox.reviews.get(id_) for id_ in ids[:MOST_TOGETHER]]
            said = await self._inbox.reviews.reasonings(ids[:MOST_TOGETHER])
            unsaid = [review for review in found if any(review.risk_of(action) not in GRAVE for action in review.actions)]
            destroyed = {review.row.id: await self._inbox.policy.destroyed(review) for review in unsaid}
            calls, arguments = undecided_calls(found, said, destroyed), self._pane.arguments
            seen = {call.action.digest for call in calls if arguments.has_seen(call.action.digest)}
            decision = await self._prompts.decide_many(calls, self._pane.viewer, seen)
            if decision is not None:
                async with self._storing:
                    await self._send_many(decision)
        except store_errors() as error:
            report(self._owner, error)
        finally:
            self._asking = False

    async def _send_many(self, decision: ManyDecision) -> None:
        answers: dict[int, dict[int, Answer]] = {}
        reviews = {call.review.row.id: call.review for call in decision.calls}
        for call in decision.calls:
            answers.setdefault(call.review.row.id, {})[call.action.slot] = decision.answer
        with self._progress(f"storing {len(decision.calls)} decisions …", [call.action for call in decision.calls]):
            refused = await self._inbox.reviews.decide_many(
                [(reviews[id_], said) for id_, said in answers.items()],
                decision.viewed_ms,
                seen=decision.seen,
                reading_ms=decision.reading_ms,
            )
        stored = [id_ for id_ in answers if id_ not in refused]
        self._undo_stack.decided_together(stored)
        for _ in [slot for id_ in stored for slot in answers[id_]]:
            self._fatigue_guard.decided(decision.answer.kind, Viewing(decision.viewed_ms, reading_ms=decision.reading_ms))
        self.disarm()
        if refused:
            self._notify(f"{len(stored)} of {len(answers)} reviews decided; {next(iter(refused.values()))}")
        whole = [id_ for id_ in stored if len(answers[id_]) == len(reviews[id_].undecided)]
        self._view.reviews_decided(whole, [id_ for id_ in answers if id_ not in whole])
        for id_ in stored:
            self._tell_check(id_)

    @contextmanager
    def _progress(self, text: str, decided: Sequence[Action] = ()) -> Iterator[None]:
        """Show the text on the pane if the block takes long; if these calls must be signed, that the key is waited for."""
        self._signing = self._inbox.reviews.must_sign(decided) if decided else False
        shown = SIGNING if self._signing else text
        slow = self._owner.set_timer(SLOW_S, lambda: self._pane.say(shown))
        try:
            yield
        finally:
            self._signing = False
            slow.stop()
            self._pane.say("")
            self._owner.post_message(RowsChanged())

    def _notify(self, text: str) -> None:
        """Notify, unless the same notice is still on the screen."""
        now = time.monotonic()
        if text != self._notified or now >= self._notified_until:
            self._notified, self._notified_until = text, now + NOTICE_S
            self._owner.notify(visible(text), timeout=NOTICE_S, markup=False)
