"""Thread pool for agents' synchronous code, which knows which runs have code in a thread: Python cannot stop one."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hitl_tui.worker.output_capture import current_run

THREADS = 128
"""Many, because code that never returns keeps its thread and must not starve other runs."""
POLL_S = 0.02


class AgentExecutor(ThreadPoolExecutor):
    """A thread pool that knows for which runs it is executing code."""

    def __init__(self) -> None:
        super().__init__(THREADS, "agent")
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
