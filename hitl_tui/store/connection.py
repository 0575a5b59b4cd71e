"""One connection to `hitl.db`: opened, brought up to date, and lent out a transaction at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Literal

import aiosqlite

from hitl_tui.errors import BadHome
from hitl_tui.oversight.attention_checks import still_wrong
from hitl_tui.oversight.statistics import bucket, edited, worded
from hitl_tui.store import migrations
from hitl_tui.store.chain import chained
from hitl_tui.store.errors import fault, told

BUSY_S = 10.0
BUSY_LOOK_S = 0.003
FUNCTIONS = (("chained", 8, chained), ("bucket", 1, bucket), ("edited", 2, edited), ("worded", 1, worded))
"""What the schema's triggers call: name, number of values, function."""


class Transaction:
    """The statements of a transaction; each is done when its call is awaited, without a turn of the event loop."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        """One statement."""
        return self._db.execute(sql, values)

    async def executemany(self, sql: str, values: Iterable[Any]) -> None:
        """One statement for each of the values."""
        self._db.executemany(sql, values)

    async def execute_fetchall(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row of one statement."""
        return self._db.execute(sql, values).fetchall()


class Store:
    """The rows. A store is one SQLite connection: its transactions queue behind each other."""

    def __init__(self, db: aiosqlite.Connection, path: Path, synchronous: str = "FULL") -> None:
        self.db = db
        self.path = path
        self._turn = asyncio.Lock()
        self._synchronous = synchronous
        self._own: sqlite3.Connection | None = None
        self._lent: sqlite3.Connection | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> AsyncIterator[Store]:
        """Open the database, creating or migrating it.

        `FULL` survives a power cut with every commit; `NORMAL` may lose the last ones, which is good enough for a trace.

        Raises:
            BadHome: it cannot be opened, is no database, or was written by another version or program.
        """
        migrations.check(path)
        try:
            _make_private(path)
            db = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_S)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from None
        try:
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute(f"PRAGMA synchronous = {synchronous}")
            await db.execute("PRAGMA foreign_keys = ON")
            for name, values, function in FUNCTIONS:
                await db.create_function(name, values, function, deterministic=True)
            await db.create_function("still_wrong", 3, still_wrong, deterministic=True)
            await _migrate(db)
            store = cls(db, path, synchronous)
            try:
                yield store
            finally:
                for own in (store._own, store._lent):
                    if own:
                        own.close()
        except sqlite3.Error as error:  # also later, while it is in use
            raise _unusable(path, error) from None
        finally:
            await db.close()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All or nothing, and the only writer of the file.

        A block that awaits nothing but its statements is done before the event loop turns: no code that blocks the loop can come in
        between and keep everybody else from writing.

        Raises:
            Busy: another program held the database all the time.
            Storage: the disk is full, read-only or broken; the other methods raise these too.
        """
        async with self._writing():
            db = await self._begun()
            try:
                yield Transaction(db)
                db.commit()
            except BaseException:
                db.rollback()
                raise

    async def write(self, sql: str, values: Any = ()) -> int:
        """One statement as a transaction of its own; how many rows it changed."""
        async with self._writing():
            return (await self.db.execute(sql, values)).rowcount

    async def write_rows(self, sql: str, values: Any = ()) -> list[Any]:
        """One statement as a transaction of its own; the rows it returns."""
        async with self._writing():
            return list(await self.db.execute_fetchall(sql, values))

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        """Its turn on this connection: a statement let in between would share another's transaction, and its rollback."""
        async with self._turn:
            with told(self.path):
                yield

    async def all(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row."""
        with told(self.path):
            return list(await self.db.execute_fetchall(sql, values))

    def glance(self, sql: str, values: Any = ()) -> list[Any]:
        """Every row of a small read, at once and without the trip to the connection's thread: a reader of a WAL database waits for nobody.

        It sees what is committed.

        Raises:
            Storage: the database cannot be read now.
        """
        with told(self.path):
            return self._at_hand().execute(sql, values).fetchall()

    async def write_soon(self, sql: str, values: Any = ()) -> int:
        """`write`, but at once where nobody else is writing: for the few statements that somebody waits for."""
        try:
            return self._at_hand().execute(sql, values).rowcount
        except sqlite3.OperationalError:  # somebody is: wait for a turn, off the event loop
            return await self.write(sql, values)

    async def write_rows_soon(self, sql: str, values: Any = ()) -> list[Any]:
        """`write_rows` in the same way."""
        try:
            return self._at_hand().execute(sql, values).fetchall()
        except sqlite3.OperationalError:
            return await self.write_rows(sql, values)

    def _at_hand(self) -> sqlite3.Connection:
        """A connection of the event loop's own thread; it never waits."""
        if self._own is None:
            self._own = self._connected()
        return self._own

    async def _begun(self) -> sqlite3.Connection:
        """Another one of that thread, in a transaction; `write_soon` has its own, lest a rollback takes its statement back too."""
        if self._lent is None:
            self._lent = self._connected()
        until = time.monotonic() + BUSY_S
        while True:
            try:
                self._lent.execute("BEGIN IMMEDIATE")
                return self._lent
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            await asyncio.sleep(BUSY_LOOK_S)

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        db.execute(f"PRAGMA synchronous = {self._synchronous}")
        db.execute("PRAGMA foreign_keys = ON")
        for name, values, function in FUNCTIONS:
            db.create_function(name, values, function, deterministic=True)
        db.create_function("still_wrong", 3, still_wrong, deterministic=True)
        return db

    async def one(self, sql: str, values: Any = ()) -> Any:
        """The first row, or None."""
        rows = await self.all(sql, values)
        return rows[0] if rows else None

    async def version(self) -> int:
        """A number that changes when another connection has committed."""
        return int((await self.one("PRAGMA data_version"))[0])


def _make_private(path: Path) -> None:
    path.touch(mode=0o600)  # before SQLite would make it for everyone to read
    sqlite3.connect(path).close()  # what cannot be opened fails here, and not in a thread of aiosqlite's


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


def _unusable(path: Path, error: Exception) -> BadHome:
    found = fault(path, error) if isinstance(error, sqlite3.Error) else None
    if found is not None:
        return BadHome(found.happened, found.todo)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return BadHome(f"{path} is damaged or no database: {error}", "end every hitl-tui on it and run `hitl-tui doctor --repair`")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return BadHome(f"{path} cannot be opened: {reason}", "check its permissions and the space on the disk")
