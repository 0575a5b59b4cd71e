"""Sends the notices that are due, beside everything else the worker does: one that hangs holds up nothing but itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from hitl_tui.errors import Storage
from hitl_tui.model import Notice
from hitl_tui.notify import Message, Outcome, again_at, deliver, message_of
from hitl_tui.policy.notification import loud_from
from hitl_tui.policy.schema import Notify, Policy
from hitl_tui.store import Store, notifications, reviews

LOOK_S = 0.25
AT_ONCE = 4
"""Notices on their way at a time; each is a process."""
STORE_AGAIN_S = 1.0

T = TypeVar("T")


class Notifier:
    """Whom the notices of one project's runs are given to. A second one on the same rows sends none of them twice."""

    def __init__(
        self,
        store: Store,
        worker: str,
        project: int,
        policy: Callable[[], Policy | None],
        ring: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._worker = worker
        self._project = project
        self._policy = policy
        self._ring = ring
        self._clock = clock
        self._going: set[asyncio.Future[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        """Send in the background while the block lasts; what is on its way at its end is cut off, and sent again by the next worker."""
        looking = asyncio.ensure_future(self._serve())
        try:
            yield self
        finally:
            for task in (looking, *self._going):
                task.cancel()
            await asyncio.gather(looking, *self._going, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(Storage):  # the worker says so, and it is looked at again
                await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Send what is due, without waiting for what becomes of it."""
        now, free = self._clock(), AT_ONCE - len(self._going)
        if not free or not notifications.any_due(self._store, self._project, now):
            return
        policy = self._policy()
        notify = policy.notify if policy else Notify()
        await notifications.drop(self._store, self._project, now)
        loud = loud_from(notify, now)
        if loud is None:
            await notifications.drop(self._store, self._project, now, all_of_them=True)
        elif loud > now:
            await notifications.postpone(self._store, self._project, now, loud)
        else:
            for notice in await notifications.take(self._store, self._worker, self._project, now, free):
                task = asyncio.ensure_future(self._send(notice, notify))
                self._going.add(task)
                task.add_done_callback(self._going.discard)

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self._going:
            await asyncio.wait(self._going)

    async def _send(self, notice: Notice, notify: Notify) -> None:
        message = await _surely(lambda: self._message(notice, notify))
        outcome = await deliver(notice.channel, notify, message)
        await _surely(lambda: self._store_outcome(notice, outcome, notify.retries))
        self._ring()

    async def _message(self, notice: Notice, notify: Notify) -> Message:
        escalation = await notifications.told_of(self._store, notice)
        review = await reviews.get(self._store, notice.review)
        assert review is not None  # escalations are of reviews that are there
        return message_of(notify.content, escalation, review)

    async def _store_outcome(self, notice: Notice, outcome: Outcome, retries: int) -> None:
        now = self._clock()
        if outcome.error:
            again = again_at(outcome, notice.tries, retries, now)
            await notifications.failed(self._store, self._worker, notice, outcome.error, now, again)
        else:
            await notifications.sent(self._store, self._worker, notice, now)


async def _surely(work: Callable[[], Awaitable[T]]) -> T:
    """Do it as soon as the storage lets us: what became of a notice must not be forgotten over a full disk."""
    while True:
        try:
            return await work()
        except Storage:
            await asyncio.sleep(STORE_AGAIN_S)
