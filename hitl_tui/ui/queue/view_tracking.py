"""Tracks how long a review is viewed, tells others who looks at it, and loads similar reviews and people once somebody stays on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
import uuid
from collections.abc import Awaitable, Callable

from textual.timer import Timer
from textual.widget import Widget

from hitl_tui.inbox import Inbox
from hitl_tui.ui.queue.prefetch_cache import PrefetchCache
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors

STAYED_S = 0.25
"""Time on a review after which its context is loaded."""
LOOKED_S = 0.7
"""Time on a review after which it counts as seen."""
RENEW_S = 10.0
"""How often others are told anew what is looked at: see `store/presence.py`."""
LEAVE_S = 1.0
"""Longest wait for the last view to be stored when the console ends."""


class ViewTracker:
    """Starts work only after a pause in typing, so that it delays no key."""

    def __init__(self, owner: Widget, pane: ReviewPane, inbox: Inbox, cache: PrefetchCache) -> None:
        self._owner = owner
        self._pane = pane
        self._inbox = inbox
        self._cache = cache
        self._review: int | None = None
        self._since = 0.0
        self._counted: float | None = None
        self._stayed: Timer | None = None
        self._looked: Timer | None = None
        self._console = uuid.uuid4().hex
        self._present_at: int | None = None
        """The review that others were told."""
        self._told_at = 0.0

    def at(self, review: int | None) -> None:
        """Track the review under the cursor; call it again when the review changes or the pane appears."""
        if review != self._review:
            self._leave()
            self._review = review
        if self._stayed:
            self._stayed.stop()
        if review is None:
            self._tell_presence()
            return
        self._stayed = self._owner.set_timer(STAYED_S, self._stay)
        if self._counted is None:
            if self._looked:
                self._looked.stop()
            self._since = time.monotonic()
            self._looked = self._owner.set_timer(LOOKED_S, self._look)

    def away(self) -> None:
        """Stop tracking: the review is no longer on the screen."""
        self.at(None)

    def renew(self) -> None:
        """Tell others again what is looked at, where that is due; to be called every second or so."""
        shown = self._review if self._shown else None
        if shown != self._present_at or (shown is not None and time.monotonic() - self._told_at > RENEW_S):
            self._tell_presence()

    async def leave(self) -> None:
        """Store the last view when the console ends, if that takes no longer than `LEAVE_S`."""
        rest = self._rest()
        with contextlib.suppress(TimeoutError, *store_errors()):
            async with asyncio.timeout(LEAVE_S):
                if rest is not None and self._review is not None:
                    await self._inbox.reviews.record_view(self._review, rest)
                if self._present_at is not None:
                    await self._inbox.reviews.look_at(self._console, None)

    def _tell_presence(self) -> None:
        """Tell others the review that is shown now, or that none is."""
        review = self._review if self._shown else None
        if review is not None or self._present_at is not None:
            self._present_at, self._told_at = review, time.monotonic()
            self._do(functools.partial(self._inbox.reviews.look_at, self._console, review), "presence")

    def _leave(self) -> None:
        rest = self._rest()
        if rest is not None and self._review is not None:
            self._do(functools.partial(self._inbox.reviews.record_view, self._review, rest), "looks")
        for timer in (self._looked, self._stayed):
            if timer:
                timer.stop()
        self._counted = None

    def _rest(self) -> int | None:
        """Milliseconds viewed since the last store; None if it does not count as seen."""
        return None if self._counted is None else int((time.monotonic() - self._counted) * 1000)

    def _look(self) -> None:
        if self._review is not None and self._shown:
            self._counted = time.monotonic()
            self._do(functools.partial(self._inbox.reviews.record_view, self._review, int((self._counted - self._since) * 1000)), "looks")

    def _stay(self) -> None:
        if self._review is not None and not self._shown and self._pane.size.width > 0:
            self._stayed = self._owner.set_timer(STAYED_S, self._stay)  # a busy machine has not painted it yet
        if self._review is not None and self._shown:
            self._do(functools.partial(self._show_context, self._review), "around")
        if self._review != self._present_at:
            self._tell_presence()

    async def _show_context(self, review: int) -> None:
        self._pane.show_context(review, await self._cache.read_context(review))

    @property
    def _shown(self) -> bool:
        return (
            self._pane.painted and self._pane.size.width > 0 and self._pane.review is not None and self._pane.review.row.id == self._review
        )

    def _do(self, what: Callable[[], Awaitable[None]], group: str) -> None:
        start_worker(self._owner, group, self._steadily, what, exclusive=group == "around")

    async def _steadily(self, what: Callable[[], Awaitable[None]]) -> None:
        try:
            await what()
        except store_errors() as error:
            report(self._owner, error)
