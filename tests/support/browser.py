"""A program as textual-serve runs it for a browser: what is typed and what is drawn goes through pipes, in packets."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from tests.benchmarks.terminal import Terminal

ENVIRONMENT = {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "TEXTUAL_FPS": "60", "TEXTUAL_COLOR_SYSTEM": "truecolor"}
"""What textual-serve sets, besides the size."""
READY = b"__GANGLION__\n"
"""What the program writes before its first packet."""
HEAD = 5
"""Bytes before a packet's payload: its kind, `D` for data or `M` for JSON about the page, and the size, big-endian."""


class Browser(Terminal):
    """A page with a program behind it."""

    def __init__(self, program: subprocess.Popen[bytes], began: float) -> None:
        assert program.stdin and program.stdout
        super().__init__(program.pid, program.stdout.fileno(), began)
        self._stdin = program.stdin.fileno()
        self._is_ready = False
        self._packets = b""

    def send(self, keys: bytes) -> float:
        now = time.perf_counter()
        self._send(b"D", keys)
        return now

    def tell(self, kind: str, **more: object) -> None:
        """Tell the program about the page: `resize`, `focus`, `blur` or `quit`."""
        self._send(b"M", json.dumps({"type": kind, **more}).encode())

    def _send(self, kind: bytes, payload: bytes) -> None:
        os.write(self._stdin, kind + len(payload).to_bytes(4, "big") + payload)

    def _read(self) -> bytes:
        data = os.read(self._fd, 1 << 16)
        if not data:
            raise OSError(errno.EIO, "the program has ended")
        self._packets += data
        if not self._is_ready and READY in self._packets:
            self._is_ready, self._packets = True, self._packets.partition(READY)[2]
        drawn = b""
        while self._is_ready and len(self._packets) >= HEAD + (size := int.from_bytes(self._packets[1:HEAD], "big")):
            kind, payload, self._packets = self._packets[:1], self._packets[HEAD : HEAD + size], self._packets[HEAD + size :]
            drawn += payload if kind == b"D" else b""
        return drawn


@contextlib.contextmanager
def browser(command: Sequence[str], size: tuple[int, int] = (120, 36)) -> Iterator[Browser]:
    """Run the command behind a page of that many columns and rows."""
    env = {**os.environ, **ENVIRONMENT, "COLUMNS": str(size[0]), "ROWS": str(size[1])}
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as program:
        page = Browser(program, began)
        try:
            yield page
        finally:
            if page.exit_code is None:
                program.send_signal(signal.SIGTERM)
                with contextlib.suppress(OSError):
                    page.drain(10)
