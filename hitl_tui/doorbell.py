"""A byte sent to another process after a commit, so that it reads the database now. A lost byte does no harm."""

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
        self._on_ring: Callable[[], None] = lambda: None
        self._on_close: Callable[[], None] = lambda: None
        self._is_closed = False
        asyncio.get_running_loop().add_reader(end, self._read)

    def answer(self, on_ring: Callable[[], None], on_close: Callable[[], None] = lambda: None) -> None:
        """Call `on_ring` whenever the other side rings, and `on_close` once it closes its end or dies."""
        self._on_ring, self._on_close = on_ring, on_close
        if self._is_closed:
            on_close()

    def ring(self) -> None:
        """Wake the other side. A full socket means that a ring is pending already."""
        with contextlib.suppress(OSError):
            self._end.send(b"!")

    def close(self) -> None:
        """Close this end, which the other side notices."""
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.close()

    def _read(self) -> None:
        try:
            rings = self._end.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            rings = b""
        if rings:
            self._on_ring()
        else:
            asyncio.get_running_loop().remove_reader(self._end)
            self._is_closed = True
            self._on_close()
