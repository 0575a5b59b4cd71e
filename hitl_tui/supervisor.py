"""Keeps one worker process alive: starts it, rings its doorbell, reports how it died, and restarts it with backoff."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hitl_tui.doorbell import Doorbell
from hitl_tui.home import OWN_PYTHON, Home
from hitl_tui.store import time_limits

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 30.0
"""A worker that lived this long restarts without counting earlier deaths."""
STOP_S = 8.0
"""Time for a worker to bring its runs to a checkpoint before it is killed."""
WATCH_S = 2.0
SILENT_S = 10.0
"""Silence after which a worker with a cancelled or overdue run is killed: a thread holds the GIL, so its own watchdog cannot act."""
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that end a worker cleanly, from its first moment on."""


def stopped_early(label: str) -> str:
    """What a worker says that is ended before its agents are loaded."""
    return f"worker of {label}: stopped before its agents were loaded; nothing had begun"


def own_command() -> list[str]:
    """The command that starts hitl-tui once more, without arguments."""
    return [os.environ.get(OWN_PYTHON, sys.executable), "-P", "-m", "hitl_tui"]


def worker_command(home: Path) -> list[str]:
    """The command that starts a worker on this home, without options and target."""
    return [*own_command(), "worker", "--home", str(home)]


class Supervisor:
    """One worker process and the doorbell to it."""

    def __init__(
        self,
        target: str,
        label: str,
        home: Path,
        concurrency: int,
        on_ring: Callable[[], None],
        on_death: Callable[[str], None],
        time_limit_s: float = 0.0,
        python: str = "",
    ) -> None:
        """Prepare a worker of a target; `python` names an interpreter or environment to use in place of the one that is found."""
        self.target = target
        self.label = label
        self._command = [*worker_command(home), *(["--concurrency", str(concurrency)] if concurrency else [])]
        self._command += [*(["--python", python] if python else []), "--doorbell"]
        self._log = home / "logs" / "worker.log"
        self._database = Home(home).database
        self._time_limit_s = time_limit_s
        self._on_ring = on_ring
        self._on_death = on_death
        self._bell: Doorbell | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._restarting = False
        self._silent_worker: str | None = None
        self.alive = False

    def ring(self) -> None:
        """Tell the worker to check for work."""
        if self._bell:
            self._bell.ring()

    async def run(self) -> None:
        """Keep a worker running until cancelled; then stop it cleanly."""
        failures = 0
        try:
            while True:
                began = time.monotonic()
                code = await self._once()
                if self._restarting:
                    self._restarting, failures = False, 0
                    continue
                if self._silent_worker:
                    await self._mark(self._silent_worker)
                    self._silent_worker, failures = None, 0
                    self._on_death(f"the worker of {self.label} is replaced: a run that was to end held it up")
                    continue
                failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
                delay = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
                self._on_death(f"the worker of {self.label} {_how(code)}; it starts again in {delay:g} s")
                await asyncio.sleep(delay)
        finally:
            await self._stop()

    async def restart(self) -> None:
        """Replace the worker, so that edited agent code is loaded."""
        if self._process and self._process.returncode is None:
            self._restarting = True
            await self._stop()

    async def _once(self) -> int:
        ours, theirs = socket.socketpair()
        with theirs, self._log.open("ab") as log:
            self._log.chmod(0o600)
            self._process = await asyncio.create_subprocess_exec(
                *self._command, str(theirs.fileno()), "--", self.target,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._bell = Doorbell(ours)
        self.alive = True
        self._bell.answer(self._on_ring)
        watch = asyncio.ensure_future(self._watch(self._process))
        try:
            return await self._process.wait()
        finally:
            watch.cancel()
            self.alive = False
            self._bell.close()
            self._bell = None

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill a worker that is silent while a run of it must stop. Its other runs continue from their checkpoints."""
        while not self._silent_worker:
            await asyncio.sleep(WATCH_S)
            with contextlib.suppress(sqlite3.Error):  # the next round reads it again
                self._silent_worker = await asyncio.to_thread(
                    time_limits.silent, self._database, socket.gethostname(), process.pid, SILENT_S, self._time_limit_s
                )
        _kill(process)

    async def _mark(self, worker: str) -> None:
        """Mark which of its runs were overdue, for the worker that recovers them."""
        with contextlib.suppress(sqlite3.Error):  # they will be overdue again
            await asyncio.to_thread(time_limits.mark_all, self._database, worker, self._time_limit_s)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the worker's process group, which includes whatever its agents started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
