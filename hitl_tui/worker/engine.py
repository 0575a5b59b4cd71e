"""The worker's loop: take queued runs, apply decisions, end what is cancelled, and pick up after workers that died."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hitl_tui import failpoints
from hitl_tui.agents.local_source import LocalSource
from hitl_tui.errors import Storage
from hitl_tui.failpoints import Step
from hitl_tui.model import Run, Worker
from hitl_tui.store import Store, changefeed, decisions, lessons, notifications, runs, search, takeovers, time_limits, workers
from hitl_tui.worker.liveness import is_gone
from hitl_tui.worker.output_capture import trim
from hitl_tui.worker.run_driver import RunDriver
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from hitl_tui.worker.storage_backoff import StorageBackoff

POLL_S = 0.05
BEAT_S = 2.0
ASIDE_S = 0.002
"""A decision just taken up goes first: looking for more work at once would stand in its way to the rows."""
DRAIN_S = 4.0
"""How long runs may take to reach a step's boundary when the worker stops; then they are cut off, and repeat that step later."""
CANCEL_S = 2.0
"""How long those may take to be cut off; an agent that cannot be ends with the process."""
STOP_S = 2.0
"""How long the code of a run that was cancelled, or is over its time, may take to stop; then the process is replaced."""
REPLACE_DRAIN_S = 10.0
"""`DRAIN_S` for the other runs of a process that is replaced: what they are at would be done twice."""
HOLD_S = 30.0
"""How long nothing new is taken up for the sake of a suspect that must be alone; an agent may take longer than others should wait."""
HELD_S = 300.0
"""How long a suspect then waits for its next chance, if it was not alone by then."""


@dataclass(slots=True)
class _Turn:
    run: Run
    task: asyncio.Future[None]
    cut_at: float | None = None
    """When it was told to end, on the monotonic clock."""
    marked: bool = False
    """The store says that its code goes on."""


class Engine:
    """Keeps up to `concurrency` runs of one project going."""

    def __init__(
        self,
        store: Store,
        me: Worker,
        project: LocalSource,
        driver: RunDriver,
        jobs: ScheduledJobs,
        ring: Callable[[], None],
        limit_s: float,
    ) -> None:
        self._store = store
        self._me = me
        self._source = project
        self._driver = driver
        self._jobs = jobs
        self._ring = ring
        self._going: dict[int, _Turn] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._replacing = False
        self._hold_from: float | None = None
        self._limit_s = limit_s
        self._seen = -1
        self._backoff = StorageBackoff(project.check_storage, _complain)

    def wake(self) -> None:
        """Look at the rows now."""
        self._wake.set()

    def stop(self) -> None:
        """Take nothing more, and end once every run is at rest."""
        self._stopping = True
        self._wake.set()

    @property
    def wants_replacement(self) -> bool:
        """Whether it ended because a run's code cannot be ended but with the process."""
        return self._replacing and not self._stopping

    async def serve(self, until_idle: bool) -> None:
        """Work until stopped, until nothing is left to do, or until only a new process can go on."""
        beating = asyncio.ensure_future(self._beat())
        try:
            while not self._stopping and not self._replacing and not beating.done() and not self._backoff.damaged:
                with self._backoff.later():
                    await self._source.learn()
                    await self._pump()
                    await self._cut()
                    await self._run_due_jobs()
                    if until_idle and not self._going and not await self._work_left():
                        break
                await self._wait()
        finally:
            await self._rest()
            beating.cancel()
            await asyncio.wait([beating])
        if not beating.cancelled():
            beating.result()
        if self._backoff.damaged:
            raise self._backoff.damaged

    async def _wait(self) -> None:
        """Until something may have changed: a ring, a turn's end, another connection's commit, a grace time's end, or half a second."""
        until = time.monotonic() + 0.5
        with self._backoff.later():
            if (effective := decisions.next_effective(self._store)) is not None:
                until = min(until, time.monotonic() + effective - time.time())
            if (wait_s := self._jobs.wait_s()) is not None:
                until = min(until, time.monotonic() + wait_s)
        while not await self._woken(until) and time.monotonic() < until:
            with self._backoff.later():
                if (version := await self._store.version()) != self._seen:
                    self._seen = version
                    break
        self._wake.clear()

    async def _woken(self, until: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(POLL_S, max(0.001, until - time.monotonic()))):
                await self._wake.wait()
        return self._wake.is_set()

    async def _pump(self) -> None:
        if not await self._backoff.over():
            return
        while not self._stopping and len(self._going) < self._me.concurrency and not self._quarantined:
            alone, held = not self._going, self._holds
            if held and not alone:
                return
            if held and (suspect := await runs.take_next(*self._mine, alone, suspect=True)):
                self._start(suspect, self._driver.take(suspect))
                return
            if decided := decisions.ready(self._store, self._me.project, self._source.names, tuple(self._going)):
                self._start(decided[0], self._driver.resume(*decided))
                await asyncio.sleep(ASIDE_S)
                continue
            if handed := takeovers.ready(self._store, self._me.project, self._source.names, tuple(self._going)):
                self._start(handed[0], self._driver.hand_back(*handed))
                await asyncio.sleep(ASIDE_S)
                continue
            run = await runs.take_next(*self._mine, alone)
            if run is None:
                return
            failpoints.reached(Step.LEASED)
            self._start(run, self._driver.take(run))

    async def _run_due_jobs(self) -> None:
        if await self._jobs.run_due():
            self._ring()
            self._wake.set()  # a rejected call, or a run to try again, is work

    @property
    def _mine(self) -> tuple[Store, str, int, list[str]]:
        return self._store, self._me.id, self._me.project, self._source.names

    @property
    def _holds(self) -> bool:
        """Whether a suspect has waited for the process to itself, and gets its chance now."""
        return self._hold_from is not None and 0 <= time.monotonic() - self._hold_from < HOLD_S

    async def _look_for_suspect(self) -> None:
        """Hold back for one that has waited for a moment; under a steady load it would wait for ever."""
        now = time.monotonic()
        if not await runs.suspect_waits(self._store, self._me.project, self._source.names):
            self._hold_from = None
        elif self._hold_from is None:
            self._hold_from = now + BEAT_S / 2
        elif now - self._hold_from > HOLD_S:
            self._hold_from = now + HELD_S

    @property
    def _quarantined(self) -> bool:
        """A run that was there when a worker died has the process to itself."""
        return any(turn.run.crashes for turn in self._going.values())

    def _start(self, run: Run, turn: Awaitable[None]) -> None:
        self._driver.due.pop(run.id, None)
        task = asyncio.ensure_future(turn)
        self._going[run.id] = _Turn(run, task)
        task.add_done_callback(lambda _: self._ended(run.id))

    def _ended(self, run: int) -> None:
        turn = self._going.pop(run)
        error = None if turn.task.cancelled() else turn.task.exception()
        if isinstance(error, Storage):
            self._backoff.met(error)
        elif error:
            print(f"run r{run} is put back: {error}", file=sys.stderr)
        self._ring()
        self._wake.set()

    async def _cut(self) -> None:
        for run in await runs.cancelling(self._store, self._me.id):
            turn = self._going.get(run)
            if turn is None:
                await runs.ask_cancel(self._store, run)
        for due in time_limits.due(self._store.glance, self._me.id, self._limit_s):
            if turn := self._going.get(due.run):
                await self._end(turn, due)

    async def _end(self, turn: _Turn, due: time_limits.Due) -> None:
        """Cut a turn off; when its code does not stop, say so, and then give up this process for a new one."""
        now = time.monotonic()
        if turn.cut_at is None:
            self._driver.due[turn.run.id] = due
            turn.cut_at = now
            turn.task.cancel()
        elif not turn.marked:
            turn.marked = True
            await time_limits.mark(self._store, self._me.id, due)
            self._ring()
        if now - turn.cut_at > STOP_S:
            self._replacing = True

    async def _beat(self) -> None:
        while True:
            with self._backoff.later():
                await workers.beat(self._store, self._me.id)
                await self._recover()
                await self._look_for_suspect()
                await changefeed.prune(self._store)
                await search.catch_up(self._store)
                await lessons.propose(self._store)
            await asyncio.to_thread(trim, self._source.home)
            await asyncio.sleep(BEAT_S)

    async def _recover(self) -> None:
        """Put back what dead workers drove, and runs of this one whose turn could not be stored."""
        found = await runs.release(self._store, self._me.id, tuple(self._going))
        for other, host in await workers.list_workers(self._store):
            if other.id != self._me.id and is_gone(other, host):
                found += await runs.recover(self._store, other.id)
        if found:
            self._wake.set()

    async def _rest(self) -> None:
        """Bring every run to a checkpoint; it goes on from there with the next worker."""
        self._driver.drain()
        tasks = [turn.task for turn in self._going.values() if not turn.cut_at]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=REPLACE_DRAIN_S if self.wants_replacement else DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_S)

    async def _work_left(self) -> bool:
        on_their_way = notifications.unsettled(self._store, self._me.project, time.time())
        return on_their_way or self._jobs.left() or await runs.work_left(self._store, self._me.project, self._source.names)


def _complain(sentence: str) -> None:
    print(f"hitl-tui: {sentence}; the runs wait and go on by themselves", file=sys.stderr, flush=True)
