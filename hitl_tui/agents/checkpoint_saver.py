"""LangGraph's SQLite checkpoint saver with group commits; its file format is unchanged.

`AsyncSqliteSaver` gives every put a transaction of its own, and every statement a trip to another thread and back, under one lock for all
runs. Here one thread commits the puts of all runs that are queued at that moment together, and a read is done at once by its caller: in a
WAL database a reader waits for nobody.

- A put returns after its transaction is committed, so what LangGraph was told is stored is on the disk.
- Puts, writes and deletes are carried out in the order of their calls, each whole or not at all, also those of a cancelled caller.
- A read sees every put of its thread that was called before it.

Two things are added to LangGraph's format, which other programs do not notice:

- Order. LangGraph takes the checkpoint with the greatest id for the newest, and an id begins with the time: a checkpoint that is written
  after the clock was set back would be hidden behind its own parent. So ids always continue after the thread's greatest one, and a thread
  that already is out of order is read in the order in which it was written.
- Fences. A worker whose run was given to another may not write any more. The other stores its run and its lease's number as the thread's
  fence before it goes on, and who drives another run, or holds a lower number, is refused in the same transaction as the write.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.base import id as checkpoint_ids
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.checkpoint.sqlite.utils import search_where

from hitl_tui.agents.checkpoint_reader import CheckpointReader
from hitl_tui.agents.serde import StrictSerializer
from hitl_tui.errors import LeaseLost
from hitl_tui.home import database_uri
from hitl_tui.model import Run, RunState
from hitl_tui.store import damaged_files
from hitl_tui.store.errors import is_busy, told

BATCH_BYTES = 4_000_000
"""Bytes after which a transaction takes no more puts, so that other processes get the write lock."""
READ_BUSY_S = 1.0
"""How long a read waits, and with it the event loop, while another process recovers the file; nothing else is in a reader's way."""

PUT = """
INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
PUT_WRITES = """
INSERT OR {} INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE_WRITES, IGNORE_WRITES = PUT_WRITES.format("REPLACE"), PUT_WRITES.format("IGNORE")
DELETES = tuple(f"DELETE FROM {table} WHERE thread_id = ?" for table in ("checkpoints", "writes", "hitl_fences"))
OUT_OF_ORDER = """
CREATE INDEX IF NOT EXISTS hitl_out_of_order ON checkpoints (thread_id, checkpoint_ns) WHERE parent_checkpoint_id >= checkpoint_id
"""
"""Holds only checkpoints that sort before their parent, of which there usually is none."""
FENCES = """
CREATE TABLE IF NOT EXISTS hitl_fences (thread_id TEXT PRIMARY KEY, run INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID
"""
FENCE = """
CREATE TEMP TRIGGER hitl_fence_{table} BEFORE INSERT ON main.{table}
WHEN EXISTS (
    SELECT 1 FROM main.hitl_fences
    WHERE thread_id = NEW.thread_id AND (run != hitl_run(NEW.thread_id) OR lease > hitl_lease(NEW.thread_id))
) BEGIN
    SELECT RAISE(ABORT, 'hitl: the lease is lost');
END
"""
"""Triggers of this connection only: another program does not have the functions."""
SET_FENCE = """
INSERT INTO hitl_fences (thread_id, run, lease) VALUES (?, ?, ?)
ON CONFLICT (thread_id) DO UPDATE SET run = excluded.run, lease = excluded.lease WHERE run != excluded.run OR lease < excluded.lease
"""
AHEAD_S = 2.0
"""Clocks that differ by less are not worth a word."""
UNIX_EPOCH = 0x01B21DD213814000
"""The Unix epoch in the unit of the ids: 100 ns since 1582-10-15."""

Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """Rows that are stored together or not at all."""

    statements: Sequence[tuple[str, Sequence[Row]]]
    done: asyncio.Future[None]

    @property
    def size(self) -> int:
        """Bytes of its texts and blobs."""
        return sum(len(value) for _, rows in self.statements for row in rows for value in row if isinstance(value, str | bytes))


@dataclass(frozen=True, slots=True)
class _Held:
    """The lease under which this process writes to a thread."""

    run: int
    number: int


class CheckpointSaver(AsyncSqliteSaver):
    """The saver on a file. Errors of the file are raised as `Storage`, so that they are not taken for the agent's."""

    def __init__(
        self, conn: aiosqlite.Connection, path: Path, writer: _Writer, reader: damaged_files.Connection, before_write: Callable[[], None]
    ) -> None:
        """`conn` creates the tables and serves long reads off the event loop. The reader can be used by any thread."""
        self._strict = StrictSerializer()
        super().__init__(conn, serde=self._strict)
        self.path = path
        self._writer = writer
        self._before_write = before_write
        self._reader = SqliteSaver(reader, serde=self._strict)
        self._reader.is_setup = True
        self.direct_reader = CheckpointReader(reader, path, self._strict)
        """Reads the same rows without LangGraph."""
        self._held: dict[str, _Held] = {}
        self._last: dict[str, asyncio.Future[None]] = {}
        """By thread, the last of its jobs that are queued."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path, busy_s: float, before_write: Callable[[], None] = lambda: None) -> AsyncIterator[CheckpointSaver]:
        """Open an existing file, empty or not. The caller calls `setup`. What is queued at the end of the block is stored first.

        Args:
            busy_s: seconds for which a write waits while another process writes.
            before_write: called before each write is queued: nothing may be stored here before what it follows from.
        """
        async with contextlib.AsyncExitStack() as stack:
            conn = await stack.enter_async_context(aiosqlite.connect(path, timeout=busy_s, factory=damaged_files.Connection))
            reader = stack.enter_context(contextlib.closing(_reader(path)))
            writer = _Writer(path, busy_s)
            stack.push_async_callback(writer.close)
            yield cls(conn, path, writer, reader, before_write)

    async def setup(self) -> None:
        """Create what is missing, also of what this program adds."""
        if self.is_setup:
            return
        await super().setup()
        for statement in (OUT_OF_ORDER, FENCES):
            await self.conn.execute(statement)
        await self.conn.commit()
        self._writer.fence(self._held)

    def keep_order(self, thread: str) -> str:
        """Make later checkpoints sort after all of the thread's. Returns what the clock did to the thread, as a clause; or nothing."""
        greatest = self.direct_reader.greatest(thread)
        try:
            at = checkpoint_ids.UUID(greatest or "").time
        except ValueError:  # none, or another program's
            return ""
        last = checkpoint_ids._last_v6_timestamp or 0
        checkpoint_ids._last_v6_timestamp = max(at, last)  # type: ignore[assignment]  # declared by its first value, None
        if self.direct_reader.newest_if_hidden(thread):
            return "its last checkpoint sorts before an older one, because the clock was set back; it is read as it was written"
        ahead_s = (at - UNIX_EPOCH) / 1e7 - time.time()
        return f"its last checkpoint is from a clock {ahead_s:.0f} s ahead of this one; its order is kept" if ahead_s > AHEAD_S else ""

    async def hold(self, run: Run) -> None:
        """Write to the run's thread under its present lease from now on.

        If somebody else may have driven the thread before, and not have ended, nobody can write under an earlier lease any more.
        """
        self._held[run.thread] = _Held(run.id, run.lease)
        is_new = run.state is RunState.RUNNING and not run.resuming
        has_past = is_new and self.direct_reader.greatest(run.thread) is not None
        if has_past or run.resuming or run.state in (RunState.FAILED, RunState.CANCELLED):
            await self._store(run.thread, [(SET_FENCE, [(run.thread, run.id, run.lease)])])

    def allow(self, types: Iterable[type]) -> None:
        """Let checkpoints also contain instances of these classes."""
        self._strict.with_msgpack_allowlist(types)

    # Reading

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint with its writes, at once; the newest also in a thread that is out of order."""
        await self._settled(config)
        with told(self.path):
            return self._reader.get_tuple(self._exactly(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints, newest first: those that exist at the call, without those that are deleted before their turn.

        Nothing stays locked or open between two of them.
        """
        await self._settled(config)
        where, values = search_where(config, filter, before)
        keys = f"SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints {where} ORDER BY checkpoint_id DESC LIMIT ?"
        with told(self.path):
            found = await self.conn.execute_fetchall(keys, (*values, -1 if limit is None else limit))
        for thread, namespace, checkpoint in found:
            key = {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": checkpoint}
            with told(self.path):
                one = self._reader.get_tuple({"configurable": key})
            if one is not None:
                yield one

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:  # fmt: skip
        """Read the writes of delta channels since their last snapshot."""
        await self._settled(config)
        with told(self.path):
            return self._reader.get_delta_channel_history(config=self._exactly(config), channels=channels)

    def _exactly(self, config: RunnableConfig) -> RunnableConfig:
        """The config, with the newest checkpoint's id where LangGraph would take another one for it."""
        if get_checkpoint_id(config):
            return config
        place = {"thread_id": str(config["configurable"]["thread_id"]), "checkpoint_ns": config["configurable"].get("checkpoint_ns", "")}
        newest = self.direct_reader.newest_if_hidden(place["thread_id"], place["checkpoint_ns"])
        return config if newest is None else {"configurable": {**place, "checkpoint_id": newest}}

    async def size_of(self, thread: str) -> tuple[int, int]:
        """Number of checkpoints of a thread in all its namespaces, and their size in bytes."""
        sizes = (
            "SELECT count(*), coalesce(sum(length(checkpoint) + length(metadata)), 0), "
            "(SELECT coalesce(sum(length(value)), 0) FROM writes WHERE thread_id = ?1) FROM checkpoints WHERE thread_id = ?1"
        )
        with told(self.path):
            [(count, stored, written)] = await self.conn.execute_fetchall(sizes, (thread,))
        return int(count), int(stored) + int(written)

    # Writing

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """Store a checkpoint."""
        given = config["configurable"]
        described = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False).encode("utf-8", "ignore")
        key = (str(given["thread_id"]), given["checkpoint_ns"], checkpoint["id"])
        row = (*key, given.get("checkpoint_id"), *self.serde.dumps_typed(checkpoint), described)
        await self._store(key[0], [(PUT, [row])])
        stored = {"thread_id": given["thread_id"], "checkpoint_ns": given["checkpoint_ns"], "checkpoint_id": checkpoint["id"]}
        return {"configurable": stored}

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Store what a task wrote."""
        key = tuple(str(config["configurable"][name]) for name in ("thread_id", "checkpoint_ns", "checkpoint_id"))
        rows = [
            (*key, task_id, task_path, WRITES_IDX_MAP.get(channel, place), channel, *self.serde.dumps_typed(value))
            for place, (channel, value) in enumerate(writes)
        ]
        replaces = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        await self._store(key[0], [(REPLACE_WRITES if replaces else IGNORE_WRITES, rows)])

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete every checkpoint of a thread."""
        await self._store(str(thread_id), [(sql, [(str(thread_id),)]) for sql in DELETES])

    # Plumbing

    async def _store(self, thread: str, statements: Sequence[tuple[str, Sequence[Row]]]) -> None:
        if not self.is_setup:
            await self.setup()
        await self._on_own_loop(self._queue(thread, statements))

    async def _queue(self, thread: str, statements: Sequence[tuple[str, Sequence[Row]]]) -> None:
        self._before_write()
        done: asyncio.Future[None] = self.loop.create_future()
        self._writer.put(_Job(statements, done))
        self._last[thread] = done
        done.add_done_callback(lambda _: self._last.pop(thread) if self._last.get(thread) is done else None)
        with told(self.path):
            try:
                await asyncio.shield(done)  # a cancelled caller does not take back what is queued
            except sqlite3.IntegrityError as error:
                if thread in self._held and "hitl: the lease is lost" in str(error):
                    raise LeaseLost(self._held[thread].run) from None
                raise

    async def _settled(self, config: RunnableConfig | None) -> None:
        """Wait until what is queued for a thread, or for all of them, is stored or has failed."""
        if not self.is_setup:
            await self.setup()
        if self._last:
            await self._on_own_loop(self._wait_for_queued(None if config is None else str(config["configurable"]["thread_id"])))

    async def _wait_for_queued(self, thread: str | None) -> None:
        if last := list(self._last.values()) if thread is None else [self._last[thread]] if thread in self._last else []:
            await asyncio.wait(last)

    async def _on_own_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work on the loop that opened the saver. An agent's code may call from a loop of its own, in another thread."""
        if asyncio.get_running_loop() is self.loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


class _Writer:
    """A thread that stores jobs in the order in which they were put, as many at a time as are queued."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._db = damaged_files.connect(path, isolation_level=None, timeout=busy_s, check_same_thread=False)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        """None is the last one."""
        self._ended = self._loop.create_future()
        self._is_closed = False
        threading.Thread(target=self._run, name="checkpoints", daemon=True).start()

    def fence(self, held: Mapping[str, _Held]) -> None:
        """Refuse puts to threads that another worker drives by now. Called once, before any job is put; `held` is read at each put."""
        self._db.create_function("hitl_run", 1, lambda thread: held[thread].run if thread in held else None)
        self._db.create_function("hitl_lease", 1, lambda thread: held[thread].number if thread in held else None)
        for table in ("checkpoints", "writes"):
            self._db.execute(FENCE.format(table=table))

    def put(self, job: _Job) -> None:
        """Queue a job. Its future is resolved on the loop.

        Raises:
            sqlite3.ProgrammingError: the writer is closed.
        """
        if self._is_closed:
            raise sqlite3.ProgrammingError("the checkpoints are closed")
        self._jobs.put(job)

    async def close(self) -> None:
        """Store what is queued, and end the thread."""
        self._is_closed = True
        self._jobs.put(None)
        await self._ended
        self._db.close()

    def _run(self) -> None:
        while batch := list(self._next_batch()):
            self._tell(_resolve, batch, self._stored(batch))
        self._tell(self._ended.set_result, None)

    def _next_batch(self) -> Iterator[_Job]:
        """Wait for a job; it, and those that are queued behind it."""
        job, size = self._jobs.get(), 0
        while job is not None:
            yield job
            size += job.size
            if size > BATCH_BYTES or self._jobs.empty():
                return
            job = self._jobs.get()
        self._jobs.put(None)  # for the next call, or again for this one's

    def _stored(self, batch: Sequence[_Job]) -> list[BaseException | None]:
        """Store the jobs in one transaction; if that fails, each in its own, so that only the cause fails. Returns the error of each."""
        try:
            self._commit(batch)
        except BaseException as error:  # noqa: BLE001 - it is raised where the job was put
            if len(batch) == 1 or (isinstance(error, sqlite3.Error) and is_busy(error)):
                return [error] * len(batch)
            return [self._stored([job])[0] for job in batch]
        return [None] * len(batch)

    def _commit(self, batch: Sequence[_Job]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                for sql, rows in job.statements:
                    self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    def _tell(self, callback: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            self._loop.call_soon_threadsafe(callback, *args)


def _reader(path: Path) -> damaged_files.Connection:
    return damaged_files.connect(database_uri(path, "ro"), uri=True, isolation_level=None, timeout=READ_BUSY_S, check_same_thread=False)


def _resolve(batch: Sequence[_Job], errors: Sequence[BaseException | None]) -> None:
    for job, error in zip(batch, errors, strict=True):
        if error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(error)
            job.done.exception()  # asyncio must not report it if the caller was cancelled
