"""Captures what agents print into the log of their run, up to a limit; none of it reaches a screen."""

from __future__ import annotations

import contextlib
import io
from contextvars import ContextVar
from typing import Any, TextIO

from hitl_tui.home import Home

KEPT_BYTES = 5_000_000
"""Output kept per run."""
WORKER_LOG_BYTES = 20_000_000

current_run: ContextVar[int | None] = ContextVar("current_run", default=None)
"""The run whose code is executing. LangGraph carries context variables into its tasks and threads."""


class RunOutput(io.TextIOBase):
    """Replaces `sys.stdout` and `sys.stderr`: writes to the current run's log, or else to the worker's own stream."""

    def __init__(self, home: Home, own: TextIO) -> None:
        self._home = home
        self._own = own
        self._written: dict[int, int] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    @property
    def buffer(self) -> RunBytes:
        """The stream for code that writes bytes."""
        return RunBytes(self)

    def reconfigure(self, **options: object) -> None:
        """Ignored: scripts call it at their start, and the log is always UTF-8."""

    def fileno(self) -> int:
        return self._own.fileno()

    def flush(self) -> None:
        self._own.flush()

    def write(self, text: str) -> int:
        run = current_run.get()
        if run is None:
            return self._own.write(text)
        data = text.encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):  # a full disk is not the agent's error
            self._append(run, data)
        return len(text)

    def _append(self, run: int, data: bytes) -> None:
        path = self._home.run_log(run)
        before = self._written.get(run)
        if before is None:
            before = path.stat().st_size if path.exists() else 0
        self._written[run] = before + len(data)
        if before >= KEPT_BYTES:
            return
        if before + len(data) >= KEPT_BYTES:
            data = data[: KEPT_BYTES - before] + b"\n[this run printed more than is kept here]\n"
        with path.open("ab") as log:
            log.write(data)


class RunBytes(io.RawIOBase):
    """A byte stream into a `RunOutput`."""

    def __init__(self, text: RunOutput) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


def trim(home: Home) -> None:
    """Empty the worker's own log if it is too long: subprocesses and C code write to it directly."""
    path = home.logs / "worker.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > WORKER_LOG_BYTES:
            with path.open("r+b") as log:
                log.truncate(0)
