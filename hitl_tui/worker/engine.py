"""The worker's loop: starts queued runs, applies decisions, stops cancelled runs, and takes over the runs of dead workers."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from hitl_tui import failpoints
from hitl_tui.agents.source import Source
from hitl_tui.errors import HitlError, Storage
from hitl_tui.failpoints import Failpoint
from hitl_tui.home import Home
from hitl_tui.model import Run, Worker
from hitl_tui.store import (
    Store,
    agents,
    changefeed,
    history,
    lessons,
    notifications,
    pauses,
    runs,
    submissions,
    takeovers,
    time_limits,
)
from hitl_tui.worker.executor import ParallelRuns
from hitl_tui.worker.liveness import forget, is_gone
from hitl_tui.worker.output_capture import trim
from hitl_tui.worker.run_driver import RunDriver
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from hitl_tui.worker.storage_backoff import StorageBackoff

POLL_S = 0.05
BEAT_S = 2.0
YIELD_S = 0.002
"""Pause after starting a decision, so that its own writes come before the search for more work."""
DRAIN_S = 4.0
"""Time for runs to reach a step boundary when the worker stops; later ones are cut off, and repeat the step."""
CANCEL_S = 2.0
"""Time for runs to be cut off; an agent that cannot be cut off ends with the process."""
STOP_S = 2.0
"""Time for the code of a cancelled or overdue run to stop; then the process is replaced."""
REPLACE_DRAIN_S = 10.0
"""`DRAIN_S` when the process is replaced: longer, because a step that is cut off runs twice."""
QUARANTINE_S = 30.0
"""How long nothing new starts so that a suspect can run alone. Agents that run longer than that must not block the others."""
RETRY_QUARANTINE_S = 300.0
"""How long a suspect then waits for its next chance, if it did not get to run alone."""


class TakenForDead(HitlError):
    """Another worker found this one's lock free."""

    def __init__(self, locks: Path) -> None:
        super().__init__("this worker was taken for dead, and its runs go on with others", f"keep the files in {locks}; start it again")


@dataclass(slots=True)
class _Active:
    """A run that this worker drives now."""

    run: Run
    task: asyncio.Future[None]
    cut_at: float | None = None
    """When it was told to stop, on the monotonic clock."""
    marked: bool = False
    """Whether the store says that its code still runs."""


class Engine:
    """Drives runs of one source, as many at a time as `parallel` says."""

    def __init__(
        self,
        store: Store,
        me: Worker,
        source: Source,
        driver: RunDriver,
        jobs: ScheduledJobs,
        ring: Callable[[], None],
        limit_s: float,
        home: Home,
        parallel: ParallelRuns,
        is_looking: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_looking` tells whether the source is still looked through for work."""
        self._store = store
        self._me = me
        self._source = source
        self._driver = driver
        self._jobs = jobs
        self._ring = ring
        self._active: dict[int, _Active] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._replacing = False
        self._quarantine_from: float | None = None
        self._limit_s = limit_s
        self._home = home
        self._parallel = parallel
        self._is_looking = is_looking
        self._seen_version = -1
        self._code_edited = False
        self._held_for = ""
        self._backoff = StorageBackoff(source.check_storage, _report, source.longest_wait_s)
        self._blamed: set[int] = set()
        """Runs whose turn ended without a stored state, and not because of the disk: each is put back with one more crash."""

    def wake(self) -> None:
        """Check for work now."""
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more, and end once every run is at a checkpoint."""
        self._stopping = True
        self._wake.set()

    @property
    def wants_replacement(self) -> bool:
        """Whether it ended because some run's code cannot be stopped except with the process."""
        return self._replacing and not self._stopping

    async def serve(self, until_idle: bool) -> None:
        """Work until stopped, until nothing is left to do if `until_idle`, or until the process must be replaced."""
        heartbeat = asyncio.ensure_future(self._heartbeat())
        try:
            while not self._stopping and not self._replacing and not heartbeat.done() and not self._backoff.damaged:
                with self._backoff.retrying():
                    self._drop_lost_runs()
                    self._drain_paused_runs()
                    await self._start_work()
                    await self._source.sync_lessons()  # every turn does so too, before its agent runs
                    await self._stop_due_runs()
                    await self._run_due_jobs()
                    if until_idle and not self._active and (self._held_for or not await self._has_work()):
                        break
                await self._wait()
        finally:
            heartbeat_ends = not heartbeat.done()
            await self._stop_all()
            heartbeat.cancel()
            await asyncio.wait([heartbeat])
        if heartbeat.cancelled() and not heartbeat_ends:
            raise RuntimeError("an agent's code cancelled the worker's own tasks")
        if not heartbeat.cancelled():
            heartbeat.result()
        if self._backoff.damaged:
            raise self._backoff.damaged

    async def _wait(self) -> None:
        """Wait for a ring, the end of a run's turn, a commit by another process, the end of a grace time, or half a second."""
        until = time.monotonic() + 0.5
        with self._backoff.retrying():
            if (effective := submissions.next_effective(self._store)) is not None:
                until = min(until, time.monotonic() + effective - time.time())
            if (wait_s := self._jobs.wait_s()) is not None:
                until = min(until, time.monotonic() + wait_s)
        while not await self._woken(until) and time.monotonic() < until:
            with self._backoff.retrying():
                if (version := self._store.version()) != self._seen_version:
                    self._seen_version = version
                    break
        self._wake.clear()

    async def _woken(self, until: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(POLL_S, max(0.001, until - time.monotonic()))):
                await self._wake.wait()
        return self._wake.is_set()

    async def _start_work(self) -> None:
        """Start decisions first, then hand-backs, then queued runs, as far as `parallel` allows."""
        if not await self._backoff.storage_works():
            return
        while not self._stopping and len(self._active) < self._parallel.limit and not self._suspect_runs:
            alone, quarantine = not self._active, self._is_quarantine
            if quarantine and not alone:
                return
            if quarantine and (suspect := await runs.lease_next(*self._mine, alone, suspect=True)):
                self._start(suspect, self._driver.start(suspect))
                return
            if self._must_hold_answers():
                pass
            elif decided := submissions.ready(self._store, self._me.project, self._source.names, tuple(self._active)):
                self._start(decided[0], self._driver.resume(*decided))
                await asyncio.sleep(YIELD_S)
                continue
            elif handed_back := takeovers.ready(self._store, self._me.project, self._source.names, tuple(self._active)):
                self._start(handed_back[0], self._driver.hand_back(*handed_back))
                await asyncio.sleep(YIELD_S)
                continue
            run = await runs.lease_next(*self._mine, alone)
            if run is None:
                return
            failpoints.reached(Failpoint.LEASED)
            self._start(run, self._driver.start(run))

    def _must_hold_answers(self) -> bool:
        """Whether decisions and hand-backs must wait, because nobody can tell who may make them."""
        problem = self._driver.holds_answers()
        if problem and problem != self._held_for:
            _report(f"decisions wait: {problem}")
        self._held_for = problem
        return bool(problem)

    def _drop_lost_runs(self) -> None:
        """Cut off runs whose lease this worker has lost: a person released them while it did not answer."""
        for run in runs.lost(self._store, self._driver.leases):
            if (active := self._active.get(run)) is None:
                continue
            if active.cut_at is None:
                active.cut_at = time.monotonic()
                active.task.cancel()
            elif time.monotonic() - active.cut_at > STOP_S:
                self._replacing = True

    def _drain_paused_runs(self) -> None:
        """Stop runs of paused agents at the end of their current step; they continue from its checkpoint once they are resumed."""
        if self._active and (paused := {one.agent for one in pauses.active(self._store)}):
            self._driver.drain([run for run, active in self._active.items() if "" in paused or active.run.agent in paused])

    async def _run_due_jobs(self) -> None:
        if await self._jobs.run_due():
            self._ring()
            self._wake.set()  # a job may have made work: a call was rejected, a run is retried

    @property
    def _mine(self) -> tuple[Store, str, int, list[str]]:
        return self._store, self._me.id, self._me.project, self._source.names

    @property
    def _is_quarantine(self) -> bool:
        """Whether nothing else starts now, so that a waiting suspect can run alone."""
        return self._quarantine_from is not None and 0 <= time.monotonic() - self._quarantine_from < QUARANTINE_S

    async def _plan_quarantine(self) -> None:
        """Make room for a suspect (a run during which a worker died), which would never run alone under a steady load."""
        now = time.monotonic()
        if not await runs.has_suspect(self._store, self._me.project, self._source.names):
            self._quarantine_from = None
        elif self._quarantine_from is None:
            self._quarantine_from = now + BEAT_S / 2
        elif now - self._quarantine_from > QUARANTINE_S:
            self._quarantine_from = now + RETRY_QUARANTINE_S

    @property
    def _suspect_runs(self) -> bool:
        """Whether a suspect runs now: nothing may run beside it, so that another crash is certainly its own."""
        return any(active.run.crashes for active in self._active.values())

    def _start(self, run: Run, turn: Awaitable[None]) -> None:
        self._driver.due.pop(run.id, None)
        ending = self._active.get(run.id)
        task = asyncio.ensure_future(_after(ending.task, turn) if ending else turn)
        active = self._active[run.id] = _Active(run, task)
        task.add_done_callback(lambda _: self._ended(active))

    def _ended(self, active: _Active) -> None:
        run = active.run.id
        if self._active.get(run) is active:
            del self._active[run]
        error = None if active.task.cancelled() else active.task.exception()
        if isinstance(error, Storage):
            self._backoff.record(error)
        elif error or (active.task.cancelled() and active.cut_at is None and not self._driver.cuts_off):
            self._blamed.add(run)
            print(f"run r{run} is put back: {self._source.explain(error) if error else 'its task was cancelled'}", file=sys.stderr)
        self._ring()
        self._wake.set()

    async def _stop_due_runs(self) -> None:
        """Stop runs that are cancelled or over their time limit."""
        for run in runs.cancelling(self._store, self._me.id):
            if run not in self._active:
                await runs.cancel(self._store, run)
        for due in time_limits.due(self._store.read_now, self._me.id, self._limit_s):
            if active := self._active.get(due.run):
                await self._stop_run(active, due)

    async def _stop_run(self, active: _Active, due: time_limits.DueRun) -> None:
        """Cancel a run's task. If its code does not stop, say so in the store, and finally replace the process."""
        now = time.monotonic()
        if active.cut_at is None:
            self._driver.due[active.run.id] = due
            active.cut_at = now
            active.task.cancel()
        elif not active.marked:
            active.marked = True
            await time_limits.mark(self._store, self._me.id, due)
            self._ring()
        if now - active.cut_at > STOP_S:
            self._replacing = True

    async def _heartbeat(self) -> None:
        while True:
            with self._backoff.retrying():
                self._parallel.measure(len(self._active))
                if not await agents.beat(self._store, self._me.id, self._parallel.limit, self._code_edited):
                    raise TakenForDead(self._home.workers)
                await self._recover()
                await self._plan_quarantine()
                await changefeed.prune(self._store)
                await history.catch_up(self._store)
                await lessons.propose(self._store)
            await asyncio.to_thread(trim, self._home)
            self._code_edited = await asyncio.to_thread(self._source.code_edited)  # after the beat, which must not wait for a thread
            await asyncio.sleep(BEAT_S)

    async def _recover(self) -> None:
        """Requeue the runs of dead workers, and runs of this one whose end could not be stored."""
        found = await runs.release(self._store, self._me.id, self._active.keys(), self._blamed)
        self._blamed.difference_update(found)
        for other, host in await agents.list_workers(self._store):
            if other.id != self._me.id and is_gone(self._home, other, host):
                found += await runs.recover(self._store, other.id)
                forget(self._home, other)
        if found:
            self._wake.set()

    async def _stop_all(self) -> None:
        """Bring every run to a checkpoint, from which the next worker continues it."""
        self._driver.drain()
        tasks = [active.task for active in self._active.values() if not active.cut_at]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=REPLACE_DRAIN_S if self.wants_replacement else DRAIN_S)
            self._driver.cuts_off = True
            for task in late:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_S)

    async def _has_work(self) -> bool:
        unsent = notifications.unsettled(self._store, self._me.project, time.time())
        return (
            unsent or self._is_looking() or self._jobs.has_work() or await runs.work_left(self._store, self._me.project, self._source.names)
        )


def _report(sentence: str) -> None:
    print(f"hitl-tui: {sentence}; the runs wait and go on by themselves", file=sys.stderr, flush=True)


async def _after(ending: asyncio.Future[None], turn: Awaitable[None]) -> None:
    """Begin a turn once the run's last one, which has put the run back already, is over."""
    await asyncio.wait({ending})
    await turn
