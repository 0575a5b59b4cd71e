"""Backoff while the disk or a server fails: a worker reports it once, starts nothing, and tries again at growing intervals."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator

from hitl_tui.errors import Busy, Damaged, Storage

WAITS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
QUIET_S = 60.0
"""Seconds during which the same sentence is not repeated."""


class StorageBackoff:
    """The storage errors met so far.

    Args:
        check: tests whether runs could go on, and raises `Storage` if they could not.
        report: tells people a sentence.
        longest_s: seconds of the longest wait. After twice as long without an error, waits start short again.
    """

    def __init__(self, check: Callable[[], Awaitable[None]], report: Callable[[str], None], longest_s: float) -> None:
        self._check = check
        self._report = report
        self._longest_s = longest_s
        self._errors = 0
        self._last = 0.0
        self._next: float | None = None
        self._reported: dict[str, float] = {}
        self.damaged: Damaged | None = None
        """An error that waiting does not fix."""

    def record(self, error: Storage) -> None:
        """Note an error that a run met: nothing starts before the storage was checked."""
        now = time.monotonic()
        self._errors = 1 if now - self._last > 2 * self._longest_s else self._errors + 1
        self._last = now
        self._next = now + min(self._longest_s, WAITS_S[min(self._errors, len(WAITS_S)) - 1])
        self._report_once(error)
        if isinstance(error, Damaged):
            self.damaged = error

    @property
    def wait_s(self) -> float:
        """Seconds until the storage is checked; 0 if nothing waits for that."""
        return 0.0 if self._next is None else max(0.0, self._next - time.monotonic())

    async def storage_works(self) -> bool:
        """Whether work can start. Checks the storage if an error was recorded and its wait is over."""
        if self._next is None:
            return True
        if time.monotonic() < self._next:
            return False
        try:
            await self._check()
        except Storage as error:
            self.record(error)
            return False
        self._next = None
        return True

    @contextlib.contextmanager
    def retrying(self) -> Iterator[None]:
        """Report the block's storage errors and go on: its caller runs it again. Damage is kept for the caller to raise."""
        try:
            yield
        except Damaged as error:
            self.damaged = error
        except Busy:
            pass  # its wait is over already
        except Storage as error:
            self._report_once(error)

    def _report_once(self, error: Storage) -> None:
        now = time.monotonic()
        self._reported = {text: at for text, at in self._reported.items() if now - at < QUIET_S}
        if str(error) not in self._reported:
            self._reported[str(error)] = now
            self._report(str(error))
