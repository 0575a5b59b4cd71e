"""From a key to a stored decision: only of what has been on the screen, one at a time, never by a key that was meant for another item."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from textual.widget import Widget

from hitl_tui.errors import HitlError, Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, Review, ReviewState
from hitl_tui.sanitize import visible
from hitl_tui.ui.messages import RowsChanged
from hitl_tui.ui.queue.fatigue_guard import FatigueGuard
from hitl_tui.ui.queue.prompts import PromptOptions, Prompts
from hitl_tui.ui.queue.undo_stack import UndoStack
from hitl_tui.ui.review import assignment, render
from hitl_tui.ui.review.assignment import ReviewActivity
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.errors import STORE_ERRORS, report
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP
from hitl_tui.ui.text import labels
from hitl_tui.validation import may_pass

DEAD_S = 0.4
"""How long decision keys do nothing after the item under the cursor changed by itself."""
TOLD_S = 3.0
"""How long a notice stands on the screen."""
SLOW_S = 0.3
"""Storing a decision that takes longer says so."""
SURE_S = 1.0
"""Whoever typed for a dialog that did not open approves only with a key that comes so long after the one before."""


class DecisionView(Protocol):
    """The view whose pane is decided on, and what it does about that."""

    @property
    def cursor(self) -> int | None:
        """The review under the cursor."""

    def enter(self) -> None:
        """Bring the details on the screen."""

    def review_decided(self, review: int, whole: bool) -> None:
        """A decision was stored, or refused; `whole` when nothing of the review is left to decide."""

    def awaiting_others(self, review: int) -> None:
        """This person has said of the review what they can; it waits for others."""

    async def decision_undone(self, review: int) -> None:
        """A decision was taken back: the review is open again."""


class DecisionController:
    """Decides what the pane of a view shows."""

    def __init__(self, owner: Widget, inbox: Inbox, prompts: Prompts, undo_stack: UndoStack, view: DecisionView) -> None:
        self._owner = owner
        self._inbox = inbox
        self._prompts = prompts
        self._undo_stack = undo_stack
        self._view = view
        self._fatigue_guard = FatigueGuard(owner, inbox)
        self._armed_at = 0.0
        self._told, self._told_until = "", 0.0
        self._asking = False
        self._undoing = 0
        self._behind: Review | None = None
        self._unheard, self._sure_at = "", 0.0
        self._storing = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a decision is being asked for, stored or taken back."""
        return self._asking or self._undoing > 0

    def disarm(self) -> None:
        """Something else came under the cursor: for a moment no key decides."""
        self._armed_at = time.monotonic() + DEAD_S

    def decide(self, kind: DecisionKind, outside: bool = False, again: bool = False) -> None:
        """A person pressed the key of a decision; `again` when the agent shall make another pass at it."""
        pane, what = self._pane, "another pass" if again else str(kind)
        if self._owner.has_class("-empty"):
            return
        if not pane.loading and (not pane.display or not pane.size.width):
            self._view.enter()
            self.disarm()
            self._not_heard(kind, what, "read it first: the same key decides here")
        elif pane.zoomed:
            pane.zoom()
            self.disarm()
            self._not_heard(kind, what, "see the arguments first: the same key decides here")
        elif not pane.review or not pane.action or not self._is_heard:
            self._not_heard(kind, what, "that key came too early: see what is shown, then press it again")
        elif kind == DecisionKind.APPROVE and self._unheard and time.monotonic() < self._sure_at:
            self._sure_at = time.monotonic() + SURE_S
            self._tell(f"{self._unheard} was not done; to approve instead, wait a second and press the key again")
        else:
            self._begin(pane.review, pane.action, kind, PromptOptions(outside, again, pane.versions))

    @property
    def _is_heard(self) -> bool:
        """Whether a key decides now: what is shown is as the rows are, has been on the screen, and did not come there just now."""
        pane = self._pane
        return pane.review is not self._behind and pane.seen and not self.busy and time.monotonic() >= self._armed_at

    def _not_heard(self, kind: DecisionKind, what: str, why: str) -> None:
        """Say why a key did nothing. What was typed for the dialog that it did not open approves nothing."""
        self._not_done(kind, what)
        self._tell(why)

    def _not_done(self, kind: DecisionKind, what: str) -> None:
        if kind != DecisionKind.APPROVE:
            self._unheard, self._sure_at = what, math.inf

    @property
    def _pane(self) -> ReviewPane:
        return self._owner.query_one(ReviewPane)

    def _begin(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> None:
        viewer = self._pane.viewer
        if review.row.state != ReviewState.OPEN:
            self._tell(f"review {review.row.id} is {render.outcome(review, viewer)}")
        elif assignment.others(review.row, viewer.reviewer, viewer.now):
            self._tell(assignment.first_claim(review.row, viewer.now))
        elif kind not in action.allowed:
            self._tell(f"{kind} is not allowed here; allowed: {', '.join(action.allowed) or 'nothing'}")
        elif options.again and not may_pass(review.row.kind, action):
            self._tell("its graph takes no other pass: it does not read why it is rejected")
        elif kind == DecisionKind.APPROVE and (first := self._fatigue_guard.first(self._pane)):
            self._tell(first)
        else:
            self._asking, self._unheard = True, ""
            group = "send" if kind == DecisionKind.APPROVE else DIALOG_GROUP
            self._owner.run_worker(self._answer(review, action, kind, options), group=group)

    async def _answer(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> None:
        looked, asked = self._pane.looked_ms, time.monotonic()

        def so_far() -> int:
            """A dialog is open over the call: that is looking at it."""
            return looked + int((time.monotonic() - asked) * 1000)

        try:
            answer = await self._prompts.ask(review, action, kind, options)
            while answer is not None and (lost := await self._lost(review, action, answer, so_far())):
                if kind == DecisionKind.APPROVE:
                    raise lost
                report(self._owner, lost)
                answer = await self._prompts.ask(review, action, kind, replace(options, outside=False))  # with what was typed
        except STORE_ERRORS as error:
            self._not_done(kind, str(kind))
            report(self._owner, error)
        finally:
            self._asking = False

    async def _lost(self, review: Review, action: Action, answer: Answer, looked: int) -> Stale | None:
        """Store the answer; why not, when somebody else was first."""
        try:
            async with self._storing:
                await self._send(review, action, answer, looked)
        except Stale as error:
            return error
        return None

    async def _send(self, review: Review, action: Action, answer: Answer, looked: int) -> None:
        try:
            with self._saying("storing the decision …"):
                state = await self._inbox.reviews.decide(review, {action.slot: answer}, looked)
        except HitlError:
            self._view.review_decided(review.row.id, False)
            raise
        self._behind = review
        self._undo_stack.decided(review.row.id)
        self._fatigue_guard.decided(action, answer.kind, looked)
        self.disarm()
        if action.reviewers > 1 and state == ReviewState.OPEN and answer.kind != DecisionKind.REJECT:
            await self._not_enough(review.row.id, action)
        else:
            self._view.review_decided(review.row.id, state != ReviewState.OPEN)
        if state == ReviewState.APPLIED:
            self._tell_check(review.row.id)

    def _tell_check(self, review: int) -> None:
        """Say so, if it was an attention check."""
        if check := self._inbox.reviews.attention_check(review):
            from hitl_tui.ui.dialogs.attention_result import tell

            tell(self._owner, check)

    async def _not_enough(self, review: int, action: Action) -> None:
        """Say who else must say the same before it happens; what waits for others alone needs nobody here."""
        activity = ReviewActivity(await self._inbox.reviews.endorsements(review))
        undecided = (await self._inbox.reviews.get(review)).undecided
        mine = {one.slot: one for one in activity.endorsements if assignment.is_me(one.actor, self._inbox.reviewer)}
        if action.slot in undecided and action.slot in mine:
            told = assignment.agreed(action, activity, self._inbox.reviewer)
            self._tell(f"{told}: another person must {labels.AGAIN[mine[action.slot].answer.kind]}")
        if set(undecided) <= set(mine):
            self._view.awaiting_others(review)
        else:
            self._view.review_decided(review, False)

    async def undo(self) -> None:
        """Take back the newest decision that can be; keys pressed meanwhile decide nothing."""
        self._undoing += 1
        try:
            async with self._storing:  # behind a decision that is on its way, and behind another undo
                await self._take_back()
        finally:
            self._undoing -= 1

    async def _take_back(self) -> None:
        review = self._undo_stack.first(self._view.cursor)
        if review is None:
            self._tell("nothing of yours to take back here")
            return
        try:
            with self._saying("taking the decision back …"):
                await self._inbox.reviews.undo(review)
        except Refused as error:
            if not isinstance(error, Stale):
                self._undo_stack.dropped(review)
            self._tell(str(error))
            return
        self._undo_stack.dropped(review)
        self.disarm()
        await self._view.decision_undone(review)

    @contextmanager
    def _saying(self, text: str) -> Iterator[None]:
        """Say on the pane what takes long."""
        slow = self._owner.set_timer(SLOW_S, lambda: self._pane.say(text))
        try:
            yield
        finally:
            slow.stop()
            self._pane.say("")
            self._owner.post_message(RowsChanged())

    def _tell(self, text: str) -> None:
        """Say it, unless it was said just now and still stands there."""
        now = time.monotonic()
        if text != self._told or now >= self._told_until:
            self._told, self._told_until = text, now + TOLD_S
            self._owner.notify(visible(text), timeout=TOLD_S, markup=False)
