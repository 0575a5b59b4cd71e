"""Time until three other consoles show who looks at a review and who has claimed it, relative to the second in which a console refreshes.

Four real consoles on one home, each in a terminal of its own.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.ui.queue.view import REFRESH_S
from tests.benchmarks.ratio import Ratio, p95
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import Terminal, terminal

NAMES = ("ann", "bob", "cleo", "dan")
REVIEWS = 20
ROUNDS = 3
"""Each person is waited for so many times."""
GONE_S = 0.5
"""Time after which the others no longer draw what somebody has just ended."""
APART_S = 0.7
"""Time after a key until others must know what is looked at then."""
READ_S = 0.005
"""How long each terminal is read in its turn."""
LONGEST_S = 60.0
QUEUE, RUNS = b"\x1bOP", b"\x1bOQ"
"""F1 and F2, as xterm sends them."""


@contextlib.contextmanager
def _consoles(home: Home, db: sqlite3.Connection) -> Iterator[list[Terminal]]:
    """Four consoles, each with another review painted: where several people look at one, a console names only the first."""
    with contextlib.ExitStack() as stack:
        found = []
        for name in NAMES:
            command = [*console_command(home.path), "console", "--no-worker", "--reviewer", name]
            found.append(stack.enter_context(terminal(command)))
        for screen in found:
            screen.until(b"approve")
        for place, screen in enumerate(found):
            _go_apart(db, place, screen)
        yield found


def _go_apart(db: sqlite3.Connection, place: int, screen: Terminal) -> None:
    """Go down in the list until nobody before this person looks at the same review."""
    before, deadline = NAMES[:place], time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        at = dict(db.execute("SELECT reviewer, review FROM presence").fetchall())
        if NAMES[place] in at and at[NAMES[place]] not in [at.get(name) for name in before]:
            return
        if NAMES[place] in at:
            screen.send(b"j")
        screen.drain(APART_S)
    raise TimeoutError(f"{NAMES[place]} looks at what others look at")


def _press_until(db: sqlite3.Connection, screen: Terminal, key: bytes, gone: str) -> None:
    """Press a key until a query finds nothing: a key that comes too soon after a change on the screen does nothing."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        screen.drain(APART_S)
        screen.send(key)
        screen.drain(APART_S)
        if not db.execute(gone).fetchone():
            return
    raise TimeoutError(f"{key!r} never did it")


def _seen(mine: Terminal, others: Sequence[Terminal], key: bytes, marker: str) -> float:
    """Seconds from a key until all others have drawn the marker. All are read meanwhile: a full terminal stops its console."""
    for one in (mine, *others):
        one.drain(GONE_S / 4)
    typed, waiting = mine.send(key), set(others)
    while waiting:
        for one in (mine, *others):
            one.keep(READ_S)
        waiting -= {one for one in waiting if marker.encode() in one._seen}
        if time.perf_counter() - typed > LONGEST_S:
            raise TimeoutError(f"{marker!r} was not drawn by all others")
    return time.perf_counter() - typed


def measure() -> list[Ratio]:
    """Two ratios of the slowest of three consoles, 95th percentiles."""
    with contextlib.ExitStack() as stack:
        home = seed_home(Path(stack.enter_context(tempfile.TemporaryDirectory())), REVIEWS)
        db = stack.enter_context(contextlib.closing(sqlite3.connect(home.database)))
        screens = stack.enter_context(_consoles(home, db))
        looks, claims = list[float](), list[float]()
        for _ in range(ROUNDS):
            for name, mine in zip(NAMES, screens, strict=True):
                others = [one for one in screens if one is not mine]
                _press_until(db, mine, RUNS, f"SELECT 1 FROM presence WHERE reviewer = '{name}'")
                looks.append(_seen(mine, others, QUEUE, f"{name} is looking"))
                mine.drain(APART_S)
                claims.append(_seen(mine, others, b"c", f"{name} until"))
                _press_until(db, mine, b"c", "SELECT 1 FROM reviews WHERE claimed_by IS NOT NULL")
    base = REFRESH_S
    return [
        Ratio("4 consoles: others show who looks at a review ÷ 1 s, p95", p95(looks), base, 1),
        Ratio("4 consoles: others show who has claimed it ÷ 1 s, p95", p95(claims), base, 1),
    ]
