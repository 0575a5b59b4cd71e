"""Checks whether a SQLite file is damaged, without changing it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hitl_tui.errors import Damaged, HitlError
from hitl_tui.home import database_uri
from hitl_tui.store import damaged_files, migrations

LOOK_BYTES = 64_000_000
"""Larger files are not read completely at every start; a damaged page is found when it is read."""
WAY_ON = "`hitl-tui doctor --repair` moves it aside and goes on, or restore a copy"


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, and leaves no file behind.

    A read-only connection makes a write-ahead log where there is none, and leaves it there. One that may write removes the log when it
    closes, but where there is one it would first write the rest of it into the database, which a killed process left.
    """
    has_log = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    with contextlib.closing(damaged_files.connect(database_uri(path, "ro" if has_log else "rw"), uri=True, timeout=2)) as db:
        db.execute("PRAGMA query_only = 1")
        yield db


def problem(path: Path) -> str:
    """What is wrong with the file, as a clause; empty if nothing is."""
    try:
        if path.name == "hitl.db":
            migrations.check(path)
        with reading(path) as db:
            verdict = _verdict(db, path)
    except HitlError as error:
        return str(error)
    except sqlite3.OperationalError as error:
        return f"{path} cannot be read: {error}; check its permissions, and end what holds it"
    except sqlite3.DatabaseError as error:
        return f"{path} is damaged or no database: {error}; {WAY_ON}"
    return "" if verdict == "ok" else f"{path} is damaged: {_one_line(verdict)}; {WAY_ON}"


def problem_at_start(path: Path) -> str:
    """`problem` for every start, which must be fast: large files are not read completely."""
    try:
        with contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if path.stat().st_size > LOOK_BYTES:
                return ""
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return ""  # locked or unreadable: opening it reports that
    except sqlite3.DatabaseError as error:
        return f"{path} is damaged or no database: {error}; {WAY_ON}"
    return "" if verdict == "ok" else f"{path} is damaged: {_one_line(verdict)}; {WAY_ON}"


def is_damaged(path: Path) -> bool:
    """Whether the file itself is damaged; not its permissions, its version or a lock on it."""
    try:
        if path.name == "hitl.db":
            migrations.check(path)
        with contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
            return _verdict(db, path) != "ok"
    except Damaged:
        return True
    except sqlite3.OperationalError as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_ERROR  # the schema names what is not there
    except sqlite3.DatabaseError:
        return True


def only_indexes(path: Path) -> bool:
    """Whether only indexes are damaged, which can be rebuilt from their tables."""
    with contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
        try:
            said = [str(row[0]) for row in db.execute("PRAGMA integrity_check(1000)")]
        except sqlite3.DatabaseError:
            return False
    return all("index" in line and "malformed" not in line for line in said)


def _verdict(db: sqlite3.Connection, path: Path) -> str:
    """What SQLite finds, `ok` if nothing; of `hitl.db`, also whether its schema is the one of its version."""
    verdict = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    return verdict if verdict != "ok" or path.name != "hitl.db" else migrations.changed_schema(db, or_added=False) or "ok"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
