"""Types on a console that runs in a terminal or a browser, and counts the rows that come of it."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from hitl_tui.home import Home
from tests.benchmarks.terminal import Terminal

F1, F2 = b"\x1bOP", b"\x1bOQ"


@dataclass
class Keyboard:
    """A console in a terminal, and the rows behind it."""

    screen: Terminal
    home: Home

    def count(self, table: str) -> int:
        """Return the current rows of a table."""
        with sqlite3.connect(self.home.database) as db:
            found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return found

    def until_count(self, table: str, expected: int) -> None:
        """Wait until a table has so many rows."""
        deadline = time.monotonic() + 20
        while (found := self.count(table)) != expected:
            assert time.monotonic() < deadline, f"{found} rows in {table}, not {expected}; the screen had {self.screen._seen[-800:]!r}"
            time.sleep(0.02)

    def type(self, *reads: bytes, pause_s: float = 0.15) -> None:
        """Send reads one after another, each once the one before was handled."""
        for data in reads:
            self.screen.drain(pause_s)
            self.screen.send(data)

    def settle(self) -> None:
        """Wait until all keys so far have acted: a key that changes the view is handled after them."""
        self.screen.drain(0.3)
        self.screen.send(F2)
        self.screen.until(b"Trace")
        self.screen.send(F1)
        self.screen.until(b"Waiting")
        self.screen.drain(0.3)
