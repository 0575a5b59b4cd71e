"""Cycles of interrupt and resume, many in parallel: our checkpoint saver relative to LangGraph's, bare and through the worker."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from hitl_tui.agents.checkpoints import open_checkpoints
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, RunState
from hitl_tui.store import Store
from hitl_tui.supervisor import Supervisor
from tests.benchmarks.graphs import asking
from tests.benchmarks.ratio import Ratio, median_ratio_async
from tests.benchmarks.resume import GRAPHS

PAIRS = 7
CYCLES = 300
"""Cycles of one measurement, however many run in parallel."""
SEEN_S = 0.01
"""How often the reviewer's side looks for what is asked."""

Opened = Callable[[str], contextlib.AbstractAsyncContextManager[Any]]


@contextlib.asynccontextmanager
async def _ours(path: str) -> AsyncIterator[Any]:
    async with open_checkpoints(Path(path)) as saver:
        yield saver


async def _bare_cycles(opened: Opened, path: str, parallel: int) -> float:
    """Seconds for `CYCLES` cycles of a bare graph."""
    async with opened(path) as saver:
        await saver.setup()
        graph = asking.compile(checkpointer=saver)

        async def some(first: int) -> None:
            for number in range(first, CYCLES, parallel):
                config: Any = {"configurable": {"thread_id": str(number)}}
                [interrupt] = (await graph.ainvoke({"asked": ""}, config))["__interrupt__"]
                await graph.ainvoke(Command(resume={interrupt.id: "yes"}), config)

        began = time.perf_counter()
        await asyncio.gather(*(some(first) for first in range(parallel)))
        return time.perf_counter() - began


async def _bare(parallel: int) -> Ratio:
    with tempfile.TemporaryDirectory() as folder:
        return await median_ratio_async(
            f"{CYCLES} cycles of bare graphs, {parallel} in parallel: our saver ÷ AsyncSqliteSaver", 1 / 2.3, PAIRS,
            lambda: _bare_cycles(_ours, f"{folder}/{time.monotonic_ns()}.db", parallel),
            lambda: _bare_cycles(AsyncSqliteSaver.from_conn_string, f"{folder}/{time.monotonic_ns()}.db", parallel),
        )  # fmt: skip


@contextlib.asynccontextmanager
async def _worker(module: str, parallel: int) -> AsyncIterator[Inbox]:
    """The reviewer of a home with a worker that is started as this module."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).prepare()
        async with Store.open(home.database) as store:
            worker = Supervisor(f"{GRAPHS}:asking", "asking", home.path, parallel, lambda: None, print)
            worker._command[3] = module
            inbox = Inbox(store, "bench", worker.ring)
            task = asyncio.ensure_future(worker.run())
            try:
                yield inbox
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _worker_cycles(inbox: Inbox) -> float:
    """Seconds from the launch of `CYCLES` runs until all are done; each is decided once it asks, together with the others that do."""
    began = time.perf_counter()
    runs = await inbox.runs.launch("asking", given={"asked": ""}, count=CYCLES)
    first, answer = runs[0].id, {0: Answer(DecisionKind.RESPOND, message="yes")}
    left = {run.id for run in runs}
    while left:
        if asking_now := [await inbox.reviews.get(id_) for id_ in await inbox.reviews.open_ids()]:
            await inbox.reviews.decide_many([(review, answer) for review in asking_now])
        ended = await inbox.store.all(
            "SELECT id, state, error FROM runs WHERE id >= ? AND state IN (?, ?)", (first, RunState.DONE, RunState.FAILED)
        )
        assert all(state == RunState.DONE for _, state, _ in ended), ended[0]
        left -= {id_ for id_, *_ in ended}
        await asyncio.sleep(SEEN_S)
    return time.perf_counter() - began


async def _through_the_worker(parallel: int) -> Ratio:
    async with _worker("hitl_tui", parallel) as ours, _worker("tests.benchmarks.stock_worker", parallel) as stock:
        for inbox in (ours, stock):
            await _worker_cycles(inbox)
        return await median_ratio_async(
            f"{CYCLES} cycles through the worker, {parallel} in parallel: our saver ÷ AsyncSqliteSaver", 1 / 1.5, PAIRS,
            lambda: _worker_cycles(ours), lambda: _worker_cycles(stock),
        )  # fmt: skip


def measure() -> Iterator[Ratio]:
    """Four ratios of times, at 10 and at 100 runs in parallel."""
    for kind in (_bare, _through_the_worker):
        for parallel in (10, 100):
            yield asyncio.run(kind(parallel))
