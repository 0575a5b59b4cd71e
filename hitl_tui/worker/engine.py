"""The worker's loop: take queued runs, apply decisions, end what is cancelled, and pick up after workers that died."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hitl_tui import faultpoints
from hitl_tui.agents.project import Project
from hitl_tui.errors import Busy
from hitl_tui.faultpoints import Step
from hitl_tui.model import Run, Worker
from hitl_tui.store import Store, changes, reviews, runs, workers
from hitl_tui.worker.liveness import is_gone
from hitl_tui.worker.output import trim
from hitl_tui.worker.turns import Turns

POLL_S = 0.05
BEAT_S = 2.0
ASIDE_S = 0.002
"""A decision just taken up goes first: looking for more work at once would stand in its way to the rows."""
DRAIN_S = 4.0
"""How long runs may take to reach a step's boundary when the worker stops; then they are cut off, and repeat that step later."""
CANCEL_S = 2.0
"""How long those may take to be cut off; an agent that cannot be is left behind."""


@dataclass(slots=True)
class _Turn:
    run: Run
    task: asyncio.Future[None]


class Engine:
    """Keeps up to `concurrency` runs of one project going."""

    def __init__(self, store: Store, me: Worker, project: Project, turns: Turns, ring: Callable[[], None]) -> None:
        self._store = store
        self._me = me
        self._project = project
        self._turns = turns
        self._ring = ring
        self._going: dict[int, _Turn] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._seen = -1

    def wake(self) -> None:
        """Look at the rows now."""
        self._wake.set()

    def stop(self) -> None:
        """Take nothing more, and end once every run is at rest."""
        self._stopping = True
        self._wake.set()

    async def serve(self, until_idle: bool) -> None:
        """Work until stopped, or until nothing is left to do."""
        beating = asyncio.ensure_future(self._beat())
        try:
            while not self._stopping and not beating.done():
                with contextlib.suppress(Busy):  # later, then
                    await self._pump()
                    await self._cut()
                    if until_idle and not self._going and not await self._work_left():
                        break
                await self._wait()
        finally:
            await self._rest()
            beating.cancel()
            await asyncio.wait([beating])
        if not beating.cancelled():
            beating.result()

    async def _wait(self) -> None:
        """Until something may have changed: a ring, a turn's end, another connection's commit, a grace time's end, or half a second."""
        until = time.monotonic() + 0.5
        with contextlib.suppress(Busy):
            if (effective := reviews.next_effective(self._store)) is not None:
                until = min(until, time.monotonic() + effective - time.time())
        while not await self._woken(until) and time.monotonic() < until:
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
        while not self._stopping and len(self._going) < self._me.concurrency and not self._quarantined:
            if decided := reviews.ready(self._store, self._me.project, self._project.names, tuple(self._going)):
                self._start(decided[0], self._turns.resume(*decided))
                await asyncio.sleep(ASIDE_S)
                continue
            run = await runs.take_next(self._store, self._me.id, self._me.project, self._project.names, alone=not self._going)
            if run is None:
                return
            faultpoints.reached(Step.LEASED)
            self._start(run, self._turns.take(run))

    @property
    def _quarantined(self) -> bool:
        """A run that was there when a worker died has the process to itself."""
        return any(turn.run.crashes for turn in self._going.values())

    def _start(self, run: Run, turn: Awaitable[None]) -> None:
        task = asyncio.ensure_future(turn)
        self._going[run.id] = _Turn(run, task)
        task.add_done_callback(lambda _: self._ended(run.id))

    def _ended(self, run: int) -> None:
        turn = self._going.pop(run)
        if not turn.task.cancelled() and (error := turn.task.exception()):
            print(f"run r{run} is put back: {error}", file=sys.stderr)
        self._ring()
        self._wake.set()

    async def _cut(self) -> None:
        for run in await runs.cancelling(self._store, self._me.id):
            turn = self._going.get(run)
            if turn is None:
                await runs.ask_cancel(self._store, run)
            elif run not in self._turns.cancelled:
                self._turns.cancelled.add(run)
                turn.task.cancel()

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(Busy):
                await workers.beat(self._store, self._me.id)
                await self._recover()
                await changes.prune(self._store)
            await asyncio.to_thread(trim, self._project.home)
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
        self._turns.drain()
        tasks = [turn.task for turn in self._going.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_S)
        with contextlib.suppress(Busy):
            await runs.release(self._store, self._me.id)

    async def _work_left(self) -> bool:
        return await runs.work_left(self._store, self._me.project, self._project.names)
