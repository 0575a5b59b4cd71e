"""Runs that must end now although their code has not stopped: cancelled ones, and those over their time limit.

Some callers have no event loop, or one that is blocked, so most functions work on any connection, or on the database's path.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitl_tui.store import clock, damaged_files
from hitl_tui.store.clock import Read
from hitl_tui.store.connection import BUSY_S, Store

TIME_LIMIT = "nullif(coalesce(time_limit_s, :limit), 0)"
DUE = f"""
SELECT id, cancelling, {TIME_LIMIT} FROM runs
WHERE worker = :worker AND state = 'running' AND (cancelling OR worked_s + :now - leased_at > {TIME_LIMIT})
"""
MARK = "UPDATE runs SET activity = :activity, error = :why WHERE id = :run AND worker = :worker AND state = 'running'"
SILENT = "SELECT id FROM workers WHERE host = :host AND pid = :pid AND beat_at < :before"


@dataclass(frozen=True, slots=True)
class DueRun:
    """A leased run that must end now."""

    run: int
    why: str
    """The error it ends with; empty when somebody cancelled it."""

    @property
    def activity(self) -> str:
        """The activity that is shown until its code has stopped."""
        return f"{'over its time limit' if self.why else 'cancelling'}: its code has not stopped yet"


def due(read: Read, worker: str, limit_s: float) -> list[DueRun]:
    """The runs that this worker must end. `limit_s` is the limit of runs without their own; 0 is none."""
    return [
        DueRun(int(run), "" if cancelling else over_time(run, most))
        for run, cancelling, most in read(DUE, {"worker": worker, "limit": limit_s, "now": clock.now(read)})
    ]


def over_time(run: int, limit_s: float) -> str:
    """Why a run was ended by its limit."""
    again = f"ctrl+r or `hitl-tui retry r{run}` lets it go on from its checkpoint with as much time again"
    return f"it worked for longer than its limit of {limit_s:g} s; {again}"


async def mark(store: Store, worker: str, found: DueRun) -> None:
    """Mark a run that must end but whose code has not stopped. If its worker dies, recovery ends the run for this reason."""
    await store.write(MARK, _marking(worker, found))


def mark_all(path: Path, worker: str, limit_s: float) -> None:
    """`mark` the due runs of a worker whose process has just ended or been replaced."""
    with _opened(path) as db:
        for found in due(clock.reading(db), worker, limit_s):
            db.execute(MARK, _marking(worker, found))


def is_due(path: Path, worker: str, limit_s: float) -> bool:
    """Whether a run of this worker is due."""
    with _opened(path) as db:
        return bool(due(clock.reading(db), worker, limit_s))


def beat(path: Path, worker: str) -> None:
    """Write the heartbeat of a worker whose event loop is blocked."""
    with _opened(path) as db:
        db.execute("UPDATE workers SET beat_at = :now WHERE id = :worker", {"now": clock.now(clock.reading(db)), "worker": worker})


def silent(path: Path, host: str, pid: int, silence_s: float, limit_s: float) -> str | None:
    """The worker of a process if it has sent no heartbeat for `silence_s` and a run of it is due; otherwise None."""
    with _opened(path) as db:
        read = clock.reading(db)
        quiet = read(SILENT, {"host": host, "pid": pid, "before": clock.now(read) - silence_s})
        return next((str(worker) for (worker,) in quiet if due(read, worker, limit_s)), None)


def _marking(worker: str, found: DueRun) -> dict[str, Any]:
    return {"activity": found.activity, "why": found.why, "run": found.run, "worker": worker}


def _opened(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(damaged_files.connect(path, isolation_level=None, timeout=BUSY_S))
