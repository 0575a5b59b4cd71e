"""Time from a durable decision to the resumed run's first event on the reviewer's side, relative to a bare resume in one process."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, RunState
from hitl_tui.store import Store
from hitl_tui.supervisor import Supervisor
from tests.benchmarks.graphs import asking
from tests.benchmarks.ratio import Ratio, median_ratio_async

PAIRS = 40
GRAPHS = Path(__file__).with_name("graphs.py")


class Console:
    """The reviewer's side like the console: a supervised worker, and rows that are read when it rings."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.rung = asyncio.Event()

    async def until(self, ready: Any) -> Any:
        """Wait until something is in the rows; look at each ring."""
        while not (found := await ready()):
            self.rung.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.rung.wait()
        return found

    async def decide_and_see(self) -> float:
        """Seconds from before the decision to after the resumed run's first event was read."""
        [run] = await self.inbox.runs.launch("asking", given={"asked": ""})
        [row] = await self.until(lambda: self.inbox.reviews.of_run(run.id))
        review = await self.inbox.reviews.get(row.id)
        last = (await self.inbox.runs.trace(run.id))[-1].seq
        self.rung.clear()
        began = time.perf_counter()
        await self.inbox.reviews.decide(review, {0: Answer(DecisionKind.RESPOND, message="yes")})
        while not any(event.kind == "start" for event in await self.inbox.runs.trace(run.id, last)):
            await self.rung.wait()
            self.rung.clear()
        seconds = time.perf_counter() - began
        await self.until(lambda: self._is_done(run.id))
        return seconds

    async def _is_done(self, run: int) -> bool:
        return (await self.inbox.runs.get(run)).state == RunState.DONE


@contextlib.asynccontextmanager
async def _console(home: Home) -> AsyncIterator[Console]:
    async with Store.open(home.database) as store:
        console = Console(Inbox(store, "bench"))
        worker = Supervisor(f"{GRAPHS}:asking", "asking", home.path, 8, lambda: console.rung.set(), print)
        console.inbox = Inbox(store, "bench", worker.ring)
        task = asyncio.ensure_future(worker.run())
        try:
            yield console
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def measure() -> Ratio:
    """The ratio; each side resumes a new question every time."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).prepare()
        async with AsyncSqliteSaver.from_conn_string(f"{folder}/bare.db") as saver, _console(home) as console:
            graph = asking.compile(checkpointer=saver)
            numbers = iter(range(10**6))

            async def bare() -> float:
                config: Any = {"configurable": {"thread_id": str(next(numbers))}}
                paused = await graph.ainvoke({"asked": ""}, config)
                [interrupt] = paused["__interrupt__"]
                began = time.perf_counter()
                async for _ in graph.astream(Command(resume={interrupt.id: "yes"}), config, stream_mode=["tasks"]):
                    return time.perf_counter() - began
                raise RuntimeError("no event")

            for _ in range(3):
                await console.decide_and_see()
                await bare()
            return await median_ratio_async(
                "durable decision → resumed run's first event ÷ bare resume", 4.0, PAIRS, console.decide_and_see, bare
            )
