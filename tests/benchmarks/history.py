"""The first page of a long history, relative to that of a short one; and of filters that the index of words does not hold."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import tempfile
import time
from pathlib import Path

from hitl_tui.filter_language import parse
from hitl_tui.store import Store, history
from tests.benchmarks import large_home
from tests.benchmarks.ratio import Ratio, median_ratio_async

PAIRS = 41
FILTERED = 100_000
"""Decisions of the home in which filters are measured."""
RARE = 20
"""So many of them, the oldest, are signed; the others were made by a login."""
INDEXED = "tool:archive_mail"
"""A filter of the index of words."""
IDENTIFIED = ("identified:login", "identified:signed", "identified:pinned", "identified:signed,pinned", "-identified:login")
"""Of all but the oldest, of the oldest alone, and of none."""
IDENTIFY = "UPDATE decisions SET identified = CASE WHEN id <= ? THEN 'signed' ELSE 'login' END"


async def measure(many: Path, few: Path, counts: tuple[int, int]) -> Ratio:
    """One ratio of medians, of the databases of two homes with so many decisions."""
    async with Store.open(many) as large, Store.open(few) as small:
        name = f"history's first page of {counts[0]:,} decisions ÷ of {counts[1]:,}"
        return await median_ratio_async(name, 2, PAIRS, lambda: _page(large), lambda: _page(small))


def measure_filters() -> list[Ratio]:
    """A ratio for each filter by how people were identified, to a filter of the index of words, on one home."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hitl.db"
        large_home.fill(path, FILTERED)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(IDENTIFY, (RARE,))
            db.commit()
        return asyncio.run(_compare_filters(path))


async def _compare_filters(path: Path) -> list[Ratio]:
    async with Store.open(path) as store:

        async def page(wanted: str) -> float:
            return await _page(store, wanted)

        return [
            await median_ratio_async(
                f"{FILTERED:,} decisions: {wanted} ÷ {INDEXED}", 2, PAIRS, functools.partial(page, wanted), functools.partial(page, INDEXED)
            )
            for wanted in IDENTIFIED
        ]


async def _page(store: Store, wanted: str = "") -> float:
    """Seconds to read the newest decisions that match, as the history lists them."""
    parsed = parse(wanted, time.time())
    began = time.perf_counter()
    rows = await history.search(store, parsed)
    seconds = time.perf_counter() - began
    assert wanted not in ("", INDEXED) or len(rows) == history.PAGE
    return seconds
