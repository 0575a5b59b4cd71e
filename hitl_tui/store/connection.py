"""The connections to `hitl.db`: one that writes, one for small reads meanwhile, and one for long reads off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import aiosqlite

from hitl_tui.errors import BadHome, Damaged, LeaseLost, Storage
from hitl_tui.home import database_uri
from hitl_tui.model import Lease
from hitl_tui.oversight.statistics import edited_arguments, normalized_reason, time_bucket
from hitl_tui.store import clock, damaged_files, migrations
from hitl_tui.store.audit import chained
from hitl_tui.store.errors import fault, is_busy, told

BUSY_S = 10.0
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError)
"""What readers raise over a value that is not what was stored."""
BUSY_LOOK_S = 0.003
FUNCTIONS: tuple[tuple[str, int, Callable[..., str | int]], ...] = (
    ("chained", 9, chained), ("bucket", 1, time_bucket), ("edited", 2, edited_arguments), ("worded", 1, normalized_reason),
)  # fmt: skip
"""SQL functions that the schema and statements call: name, number of arguments, function. All are deterministic."""
HELD = "SELECT 1 FROM runs WHERE id = :run AND lease = :number AND coalesce(worker, :worker) = :worker"
"""Nobody else has leased the run since."""


class Transaction:
    """Runs the statements of one transaction, synchronously: nothing else runs between two of them unless the block awaits."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._db.execute(sql, values)

    def executemany(self, sql: str, values: Iterable[Any]) -> None:
        """Run one statement for each of the values."""
        self._db.executemany(sql, values)

    def rows(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row of one statement."""
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Any = ()) -> Any:
        """The first row of one statement, or None."""
        return self._db.execute(sql, values).fetchone()


class Store:
    """The rows, on three SQLite connections.

    - The writer runs transactions one after the other, in the event loop's thread: most are faster than a switch to another thread.
    - It also serves `read_now` while it has no transaction: small reads that never wait, because a WAL database always has a committed
      state to read. What this process has written is still in its cache. During a transaction, which would show uncommitted rows, another
      connection serves them.
    - `db` serves `all` and `one` in its own thread, through aiosqlite: long reads must not block the screen.
    """

    def __init__(self, db: aiosqlite.Connection, path: Path, synchronous: str = "FULL") -> None:
        self.db = db
        self.path = path
        self._lease: Callable[[], Lease] | None = None
        self._synchronous = synchronous
        self._log = _Log(path)
        self._turn = asyncio.Lock()
        self._writer = _connected(path, synchronous)
        self._reader = _connected(path, synchronous)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> AsyncIterator[Store]:
        """Open the database, creating or migrating it.

        With `FULL`, every commit survives a power cut; `NORMAL` may lose the last ones, which is acceptable for a trace.

        Raises:
            BadHome: it cannot be opened, is no database, or was written by another version or program.
        """
        migrations.check(path)
        try:
            _make_private(path)
            store = await cls._set_up(path, synchronous)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from None
        try:
            yield store
        except sqlite3.Error as error:  # raised by the block
            raise _unusable(path, error) from None
        except UNREADABLE as error:  # a reader of the block, or an error of the program
            if damage := _damage(path):
                raise Damaged(damage, migrations.REPAIR) from error
            raise
        finally:
            store._writer.close()
            store._reader.close()
            await store.db.close()

    @classmethod
    async def _set_up(cls, path: Path, synchronous: str) -> Store:
        """Connect, and bring the schema up to date. While other processes open or close the same file, SQLite may say busy at once."""
        until = time.monotonic() + BUSY_S
        while True:
            db = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_S, factory=damaged_files.Connection)
            try:
                await db.execute("PRAGMA journal_mode = WAL")
                await db.execute(f"PRAGMA synchronous = {synchronous}")
                await db.execute("PRAGMA foreign_keys = ON")
                for name, count, function in FUNCTIONS:
                    await db.create_function(name, count, function, deterministic=True)
                await _migrate(db)
                return cls(db, path, synchronous)
            except sqlite3.Error as error:
                await db.close()
                if not is_busy(error) or time.monotonic() > until:
                    raise
            await asyncio.sleep(BUSY_LOOK_S)

    def under(self, lease: Callable[[], Lease]) -> Store:
        """This store for whoever drives a run: each transaction begins only if the lease is still held then, else raises `LeaseLost`."""
        leased = object.__new__(Store)  # `copy.copy` takes ten times as long
        leased.__dict__.update(self.__dict__, _lease=lease)
        return leased

    @contextlib.asynccontextmanager
    async def transaction(self, disk_later: bool = False) -> AsyncIterator[Transaction]:
        """Run the block as one transaction, as the only writer of the file.

        A block that awaits nothing ends before the event loop turns, so that no code that blocks the loop can keep others from writing.

        Args:
            disk_later: do not wait until the disk has stored it. Others see the rows, but a power cut may take them back. The caller calls
                `wait_for_disk` before anything happens that must not happen without them.

        Raises:
            Busy: another program locked the database for `BUSY_S`.
            Storage: the disk is full, read-only or broken; the other methods raise these too.
            LeaseLost: this is a store `under` a lease, which is lost. Nothing was changed.
        """
        async with self._turn:  # a statement in between would share the transaction, and its rollback
            try:
                if disk_later:
                    self._writer.execute("PRAGMA synchronous = NORMAL")
                await self._begin_at_its_time()
                try:
                    db = Transaction(self._writer)
                    if self._lease:
                        _require(db, self._lease())
                    yield db
                    self._writer.commit()
                except BaseException:
                    self._writer.rollback()
                    raise
                if disk_later:
                    self._log.note_commit()
            except sqlite3.Error as error:
                raise fault(self.path, error) or error from None
            finally:
                if disk_later:
                    self._writer.execute(f"PRAGMA synchronous = {self._synchronous}")

    async def write(self, sql: str, values: Any = ()) -> int:
        """Run one statement as a transaction. Returns how many rows it changed."""
        async with self.transaction() as db:
            return db.execute(sql, values).rowcount

    async def write_rows(self, sql: str, values: Any = ()) -> list[Any]:
        """Run one statement as a transaction. Returns its rows."""
        async with self.transaction() as db:
            return db.rows(sql, values)

    async def all(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row, read off the event loop."""
        with told(self.path):
            return list(await self.db.execute_fetchall(sql, values))

    async def one(self, sql: str, values: Any = ()) -> Any:
        """The first row, or None."""
        rows = await self.all(sql, values)
        return rows[0] if rows else None

    def read_now(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row of a small read, synchronously. It sees what is committed and waits for nobody.

        Raises:
            Storage: the database cannot be read now.
        """
        db = self._reader if self._writer.in_transaction else self._writer
        with told(self.path):
            return db.rows(sql, values)

    def now(self) -> float:
        """The present Unix time, by which time limits are compared; also right while the system's clock has just been set."""
        return clock.now(self.read_now)

    def version(self) -> int:
        """A number that changes when another connection has committed. Reads at once."""
        [(number,)] = self.read_now("PRAGMA data_version")
        return int(number)

    def wait_for_disk(self) -> None:
        """Wait until the disk has stored the transactions with `disk_later`; for any thread.

        Raises:
            Storage: it did not; whether the rows survive a power cut is not known.
        """
        self._log.wait_for_disk()

    async def _begin_at_its_time(self) -> None:
        """Begin a transaction. If the clock was set, time limits are moved first, and stay moved if the transaction fails."""
        await self._begin()
        try:
            while clock.follow(Transaction(self._writer)):
                self._writer.commit()
                await self._begin()
        except BaseException:
            self._writer.rollback()
            raise

    async def _begin(self) -> None:
        """Begin a transaction, once no other program writes; the event loop turns while it waits."""
        until = time.monotonic() + BUSY_S
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > until:
                    raise
            await asyncio.sleep(BUSY_LOOK_S)


class _Log:
    """The file to which SQLite appends commits, and whether the disk has stored them."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._commits = self._stored = 0
        """How many were not stored at once, and how many of them are stored by now."""

    def note_commit(self) -> None:
        """Note a commit that the disk may not have stored."""
        self._commits += 1

    def wait_for_disk(self) -> None:
        """Do what SQLite does at a commit with `synchronous = FULL`."""
        if (commits := self._commits) == self._stored:
            return
        try:
            log = os.open(f"{self._database}-wal", os.O_RDWR)
            try:
                getattr(os, "fdatasync", os.fsync)(log)  # macOS has only the latter
            finally:
                os.close(log)
        except OSError as error:
            why = f"{self._database} was written, but the disk may not have stored it: {error.strerror}"
            raise Storage(why, "check the disk") from None
        self._stored = max(self._stored, commits)


class LeaseReader:
    """Reads whether a lease is still held, for code in any thread: agents run in many."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._one = threading.Lock()

    @classmethod
    @contextlib.contextmanager
    def open(cls, database: Path) -> Iterator[LeaseReader]:
        """Open the existing database for reading."""
        with contextlib.closing(sqlite3.connect(database_uri(database, "ro"), uri=True, check_same_thread=False)) as db:
            yield cls(db)

    def holds(self, lease: Lease) -> bool:
        """Whether nobody else has leased or released the run since. A database that cannot be read now says nothing against it."""
        values = {"run": lease.run, "number": lease.number, "worker": lease.worker}
        with self._one, contextlib.suppress(sqlite3.Error):
            return self._db.execute(HELD, values).fetchone() is not None
        return True


def _require(db: Transaction, lease: Lease) -> None:
    if db.row(HELD, {"run": lease.run, "number": lease.number, "worker": lease.worker}) is None:
        raise LeaseLost(lease.run)


def _connected(path: Path, synchronous: str) -> damaged_files.Connection:
    """A connection for the event loop's thread, which must never wait: its timeout is 0."""
    db = damaged_files.connect(path, isolation_level=None, timeout=0)
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("PRAGMA foreign_keys = ON")
    for name, count, function in FUNCTIONS:
        db.create_function(name, count, function, deterministic=True)
    db.create_function("unix_time", 0, lambda: time.time())
    return db


def _make_private(path: Path) -> None:
    path.touch(mode=0o600)  # before SQLite creates it readable by everyone
    sqlite3.connect(path).close()  # a file that cannot be opened fails here, not in aiosqlite's thread


async def _migrate(db: aiosqlite.Connection) -> None:
    for number in range(await _schema(db) + 1, len(migrations.STEPS) + 1):
        try:
            await db.executescript(migrations.statements(number))
        except sqlite3.OperationalError:
            await db.rollback()
            if await _schema(db) < number:  # else another process took the same step first
                raise


async def _schema(db: aiosqlite.Connection) -> int:
    return int(next(iter(await db.execute_fetchall("PRAGMA user_version")))[0])


def _damage(path: Path) -> str:
    """What in the rows cannot be read, as a clause; empty if all can be."""
    from hitl_tui.store.maintenance import contents  # which imports the readers, and they this module

    return contents.problem(path)


def _unusable(path: Path, error: Exception) -> BadHome:
    found = fault(path, error) if isinstance(error, sqlite3.Error) else None
    if found is not None:
        return BadHome(found.happened, found.todo)
    if isinstance(error, sqlite3.Error) and (damage := _damage(path)):
        return BadHome(damage, migrations.REPAIR)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return BadHome(f"{path} is damaged or no database: {error}", "end every hitl-tui on it and run `hitl-tui doctor --repair`")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return BadHome(f"{path} cannot be opened: {reason}", "check its permissions and the space on the disk")
