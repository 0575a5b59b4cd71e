"""The worker's scheduled jobs: deadlines, escalations, notifications of hand-backs, reviews of failed runs, attention checks."""

from __future__ import annotations

import time
from collections.abc import Callable

from hitl_tui.model import EVERYBODY, People
from hitl_tui.policy.notification import due_channels
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, escalations, failed_runs, grants, hand_backs
from hitl_tui.worker.attention_checks import AGAIN_S, AttentionChecks


class ScheduledJobs:
    """The jobs of one project. Several workers may share them: each job is done once, by the first."""

    def __init__(
        self,
        store: Store,
        project: int,
        policy: Callable[[], Policy | None],
        clock: Callable[[], float] = time.time,
        people: Callable[[], People] = lambda: EVERYBODY,
    ) -> None:
        self._store = store
        self._project = project
        self._policy = policy
        self._clock = clock
        self._people = people
        self._checks = AttentionChecks(store, project)

    async def run_due(self) -> bool:
        """Do what is due now. True if anything was done.

        Raises:
            Storage: a row cannot be written; the remaining jobs stay due.
        """
        policy, now = self._policy() or Policy(), self._clock()
        store, project = self._store, self._project
        done = [await failed_runs.settle(store, run, policy.errors) for run in failed_runs.new(store, project)]
        people = self._people()
        decided = [] if people.problem else failed_runs.decided(store, project, now)
        done += [await failed_runs.apply(store, review, now, people) for review in decided]
        done += [await escalations.enforce_deadline(store, review, now, policy) for review in escalations.overdue(store, project, now)]
        done += [await grants.log_expired(store)]
        done += [await escalations.advance(store, one, policy.chain, now) for one in escalations.unclaimed(store, project, now)]
        if new := escalations.new(store, project):  # last: the jobs above may have escalated something
            ways, due_at = due_channels(policy.notify, now)
            done += [await escalations.take_up(store, one, policy.chain, ways, due_at, now, policy.knows) for one in new]
        if waiting := hand_backs.unannounced(store, project):
            ways, due_at = due_channels(policy.notify, now)
            done += [await hand_backs.announce(store, one, ways, due_at) for one in waiting]
        return await self._checks.make(policy, now) or any(done)

    def wait_s(self) -> float | None:
        """Seconds until the next job is due; None if none is planned."""
        now = self._clock()
        check_at = now + AGAIN_S if self._checks.is_waiting else None
        project = self._project
        ends = (escalations.next_deadline(self._store, project, now), escalations.next_due(self._store, project, now))
        due = (*ends, check_at, grants.next_end(self._store))
        return min((at - now for at in due if at is not None), default=None)

    def has_work(self) -> bool:
        """Whether something is due at once."""
        store, project = self._store, self._project
        return bool(failed_runs.new(store, project) or escalations.new(store, project) or hand_backs.unannounced(store, project))
