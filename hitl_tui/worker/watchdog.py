"""Watches the event loop from a thread: while an agent blocks it, nobody else can see that a run is to end."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hitl_tui.store import time_limits

LOOK_S = 0.5
BLOCKED_LOOKS = 10
"""After so many looks without a sign of life the loop counts as blocked. Looks, not seconds: a process that slept has missed none."""


class Watchdog:
    """Replaces the process when the loop is blocked and a run is due to end. Otherwise an agent may take as long as it likes."""

    def __init__(self, database: Path, worker: str, limit_s: float, replace: Callable[[], NoReturn]) -> None:
        self._database = database
        self._worker = worker
        self._limit_s = limit_s
        self._replace = replace
        self._missed = 0

    def start(self) -> None:
        """Watch the running loop for the rest of the process's life."""
        threading.Thread(target=self._watch, args=(asyncio.get_running_loop(),), name="watchdog", daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._missed += 1
            try:
                loop.call_soon_threadsafe(self._alive)
            except RuntimeError:
                return  # the loop is closed, the process about to end
            time.sleep(LOOK_S)
            if self._missed >= BLOCKED_LOOKS and self._is_due() and self._missed >= BLOCKED_LOOKS:
                with contextlib.suppress(sqlite3.Error):
                    time_limits.say_alive(self._database, self._worker)  # the replacement needs a moment until it can
                self._replace()

    def _alive(self) -> None:
        self._missed = 0

    def _is_due(self) -> bool:
        try:
            return time_limits.is_due(self._database, self._worker, self._limit_s)
        except sqlite3.Error:
            return False  # it is looked at again
