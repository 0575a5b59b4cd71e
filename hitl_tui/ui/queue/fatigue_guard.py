"""Notifies a reviewer who approves too fast, and makes them read irreversible calls to the end."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from statistics import mean

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.inbox import Inbox
from hitl_tui.model import DecisionKind, Risk, Viewing
from hitl_tui.oversight.statistics import LONG_STREAK, Reader
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors

SOON_S = 0.25
"""Delay after a decision before the pace is read, so that keys come first."""
QUIET_S = 600.0
"""Least time between two notices."""
KEPT = 20
"""Approvals that the notice can speak of."""
BECAUSE = "your last approvals were fast, and this call is irreversible"
"""Why the guard asks for time."""


class FatigueGuard:
    """How this reviewer reads, as of a moment ago."""

    def __init__(self, owner: Widget, inbox: Inbox) -> None:
        self._owner = owner
        self._inbox = inbox
        self._approved: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._streak = 0
        self._due: Timer | None = None
        self._told_at = -math.inf
        self.too_fast = False

    def decided(self, kind: DecisionKind, viewing: Viewing) -> None:
        """Take in a decision that was stored. A long streak counts at once; the stored pace is read when the keys have had their turn."""
        viewed_ms, reading_ms = viewing.viewed_ms or 0, viewing.reading_ms or 0
        if kind is DecisionKind.APPROVE:
            self._approved.append((viewed_ms / 1000, reading_ms / 1000))
        else:
            self._approved.clear()
        self._streak = self._streak + 1 if kind is DecisionKind.APPROVE and viewed_ms < reading_ms else 0
        self.too_fast = self.too_fast or self._streak >= LONG_STREAK
        if self._due is None:
            self._due = self._owner.set_timer(SOON_S, self._look)

    def first(self, pane: ReviewPane) -> str:
        """What is to be done before this is approved, as a clause; empty when nothing is."""
        action, review = pane.action, pane.review
        if not self.too_fast or not action or not review or review.risk_of(action) != Risk.IRREVERSIBLE:
            return ""
        if not pane.arguments.all_seen:
            return "read it to its end first"
        left = (pane.reading_ms - pane.viewed_ms) / 1000
        return f"look at it for {math.ceil(left)} s more first" if left > 0 else ""

    def _look(self) -> None:
        self._due = None
        start_worker(self._owner, "pace", self._read, exclusive=True)

    async def _read(self) -> None:
        try:
            reader = await self._inbox.insights.pace()
        except store_errors() as error:
            report(self._owner, error)
            return
        self.too_fast = reader is not None and reader.pace.too_fast
        if reader is not None and self.too_fast and time.monotonic() - self._told_at > QUIET_S:
            self._told_at = time.monotonic()
            self._owner.notify(told(reader, self._approved), timeout=8, markup=False)


def told(reader: Reader, approved: Sequence[tuple[float, float]]) -> str:
    """The notice: figures and no blame. `approved`: of the last approvals, seconds in view and seconds that reading takes."""
    last = list(approved)[-reader.pace.streak :] if reader.pace.streak else []
    if len(last) < 2:
        return f"{reader.pace.fast} of your last {reader.pace.decided} decisions were faster than they can be read; take your time"
    viewed, needed = mean(one for one, _ in last), mean(one for _, one in last)
    return f"the last {len(last)} approvals took {_seconds(viewed)} each, and reading takes {_seconds(needed)} at least; take your time"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 2 else f"{value:.1f} s"
