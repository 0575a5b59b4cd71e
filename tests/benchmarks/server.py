"""A LangGraph server beside bare requests: when a pause is seen, how soon a decision runs, and what ten thousand waiting threads cost.

Needs the environment of `tests.support.servers`, which is made once. Ten thousand runs take the server about a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, RunState
from hitl_tui.store import Store
from hitl_tui.supervisor import Supervisor
from tests.benchmarks.ratio import Ratio
from tests.support.harness import PROJECTS
from tests.support.servers import PROJECT, LangHost

MANY = 10_000
POLL_S = 0.75
SLACK_S = 0.1
PAIRS = 12
AT_ONCE = 16
AGENT = "anything"


class Watcher:
    """The reviewer's side: a supervised worker of the server, and rows that are read when it rings."""

    def __init__(self, inbox: Inbox, rung: asyncio.Event, worker: Supervisor) -> None:
        self.inbox = inbox
        self.worker = worker
        self._rung = rung

    async def until(self, ready: Any, timeout_s: float = 3600.0) -> Any:
        """Wait until something is in the rows; look at each ring."""
        deadline = time.monotonic() + timeout_s
        while not (found := await ready()):
            assert time.monotonic() < deadline
            self._rung.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._rung.wait()
        return found

    async def waiting(self) -> int:
        """How many runs wait."""
        return (await self.inbox.runs.counts()).get(RunState.WAITING, 0)

    def worker_bytes(self) -> int:
        """Memory of the worker."""
        assert self.worker._process
        return int(psutil.Process(self.worker._process.pid).memory_info().rss)


@contextlib.asynccontextmanager
async def _watching(folder: Path, target: str, poll_s: float = POLL_S) -> AsyncIterator[Watcher]:
    home = Home(folder).prepare()
    if target.startswith("http"):
        home.config.write_text(f'[servers."{target}"]\npoll_s = {poll_s}\n')
    rung = asyncio.Event()
    async with Store.open(home.database) as store:
        worker = Supervisor(target, "bench", home.path, 8, rung.set, print)
        task = asyncio.ensure_future(worker.run())
        watcher = Watcher(Inbox(store, "bench", worker.ring), rung, worker)
        try:
            await watcher.until(watcher.inbox.agents.all)
            yield watcher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _pause(client: LangGraphClient, thread: str) -> None:
    """Begin a run in a thread and wait until it asks."""
    with contextlib.suppress(Exception):
        await client.runs.wait(thread, AGENT, input={"value": "?"})


async def _fill(client: LangGraphClient, count: int) -> None:
    """Make threads that wait."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with limit:
            await _pause(client, str((await client.threads.create())["thread_id"]))

    await asyncio.gather(*(one() for _ in range(count)))


async def _seen_after(client: LangGraphClient, watcher: Watcher) -> float:
    """Seconds from the server's pause to the review in the rows."""
    thread = str((await client.threads.create())["thread_id"])
    await _pause(client, thread)
    began = time.perf_counter()
    await watcher.until(lambda: _review_of(watcher, thread))
    return time.perf_counter() - began


async def _review_of(watcher: Watcher, thread: str) -> int:
    row = await watcher.inbox.store.one("SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE r.thread = ?", (thread,))
    return int(row[0]) if row else 0


async def _decided(client: LangGraphClient, watcher: Watcher) -> float:
    """Seconds from before a decision to after the first event of what it resumed was read from the rows."""
    thread = str((await client.threads.create())["thread_id"])
    await _pause(client, thread)
    review = await watcher.inbox.reviews.get(await watcher.until(lambda: _review_of(watcher, thread)))
    run = review.row.run
    before = await watcher.inbox.runs.trace(run)
    last = before[-1].seq if before else 0
    began = time.perf_counter()
    await watcher.inbox.reviews.decide(review, {0: Answer(DecisionKind.RESPOND, message="yes")})

    async def started() -> bool:
        return any(event.kind == "start" for event in await watcher.inbox.runs.trace(run, last))

    await watcher.until(started)
    return time.perf_counter() - began


async def _bare(client: LangGraphClient) -> float:
    """Seconds from before `runs.create` to the first event of its stream."""
    thread = str((await client.threads.create())["thread_id"])
    await _pause(client, thread)
    state = await client.threads.get_state(thread)
    [interrupt] = state["interrupts"]
    began = time.perf_counter()
    made = await client.runs.create(
        thread,
        AGENT,
        command={"resume": {interrupt["id"]: "yes"}},
        multitask_strategy="reject",
        stream_mode=["tasks"],
        stream_resumable=True,
    )
    async for part in client.runs.join_stream(thread, made["run_id"], stream_mode=["tasks"], last_event_id="-1"):
        if part.event == "tasks":
            return time.perf_counter() - began
    raise RuntimeError("no event")


async def measure() -> list[Ratio]:
    """The ratios: each with both sides on the same server."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "server").mkdir()
        with LangHost(place / "server", 1).running() as server:
            client = get_client(url=server.url, api_key=None)
            async with _watching(place / "few", server.url) as watcher:
                few_bytes = watcher.worker_bytes()
                ours, base = [], []
                for _ in range(3):
                    await _decided(client, watcher)
                    await _bare(client)
                for _ in range(PAIRS):
                    ours.append(await _decided(client, watcher))
                    base.append(await _bare(client))
            decision = Ratio(
                "decision → first event ÷ bare runs.create → first event", statistics.median(ours), statistics.median(base), 1.3
            )
            await _fill(client, MANY)
            async with _watching(place / "many", server.url) as watcher:
                await watcher.until(lambda: _has(watcher, MANY))
                seen = [await _seen_after(client, watcher) for _ in range(PAIRS)]
                many_bytes = watcher.worker_bytes()
            local_bytes = await _local(place / "local")
    return [
        Ratio(f"pause → review, {MANY:,} waiting ÷ poll interval + 100 ms, median", statistics.median(seen), POLL_S + SLACK_S, 1.0),
        decision,
        Ratio(f"memory of a worker, {MANY:,} threads wait on its server ÷ on this machine", many_bytes, local_bytes, 1.2, "kB"),
        Ratio(f"memory of a worker, {MANY:,} threads wait on its server ÷ none", many_bytes, few_bytes, 1.5, "kB"),
    ]


async def _has(watcher: Watcher, count: int) -> bool:
    return await watcher.waiting() >= count


async def _local(folder: Path) -> int:
    """Memory of a worker of this machine on which as many runs wait."""
    async with _watching(folder, str(PROJECTS / PROJECT)) as watcher:
        for _ in range(MANY // 1000):
            await watcher.inbox.runs.launch(AGENT, given={"value": "?"}, count=1000)
        await watcher.until(lambda: _has(watcher, MANY))
        return watcher.worker_bytes()
