"""A system clock that a test sets for all processes of a sandbox and for itself; only Python's clock, which the program reads."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

VARIABLE = "HITL_TEST_CLOCK"
"""Environment variable with the clock's file: processes of the fork server follow it, and those with `SITE` in PYTHONPATH."""
SITE = Path(__file__).with_name("clock_site")


def true_time() -> float:
    """Unix time that nobody sets."""
    return time.clock_gettime(time.CLOCK_REALTIME)


class SetClock:
    """How far the clock is ahead of the true time, in a file that processes share."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        file = os.open(path, os.O_RDWR)
        self._shared = mmap.mmap(file, 8)
        os.close(file)

    def set(self, ahead_s: float) -> None:
        """Set the clock of every process so many seconds ahead of the true time."""
        self._shared[:] = struct.pack("d", ahead_s)

    def time(self) -> float:
        """What `time.time` returns."""
        return true_time() + float(struct.unpack("d", self._shared[:])[0])

    def time_ns(self) -> int:
        """What `time.time_ns` returns."""
        return int(self.time() * 1e9)


def follow(path: Path) -> None:
    """Let this process follow the clock for good."""
    clock = SetClock(path)
    time.time, time.time_ns = clock.time, clock.time_ns
