"""Opens LangGraph's own databases: private files, which are checked first, and disk errors raised as `Storage`."""

from __future__ import annotations

import asyncio
import contextlib
import math
import operator
import os
import sqlite3
import uuid
from array import array
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import aiosqlite
from langgraph.store.base import Op, Result
from langgraph.store.sqlite.aio import AsyncSqliteStore
from langgraph.store.sqlite.base import SqliteIndexConfig

from hitl_tui.agents.checkpoint_saver import CheckpointSaver
from hitl_tui.errors import BadHome, Storage
from hitl_tui.home import Home
from hitl_tui.store import damaged_files
from hitl_tui.store.errors import told
from hitl_tui.store.maintenance import integrity

BUSY_S = 15.0
PROBE_BYTES = 1_000_000
"""Free space required before runs go on after a full disk: one step of a graph can be large."""


class LongTermStore(AsyncSqliteStore):
    """LangGraph's long-term store, with the same errors. It contains plain JSON, so it needs no strict deserialisation."""

    path: Path

    async def setup(self) -> None:
        """Override for a Python whose sqlite3 loads no extensions: the vector functions that LangGraph's SQL calls are Python ones then."""
        if self.index_config and not hasattr(sqlite3.Connection, "enable_load_extension"):
            _use_python_vectors(self.conn)
        await super().setup()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Override that raises `Storage`."""
        with told(self.path):
            return await super().abatch(ops)


def _use_python_vectors(conn: aiosqlite.Connection) -> None:
    """Register Python functions in place of the extension sqlite-vec when LangGraph loads it on this connection."""

    async def register(path: str) -> None:
        for name, distance in DISTANCES.items():
            await conn.create_function(name, 2, distance, deterministic=True)

    async def enable(value: bool) -> None:
        """There is nothing to enable."""

    conn.enable_load_extension, conn.load_extension = enable, register  # type: ignore[method-assign]


def _distance(measure: Callable[[array[float], array[float]], float]) -> Callable[[bytes, bytes], float]:
    """A function of SQL over two vectors, each stored as 32-bit floats."""
    return lambda one, other: measure(array("f", one), array("f", other))


def _cosine(one: array[float], other: array[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return 1.0 - (sum(map(operator.mul, one, other)) / lengths if lengths else 0.0)


DISTANCES = {
    "vec_distance_cosine": _distance(_cosine),
    "vec_distance_L2": _distance(math.dist),
    "vec_distance_L1": _distance(lambda one, other: sum(abs(a - b) for a, b in zip(one, other, strict=True))),
}
"""The functions of sqlite-vec that LangGraph's store calls, by name."""


@contextlib.asynccontextmanager
async def open_checkpoints(
    path: Path, busy_s: float = BUSY_S, before_write: Callable[[], None] = lambda: None
) -> AsyncIterator[CheckpointSaver]:
    """Open the saver on a file, which is created if missing. The caller calls `setup`. See `CheckpointSaver.open`.

    Raises:
        BadHome: the file is damaged or cannot be opened.
    """
    await _check(path)
    async with CheckpointSaver.open(path, busy_s, before_write) as saver:
        yield saver


@contextlib.asynccontextmanager
async def open_long_term_store(path: Path, index: SqliteIndexConfig | None = None) -> AsyncIterator[LongTermStore]:
    """Open the long-term store on a file, as `open_checkpoints` does. With an index, its items can be searched by meaning."""
    await _check(path)
    async with LongTermStore.from_conn_string(str(path), index=index) as store:
        assert isinstance(store, LongTermStore)
        store.path = path
        yield store


async def _check(path: Path) -> None:
    if problem := await asyncio.to_thread(_unusable, path):
        raise BadHome(problem)


def _unusable(path: Path) -> str:
    try:
        path.touch(mode=0o600)
    except OSError as error:
        return f"{path} cannot be made or written: {error.strerror}; change its permissions, or make room on the disk"
    return integrity.problem_at_start(path)


def probe(home: Home) -> None:
    """Check that the disk has room for a step, and that the checkpoints can be locked for writing.

    Raises:
        Storage: one of them is not available now.
    """
    trial = home.path / f".room-{uuid.uuid4().hex}"
    try:
        with trial.open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, PROBE_BYTES) if hasattr(os, "posix_fallocate") else file.write(bytes(PROBE_BYTES))
    except OSError as error:
        raise Storage(f"{home.path} takes no more data: {error.strerror}", "make room, or make it writable") from None
    finally:
        with contextlib.suppress(OSError):
            trial.unlink()
    with told(home.checkpoints), contextlib.closing(damaged_files.connect(home.checkpoints, isolation_level=None, timeout=1)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
