"""How many runs a worker drives at a time, and the threads of their synchronous code; Python cannot stop one, so each knows its run."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psutil

from hitl_tui.worker.output_capture import current_run

THREADS = 128
"""Many, because code that never returns keeps its thread and must not starve other runs."""
POLL_S = 0.02
FEWEST, MOST = 8, 64
"""Runs at a time, where the worker chooses; the most leave half of the threads to code that does not return."""
SPARE, BUSY = 0.5, 0.9
"""Shares of a core that the process uses: with less than the first there is room for more runs, with more than the second too many go."""
MACHINE_BUSY = 0.8
"""Share of all cores in use beyond which there is no room for more runs."""


class ParallelRuns:
    """How many runs a worker drives at a time: a given number, or as many as the machine has room for.

    Runs that wait for a model or another service need no CPU: while they take every place and there is CPU left, places are doubled.
    Runs that compute only slow each other down: while the process is busy, places are halved.
    """

    def __init__(self, given: int = 0) -> None:
        """`given`: a fixed number; 0 for one that adapts."""
        self.limit = given or FEWEST
        self._adapts = not given
        self._read_at, self._used_s = time.monotonic(), time.process_time()
        psutil.cpu_percent()  # the next call says how busy the machine was since this one

    def measure(self, running: int) -> None:
        """Adapt the limit to the CPU time used since the last call, which should be seconds ago."""
        now, used = time.monotonic(), time.process_time()
        busy = (used - self._used_s) / max(now - self._read_at, 0.001)
        self._read_at, self._used_s = now, used
        self.adapt(running, busy, psutil.cpu_percent() / 100)

    def adapt(self, running: int, busy: float, machine_busy: float) -> None:
        """Adapt the limit, given the share of a core that the process uses and the share of all cores in use."""
        if self._adapts and running >= self.limit and busy < SPARE and machine_busy < MACHINE_BUSY:
            self.limit = min(MOST, self.limit * 2)
        elif self._adapts and busy > BUSY:
            self.limit = max(FEWEST, self.limit // 2)


class AgentExecutor(ThreadPoolExecutor):
    """A thread pool that knows for which runs it is executing code."""

    def __init__(self) -> None:
        super().__init__(THREADS, "agent")
        self._pid = os.getpid()
        self._executing: Counter[int] = Counter()
        self._counting = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Execute in a thread, for the run whose code calls this."""
        run = current_run.get()
        if run is None:
            return super().submit(fn, *args, **kwargs)
        return super().submit(self._execute, run, fn, *args, **kwargs)

    def _execute(self, run: int, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._counting:
            self._executing[run] += 1
        try:
            return fn(*args, **kwargs)
        finally:
            if os.getpid() != self._pid:
                os._exit(1)  # the code has forked the worker, and returns in the copy too
            with self._counting:
                self._executing[run] -= 1
                self._executing += Counter()  # drops the zeros

    def executes(self, run: int) -> bool:
        """Whether the run has code in a thread now."""
        return self._executing[run] > 0

    async def wait_for(self, run: int) -> None:
        """Wait until the run has no code in a thread, which may never happen."""
        while self.executes(run):  # noqa: ASYNC110 - a thread cannot notify the loop
            await asyncio.sleep(POLL_S)
