"""From a key to the repainted detail with 10,000 reviews waiting, against 50: idle, and while the queue is sorted or grouped anew."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.store import Store
from tests.benchmarks.key_latency import detail_mark, number_details
from tests.benchmarks.ratio import Ratio, p95
from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import Terminal, terminal

MANY, FEW = 10_000, 50
TOOLS = 50
"""Reviews in a row call as many different tools, so that `j` goes from one to the next in every order, grouped or not."""
ROUNDS = 2
STILL_S = 0.5
"""Ages are drawn anew every second; between them nothing is, unless a key has still to act."""
OLDEST, AGENT, URGENCY, GROUP = b"2", b"4", b"1", b"5"
"""Numbers in the dialog of `s`."""


def _name_tools(home: Home) -> None:
    async def name() -> None:
        async with Store.open(home.database) as store:
            await store.db.execute("UPDATE actions SET name = printf('tool_%02d', (review - 1) % ?)", (TOOLS,))

    asyncio.run(name())


@contextmanager
def _console(count: int) -> Iterator[Terminal]:
    """A console on so many reviews, the first under the cursor."""
    with tempfile.TemporaryDirectory() as folder:
        home = seed_home(Path(folder), count)
        _name_tools(home)
        number_details(home, TOOLS)
        with terminal(console_command(home.path, f"{GRAPHS}:asking")) as screen:
            screen.until(detail_mark(1))
            screen.drain(4.0)  # the worker loads
            yield screen


def _choose(screen: Terminal, number: bytes, review: int = 1) -> None:
    """Sort or group the queue by the number of the choice; returns once the review is seen again, while the queue is sorted."""
    screen.send(b"s")
    screen.until(b"Sort and group")
    screen.until_still(STILL_S)
    screen.send(number)
    screen.until_still(STILL_S)
    screen.send(b"\r")
    screen.until(detail_mark(review))


def _samples(screen: Terminal, choices: Sequence[bytes] = ()) -> list[float]:
    """Seconds from `j` to the next review's argument, down the list; before each the queue is sorted by one of the choices."""
    found, turn = [], itertools.cycle(choices)
    for review in range(2, TOOLS // 2 if choices else TOOLS):
        if choices:
            _choose(screen, next(turn), review - 1)
        else:
            time.sleep(0.05)
        typed = screen.send(b"j")
        found.append(screen.until(detail_mark(review)) - typed)
        if choices:
            screen.until_still(STILL_S)
    return found


def measure() -> list[Ratio]:
    """Three ratios of 95th percentiles, over rounds taken in turn."""
    few, idle, sorting, grouping = list[float](), list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        with _console(FEW) as screen:
            few += _samples(screen)
        with _console(MANY) as screen:
            idle += _samples(screen)
        with _console(MANY) as screen:
            _choose(screen, GROUP)
            screen.drain(1.0)
            sorting += _samples(screen, (AGENT, OLDEST, URGENCY))
        with _console(MANY) as screen:
            grouping += _samples(screen, (GROUP,))
    told = ((idle, "idle"), (sorting, "while it is sorted"), (grouping, "while it is grouped"))
    return [Ratio(f"key → detail, {MANY:,} waiting, {what} ÷ {FEW} waiting, p95", p95(found), p95(few), 1.5) for found, what in told]
