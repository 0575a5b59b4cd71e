"""A LangGraph server beside bare requests: when a pause is seen, how soon a decision runs, and what waiting threads cost.

Needs the environment of `tests.support.servers`, which is made once. Ten thousand threads wait on the server. Five hundred of them
are reviewed here; with HYPOTHESIS_PROFILE=thorough all are, which takes several minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from hitl_tui.agents.server_runs import FROM_START
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, RunState
from hitl_tui.store import Store
from hitl_tui.supervisor import Supervisor
from tests.benchmarks.ratio import Ratio
from tests.support.harness import PROJECTS
from tests.support.servers import PROJECT, LangHost
from tests.support.tiers import is_full

MANY = 10_000
"""Threads that wait on the server."""
REVIEWED = MANY if is_full else 500
"""Threads of them that are reviewed here, and runs that wait on this machine."""
TAG = {"team": "bench"}
"""Metadata of threads that are reviewed."""
TAKEN_UP_S = 1800.0 if is_full else 180.0
"""Time for a worker to take up what waits."""
POLL_S = 0.75
SLACK_S = 0.1
PAIRS = 15
READ_S = 0.3
"""For which a question is looked at before it is answered."""
AGENT = "anything"


class Watcher:
    """The reviewer's side: a supervised worker of the server, and rows that are read when it rings."""

    def __init__(self, inbox: Inbox, rung: asyncio.Event, worker: Supervisor) -> None:
        self.inbox = inbox
        self.worker = worker
        self._rung = rung

    async def until(self, ready: Any, timeout_s: float = 30.0) -> Any:
        """Wait until something is in the rows; look at each ring."""
        deadline = time.monotonic() + timeout_s
        while not (found := await ready()):
            assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {await self.inbox.runs.counts()}"
            self._rung.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._rung.wait()
        return found

    async def waiting(self) -> int:
        """How many runs wait."""
        return (await self.inbox.runs.counts()).get(RunState.WAITING, 0)

    def priority(self) -> int:
        """The worker's niceness."""
        assert self.worker._process
        return os.getpriority(os.PRIO_PROCESS, self.worker._process.pid)

    def worker_bytes(self) -> int:
        """Memory of the worker."""
        assert self.worker._process
        return int(psutil.Process(self.worker._process.pid).memory_info().rss)


@contextlib.asynccontextmanager
async def _watching(folder: Path, target: str, poll_s: float = POLL_S) -> AsyncIterator[Watcher]:
    home = Home(folder).prepare()
    if target.startswith("http"):
        home.config.write_text(f'[servers."{target}"]\npoll_s = {poll_s}\nmetadata = {{team = "{TAG["team"]}"}}\n')
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


async def _pause(client: LangGraphClient, metadata: dict[str, str] = TAG) -> str:
    """Begin a thread and wait until it asks; its id."""
    thread = str((await client.threads.create(metadata=metadata))["thread_id"])
    await client.runs.wait(thread, AGENT, input={"value": "?"})
    return thread


async def _seen_after(client: LangGraphClient, watcher: Watcher) -> float:
    """Seconds from the server's pause to the review in the rows."""
    thread = await _pause(client)
    began = time.perf_counter()
    await watcher.until(lambda: _review_of(watcher, thread))
    return time.perf_counter() - began


async def _review_of(watcher: Watcher, thread: str) -> int:
    row = await watcher.inbox.store.one("SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE r.thread = ?", (thread,))
    return int(row[0]) if row else 0


async def _decided(client: LangGraphClient, watcher: Watcher) -> float:
    """Seconds from before a decision to after the first event of what it resumed was read from the rows."""
    thread = await _pause(client)
    review = await watcher.inbox.reviews.get(await watcher.until(lambda: _review_of(watcher, thread)))
    run = review.row.run
    before = await watcher.inbox.runs.trace(run)
    last = before[-1].seq if before else 0
    await asyncio.sleep(READ_S)
    began = time.perf_counter()
    await watcher.inbox.reviews.decide(review, {0: Answer(DecisionKind.RESPOND, message="yes")})

    async def started() -> bool:
        return any(event.kind == "start" for event in await watcher.inbox.runs.trace(run, last))

    await watcher.until(started)
    return time.perf_counter() - began


async def _bare(client: LangGraphClient) -> float:
    """Seconds from before `runs.create` to the first event of its stream."""
    thread = await _pause(client)
    state = await client.threads.get_state(thread)
    [interrupt] = state["interrupts"]
    await asyncio.sleep(READ_S)
    began = time.perf_counter()
    made = await client.runs.create(
        thread,
        AGENT,
        command={"resume": {interrupt["id"]: "yes"}},
        multitask_strategy="reject",
        stream_mode=["tasks"],
        stream_resumable=True,
    )
    async for part in client.runs.join_stream(thread, made["run_id"], last_event_id=FROM_START):
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
            server.copy(await _pause(client), REVIEWED)
            if MANY > REVIEWED:
                server.copy(await _pause(client, {}), MANY - REVIEWED)
            ours, base = [], []
            async with _watching(place / "home", server.url) as watcher:
                await watcher.until(lambda: _has(watcher, REVIEWED), TAKEN_UP_S)
                os.setpriority(os.PRIO_PROCESS, 0, watcher.priority())  # else bare requests would have more of a busy machine
                seen = [await _seen_after(client, watcher) for _ in range(PAIRS)]
                for number in range(PAIRS + 3):
                    pair = await _decided(client, watcher), await _bare(client)
                    if number >= 3:
                        ours.append(pair[0])
                        base.append(pair[1])
                many_bytes = watcher.worker_bytes()
        local_bytes = await _local(place / "local")
    waiting = f"{MANY:,} waiting"
    return [
        Ratio(f"pause → review, {waiting} ÷ poll interval + 100 ms, median", statistics.median(seen), POLL_S + SLACK_S, 1.0),
        Ratio(f"decision → first event, {waiting} ÷ bare runs.create → first event", statistics.median(ours), statistics.median(base), 1.3),
        Ratio(f"memory of a worker, {REVIEWED:,} threads wait on its server ÷ on this machine", many_bytes, local_bytes, 1.2, "kB"),
    ]


async def _has(watcher: Watcher, count: int) -> bool:
    return await watcher.waiting() >= count


async def _local(folder: Path) -> int:
    """Memory of a worker of this machine on which as many runs wait."""
    async with _watching(folder, str(PROJECTS / PROJECT)) as watcher:
        for _ in range(REVIEWED // 500):
            await watcher.inbox.runs.launch(AGENT, given={"value": "?"}, count=500)
        await watcher.until(lambda: _has(watcher, REVIEWED), TAKEN_UP_S)
        return watcher.worker_bytes()
