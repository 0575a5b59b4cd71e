"""From a key to the repainted detail with 10,000 reviews waiting, against 50: idle, and while the queue is sorted or grouped anew."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.store import Store
from tests.benchmarks.key_latency import detail_mark, number_details, until_loaded
from tests.benchmarks.ratio import Ratio, p95
from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import Terminal, terminal

MANY, FEW = 10_000, 50
TOOLS = 50
"""Reviews in a row call as many different tools, so that `j` goes from one to the next in every order, grouped or not."""
ROUNDS = 2
IDLE_KEYS, SORTED_KEYS = 48, 15
"""Keys that are timed in a console: while nothing is sorted, and with the queue sorted anew before each."""
SORTED_S = 0.3
"""Seconds without anything drawn after which the queue is sorted. Ages are drawn anew every second."""
OLDEST, AGENT, URGENCY, GROUP = b"2", b"4", b"1", b"5"
"""Numbers in the dialog of `s`."""
LAST_CHOICE = b"snoozed reviews"
IDLE, SORTING, GROUPING = "idle", "while it is sorted", "while it is grouped"


def _seed(folder: Path, count: int) -> Home:
    home = seed_home(folder, count)

    async def name_tools() -> None:
        async with Store.open(home.database) as store:
            await store.db.execute("UPDATE actions SET name = printf('tool_%02d', (review - 1) % ?)", (TOOLS,))

    asyncio.run(name_tools())
    number_details(home, TOOLS)
    return home


class Console:
    """A console, the first review under the cursor."""

    def __init__(self, screen: Terminal, home: Home) -> None:
        self._screen = screen
        screen.until(detail_mark(1))
        self._style = screen.before[screen.before.rfind(b"\x1b[") :]
        until_loaded(screen, home, "asking")

    def samples(self) -> dict[str, list[float]]:
        """Seconds from a key to the next review's argument, in each situation."""
        idle = self._down(IDLE_KEYS)
        self._group()
        sorting = self._down(SORTED_KEYS, AGENT, OLDEST, URGENCY)
        self._group()
        return {IDLE: idle, SORTING: sorting, GROUPING: self._down(SORTED_KEYS, GROUP)}

    def _group(self) -> None:
        """Group the queue, or end that."""
        self._choose(GROUP)
        self._screen.until_still(SORTED_S)

    def _down(self, keys: int, *choices: bytes) -> list[float]:
        """Seconds from each `j` to the next review's argument, from the first one down; before each the queue is sorted by a choice."""
        found, turn = [], itertools.cycle(choices)
        for review in range(2, 2 + keys):
            if choices:
                self._choose(next(turn), review - 1)
            else:
                time.sleep(0.05)
            typed = self._screen.send(b"j")
            found.append(self._until_shown(review) - typed)
            if choices:
                self._screen.until_still(SORTED_S)
        self._screen.send(b"g")
        self._until_shown(1)
        self._screen.until_still(SORTED_S)
        return found

    def _choose(self, number: bytes, review: int = 1) -> None:
        """Sort or group the queue by the number of the choice; returns once the dialog is gone, while the queue is sorted."""
        self._screen.send(b"s")
        self._screen.until(LAST_CHOICE)
        self._screen.send(number)
        self._until_shown(review)

    def _until_shown(self, review: int) -> float:
        """When the review's argument is painted in its own colours: behind a dialog it is dimmed, and painted every second."""
        return self._screen.until(self._style + detail_mark(review))


def _samples(seeded: Home) -> dict[str, list[float]]:
    """Samples of a console on a copy of a home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(shutil.copytree(seeded.path, Path(folder) / "home")))
        with terminal(console_command(home.path, f"{GRAPHS}:asking")) as screen:
            return Console(screen, home).samples()


def measure() -> list[Ratio]:
    """Ratios of 95th percentiles, over rounds taken in turn.

    A key typed as soon as a dialog is gone waits for the rest of the frame without it, however many reviews wait. So a key while the queue
    is sorted is compared with the same key while a short queue is sorted.
    """
    found: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        homes = {count: _seed(Path(folder) / str(count), count) for count in (FEW, MANY)}
        for _ in range(ROUNDS):
            for count, home in homes.items():
                for situation, samples in _samples(home).items():
                    found.setdefault((situation, count), []).extend(samples)
    return [
        Ratio(f"key → detail, {MANY:,} waiting, {one} ÷ {FEW} waiting, p95", p95(found[one, MANY]), p95(found[one, FEW]), 1.5)
        for one in (IDLE, SORTING, GROUPING)
    ]
