"""The threads that sync agent code runs in. Python cannot stop a thread, so it must be known whose code is still in one."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hitl_tui.worker.output_capture import current_run

THREADS = 128
"""One that never returns keeps its thread, and must not starve the others."""
LOOK_S = 0.02


class AgentExecutor(ThreadPoolExecutor):
    """An executor that remembers for which runs it is executing something."""

    def __init__(self) -> None:
        super().__init__(THREADS, "agent")
        self._executing: Counter[int] = Counter()
        self._counting = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Execute in a thread, on behalf of the run whose code calls this."""
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
                self._executing += Counter()  # forgets those at zero

    def executes(self, run: int) -> bool:
        """Whether code of the run is in a thread now."""
        return self._executing[run] > 0

    async def left(self, run: int) -> None:
        """Wait until no code of the run is in a thread; for ever, if it never ends."""
        while self.executes(run):  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(LOOK_S)
