"""Errors as sentences for people: what SQLite reports about the disk, and why a request about a review was refused."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from hitl_tui.errors import Busy, Damaged, Refused, Stale, Storage
from hitl_tui.home import database_uri
from hitl_tui.model import UNTIL_HANDED_BACK, ReviewState
from hitl_tui.store import damaged_files, migrations

GOING = (ReviewState.DECIDED, ReviewState.SUBMITTED, ReviewState.APPLIED)
ROOM_BYTES = 65_536
"""With less space than this the disk counts as full, whatever error SQLite reports."""
AGAIN = "nothing was changed, so do it again then"


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way, so that trying again can help."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def fault(path: Path, error: sqlite3.Error) -> Storage | None:
    """The error to raise for an error of the database at `path`; None if it is not about the storage."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Busy(f"{path} is locked by another program", "end that program and try again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Damaged(f"{path} is damaged or no database: {error}", migrations.REPAIR)
        case sqlite3.SQLITE_FULL:
            return Storage(f"the disk is full, and {path} must grow", f"make room; {AGAIN}")
        case sqlite3.SQLITE_READONLY:
            return Storage(f"{path} cannot be written: it, its folder or its file system is read-only", f"make it writable; {AGAIN}")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_PROTOCOL:
            if _is_full(path):
                return Storage(f"the disk is full, and {path} must grow", f"make room; {AGAIN}")
            done = "opened" if code == sqlite3.SQLITE_CANTOPEN else "used"
            return Storage(f"{path} cannot be {done}: {error}", f"check the disk and the permissions; {AGAIN}")
        case sqlite3.SQLITE_ERROR if changed := _changed_schema(path):
            return Damaged(f"{path} is damaged: {changed}", migrations.REPAIR)
    return None


def _changed_schema(path: Path) -> str:
    """What is otherwise in the schema than it was made: one changed letter of a name makes statements fail."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
        return migrations.changed_schema(db, or_added=False)
    return ""


class told:
    """Raise storage errors of the block as `Storage`. Other SQLite errors are bugs, and are raised unchanged.

    No generator, as every small read enters one: it would take as long as the read.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error) and (found := fault(self._path, error)):
            raise found from None


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < ROOM_BYTES
    except OSError:
        return False


# Why a request about a review was refused


def unknown(review: int) -> Refused:
    """There is no such review."""
    return Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")


def closed(review: int, state: str, note: str, decided: str, decided_at: float | None) -> Stale:
    """It is no longer open."""
    going = state in GOING
    why = f"{state}: {note}" if note and not going else (decided or state) + when(decided_at)
    return Stale(f"review {review} is {why}", "nothing was changed")


def claimed(review: int, who: str, until: float) -> Refused:
    """Somebody else has claimed it."""
    if until >= UNTIL_HANDED_BACK:
        return taken_over(review, who, False)
    return Refused(
        f"{who} has review {review}{when(until, 'until', 'until')}", f'take it with a reason: `hitl-tui claim {review} --reason "…"`'
    )


def taken_over(review: int, who: str, is_mine: bool) -> Stale:
    """The run that asks it is taken over."""
    if is_mine:
        return Stale(f"the run of review {review} is taken over by you", "hand it back or discard the takeover first")
    return Stale(f"the run of review {review} is taken over by {who}", "wait until it is handed back, or take it over with a reason")


def when(at: float | None, today: str = "at", another_day: str = "on") -> str:
    """` at 14:03:22`, with the date if it is not today; empty if unknown."""
    if at is None:
        return ""
    then = time.localtime(at)
    if then[:3] == time.localtime()[:3]:
        return time.strftime(f" {today} %H:%M:%S", then)
    return time.strftime(f" {another_day} %Y-%m-%d at %H:%M:%S", then)
