"""What a worker does while the disk fails it: says so, takes nothing up, looks again ever more rarely, and goes on by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator

from hitl_tui.errors import Busy, Damaged, Storage

WAITS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
STEADY_S = 120.0
"""After so long without a fault the waits start over."""
QUIET_S = 60.0
"""How long the same sentence is not said again."""


class StorageBackoff:
    """The faults of the storage met so far. `check` tries whether runs could go on, and raises `Storage` while they could not."""

    def __init__(self, check: Callable[[], Awaitable[None]], say: Callable[[str], None]) -> None:
        self._check = check
        self._say = say
        self._faults = 0
        self._last = 0.0
        self._next: float | None = None
        self._said: dict[str, float] = {}
        self.damaged: Damaged | None = None
        """The fault that no waiting mends."""

    def met(self, error: Storage) -> None:
        """A run met this fault: take nothing up before the storage has been looked at."""
        now = time.monotonic()
        self._faults = 1 if now - self._last > STEADY_S else self._faults + 1
        self._last = now
        self._next = now + WAITS_S[min(self._faults, len(WAITS_S)) - 1]
        self._tell(error)
        if isinstance(error, Damaged):
            self.damaged = error

    async def over(self) -> bool:
        """Whether work can be taken up."""
        if self._next is None:
            return True
        if time.monotonic() < self._next:
            return False
        try:
            await self._check()
        except Storage as error:
            self.met(error)
            return False
        self._next = None
        return True

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """The block's faults are told, and it is done again at its next turn; only damage is for somebody else to mend."""
        try:
            yield
        except Damaged as error:
            self.damaged = error
        except Busy:
            pass  # it was waited for already
        except Storage as error:
            self._tell(error)

    def _tell(self, error: Storage) -> None:
        now = time.monotonic()
        self._said = {text: at for text, at in self._said.items() if now - at < QUIET_S}
        if str(error) not in self._said:
            self._said[str(error)] = now
            self._say(str(error))
