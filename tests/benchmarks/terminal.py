"""Runs a program in a pseudo-terminal, and records what it draws and when."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar


class Terminal:
    """A pty with a program at its other end."""

    def __init__(self, pid: int, fd: int, began: float) -> None:
        self.pid = pid
        self.began = began
        self._fd = fd
        self._seen = b""
        self.before = b""
        """What was drawn before the last marker."""
        self.exit_code: int | None = None
        """Exit code of the program, once it was waited for."""

    def send(self, keys: bytes) -> float:
        """Type a text. Returns when it was typed."""
        now = time.perf_counter()
        os.write(self._fd, keys)
        return now

    def until(self, marker: bytes, timeout: float = 60.0) -> float:
        """Read until the marker is drawn. Returns when it was."""
        deadline = time.perf_counter() + timeout
        while marker not in self._seen:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.perf_counter()))
            if not ready:
                raise TimeoutError(f"{marker!r} was never drawn; the last was {self._seen[-500:]!r}")
            self._seen += self._read()
        now = time.perf_counter()
        self.before, _, self._seen = self._seen.partition(marker)
        return now

    def press_until(self, key: bytes, marker: bytes) -> None:
        """Type a key until the marker is drawn, again if nothing came of it for some seconds."""
        for _ in range(10):
            self.send(key)
            with contextlib.suppress(TimeoutError):
                self.until(marker, timeout=5.0)
                return
        raise TimeoutError(f"{marker!r} was never drawn after {key!r}; the last was {self._seen[-500:]!r}")

    def keep(self, seconds: float) -> None:
        """Read what is drawn for a moment, for a marker to be looked for later."""
        end = time.perf_counter() + seconds
        with contextlib.suppress(OSError):  # the program may end meanwhile
            while (left := end - time.perf_counter()) > 0:
                if select.select([self._fd], [], [], left)[0]:
                    self._seen += self._read()

    def drain(self, seconds: float) -> None:
        """Discard what is drawn for a moment."""
        self.keep(seconds)
        self._seen = b""

    def until_still(self, seconds: float) -> None:
        """Discard what is drawn until nothing was drawn for so long."""
        while select.select([self._fd], [], [], seconds)[0]:
            self._read()
        self._seen = b""

    @property
    def runs(self) -> bool:
        """Whether the program has not ended yet."""
        if self.exit_code is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.exit_code = os.waitstatus_to_exitcode(ended[1])
        return self.exit_code is None

    def wait(self) -> bytes:
        """Wait until the program has ended. Returns what it drew since the last marker."""
        with contextlib.suppress(OSError):  # Linux reports a closed other end like this
            while data := self._read():
                self._seen += data
        if self.exit_code is None:
            self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._seen

    def _read(self) -> bytes:
        """What was drawn since the last call.

        Raises:
            OSError: the program has ended.
        """
        return os.read(self._fd, 1 << 16)

    def hang_up(self) -> None:
        """Close the terminal, and wait until the program has ended."""
        os.close(self._fd)
        self._fd = -1
        self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


Screen = TypeVar("Screen", bound=Terminal)


@contextlib.contextmanager
def terminal_of(
    kind: type[Screen], command: Sequence[str], env: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 36)
) -> Iterator[Screen]:
    """Run the command in a pty of that many columns and rows, as a `Terminal` of that class."""
    began = time.perf_counter()
    pid, fd = pty.fork()
    if pid == 0:
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}  # pytest sets these
        os.execvpe(command[0], list(command), {**inherited, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})})
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    screen = kind(pid, fd, began)
    try:
        yield screen
    finally:
        if screen.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            _reap(pid, screen._fd)
        elif screen._fd >= 0:
            os.close(fd)


def terminal(
    command: Sequence[str], env: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 36)
) -> contextlib.AbstractContextManager[Terminal]:
    """Run the command in a pty of that many columns and rows."""
    return terminal_of(Terminal, command, env, size)


def _reap(pid: int, fd: int) -> None:
    """Keep reading until it has ended, so that it does not block on a full terminal."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            break
        with contextlib.suppress(OSError):
            if select.select([fd] if fd >= 0 else [], [], [], 0.05)[0]:
                os.read(fd, 1 << 16)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if fd >= 0:
        os.close(fd)
