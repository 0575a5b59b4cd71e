"""Watchdog thread: restarts the worker if an agent blocks the event loop while one of the runs must stop."""

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

CHECK_S = 0.5
BLOCKED_CHECKS = 10
"""Unanswered checks after which the loop counts as blocked. Checks, not seconds: a suspended process must not count its sleep."""


class Watchdog:
    """Replaces the process if the loop is blocked while a run is cancelled or overdue. Other agents may block for as long as they like."""

    def __init__(self, database: Path, worker: str, limit_s: float, replace: Callable[[], NoReturn]) -> None:
        self._database = database
        self._worker = worker
        self._limit_s = limit_s
        self._replace = replace
        self._missed = 0

    def start(self) -> None:
        """Watch the running loop until the process ends."""
        threading.Thread(target=self._watch, args=(asyncio.get_running_loop(),), name="watchdog", daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._missed += 1
            try:
                loop.call_soon_threadsafe(self._alive)
            except RuntimeError:
                return  # the loop is closed, and the process about to end
            time.sleep(CHECK_S)
            if self._missed >= BLOCKED_CHECKS and self._is_due() and self._missed >= BLOCKED_CHECKS:
                with contextlib.suppress(sqlite3.Error):
                    time_limits.say_alive(self._database, self._worker)  # the replacement starts before it can say so itself
                self._replace()

    def _alive(self) -> None:
        self._missed = 0

    def _is_due(self) -> bool:
        try:
            return time_limits.is_due(self._database, self._worker, self._limit_s)
        except sqlite3.Error:
            return False  # the next check reads it again
