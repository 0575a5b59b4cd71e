"""Notifies a reviewer who approves too fast, and makes them read irreversible calls to the end."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from statistics import mean

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui import canonical_json
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, DecisionKind, Risk
from hitl_tui.oversight.statistics import Reader, reading_time_s
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.errors import STORE_ERRORS, report

SOON_S = 0.25
"""Delay after a decision before the pace is read, so that keys come first."""
QUIET_S = 600.0
"""Least time between two notices."""
KEPT = 20
"""Approvals that the notice can speak of."""
BECAUSE = "(your last approvals were fast, and this call is irreversible)"


class FatigueGuard:
    """How this reviewer reads, as of a moment ago."""

    def __init__(self, owner: Widget, inbox: Inbox) -> None:
        self._owner = owner
        self._inbox = inbox
        self._approved: deque[tuple[float, Action]] = deque(maxlen=KEPT)
        self._due: Timer | None = None
        self._told_at = -math.inf
        self.too_fast = False

    def decided(self, action: Action, kind: DecisionKind, viewed_ms: int) -> None:
        """A decision was stored; the pace is looked at when the keys have had their turn."""
        if kind is DecisionKind.APPROVE:
            self._approved.append((viewed_ms / 1000, action))
        else:
            self._approved.clear()
        if self._due is None:
            self._due = self._owner.set_timer(SOON_S, self._look)

    def first(self, pane: ReviewPane) -> str:
        """What is to be done before this is approved, as a clause; empty when nothing is."""
        action, review = pane.action, pane.review
        if not self.too_fast or not action or not review or (action.risk or review.row.risk) != Risk.IRREVERSIBLE:
            return ""
        if not pane.read_to_end:
            return f"scroll to the end first {BECAUSE}"
        left = reading_time_s(size_of(action)) - pane.viewed_ms / 1000
        return f"look at it for {math.ceil(left)} s more first {BECAUSE}" if pane.fits and left > 0 else ""

    def _look(self) -> None:
        self._due = None
        self._owner.run_worker(self._read(), group="pace", exclusive=True)

    async def _read(self) -> None:
        try:
            reader = await self._inbox.insights.pace()
        except STORE_ERRORS as error:
            report(self._owner, error)
            return
        self.too_fast = reader is not None and reader.pace.too_fast
        if reader is not None and self.too_fast and time.monotonic() - self._told_at > QUIET_S:
            self._told_at = time.monotonic()
            self._owner.notify(told(reader, self._approved), timeout=8, markup=False)


def size_of(action: Action) -> int:
    """Characters of what is to be read, as the history counts them."""
    return len(canonical_json.dumps(action.args))


def told(reader: Reader, approved: Sequence[tuple[float, Action]]) -> str:
    """The notice: figures and no blame."""
    last = list(approved)[-reader.pace.streak :] if reader.pace.streak else []
    if len(last) < 2:
        return f"{reader.pace.fast} of your last {reader.pace.decided} decisions were faster than they can be read; take your time"
    seconds, size = mean(viewed for viewed, _ in last), mean(size_of(action) for _, action in last)
    each = f"{seconds:.0f}" if seconds >= 1 else f"{seconds:.1f}"
    return f"the last {len(last)} approvals took about {each} s each, for about {_rounded(size):,} characters; take your time"


def _rounded(size: float) -> int:
    """With two digits that say something."""
    return int(float(f"{size:.2g}"))
