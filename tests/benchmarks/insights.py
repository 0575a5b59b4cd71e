"""All insights over many decisions, relative to few. Decisions are counted as they come in, and never scanned."""

from __future__ import annotations

import time
from pathlib import Path

from hitl_tui.inbox import Inbox
from hitl_tui.store import Store
from tests.benchmarks.ratio import Ratio, median_ratio_async

PAIRS = 9


async def measure(many: Path, few: Path, counts: tuple[int, int]) -> Ratio:
    """One ratio of medians, of the databases of two homes with so many decisions of the same year."""
    async with Store.open(many) as large, Store.open(few) as small:
        name = f"insights over {counts[0]:,} decisions ÷ over {counts[1]:,}"
        return await median_ratio_async(name, 3, PAIRS, lambda: _read(large), lambda: _read(small))


async def _read(store: Store) -> float:
    """Seconds to read every figure of all time."""
    began = time.perf_counter()
    found = await Inbox(store, "ann").insights.read()
    assert found.decisions and found.calibration.brier is not None
    return time.perf_counter() - began
