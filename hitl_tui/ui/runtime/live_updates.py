"""Keeps the screen current: wakes at a doorbell or another process's commit, and reads only what changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from hitl_tui.inbox import Changes, Inbox, Rev
from hitl_tui.ui.runtime.errors import store_errors

POLL_S = 0.05
RETRY_S = 1.0
"""Pause after a failed read."""


class LiveUpdates:
    """The one reader of changes. Its consumer gets them in order, each once."""

    def __init__(self, inbox: Inbox, apply: Callable[[Changes], Awaitable[None]], trouble: Callable[[Exception], None]) -> None:
        self._inbox = inbox
        self._apply = apply
        self._trouble = trouble
        self._rung = asyncio.Event()
        self._rev = Rev()
        self._version = -1
        self._turn = asyncio.Lock()

    def ring(self) -> None:
        """Look at the rows now. From the event loop's thread only."""
        self._rung.set()

    async def begin(self) -> None:
        """Remember the current revision; rows must be read after this."""
        self._version = self._inbox.store.version()
        self._rev = await self._inbox.revision()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), POLL_S)
            try:
                await self.look()
            except store_errors() as error:
                self._trouble(error)
                await asyncio.sleep(RETRY_S)

    async def look(self) -> None:
        """Read the changes since the last time and apply them."""
        async with self._turn:
            version, rung = self._inbox.store.version(), self._rung.is_set()
            self._rung.clear()
            if version == self._version and not rung:
                return
            self._version = version
            try:
                changes = await self._inbox.changes(self._rev)
                await self._apply(changes)
                self._rev = changes.rev
            except store_errors():
                self._rung.set()  # the changes were not applied: read them again
                raise
