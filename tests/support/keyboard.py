"""Types on a console that runs in a terminal or a browser, and counts the rows that come of it."""

from __future__ import annotations

import base64
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

    def press_until(self, key: bytes, marker: bytes) -> None:
        """Press a key until something is drawn, again if it was ignored because the screen had changed a moment before."""
        self.screen.drain(0.15)
        self.screen.press_until(key, marker)

    def hold(self, data: bytes, first_delay_s: float, period_s: float, repeats: int) -> float:
        """Send what a keyboard sends while a key is held, a press and its repeats. Returns the longest time between two repeats."""
        self.screen.send(data)
        next_at, longest, sent = time.perf_counter() + first_delay_s, 0.0, None
        for _ in range(repeats):
            self.screen.keep(next_at - time.perf_counter())
            now = self.screen.send(data)
            longest, sent = max(longest, now - (sent or now)), now
            next_at += period_s
        return longest

    def clipboard(self) -> str:
        """Wait until the console sets the clipboard (OSC 52), and return the text."""
        self.screen.until(b"\x1b]52;c;")
        self.screen.until(b"\x07")
        return base64.b64decode(self.screen.before).decode()

    def settle(self) -> None:
        """Wait until all keys so far have acted: a key that changes the view is handled after them."""
        self.screen.drain(0.3)
        self.screen.send(F2)
        self.screen.until(b"Trace")
        self.screen.send(F1)
        self.screen.until(b"Waiting")
        self.screen.drain(0.3)
