"""The queue with 100,000 open reviews, relative to Textual's DataTable with the same rows: time to show, time to change, memory."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual import screen as textual_screen
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import DataTable

from hitl_tui.inbox import Inbox
from hitl_tui.model import ReviewRow
from hitl_tui.store import Store
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.theme import completed
from hitl_tui.ui.widgets.virtual_list import SortedIds
from tests.benchmarks.ratio import Ratio
from tests.benchmarks.rows import seed_home

# Both sides draw as often as the console does (`run_console`); otherwise most of a change's time is the wait for the next frame.
textual_screen.UPDATE_PERIOD = 1 / 240  # type: ignore[misc]

COUNT = 100_000
PAIRS = 5
SIZE = (120, 36)


class ListApp(App[None]):
    """Only the queue's list."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self.inbox = inbox

    def get_css_variables(self) -> dict[str, str]:
        self.theme_variables = completed(super().get_css_variables())
        return self.theme_variables

    def compose(self) -> ComposeResult:
        yield QueueList(self.inbox.reviews.rows, lambda *_: None, time.time)

    async def show(self) -> None:
        """Read the open reviews and show them."""
        self.query_one(QueueList).load(SortedIds(await self.inbox.reviews.open_ids()))
        await self.workers.wait_for_complete()

    def change(self, row: ReviewRow) -> None:
        """Remove the first item, and insert it again."""
        items = self.query_one(QueueList)
        items.apply({}, [row.id])
        items.apply({row.id: row})


class TableApp(App[None]):
    """Only a DataTable."""

    def __init__(self, rows: list[ReviewRow]) -> None:
        super().__init__()
        self.rows = rows

    def compose(self) -> ComposeResult:
        yield DataTable()

    async def show(self) -> None:
        """Show the rows."""
        table = self.query_one(DataTable)
        table.add_columns("tool", "agent", "age", "summary")
        for row in self.rows:
            table.add_row(*_cells(row), key=str(row.id))

    def change(self, row: ReviewRow) -> None:
        """Remove the first item, and insert it again."""
        table = self.query_one(DataTable)
        table.remove_row(str(row.id))
        table.add_row(*_cells(row), key=str(row.id))


def _cells(row: ReviewRow) -> tuple[str, str, str, str]:
    return row.title, row.agent, str(row.opened_at), row.summary


async def _timed(pilot: Pilot[None], act: Callable[[], Awaitable[None] | None]) -> float:
    """Seconds until the change is painted. `Pilot.pause` would look for that every 20 ms only."""
    painted = asyncio.Event()
    began = time.perf_counter()
    waiting = act()
    if waiting is not None:
        await waiting
    pilot.app.query_one("QueueList, DataTable").call_after_refresh(painted.set)
    await painted.wait()
    seconds = time.perf_counter() - began
    await pilot.pause()
    return seconds


async def _measure(make: Callable[[], ListApp | TableApp], row: ReviewRow) -> tuple[float, float]:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        shown = await _timed(pilot, app.show)
        return shown, statistics.median([await _timed(pilot, lambda: app.change(row)) for _ in range(PAIRS)])


async def _bytes(make: Callable[[], ListApp | TableApp]) -> float:
    app = make()
    async with app.run_test(size=SIZE) as pilot:
        tracemalloc.start()
        await _timed(pilot, app.show)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return float(size)


@asynccontextmanager
async def _inbox(folder: str) -> AsyncIterator[Inbox]:
    home = await asyncio.to_thread(seed_home, Path(folder), COUNT)
    async with Store.open(home.database) as store:
        yield Inbox(store, "bench")


async def measure() -> list[Ratio]:
    """Three ratios: time to show, time to change, bytes."""
    with tempfile.TemporaryDirectory() as folder:
        async with _inbox(folder) as inbox:
            ids = list(await inbox.reviews.open_ids())
            rows = [row for start in range(0, COUNT, 10_000) for row in await inbox.reviews.rows(ids[start : start + 10_000])]
            ours, tables = [], []
            for _ in range(PAIRS):
                ours.append(await _measure(lambda: ListApp(inbox), rows[0]))
                tables.append(await _measure(lambda: TableApp(rows), rows[0]))
            bytes_ = await _bytes(lambda: ListApp(inbox)), await _bytes(lambda: TableApp(rows))
            memory = Ratio(f"{COUNT:,} reviews: memory ÷ DataTable", *bytes_, 0.02, unit="kB")
    found = []
    for i, (name, limit) in enumerate((("shown", 0.02), ("one removed and one inserted", 0.05))):
        one, other = statistics.median(o[i] for o in ours), statistics.median(t[i] for t in tables)
        found.append(Ratio(f"{COUNT:,} reviews: {name} ÷ DataTable", one, other, limit))
    return [*found, memory]
