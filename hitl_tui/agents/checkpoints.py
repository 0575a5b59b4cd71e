"""LangGraph's own databases as the console opens them: strict deserialisation, private files, and disk errors raised as `Storage`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple, DeltaChannelHistory
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.base import Op, Result
from langgraph.store.sqlite.aio import AsyncSqliteStore

from hitl_tui.agents.serde import StrictSerializer
from hitl_tui.errors import BadHome, Storage
from hitl_tui.home import Home
from hitl_tui.store.errors import told
from hitl_tui.store.maintenance import integrity

BUSY_S = 15.0
PROBE_BYTES = 1_000_000
"""Free space required before runs go on after a full disk: one step of a graph can be large."""


class Checkpoints(AsyncSqliteSaver):
    """LangGraph's saver. Errors of its file are raised as `Storage`, so that they are not taken for the agent's."""

    def __init__(self, conn: aiosqlite.Connection, path: Path) -> None:
        self._strict = StrictSerializer()
        super().__init__(conn, serde=self._strict)
        self.path = path

    def allow(self, types: Iterable[type]) -> None:
        """Let checkpoints also contain instances of these classes."""
        self._strict.with_msgpack_allowlist(types)

    @contextlib.asynccontextmanager
    async def _write(self) -> AsyncIterator[None]:
        """Roll back a failed write, before another writer on this connection commits half of it with its own."""
        with told(self.path):
            try:
                yield
            except sqlite3.Error:
                await self.conn.rollback()
                raise

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Override that raises `Storage`."""
        with told(self.path):
            return await super().aget_tuple(config)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:  # fmt: skip
        """Override that raises `Storage`."""
        with told(self.path):
            return await super().aget_delta_channel_history(config=config, channels=channels)

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """Override that raises `Storage`."""
        async with self._write():
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Override that raises `Storage`."""
        async with self._write():
            await super().aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Override that raises `Storage`."""
        async with self._write():
            await super().adelete_thread(thread_id)

    async def size_of(self, thread: str) -> tuple[int, int]:
        """Number of checkpoints of a thread in all its namespaces, and their size in bytes."""
        with told(self.path):
            rows = await self.conn.execute_fetchall(
                "SELECT count(*), coalesce(sum(length(checkpoint) + length(metadata)), 0), "
                "(SELECT coalesce(sum(length(value)), 0) FROM writes WHERE thread_id = ?1) FROM checkpoints WHERE thread_id = ?1",
                (thread,),
            )
            await self.conn.commit()
        count, stored, written = next(iter(rows))
        return int(count), int(stored) + int(written)


class LongTermStore(AsyncSqliteStore):
    """LangGraph's long-term store, with the same errors. It contains plain JSON, so it needs no strict deserialisation."""

    path: Path

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Override that raises `Storage`."""
        with told(self.path):
            return await super().abatch(ops)


@contextlib.asynccontextmanager
async def open_checkpoints(path: Path, busy_s: float = BUSY_S) -> AsyncIterator[Checkpoints]:
    """Open the saver on a file, which is created if missing. The caller calls `setup`.

    Raises:
        BadHome: the file is damaged or cannot be opened.
    """
    await _check(path)
    async with aiosqlite.connect(path, timeout=busy_s) as db:
        yield Checkpoints(db, path)


@contextlib.asynccontextmanager
async def open_long_term_store(path: Path) -> AsyncIterator[LongTermStore]:
    """Open the long-term store on a file, as `open_checkpoints` does."""
    await _check(path)
    async with LongTermStore.from_conn_string(str(path)) as store:
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
    with told(home.checkpoints), contextlib.closing(sqlite3.connect(home.checkpoints, isolation_level=None, timeout=1)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
