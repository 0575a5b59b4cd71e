"""Time until three other consoles show who looks at a review and who has claimed it, relative to a second as it passes on this machine.

Four real consoles on one home: each in a terminal of its own; and two over SSH, one in Chromium, and one at the machine.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.ui.queue.view import REFRESH_S
from tests.benchmarks.ratio import Ratio, p95
from tests.benchmarks.rows import seed_home
from tests.support.chromium import CHROMIUM
from tests.support.four_consoles import Console, four_consoles, local_console, until_drawn
from tests.support.ssh import SSHD

NAMES = ("ann", "bob", "cleo", "dan")
REVIEWS = 20
ROUNDS = 3
"""Each person is waited for so many times."""
GONE_S = 0.5
"""Time after which the others no longer draw what somebody has just ended."""
APART_S = 0.7
"""Time after a key until others must know what is looked at then."""
AGAIN_S = 5.0
"""Time after which a key that did nothing is pressed again: one that comes too soon after a change on the screen is ignored."""
LONGEST_S = 30.0
CLAIMED = "SELECT 1 FROM reviews WHERE claimed_by IS NOT NULL"
QUEUE, RUNS = "F1", "F2"


class Seconds:
    """Measures how long a console's time between two refreshes takes, as a process finds it that only sleeps."""

    def __init__(self) -> None:
        self.measured: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def _measure(self) -> None:
        while not self._ends.is_set():
            began = time.perf_counter()
            if not self._ends.wait(REFRESH_S):
                self.measured.append(time.perf_counter() - began)

    def __enter__(self) -> Seconds:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        self._thread.join()


@contextlib.contextmanager
def _local(folder: Path, reviews: int) -> Iterator[tuple[Home, list[Console]]]:
    """Four consoles at the machine."""
    home = seed_home(folder / "home", reviews)
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(local_console(home, name)) for name in NAMES]
        for console in found:
            until_drawn(console, found, "approve")
        yield home, found


def _read(everybody: Sequence[Console], seconds: float) -> None:
    """Read all consoles for a while, and forget what they drew: a full terminal stops its console."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for one in everybody:
            one.look()
    for one in everybody:
        one.forget()


def _go_apart(db: sqlite3.Connection, mine: Console, everybody: Sequence[Console]) -> None:
    """Go down in the list until nobody before this person looks at the same review: of several, a console names only the first."""
    before = [one.name for one in everybody[: everybody.index(mine)]]
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        at = dict(db.execute("SELECT reviewer, review FROM presence").fetchall())
        if mine.name in at and at[mine.name] not in [at.get(name) for name in before]:
            return
        if mine.name in at:
            mine.press("j")
        _read(everybody, APART_S)
    raise TimeoutError(f"{mine.name} looks at what others look at")


def _press_until(db: sqlite3.Connection, mine: Console, everybody: Sequence[Console], key: str, gone: str) -> None:
    """Press a key until a query finds nothing: a key that comes too soon after a change on the screen does nothing."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        _read(everybody, APART_S)
        mine.press(key)
        _read(everybody, APART_S)
        if not db.execute(gone).fetchone():
            return
    raise TimeoutError(f"{key!r} never did it")


def _seen(db: sqlite3.Connection, mine: Console, everybody: Sequence[Console], key: str, did: str, *markers: str) -> float:
    """Seconds from a key until all others have drawn one of the markers. It is pressed again where it did nothing, as a query tells."""
    deadline, waiting = time.monotonic() + LONGEST_S, list[Console]()
    while time.monotonic() < deadline:
        _read(everybody, GONE_S)
        typed, waiting = time.perf_counter(), [one for one in everybody if one is not mine]
        mine.press(key)
        while waiting and (time.perf_counter() - typed < AGAIN_S or db.execute(did).fetchone()) and time.monotonic() < deadline:
            drawn = {one.name: one.look() for one in everybody}
            waiting = [one for one in waiting if not any(marker.encode() in drawn[one.name] for marker in markers)]
        if not waiting:
            return time.perf_counter() - typed
    at, last = db.execute("SELECT reviewer, review FROM presence").fetchall(), {one.name: one.look()[-3000:] for one in everybody}
    raise TimeoutError(f"{markers} was not drawn by {[one.name for one in waiting]}; they look at {at}; the last that was drawn is {last}")


def measure() -> list[Ratio]:
    """For each kind of consoles, two ratios of the slowest of three, 95th percentiles. Without sshd or Chromium only local ones."""
    found = _measured("4 consoles", _local)
    return found + _measured("2 over SSH, 1 in Chromium, 1 local", four_consoles) if SSHD and CHROMIUM else found


def _measured(what: str, made: Callable[[Path, int], contextlib.AbstractContextManager[tuple[Home, list[Console]]]]) -> list[Ratio]:
    looks, claims = list[float](), list[float]()
    with contextlib.ExitStack() as stack:
        home, everybody = stack.enter_context(made(Path(stack.enter_context(tempfile.TemporaryDirectory())), REVIEWS))
        db = stack.enter_context(contextlib.closing(sqlite3.connect(home.database)))
        for console in everybody:
            _go_apart(db, console, everybody)
        seconds = stack.enter_context(Seconds())
        for mine in [one for _ in range(ROUNDS) for one in everybody]:
            is_looking = f"SELECT 1 FROM presence WHERE reviewer = '{mine.name}'"
            _press_until(db, mine, everybody, RUNS, is_looking)
            looks.append(_seen(db, mine, everybody, QUEUE, is_looking, f"{mine.name} is looking", f"{mine.name} looking"))
            claims.append(_seen(db, mine, everybody, "c", CLAIMED, f"{mine.name} until", f"claimed by {mine.name}"))
            _press_until(db, mine, everybody, "c", CLAIMED)
    base = p95(seconds.measured)
    return [
        Ratio(f"{what}: others show who looks at a review ÷ a second, p95", p95(looks), base, 1),
        Ratio(f"{what}: others show who has claimed it ÷ a second, p95", p95(claims), base, 1),
    ]
