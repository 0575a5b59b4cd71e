"""Fills a home with decisions until a worker's job adds an attention check; no agent runs."""

from __future__ import annotations

import time

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Pause, PauseKind, Review, ReviewOutcome, ReviewState
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, reconcile
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.ui.homes import seed

EVERY = 2
POLICY = Policy(attention=EVERY)


def mail_pause(number: int = 0) -> Pause:
    """Return a pause that asks to send a mail."""
    return seed.pause(
        PauseKind.TOOL_CALLS, seed.mail(), interrupt=f"{number:032x}", context=seed.mail_context(), risk="irreversible", confidence=0.72
    )


async def approve_mails(store: Store, project: int, count: int, viewed_ms: int = 9000) -> None:
    """Add `count` mails that ann approved and that were sent."""
    inbox = Inbox(store, "ann")
    for number in range(count):
        review = await inbox.reviews.get(await seed.add_waiting_run(store, project, "mail_assistant", mail_pause(number)))
        await seed.add_trace(store, review.row.run, review.row.opened_at - 1)
        await inbox.reviews.decide(review, {0: Answer(DecisionKind.APPROVE)}, viewed_ms)
        await store.write("UPDATE reviews SET state = 'submitted', submitted_at = ? WHERE id = ?", (time.time(), review.row.id))
        await reconcile.close(store, {review.row.id: ReviewOutcome(ReviewState.APPLIED, "")})
        await store.write("UPDATE runs SET state = 'done', ended_at = ? WHERE id = ?", (time.time(), review.row.run))


def scheduled_jobs(store: Store, project: int, policy: Policy | None = POLICY) -> ScheduledJobs:
    """Return a worker's scheduled jobs under a policy."""
    return ScheduledJobs(store, project, lambda: policy)


async def add_attention_check(store: Store, project: int) -> Review:
    """Approve mails until a worker's job adds an attention check, and return the check."""
    for _ in range(2 * EVERY):
        await approve_mails(store, project, 1)
        if await scheduled_jobs(store, project).run_due():
            break
    row = await store.one("SELECT max(review) FROM attention_checks")
    return await Inbox(store, "nobody in particular").reviews.get(int(row[0]))
