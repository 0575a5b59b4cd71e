"""Captures what agents print into the log of their run, up to a limit; none of it reaches a screen."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from contextvars import ContextVar
from typing import Any, TextIO

from hitl_tui.home import Home
from hitl_tui.sanitize import code

UMASK = 0o077
"""The worker's files are private."""
KEPT_BYTES = 5_000_000
"""Output kept per run."""
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal could obey; tab and newline are left."""
WORKER_LOG_BYTES = 20_000_000

current_run: ContextVar[int | None] = ContextVar("current_run", default=None)
"""The run whose code is executing. LangGraph carries context variables into its tasks and threads."""


class WorkerStreams:
    """The worker's own output, apart from the file descriptors 1 and 2: child processes and C code write those into `worker.log`.

    A terminal would obey the escape sequences that they may print.
    """

    def __init__(self, home: Home) -> None:
        log = os.open(home.logs / "worker.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.out, self.err = OwnOutput(sys.stdout), OwnOutput(sys.stderr)
        self._kept = {1: os.dup(1), 2: os.dup(2)}
        for number, stream in ((1, self.out), (2, self.err)):
            stream.open(self._kept[number])
            os.dup2(log, number)
        os.close(log)
        sys.__stdout__, sys.__stderr__ = self.out, self.err  # type: ignore[assignment,misc]  # for who prints past the run's log

    def restore(self) -> None:
        """Put the descriptors back, for the program that replaces this one."""
        for number, kept in self._kept.items():
            os.dup2(kept, number)


class OwnOutput(io.TextIOBase):
    """One of the worker's own streams. What agents print while no run is known goes here too, with control characters as codes."""

    def __init__(self, before: TextIO) -> None:
        before.flush()
        self._encoding = before.encoding or "utf-8"
        self._file: TextIO = before

    def open(self, descriptor: int) -> None:
        """Write to this descriptor."""
        self._file = open(descriptor, "w", encoding=self._encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("the worker's own stream has no descriptor for others")

    def flush(self) -> None:
        with contextlib.suppress(OSError):  # the terminal or pipe is gone
            self._file.flush()

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._file.write(_CONTROLS.sub(lambda found: code(found[0]), text))
        return len(text)


class RunOutput(io.TextIOBase):
    """Replaces `sys.stdout` and `sys.stderr`: writes to the current run's log, or else to the worker's own stream."""

    def __init__(self, home: Home, own: OwnOutput, descriptor: int) -> None:
        """`descriptor` is the one that child processes inherit."""
        self._home = home
        self._own = own
        self._descriptor = descriptor
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
        return self._descriptor

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
        with open(path, "ab", opener=_private) as log:
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


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner reads, whatever umask an agent has set."""
    return os.open(path, flags, 0o600)


def trim(home: Home) -> None:
    """Empty the worker's own log if it is too long: subprocesses and C code write to it directly."""
    path = home.logs / "worker.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > WORKER_LOG_BYTES:
            with path.open("r+b") as log:
                log.truncate(0)
