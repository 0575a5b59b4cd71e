"""Replaces a worker's process in place (`execve`), which is the only way to end a thread that does not return.

The engine asks for that when the code of a run that must stop does not; the watchdog does so if an agent blocks the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import psutil

from hitl_tui.store import time_limits

CHILDREN_S = 2.0
"""How long to wait for killed child processes to end."""
CHECK_S = 0.5
BLOCKED_CHECKS = 10
"""Unanswered checks after which the loop counts as blocked. Checks, not seconds: a suspended process must not count its sleep."""


class ProcessReplacement:
    """How to start this worker again: command, environment and folder as they were at its start."""

    def __init__(self, command: Sequence[str], kept: Sequence[int | None], restore_streams: Callable[[], None]) -> None:
        """`kept` are file descriptors that the command names, so that they stay open."""
        self._command = list(command)
        self._restore_streams = restore_streams
        self._kept = [descriptor for descriptor in kept if descriptor is not None]
        self._env = dict(os.environ)  # before agents' own .env files were applied
        self._folder = Path.cwd()
        self._once = threading.Lock()
        self.wanted = False
        """Whether to replace the process once its loop has ended."""

    def execute(self) -> NoReturn:
        """Replace the process now. Kills the child processes that agents started: their code is gone."""
        self._once.acquire()  # never released: a second thread waits here until the process is replaced
        end_children()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        self._restore_streams()
        for descriptor in self._kept:
            os.set_inheritable(descriptor, True)
        with contextlib.suppress(OSError):  # the folder may be gone; paths in the command are absolute
            os.chdir(self._folder)
        try:
            os.execve(self._command[0], self._command, self._env)
        finally:
            os._exit(1)  # the program file is gone: the supervisor starts another


def end_children() -> None:
    """Kill the processes that agents started and left running. One that made itself an orphan is not found."""
    with contextlib.suppress(psutil.Error):
        children = psutil.Process().children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(children, CHILDREN_S)


class Watchdog:
    """A thread that replaces the process if the loop is blocked while a run is cancelled or overdue. Otherwise an agent may block it."""

    def __init__(self, database: Path, worker: str, limit_s: float, replace: Callable[[], NoReturn]) -> None:
        self._database = database
        self._worker = worker
        self._limit_s = limit_s
        self._replace = replace
        self._missed = 0

    def start(self) -> None:
        """Watch the running loop until the process ends."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop, loop.call_soon_threadsafe), name="watchdog", daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop, wake: Callable[..., object]) -> None:
        """Watch a loop. `wake` is its `call_soon_threadsafe`: if an agent has put another in its place, the loop counts as blocked."""
        while True:
            self._missed += 1
            with contextlib.suppress(Exception):  # a closed loop, or what an agent put into it
                if loop.call_soon_threadsafe == wake:
                    wake(self._alive)
            time.sleep(CHECK_S)
            if self._missed >= BLOCKED_CHECKS and self._is_due() and self._missed >= BLOCKED_CHECKS:
                with contextlib.suppress(sqlite3.Error):
                    time_limits.beat(self._database, self._worker)  # until the replacement can send its own heartbeat
                self._replace()

    def _alive(self) -> None:
        self._missed = 0

    def _is_due(self) -> bool:
        try:
            return time_limits.is_due(self._database, self._worker, self._limit_s)
        except sqlite3.Error:
            return False  # the next check reads it again
