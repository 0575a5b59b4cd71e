"""After a soak the log must verify. Then bytes of the closed home are changed, each in a copy, which is used and repaired."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from hitl_tui.store import audit
from tests.support.byte_flips import copied, counts, flips, problems_after

MOST_LOST = 400
"""Rows that may be lost with one byte: those of a page, and those that belong to them."""
PER_MINUTE = 2
"""Bytes that are changed for each minute of the soak."""
FEWEST = 4


def problems_of_flips(home: Path, minutes: float, seed: int, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Change bytes of copies of a home that nobody uses. Returns what went wrong: a command without a sentence, or rows that were lost."""
    _close(home)
    before, found = counts(home / "hitl.db"), list[str]()
    if said := audit.verify(home / "hitl.db").problem:
        return [f"audit verify of the unchanged home: {said}"]
    made = flips(home, max(FEWEST, round(PER_MINUTE * minutes)), seed)
    for number, flip in enumerate(made, 1):
        copy = copied(home, home.with_name("flipped"))
        try:
            found += [f"{flip}: {problem}" for problem in problems_after(flip, copy, before, MOST_LOST)]
        finally:
            shutil.rmtree(copy)
        if number % 10 == 0:
            say(f"{number} of {len(made)} bytes changed")
    say(f"{len(made)} bytes of the closed home were changed, each in a copy: {len(found)} problems")
    return found


def _close(home: Path) -> None:
    """Write the logs of killed processes into their databases."""
    for path in home.glob("*.db"):
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
