"""A soak: launch, review and kill processes for a while, then bring every run to an end and collect the evidence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from hitl_tui.errors import HitlError
from hitl_tui.inbox import Inbox, Rev
from hitl_tui.model import ReviewState, RunState
from hitl_tui.store import Store
from tests.soak.answers import whole
from tests.soak.chaos import Chaos
from tests.soak.evidence import DoubtMark, Evidence, integrity_problems, read_effects, read_lines, read_rows
from tests.soak.intent_log import IntentLog
from tests.soak.reviewers import Reviewers
from tests.soak.workload import Workload
from tests.support.harness import PROJECTS, ForkServer, Sandbox
from tests.support.set_clock import VARIABLE, SetClock, true_time

EXPECTED = ("was released from this worker", "is from a clock", "because the clock was set back")
"""What workers say of runs that were taken from them, and of the clock."""
STILL_S = 40.0
"""Seconds without any change, with healthy workers, after which a run counts as stuck."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a soak: duration, seed, and how much runs at once."""

    seconds: float
    seed: int
    workers: int = 2
    concurrency: int = 8
    reviewers: int = 2
    runs: int = 30
    """Runs in progress at any time."""
    console: bool = False
    """One of the workers is that of a real console in tmux."""


class Watcher:
    """Records states that rows have only for a while: reviews marked as doubtful, and failed runs."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.marks: dict[tuple[int, int], DoubtMark] = {}
        self.failures: dict[tuple[int, str], str] = {}

    async def watch(self) -> None:
        """Poll until cancelled."""
        with closing(sqlite3.connect(self._database, timeout=10)) as db:
            while True:
                self.look(db)
                await asyncio.sleep(0.05)

    def look(self, db: sqlite3.Connection) -> None:
        """Poll once."""
        marked = (
            "SELECT v.id, v.run, v.note, (SELECT count(*) FROM decisions d WHERE d.review = v.id AND d.superseded AND d.undone_at IS NULL) "
            "FROM reviews v WHERE v.state IN ('open', 'decided', 'submitted') AND v.note LIKE '%may have run%'"
        )
        for review, run, note, lost in db.execute(marked):
            self.marks.setdefault((review, lost), DoubtMark(review, run, note, true_time()))
        for run, agent, error in db.execute("SELECT id, agent, error FROM runs WHERE state = 'failed'"):
            if "planned:" not in error and "the worker died" not in error:
                self.failures.setdefault((run, error), f"r{run} ({agent}) failed: {error}")


async def soak(folder: Path, fork_server: ForkServer, size: Size, say: Callable[[str], None] = lambda _: None) -> Evidence:
    """Run a soak in a folder, and return its evidence."""
    sandbox = Sandbox(folder, str(PROJECTS / "soak"), fork_server)
    clock = SetClock(folder / "clock")
    sandbox.env[VARIABLE] = str(folder / "clock")
    began, real = true_time(), (time.time, time.time_ns)
    time.time, time.time_ns = clock.time, clock.time_ns
    try:
        return await _soak(sandbox, fork_server, clock, size, began, say)
    finally:
        time.time, time.time_ns = real


async def _soak(
    sandbox: Sandbox, fork_server: ForkServer, clock: SetClock, size: Size, began: float, say: Callable[[str], None]
) -> Evidence:
    folder = sandbox.folder
    async with Store.open(sandbox.home.database) as store:
        reviewers = Reviewers(sandbox, fork_server, size.seed)
        chaos = Chaos(sandbox, reviewers, clock, size.seed, size.concurrency)
        watcher = Watcher(sandbox.home.database)
        inbox = reviewers.boss = Inbox(store, "boss")
        watching = asyncio.ensure_future(watcher.watch())
        try:
            await _run_workload(inbox, reviewers, chaos, size, say)
            say("chaos is over; what is open is decided, and runs come to their end")
            await _finish(inbox, IntentLog(reviewers.intent_logs / "tidy"), Random(f"tidy {size.seed}"))
            await chaos.end()
        finally:
            watching.cancel()
            reviewers.close()
            sandbox.kill_workers()
        await asyncio.wait([watching])
        said = read_lines(sorted(reviewers.intent_logs.iterdir()))
        faults = [*reviewers.complaints(), *_complaints(sandbox), *watcher.failures.values()]
        for database in (sandbox.home.database, sandbox.home.checkpoints, sandbox.home.memory):
            faults += integrity_problems(database)
        (folder / "stops.json").write_text(json.dumps([asdict(stop) for stop in chaos.stops]))
        rows = read_rows(sandbox.home.database, began)
        return Evidence(
            **rows, effects=read_effects(sandbox.journal), stops=chaos.stops, marks=list(watcher.marks.values()),
            said=sorted(said, key=lambda line: line["at"]), faults=faults,
        )  # fmt: skip


async def _run_workload(inbox: Inbox, reviewers: Reviewers, chaos: Chaos, size: Size, say: Callable[[str], None]) -> None:
    if size.console:
        reviewers.open_terminal()
        await _until_known(inbox, 1)  # beside workers that run as a service, a console starts none
    for _ in range(size.workers - size.console):
        chaos.start_worker()
    await _until_known(inbox, size.workers)
    for number in range(size.reviewers):
        reviewers.start_reviewer(f"reviewer{number + 1}")
    doing: list[Coroutine[Any, Any, None]] = [
        _launch(inbox, size), reviewers.type_commands(Inbox(inbox.store, "cli")), reviewers.press_keys(), chaos.run(),
        _report_progress(inbox, say),
    ]  # fmt: skip
    tasks = [asyncio.ensure_future(one) for one in doing]
    try:
        done, _ = await asyncio.wait(tasks, timeout=size.seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await chaos.calm()
    chaos.close_console()
    reviewers.close()
    while len(chaos.workers) < size.workers:
        chaos.start_worker()


async def _until_known(inbox: Inbox, workers: int) -> None:
    for _ in range(1200):
        if len(await inbox.agents.workers()) >= workers:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError("the workers never came")


async def _launch(inbox: Inbox, size: Size) -> None:
    plan, random = Workload(size.seed), Random(f"launch {size.seed}")
    while True:
        if sum((await inbox.runs.counts()).values()) < size.runs:
            one = plan.next()
            await inbox.runs.launch(one.agent, text=one.text, given=one.given, options=one.options)
        else:
            await asyncio.sleep(random.uniform(0.05, 0.3))


async def _report_progress(inbox: Inbox, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(30)
        counts = ", ".join(f"{count} {state}" for state, count in sorted((await inbox.runs.counts()).items()))
        say(f"{len(await inbox.runs.ids())} runs so far; now {counts}")


async def _finish(inbox: Inbox, intent_log: IntentLog, random: Random) -> None:
    """Answer open reviews so that runs can end, until all have ended or nothing changes any more."""
    seen, since = Rev(-1), time.monotonic()
    while time.monotonic() - since < STILL_S:
        for review in await inbox.reviews.open_ids():
            with contextlib.suppress(HitlError):
                await intent_log.decide(inbox, await inbox.reviews.get(review), whole(random, await inbox.reviews.get(review), kindly=True))
        counts = await inbox.runs.counts()
        left = [row for row in await inbox.reviews.pending(1000) if row.state != ReviewState.OPEN]
        if not left and not any(counts.get(state) for state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)):
            return
        if (now := await inbox.revision()) != seen:
            seen, since = now, time.monotonic()
        await asyncio.sleep(0.1)


def _complaints(sandbox: Sandbox) -> list[str]:
    """Return errors that workers logged."""
    path = sandbox.folder / "worker.err"
    text = path.read_text() if path.exists() else ""
    lines = sorted({line for line in text.splitlines() if "is put back" in line or line.startswith("hitl-tui:")})
    lines = [line for line in lines if not any(expected in line for expected in EXPECTED)]
    return [*([f"a worker broke down:\n{text[-4000:]}"] if "Traceback" in text else []), *lines]
