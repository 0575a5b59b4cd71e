"""Runs whose end is due although their code may not let them: cancelled ones, and those over their time limit.

Some of those who ask have no event loop that answers, so most of this works on any connection, or on the file itself.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitl_tui.store.connection import BUSY_S, Store
from hitl_tui.store.runs import NOW

Read = Callable[[str, Mapping[str, Any]], list[Any]]
"""Runs a SELECT with named parameters; every row."""

MOST = "nullif(coalesce(time_limit_s, :limit), 0)"
DUE = (
    f"SELECT id, cancelling, {MOST} FROM runs WHERE worker = :worker AND state = 'running' "
    f"AND (cancelling OR worked_s + {NOW} - leased_at > {MOST})"
)
MARK = "UPDATE runs SET activity = :activity, error = :why WHERE id = :run AND worker = :worker AND state = 'running'"


@dataclass(frozen=True, slots=True)
class Due:
    """A run under a lease that is to end now."""

    run: int
    why: str
    """The error it ends with; empty when somebody cancelled it."""

    @property
    def activity(self) -> str:
        """What it does until its code has stopped."""
        return f"{'over its time limit' if self.why else 'cancelling'}: its code has not stopped yet"


def due(read: Read, worker: str, limit_s: float) -> list[Due]:
    """What this worker drives and must end. `limit_s` holds for runs without a limit of their own; 0 is none."""
    return [
        Due(int(run), "" if cancelling else over_time(run, most))
        for run, cancelling, most in read(DUE, {"worker": worker, "limit": limit_s})
    ]


def over_time(run: int, limit_s: float) -> str:
    """Why a run was ended by its limit."""
    again = f"ctrl+r or `hitl-tui retry r{run}` lets it go on from its checkpoint with as much time again"
    return f"it worked for longer than its limit of {limit_s:g} s; {again}"


async def mark(store: Store, worker: str, found: Due) -> None:
    """Say that a run is ended but its code has not stopped; whoever recovers it then ends it for this reason."""
    await store.write(MARK, _marking(worker, found))


def mark_all(path: Path, worker: str, limit_s: float) -> None:
    """`mark` whatever is due with a worker whose process has just ended, or been replaced."""
    with _opened(path) as db:
        for found in due(_reading(db), worker, limit_s):
            db.execute(MARK, _marking(worker, found))


def is_due(path: Path, worker: str, limit_s: float) -> bool:
    """Whether anything is due with this worker."""
    with _opened(path) as db:
        return bool(due(_reading(db), worker, limit_s))


def say_alive(path: Path, worker: str) -> None:
    """The heartbeat of a worker whose loop cannot beat."""
    with _opened(path) as db:
        db.execute("UPDATE workers SET beat_at = ? WHERE id = ?", (time.time(), worker))


def silent(path: Path, host: str, pid: int, silence_s: float, limit_s: float) -> str | None:
    """The worker of this process, when it has not said for so long that it lives, and something is due with it."""
    with _opened(path) as db:
        quiet = db.execute(
            "SELECT id FROM workers WHERE host = ? AND pid = ? AND beat_at < ?", (host, pid, time.time() - silence_s)
        ).fetchall()
        return next((str(worker) for (worker,) in quiet if due(_reading(db), worker, limit_s)), None)


def _marking(worker: str, found: Due) -> dict[str, Any]:
    return {"activity": found.activity, "why": found.why, "run": found.run, "worker": worker}


def _reading(db: sqlite3.Connection) -> Read:
    return lambda sql, values: db.execute(sql, values).fetchall()


def _opened(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S))
