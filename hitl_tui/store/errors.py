"""What SQLite reports of the disk, as sentences: it is not the request's fault, and what to do is known."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hitl_tui.errors import Busy, Damaged, Storage

ROOM_BYTES = 65_536
"""With less than this the disk counts as full, whatever else is reported."""
AGAIN = "nothing was changed, so do it again then"


def fault(path: Path, error: sqlite3.Error) -> Storage | None:
    """The kind and the sentence for an error of the database at `path`; None when it says nothing of the storage."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Busy(f"{path} is locked by another program", "end that program and try again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Damaged(f"{path} is damaged or no database: {error}", "end every hitl-tui on it and run `hitl-tui doctor --repair`")
        case sqlite3.SQLITE_FULL:
            return Storage(f"the disk is full, and {path} must grow", f"make room; {AGAIN}")
        case sqlite3.SQLITE_READONLY:
            return Storage(f"{path} cannot be written: it, its folder or its file system is read-only", f"make it writable; {AGAIN}")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_PROTOCOL:
            if _is_full(path):
                return Storage(f"the disk is full, and {path} must grow", f"make room; {AGAIN}")
            done = "opened" if code == sqlite3.SQLITE_CANTOPEN else "used"
            return Storage(f"{path} cannot be {done}: {error}", f"check the disk and the permissions; {AGAIN}")
    return None


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise what the storage does to the block as `Storage`; mistakes of the program stay what they are."""
    try:
        yield
    except sqlite3.Error as error:
        found = fault(path, error)
        if found is None:
            raise
        raise found from None


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < ROOM_BYTES
    except OSError:
        return False
