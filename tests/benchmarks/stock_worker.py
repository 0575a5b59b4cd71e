"""`python -m tests.benchmarks.stock_worker worker …`: `hitl-tui worker …` on LangGraph's own checkpoint saver."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from hitl_tui.__main__ import main
from hitl_tui.agents import checkpoint_saver, local_source
from hitl_tui.agents.checkpoint_reader import CheckpointReader
from hitl_tui.agents.serde import StrictSerializer
from hitl_tui.model import Run
from hitl_tui.store import damaged_files


class StockSaver(AsyncSqliteSaver):
    """LangGraph's saver with what the worker asks of its own beside that: no fence, and no order of a clock that was set back."""

    def __init__(self, conn: aiosqlite.Connection, path: Path, reader: damaged_files.Connection) -> None:
        self._strict = StrictSerializer()
        super().__init__(conn, serde=self._strict)
        self.direct_reader = CheckpointReader(reader, path, self._strict)

    async def setup(self) -> None:
        """Create LangGraph's tables, and an index that the direct reader uses."""
        await super().setup()
        await self.conn.execute(checkpoint_saver.OUT_OF_ORDER)
        await self.conn.commit()

    def allow(self, types: Iterable[type]) -> None:
        """As `CheckpointSaver.allow`."""
        self._strict.with_msgpack_allowlist(types)

    def keep_order(self, thread: str) -> str:
        """Nothing."""
        return ""

    async def hold(self, run: Run) -> None:
        """Nothing."""


@contextlib.asynccontextmanager
async def _open(path: Path) -> AsyncIterator[Any]:
    path.touch()  # noqa: ASYNC240 - once, before anything runs
    async with aiosqlite.connect(path) as conn:
        with contextlib.closing(checkpoint_saver._reader(path)) as reader:
            yield StockSaver(conn, path, reader)


if __name__ == "__main__":
    setattr(local_source, "open_checkpoints", _open)  # noqa: B010 - mypy knows its type
    main()
