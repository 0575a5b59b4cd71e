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
        self._rung: Callable[[], None] = lambda: None
        self._gone: Callable[[], None] = lambda: None
        self._is_gone = False
        asyncio.get_running_loop().add_reader(end, self._read)

    def answer(self, rung: Callable[[], None], gone: Callable[[], None] = lambda: None) -> None:
        """From now on call `rung` when the other side has rung, and `gone` when it has closed its end, or died."""
        self._rung, self._gone = rung, gone
        if self._is_gone:
            gone()

    def ring(self) -> None:
        """Wake the other side. A full pipe means it has been rung already."""
        with contextlib.suppress(OSError):
            self._end.send(b"!")

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
        if heard:
            self._rung()
        else:
            asyncio.get_running_loop().remove_reader(self._end)
            self._is_gone = True
            self._gone()
