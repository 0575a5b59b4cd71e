"""A byte from one process to another after a commit: "look at the rows". One may be lost without harm."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable


class Doorbell:
    """One end of a socket pair between a console and its worker. Needs a running loop."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._rung = asyncio.Event()
        self.gone = asyncio.Event()
        """Set once the other side has closed its end, or died."""
        self._on_ring: Callable[[], None] = lambda: None
        self._on_gone: Callable[[], None] = lambda: None
        asyncio.get_running_loop().add_reader(end, self._read)

    def on_ring(self, rung: Callable[[], None], gone: Callable[[], None]) -> None:
        """Call `rung` at each ring, and `gone` when the other side has ended, instead of waiting."""
        self._on_ring, self._on_gone = rung, gone
        if self._rung.is_set():
            rung()
        if self.gone.is_set():
            gone()

    def ring(self) -> None:
        """Wake the other side. A full pipe means it has been rung already."""
        with contextlib.suppress(OSError):
            self._end.send(b"!")

    async def wait(self, timeout: float) -> bool:
        """Wait for a ring, or the time in seconds; whether it rang."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def close(self) -> None:
        """Close this end; the other side notices."""
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.close()

    def _read(self) -> None:
        try:
            heard = self._end.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(self._end)
            self.gone.set()
            self._on_gone()
        self._rung.set()
        self._on_ring()
