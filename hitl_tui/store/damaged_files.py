"""Connections to SQLite files that may be damaged: what SQLite reports, and what a row holds, can be read although it is no UTF-8.

Python's `sqlite3` decodes SQLite's messages strictly. The message about a damaged schema quotes the damaged text, so any statement may
raise `UnicodeDecodeError` in place of `sqlite3.DatabaseError`, which nobody expects. A text that is no UTF-8 ends a read as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

Result = TypeVar("Result")
UNREADABLE = "a part of it cannot be read: `hitl-tui doctor --repair`"
READS = ("SELECT", "WITH", "PRAGMA")


def connect(database: Any, **options: Any) -> Connection:
    """`sqlite3.connect` with the same arguments."""
    return sqlite3.connect(database, factory=Connection, **options)


def readable(data: bytes) -> str:
    """The text of a column, with U+FFFD for what is no UTF-8."""
    return data.decode("utf-8", "replace")


def read_tolerantly(read: Callable[[Any], Result], row: Sequence[Any]) -> tuple[Result | None, bool]:
    """What a row holds, and whether all of it could be parsed.

    Of a row with one text that is no JSON, or not of its shape, the others are read; None where that does not help.
    """
    try:
        return read(row), True
    except (ValueError, TypeError):
        for place in range(len(row)):
            try:
                return read((*row[:place], "[]", *row[place + 1 :])), False
            except (ValueError, TypeError):
                continue
    return None, False


class Cursor(sqlite3.Cursor):
    """Raises `DatabaseError` for every damage, and reads texts that are no UTF-8 with `readable`."""

    _statement: tuple[str, Any] = ("", ())
    _given = 0
    """Rows that were fetched of the statement."""

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self._statement, self._given = (sql, parameters), 0
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError as error:
            raise _damage(error) from None

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        try:
            return super().executemany(sql, parameters)
        except UnicodeDecodeError as error:
            raise _damage(error) from None

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        try:
            return super().executescript(sql)
        except UnicodeDecodeError as error:
            raise _damage(error) from None

    def fetchone(self) -> Any:
        row = self._read(super().fetchone)
        self._given += 1
        return row

    def fetchall(self) -> list[Any]:
        return self._read(super().fetchall)

    def _read(self, fetch: Callable[[], Result]) -> Result:
        try:
            return fetch()
        except UnicodeDecodeError as error:
            raise _damage(error) from None
        except sqlite3.OperationalError as error:
            if "Could not decode" not in str(error) or not self._statement[0].lstrip().upper().startswith(READS):
                raise
        given = self._given
        self.connection.text_factory = readable  # from here on: it costs a little for each text
        self.execute(*self._statement)
        for _ in range(given):
            super().fetchone()
        self._given = given
        return fetch()


class Connection(sqlite3.Connection):
    """A connection whose statements run on a `Cursor` of this module."""

    def cursor(self, factory: Any = Cursor) -> Any:
        return super().cursor(factory)

    def rows(self, sql: str, parameters: Any = (), /) -> list[Any]:
        """Every row of a statement that only reads; the steps for what is damaged are taken only then."""
        try:
            return sqlite3.Cursor(self).execute(sql, parameters).fetchall()
        except (UnicodeDecodeError, sqlite3.OperationalError):
            return Cursor(self).execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return Cursor(self).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return Cursor(self).executemany(sql, parameters)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        return Cursor(self).executescript(sql)


def _damage(error: UnicodeDecodeError) -> sqlite3.DatabaseError:
    """What SQLite said of a damaged schema."""
    told = sqlite3.DatabaseError(readable(bytes(error.object)))
    told.sqlite_errorcode, told.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
    return told
