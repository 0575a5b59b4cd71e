"""`python -m tests.benchmarks.stock_worker worker …`: `hitl-tui worker …` on LangGraph's own checkpoint saver."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from hitl_tui.__main__ import main
from hitl_tui.agents import local_source
from hitl_tui.agents.serde import StrictSerializer


class StockSaver(AsyncSqliteSaver):
    """LangGraph's saver with the worker's deserialisation, and nothing else."""

    def allow(self, types: Iterable[type]) -> None:
        """As `CheckpointSaver.allow`."""
        assert isinstance(self.serde, StrictSerializer)
        self.serde.with_msgpack_allowlist(types)


@contextlib.asynccontextmanager
async def _open(path: Path) -> AsyncIterator[Any]:
    path.touch()  # noqa: ASYNC240 - once, before anything runs
    async with aiosqlite.connect(path) as conn:
        yield StockSaver(conn, serde=StrictSerializer())


if __name__ == "__main__":
    setattr(local_source, "open_checkpoints", _open)  # noqa: B010 - mypy knows its type
    main()
