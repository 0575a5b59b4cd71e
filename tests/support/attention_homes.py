"""Homes in which people have decided things, so that an attention check can be made; without any agent."""

from __future__ import annotations

import time

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Pause, PauseKind, Review
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.ui.homes import seed

EVERY = 2
POLICY = Policy(attention=EVERY)


def mail(number: int = 0) -> Pause:
    """A mail to send."""
    return seed.pause(
        PauseKind.TOOL_CALLS, seed.mail(), interrupt=f"{number:032x}", context=seed.mail_context(), risk="irreversible", confidence=0.72
    )


async def decided(store: Store, project: int, count: int, looked_ms: int = 9000) -> None:
    """So many mails that ann approved, and that were sent."""
    inbox = Inbox(store, "ann")
    for number in range(count):
        review = await inbox.reviews.get(await seed.ask(store, project, "mail_assistant", mail(number)))
        await seed.trace_of(store, review.row.run, review.row.opened_at - 1)
        await inbox.reviews.decide(review, {0: Answer(DecisionKind.APPROVE)}, looked_ms)
        await store.write(
            "UPDATE reviews SET state = 'applied', submitted_at = ?1, submitted_by = NULL, applied_at = ?1 WHERE id = ?2",
            (time.time(), review.row.id),
        )
        await store.write("UPDATE runs SET state = 'done', ended_at = ? WHERE id = ?", (time.time(), review.row.run))


def jobs(store: Store, project: int, policy: Policy | None = POLICY) -> ScheduledJobs:
    """A worker's jobs under a policy."""
    return ScheduledJobs(store, project, lambda: policy)


async def made(store: Store, project: int) -> Review:
    """The check that a worker has put into the queue, after as many decisions as that takes."""
    for _ in range(2 * EVERY):
        await decided(store, project, 1)
        if await jobs(store, project).run_due():
            break
    row = await store.one("SELECT max(review) FROM attention")
    return await Inbox(store, "nobody in particular").reviews.get(int(row[0]))
