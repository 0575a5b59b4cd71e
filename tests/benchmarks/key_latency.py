"""Time from a key to the repainted detail in a real terminal, with agents that keep the CPU busy or hold the GIL, relative to none."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path

from hitl_tui import canonical_json
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.store import Store
from tests.benchmarks.ratio import Ratio, p95
from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import Terminal, terminal

REVIEWS = 40
ROUNDS = 2
SETTLE_S = 1.0
"""Time from when the agent runs until keys are typed."""
LOADED_S = 60.0
LOADED, RUNNING = "SELECT 1 FROM agents WHERE name = ?", "SELECT 1 FROM runs WHERE agent = ? AND state = 'running'"


def number_details(home: Home, count: int) -> None:
    """Give the first reviews an argument by which their detail is recognised on the screen."""

    async def number() -> None:
        async with Store.open(home.database) as store:
            for row in await Inbox(store, "bench").reviews.pending(count):
                args = canonical_json.dumps({"to": "ann@example.com", "mark": detail_mark(row.id).decode()})
                await store.db.execute("UPDATE actions SET args = ? WHERE review = ?", (args, row.id))

    asyncio.run(number())


def detail_mark(review: int) -> bytes:
    """The argument that tells a review's detail from others."""
    return f"detail-of-{review:04}-".encode()


def _launch(home: Home, agent: str) -> None:
    async def launch() -> None:
        async with Store.open(home.database) as store:
            await Inbox(store, "bench").runs.launch(agent, given={"asked": ""})

    asyncio.run(launch())


def until_loaded(screen: Terminal, home: Home, agent: str, wanted: str = LOADED) -> None:
    """Read on until the worker has loaded an agent, or runs it."""
    deadline = time.monotonic() + LOADED_S
    with contextlib.closing(sqlite3.connect(home.database)) as db:
        while not db.execute(wanted, (agent,)).fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{agent} was never loaded")
            screen.drain(0.1)
    screen.drain(SETTLE_S)


def _samples(agent: str) -> list[float]:
    """Seconds from `j` or `k` to the next review's argument in the terminal, once down and up the list."""
    with tempfile.TemporaryDirectory() as folder:
        home = seed_home(Path(folder), REVIEWS)
        number_details(home, REVIEWS)
        if agent:
            _launch(home, agent)
        with terminal(console_command(home.path, f"{GRAPHS}:{agent or 'burning'}")) as screen:
            screen.until(detail_mark(1))
            until_loaded(screen, home, agent or "burning", RUNNING if agent else LOADED)
            found = []
            for key, reviews in ((b"j", range(2, REVIEWS)), (b"k", range(REVIEWS - 2, 0, -1))):
                for review in reviews:
                    time.sleep(0.05)
                    typed = screen.send(key)
                    found.append(screen.until(detail_mark(review)) - typed)
    return found


def measure() -> list[Ratio]:
    """Two ratios of 95th percentiles, over rounds taken in turn."""
    found: dict[str, list[float]] = {"": [], "burning": [], "holding": []}
    for _ in range(ROUNDS):
        for agent, samples in found.items():
            samples += _samples(agent)
    base = p95(found[""])
    return [
        Ratio("key → detail, CPU-hot agent ÷ no agent, p95", p95(found["burning"]), base, 1.5),
        Ratio("key → detail, GIL-holding agent ÷ no agent, p95", p95(found["holding"]), base, 1.5),
    ]
