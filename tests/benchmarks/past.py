"""Insights and history of a million decisions, relative to few; the homes are filled once for both.

The rows are written without the triggers of the audit. The triggers of the statistics run as usual, when the history catches up.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import history, insights, large_home
from tests.benchmarks.ratio import Ratio

MANY, FEW, FEWEST = 1_000_000, 10_000, 1_000


def measure() -> Iterator[Ratio]:
    """Two ratios. Filling the homes takes minutes and 3 GB."""
    with tempfile.TemporaryDirectory() as folder:
        homes = {count: Path(folder) / f"{count}.db" for count in (FEWEST, FEW, MANY)}
        for count, path in homes.items():
            large_home.fill(path, count)
        yield asyncio.run(insights.measure(homes[MANY], homes[FEW], (MANY, FEW)))
        yield asyncio.run(history.measure(homes[MANY], homes[FEWEST], (MANY, FEWEST)))
