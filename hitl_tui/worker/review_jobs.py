"""Jobs that a worker does for open reviews in the background: a few at a time, and one that hangs delays only itself."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Hashable
from typing import Any, ClassVar, Generic, TypeVar

from hitl_tui.errors import Storage

Key = TypeVar("Key", bound=Hashable)


class ReviewJobs(ABC, Generic[Key]):
    """Looks for jobs at intervals, and runs each as a task."""

    POLL_S: ClassVar[float] = 0.1
    CONCURRENCY: ClassVar[int] = 4

    def __init__(self) -> None:
        self.jobs: dict[Key, asyncio.Task[None]] = {}
        """Those that run now."""

    @abstractmethod
    def start(self) -> bool:
        """Begin jobs that are due, as far as there is `room`. Returns whether any were due."""

    @property
    def room(self) -> int:
        """How many more jobs may begin now."""
        return self.CONCURRENCY - len(self.jobs)

    def begin(self, key: Key, job: Coroutine[Any, Any, None]) -> None:
        """Run a job as a task. No other job with its key may run."""
        task = asyncio.ensure_future(job)
        self.jobs[key] = task
        task.add_done_callback(lambda _: self.jobs.pop(key, None))

    @contextlib.asynccontextmanager
    async def running(self, until_done: bool = False) -> AsyncIterator[None]:
        """Run jobs while the block lasts. `until_done`: at its end, run all that are due first."""
        serving = asyncio.ensure_future(self._serve())
        try:
            yield
            while until_done and (self.start() or self.jobs):
                await asyncio.wait(list(self.jobs.values()), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = (serving, *self.jobs.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(Storage):  # the worker reports it, and the next round tries again
                self.start()
            await asyncio.sleep(self.POLL_S)
