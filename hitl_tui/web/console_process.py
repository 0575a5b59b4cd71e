"""A console that a browser shows: a process of its own, which is spoken to in the packets of Textual's driver for browsers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

READY = b"__GANGLION__\n"
"""What the console writes before its first packet."""
HEAD = 5
"""Bytes before a packet's payload: its kind, and its size, big-endian."""
LARGEST = 16 * 1024 * 1024
"""Bytes of a packet; a console draws a few hundred thousand at most."""
LINES = 20
"""Lines of other output before the first packet."""
QUIT_S = 10.0
"""Time for a console to store what was typed and end, before it is killed."""
DRIVER = {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "TEXTUAL_FPS": "60", "TEXTUAL_COLOR_SYSTEM": "truecolor"}


class ConsoleProcess:
    """A running console."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._errors = asyncio.ensure_future(self._read_errors())

    @classmethod
    async def start(cls, command: Sequence[str], size: tuple[int, int], environ: Mapping[str, str]) -> ConsoleProcess:
        """Start it for a page of so many columns and rows.

        Raises:
            OSError: it cannot be started.
        """
        env = {**environ, **DRIVER, "COLUMNS": str(size[0]), "ROWS": str(size[1])}
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True))

    async def type(self, text: str) -> None:
        """Send what was typed or pasted."""
        await self._send(b"D", text.encode("utf-8", "replace"))

    async def tell(self, kind: str, **more: int) -> None:
        """Tell it about the page: `resize`, `focus`, `blur` or `quit`."""
        await self._send(b"M", json.dumps({"type": kind, **more}).encode())

    async def drawn(self) -> AsyncIterator[bytes]:
        """What it draws, until it ends. A console that cannot start says why."""
        stdout = self._process.stdout
        assert stdout
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            if not await self._is_ready(stdout):
                yield await self._why()
                return
            while True:
                head = await stdout.readexactly(HEAD)
                size = int.from_bytes(head[1:], "big")
                if size > LARGEST:
                    return
                payload = await stdout.readexactly(size)
                if head[:1] == b"D":
                    yield payload
                elif head[:1] == b"M" and json.loads(payload).get("type") == "exit":
                    return

    async def stop(self) -> None:
        """End it: it stores what was typed, unless that takes too long."""
        await self.tell("quit")
        try:
            async with asyncio.timeout(QUIT_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        finally:
            self._errors.cancel()

    async def _is_ready(self, stdout: asyncio.StreamReader) -> bool:
        """Wait for the first packet. False if the console ends before it, or prints something else."""
        for _ in range(LINES):
            if (line := await stdout.readline()) in (READY, b""):
                return line == READY
        return False

    async def _send(self, kind: bytes, payload: bytes) -> None:
        stdin = self._process.stdin
        assert stdin
        with contextlib.suppress(ConnectionError, RuntimeError):  # it has ended
            stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
            await stdin.drain()

    async def _read_errors(self) -> bytes:
        """What it writes to standard error, up to a size; the rest is read and lost."""
        stderr, found = self._process.stderr, b""
        assert stderr
        while data := await stderr.read(4096):
            found = (found + data)[: LARGEST >> 8]
        return found

    async def _why(self) -> bytes:
        """The sentence with which it has ended, to be drawn."""
        from hitl_tui.sanitize import visible

        lines = (await self._errors).decode("utf-8", "replace").strip().splitlines()
        return f"\r\n  {visible(lines[-1] if lines else 'the console has ended')}\r\n".encode()
