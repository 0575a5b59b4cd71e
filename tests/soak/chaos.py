"""Ends workers, reviewers and consoles at random, starts new ones a moment later, and records each end; stops workers; sets the clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from random import Random

from hitl_tui.errors import Stale
from hitl_tui.model import NOT_RESPONDING_S
from tests.soak.evidence import Stop, read_effects
from tests.soak.reviewers import Reviewers
from tests.support.harness import Sandbox, Worker, stop_between_writes
from tests.support.set_clock import SetClock, true_time

PAUSE_S = (0.5, 4.0)
AWAY_S = (0.1, 1.5)
HOUR_S = 3600.0


class Chaos:
    """Kills and replaces processes of a soak."""

    def __init__(self, sandbox: Sandbox, reviewers: Reviewers, clock: SetClock, seed: int, concurrency: int) -> None:
        self._sandbox = sandbox
        self._clock = clock
        self._frozen: set[asyncio.Task[None]] = set()
        self._calm = asyncio.Event()
        self._reviewers = reviewers
        self._random = Random(f"wrecker {seed}")
        self._concurrency = concurrency
        self.workers: list[Worker] = []
        self.stops: list[Stop] = []

    def start_worker(self) -> None:
        """Start another worker."""
        self.workers.append(self._sandbox.start("--concurrency", str(self._concurrency)))

    async def run(self) -> None:
        """Kill and replace processes until cancelled."""
        ways: list[tuple[Callable[[], object], int]] = [
            (self._kill_worker, 6), (self._aim_at_worker, 5), (self._stop_worker, 2), (self._kill_reviewer, 4), (self._kill_console, 2),
            (self._set_clock, 3), (self._freeze_worker, 3),
        ]  # fmt: skip
        while True:
            await asyncio.sleep(self._random.uniform(*PAUSE_S))
            [way] = self._random.choices([way for way, _ in ways], [weight for _, weight in ways])
            done = way()
            if asyncio.iscoroutine(done):
                await done

    def _set_clock(self) -> None:
        """Set the clock of every process to the true time, or an hour ahead or back."""
        self._clock.set(self._random.choice((0.0, HOUR_S, -HOUR_S)))

    async def _freeze_worker(self) -> None:
        """Stop a worker (SIGSTOP) for a moment, or until it does not respond any more and a person has released its runs."""
        if len(self.workers) > (0 if self._reviewers.terminal else 1):  # a console has a worker of its own
            worker = self.workers.pop(self._random.randrange(len(self.workers)))
            task = asyncio.ensure_future(self._freeze(worker, released=self._random.random() < 0.6))
            self._frozen.add(task)
            task.add_done_callback(self._frozen.discard)

    async def _freeze(self, worker: Worker, released: bool) -> None:
        await asyncio.to_thread(stop_between_writes, self._sandbox, worker)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NOT_RESPONDING_S + 4.0 if released else self._random.uniform(1.0, 10.0)):
                await self._calm.wait()
        if released and not self._calm.is_set():
            driven = self._driven_by(worker.pid)
            self.stops.append(Stop("released", "worker", worker.pid, true_time(), driven))
            for run in driven:
                with contextlib.suppress(Stale):
                    await self._reviewers.boss.runs.release(run)
            await asyncio.sleep(self._random.uniform(0.0, 5.0))
        worker.send(signal.SIGCONT)
        self.workers.append(worker)

    async def calm(self) -> None:
        """Let stopped workers go on."""
        self._calm.set()
        if self._frozen:
            await asyncio.wait(self._frozen)

    async def _kill_worker(self) -> None:
        if self.workers:
            await self._replace(self.workers.pop(self._random.randrange(len(self.workers))), "kill -9")

    async def _aim_at_worker(self) -> None:
        """Kill a worker right after one of its tools has started."""
        known = self._done_so_far()
        for _ in range(200):
            if self._done_so_far() != known:
                break
            await asyncio.sleep(0.005)
        pid = read_effects(self._sandbox.journal)[-1].pid if self._done_so_far() != known else None
        for worker in [worker for worker in self.workers if worker.pid == pid]:
            self.workers.remove(worker)
            await asyncio.sleep(self._random.choice((0.0, 0.0, 0.05, 0.3)))
            await self._replace(worker, "kill -9")

    def _done_so_far(self) -> int:
        """Return the size of the tools' journal in bytes."""
        return self._sandbox.journal.stat().st_size if self._sandbox.journal.exists() else 0

    async def _stop_worker(self) -> None:
        if self.workers:
            await self._replace(self.workers.pop(self._random.randrange(len(self.workers))), "SIGTERM")

    async def _replace(self, worker: Worker, how: str) -> None:
        self._end(worker, how)
        resting = asyncio.ensure_future(self._rested(worker, len(self.stops) - 1)) if how == "SIGTERM" else None
        await asyncio.sleep(self._random.uniform(*AWAY_S))
        self.start_worker()
        if resting:
            await resting

    async def _rested(self, worker: Worker, stop: int) -> None:
        """Wait until the worker has ended by itself, and record the runs it took up before it saw the signal."""
        while worker.poll() is None:
            known = self.stops[stop]
            self.stops[stop] = replace(known, runs=tuple({*known.runs, *self._driven_by(worker.pid)}))
            await asyncio.sleep(0.01)

    def _end(self, worker: Worker, how: str) -> None:
        if how == "kill -9":
            worker.send(signal.SIGSTOP)  # freezes the runs it drives, so that they are known exactly
        driven = self._driven_by(worker.pid)
        self.stops.append(Stop(how, "worker", worker.pid, true_time(), driven))
        worker.send(signal.SIGKILL if how == "kill -9" else signal.SIGTERM)

    def _driven_by(self, pid: int) -> tuple[int, ...]:
        sql = "SELECT r.id FROM runs r JOIN workers w ON r.worker = w.id WHERE w.pid = ?"
        with closing(sqlite3.connect(self._sandbox.home.database, timeout=10)) as db:
            return tuple(row[0] for row in db.execute(sql, (pid,)))

    async def _kill_reviewer(self) -> None:
        people = self._reviewers.people
        if people:
            person = people.pop(self._random.randrange(len(people)))
            self.stops.append(Stop("kill -9", "reviewer", person.pid, true_time()))
            person.kill()
            await asyncio.sleep(self._random.uniform(*AWAY_S))
            self._reviewers.start_reviewer(person.name)

    async def _kill_console(self) -> None:
        """Kill a console or its worker. A worker without its console ends by itself."""
        terminal = self._reviewers.terminal
        if terminal is None:
            return
        console, workers = await asyncio.to_thread(terminal.processes)
        if console is None:
            return
        if workers and self._random.random() < 0.5:
            self._kill(workers[0], "worker")  # its console starts another
            return
        driven = tuple(run for pid in workers for run in self._driven_by(pid))
        for pid in workers:
            self.stops.append(Stop("SIGTERM", "worker", pid, true_time(), driven))
        self._kill(console, "console")
        self._reviewers.terminal = None
        await asyncio.to_thread(terminal.close)
        await asyncio.sleep(self._random.uniform(*AWAY_S))
        await asyncio.to_thread(self._reviewers.open_terminal)

    def _kill(self, pid: int, who: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.stops.append(Stop("kill -9", who, pid, true_time(), self._driven_by(pid)))
            os.kill(pid, signal.SIGKILL)

    def close_console(self) -> None:
        """Close the console; its worker ends by itself."""
        if self._reviewers.terminal:
            for pid in self._reviewers.terminal.processes()[1]:
                self.stops.append(Stop("SIGTERM", "worker", pid, true_time(), self._driven_by(pid)))

    async def end(self) -> None:
        """Stop all workers, and wait for each."""
        for worker in self.workers:
            worker.send(signal.SIGTERM)
        for worker in self.workers:
            await asyncio.to_thread(worker.wait)
        self.workers.clear()
