"""From a key to a stored decision: only of what has been on the screen, one at a time, never by a key that was meant for another item."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.widget import Widget

from hitl_tui.errors import HitlError
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, Review, ReviewState
from hitl_tui.safety import visible
from hitl_tui.ui import words
from hitl_tui.ui.asking import Desk
from hitl_tui.ui.messages import Acted
from hitl_tui.ui.review_pane import ReviewPane
from hitl_tui.ui.trouble import TROUBLE, report
from hitl_tui.ui.type_ahead import ASKING

DEAD_S = 0.4
"""How long decision keys do nothing after the item under the cursor changed by itself."""
SLOW_S = 0.3
"""Storing a decision that takes longer says so."""


class Decider:
    """Decides what the pane of a view shows."""

    def __init__(self, owner: Widget, inbox: Inbox, desk: Desk, enter: Callable[[], None], over: Callable[[int, bool], None]) -> None:
        """`enter` brings the details on the screen; `over` is told the review, and whether it is decided whole."""
        self._owner = owner
        self._inbox = inbox
        self._desk = desk
        self._enter = enter
        self._over = over
        self._armed_at = 0.0
        self.busy = False
        """Whether a decision is being asked for or stored."""

    def disarm(self) -> None:
        """Something else came under the cursor: for a moment no key decides."""
        self._armed_at = time.monotonic() + DEAD_S

    def decide(self, kind: DecisionKind, outside: bool = False) -> None:
        """A person pressed the key of a decision."""
        pane = self._pane
        if self._owner.has_class("-empty"):
            return
        if not pane.display or not pane.size.width:
            self._enter()
            self._first("read it first: the same key decides here")
        elif pane.zoomed:
            pane.zoom()
            self._first("see the arguments first: the same key decides here")
        elif pane.review and pane.action and pane.seen and not self.busy and time.monotonic() >= self._armed_at:
            self._begin(pane.review, pane.action, kind, outside)

    @property
    def _pane(self) -> ReviewPane:
        return self._owner.query_one(ReviewPane)

    def _first(self, text: str) -> None:
        self.disarm()
        self._tell(text)

    def _begin(self, review: Review, action: Action, kind: DecisionKind, outside: bool) -> None:
        if review.row.state != ReviewState.OPEN:
            self._tell(f"review {review.row.id} is {words.closing(review.row)[1]}")
        elif kind not in action.allowed:
            self._tell(f"{kind} is not allowed here; allowed: {', '.join(action.allowed) or 'nothing'}")
        else:
            self.busy = True
            self._owner.run_worker(self._answer(review, action, kind, outside), group="send" if kind == DecisionKind.APPROVE else ASKING)

    async def _answer(self, review: Review, action: Action, kind: DecisionKind, outside: bool) -> None:
        try:
            looked = self._pane.looked_ms
            answer = await self._desk.ask(review, action, kind, outside)
            if answer is not None:
                await self._send(review, action, answer, looked)
        except TROUBLE as error:
            report(self._owner, error)
        finally:
            self.busy = False

    async def _send(self, review: Review, action: Action, answer: Answer, looked: int) -> None:
        slow = self._owner.set_timer(SLOW_S, lambda: self._pane.say("storing the decision …"))
        try:
            state = await self._inbox.decide(review, {action.slot: answer}, looked)
        except HitlError:
            self._over(review.row.id, False)
            raise
        finally:
            slow.stop()
            self._pane.say("")
            self._owner.post_message(Acted())
        self._desk.forget(review.row.id, action.slot)
        self.disarm()
        self._over(review.row.id, state != ReviewState.OPEN)

    def _tell(self, text: str) -> None:
        self._owner.notify(visible(text), timeout=3, markup=False)
