"""The first page of a long history, relative to that of a short one."""

from __future__ import annotations

import time
from pathlib import Path

from hitl_tui.filter_language import Filter
from hitl_tui.store import Store, history
from tests.benchmarks.ratio import Ratio, median_ratio_async

PAIRS = 41


async def measure(many: Path, few: Path, counts: tuple[int, int]) -> Ratio:
    """One ratio of medians, of the databases of two homes with so many decisions."""
    async with Store.open(many) as large, Store.open(few) as small:
        name = f"history's first page of {counts[0]:,} decisions ÷ of {counts[1]:,}"
        return await median_ratio_async(name, 2, PAIRS, lambda: _page(large), lambda: _page(small))


async def _page(store: Store) -> float:
    """Seconds to read the newest decisions, as the history lists them."""
    began = time.perf_counter()
    assert len(await history.search(store, Filter())) == history.PAGE
    return time.perf_counter() - began
