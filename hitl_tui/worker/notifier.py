"""Sends the notifications that are due, in the background, through `notify/`: one that hangs delays only itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from hitl_tui.errors import Storage
from hitl_tui.model import Notification, Review
from hitl_tui.notify import DeliveryResult, NotificationMessage, deliver, message_of, message_of_hand_back, next_attempt_at
from hitl_tui.policy.notification import DESKTOP, Notify, end_of_quiet
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, escalations, notifications, reviews, runs, takeovers

POLL_S = 0.25
CONCURRENCY = 4
"""Notifications sent at a time; each is a process."""
STORE_RETRY_S = 1.0

T = TypeVar("T")


class Notifier:
    """Sends the notifications of one project. Several notifiers on the same rows send each of them once."""

    def __init__(
        self,
        store: Store,
        worker: str,
        project: int,
        policy: Callable[[], Policy | None],
        ring: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        link: Callable[[Review], str] = lambda _: "",
    ) -> None:
        """`link` makes the address of a page where a person decides a review; empty for none."""
        self._store = store
        self._worker = worker
        self._project = project
        self._policy = policy
        self._ring = ring
        self._clock = clock
        self._link = link
        self._sending: set[asyncio.Future[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        """Send in the background while the block lasts. Unfinished deliveries are cut off at its end, and retried by the next worker."""
        serving = asyncio.ensure_future(self._serve())
        try:
            yield self
        finally:
            for task in (serving, *self._sending):
                task.cancel()
            await asyncio.gather(serving, *self._sending, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(Storage):  # the worker reports it, and the next round tries again
                await self.send_due()
            await asyncio.sleep(POLL_S)

    async def send_due(self) -> None:
        """Start sending what is due. Does not wait for delivery."""
        now, free = self._clock(), CONCURRENCY - len(self._sending)
        if not free or not notifications.any_due(self._store, self._project, now):
            return
        policy = self._policy()
        notify = policy.notify if policy else Notify()
        await notifications.drop(self._store, self._project, now)
        loud = end_of_quiet(notify, now)
        if loud is None:
            await notifications.drop(self._store, self._project, now, all_of_them=True)
        elif loud > now:
            await notifications.postpone(self._store, self._project, now, loud)
        else:
            for notification in await notifications.take(self._store, self._worker, self._project, now, free):
                task = asyncio.ensure_future(self._send(notification, notify))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def wait(self) -> None:
        """Wait until every delivery that was started has ended."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, notification: Notification, notify: Notify) -> None:
        message = await _until_stored(lambda: self._message(notification, notify))
        outcome = await deliver(notification.channel, notify, message)
        await _until_stored(lambda: self._store_outcome(notification, outcome, notify.retries))
        self._ring()

    async def _message(self, notification: Notification, notify: Notify) -> NotificationMessage:
        if notification.takeover is not None:
            takeover = await takeovers.get(self._store, notification.takeover)
            run = await runs.get(self._store, takeover.run)
            return message_of_hand_back(notify.content, takeover, run.agent if run else "")
        assert notification.escalation is not None and notification.review is not None  # else it is of a hand-back
        escalation = await escalations.get(self._store, notification.escalation)
        review = await reviews.get(self._store, notification.review)
        assert review is not None  # an escalation's review exists
        answer = "" if notification.channel == DESKTOP else self._link(review)
        return message_of(notify.content, escalation, review, answer)

    async def _store_outcome(self, notification: Notification, outcome: DeliveryResult, retries: int) -> None:
        now = self._clock()
        if outcome.error:
            again = next_attempt_at(outcome, notification.tries, retries, now)
            await notifications.failed(self._store, self._worker, notification, outcome.error, now, again)
        else:
            await notifications.sent(self._store, self._worker, notification, now)


async def _until_stored(work: Callable[[], Awaitable[T]]) -> T:
    """Retry until the storage works: a full disk must not lose the outcome of a delivery."""
    while True:
        try:
            return await work()
        except Storage:
            await asyncio.sleep(STORE_RETRY_S)
