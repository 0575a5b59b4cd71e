"""From a key to the repainted detail with 10,000 reviews waiting, against 50: idle, and while the queue is sorted or grouped anew."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
SORTED = TOOLS // 2
"""Reviews that are gone through while the queue is sorted."""
SORTED_S = 0.5
"""Seconds without anything drawn after which the queue is sorted. Ages are drawn anew every second."""
OLDEST, AGENT, URGENCY, GROUP = b"2", b"4", b"1", b"5"
"""Numbers in the dialog of `s`."""
LAST_CHOICE = b"snoozed reviews"


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

    def samples(self, choices: Sequence[bytes] = ()) -> list[float]:
        """Seconds from `j` to the next review's argument, down the list; before each the queue is sorted by one of the choices."""
        found, turn = [], itertools.cycle(choices)
        for review in range(2, SORTED if choices else TOOLS):
            if choices:
                self.choose(next(turn), review - 1)
            else:
                time.sleep(0.05)
            typed = self._screen.send(b"j")
            found.append(self._until_shown(review) - typed)
            if choices:
                self.until_sorted()
        return found

    def choose(self, number: bytes, review: int = 1) -> None:
        """Sort or group the queue by the number of the choice; returns once the dialog is gone, while the queue is sorted."""
        self._screen.send(b"s")
        self._screen.until(LAST_CHOICE)
        self._screen.send(number)
        self._screen.send(b"\r")
        self._until_shown(review)

    def _until_shown(self, review: int) -> float:
        """When the review's argument is painted in its own colours: behind a dialog it is dimmed, and painted every second."""
        return self._screen.until(self._style + detail_mark(review))

    def until_sorted(self) -> None:
        """Wait until the queue is sorted."""
        self._screen.until_still(SORTED_S)


@contextmanager
def _console(seeded: Home) -> Iterator[Console]:
    """A console on a copy of a home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(shutil.copytree(seeded.path, Path(folder) / "home")))
        with terminal(console_command(home.path, f"{GRAPHS}:asking")) as screen:
            yield Console(screen, home)


def measure() -> list[Ratio]:
    """Three ratios of 95th percentiles, over rounds taken in turn."""
    few, idle, sorting, grouping = list[float](), list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        small, large = _seed(Path(folder) / "small", FEW), _seed(Path(folder) / "large", MANY)
        for _ in range(ROUNDS):
            with _console(small) as console:
                few += console.samples()
            with _console(large) as console:
                idle += console.samples()
            with _console(large) as console:
                console.choose(GROUP)
                console.until_sorted()
                sorting += console.samples((AGENT, OLDEST, URGENCY))
            with _console(large) as console:
                grouping += console.samples((GROUP,))
    told = ((idle, "idle"), (sorting, "while it is sorted"), (grouping, "while it is grouped"))
    return [Ratio(f"key → detail, {MANY:,} waiting, {what} ÷ {FEW} waiting, p95", p95(found), p95(few), 1.5) for found, what in told]
