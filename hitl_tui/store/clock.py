"""Keeps time limits right when the system's clock is set, and says so in the audit.

Limits are stored as Unix times: the end of a grace time, a deadline, a claim. If somebody sets the clock an hour ahead, all of them would
be over at once, and an hour back, a decision would wait for an hour. The seconds since the machine was started do not jump, so a jump shows
as a change of the difference. Every transaction looks for that first, and moves the limits that are running by as much.

A suspended machine is no jump: its clock goes on, and limits end while it sleeps; only the time that runs may work does not go on.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_tui.model import PROGRAM, UNTIL_HANDED_BACK
from hitl_tui.store import audit

if TYPE_CHECKING:
    from hitl_tui.store.connection import Transaction  # which looks at the clock

Read = Callable[[str, Mapping[str, Any]], list[Any]]
"""Runs a SELECT with named parameters and returns every row."""

JUMP_S = 2.0
"""Smaller differences are taken for imprecise readings; several of them add up until they count."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LIVE = "state IN ('open', 'decided', 'submitted')"
"""Reviews that may still be asked again or sent again: their limits go on, whatever state they are in now."""
LIMITS = (
    f"UPDATE reviews SET effective_at = effective_at + :by WHERE {LIVE} AND effective_at IS NOT NULL",
    f"UPDATE reviews SET deadline_at = deadline_at + :by WHERE {LIVE} AND deadline_at IS NOT NULL",
    f"UPDATE reviews SET claimed_until = claimed_until + :by WHERE {LIVE} AND claimed_until < {UNTIL_HANDED_BACK}",
    f"UPDATE decisions SET effective_at = effective_at + :by WHERE NOT superseded AND review IN (SELECT id FROM reviews WHERE {LIVE})",
    "UPDATE escalations SET next_at = next_at + :by WHERE next_at IS NOT NULL",
    "UPDATE notifications SET due_at = due_at + :by WHERE state = 'due'",
    "UPDATE workers SET beat_at = beat_at + :by",
    "UPDATE grants SET expires_at = expires_at + :by WHERE NOT expired AND revoked_at IS NULL",
    "UPDATE presence SET until = until + :by",
)
WORKING = "UPDATE runs SET leased_at = leased_at + :by WHERE worker IS NOT NULL"
"""Since when a run works: the time that it may work ends by this."""
AHEAD = "SELECT ahead FROM clocks WHERE source = :source"
SNOOZES = "SELECT review, reviewer_key, until FROM snoozes"
SNOOZE = "INSERT OR REPLACE INTO snoozes (review, reviewer_key, until) VALUES (?, ?, ?)"


def now(read: Read) -> float:
    """The present Unix time by which limits are compared outside of a transaction: a jump counts once the limits were moved."""
    source = _source()
    found = read(AHEAD, {"source": source}) if source else []
    return since_start() + float(found[0][0]) if found else time.time()


def follow(db: Transaction) -> bool:
    """Within a transaction, before anything else: if the clock was set since the last one, move all running limits by as much.

    Returns whether anything was written.
    """
    source = _source()
    if not source:
        return False
    now_ahead, slept = _measured()
    found = db.row("SELECT ahead, slept FROM clocks WHERE source = ?", (source,))
    if found is None:
        _start(db, source, now_ahead, slept)
        return True
    jump, nap = now_ahead - found[0], slept - found[1]
    has_jumped, has_slept = bool(abs(jump) > JUMP_S), bool(nap > JUMP_S)
    if has_jumped:
        _move(db, jump)
    if has_slept:
        db.execute(WORKING, {"by": nap})
    if has_jumped or has_slept:
        values = _row(source, now_ahead if has_jumped else found[0], slept)
        db.execute("UPDATE clocks SET ahead = :ahead, slept = :slept WHERE source = :source", values)
    return has_jumped or has_slept


def _start(db: Transaction, source: str, ahead: float, slept: float) -> None:
    """The first transaction since the machine was started. If its clock is behind the last entry of the audit, it was set back."""
    last = db.row("SELECT at FROM audit WHERE EXISTS (SELECT 1 FROM clocks) ORDER BY seq DESC LIMIT 1")
    if last and (back := time.time() - last[0]) < -JUMP_S:
        _move(db, back)
    db.execute("INSERT INTO clocks (source, ahead, slept) VALUES (:source, :ahead, :slept)", _row(source, ahead, slept))


def _row(source: str, ahead: float, slept: float) -> dict[str, str | float]:
    return {"source": source, "ahead": ahead, "slept": slept}


def _move(db: Transaction, by: float) -> None:
    snoozes = db.rows(SNOOZES)  # a review that changes is no longer snoozed (`snoozes_end`), but these do not change for people
    for statement in (*LIMITS, WORKING):
        db.execute(statement, {"by": by})
    db.executemany(SNOOZE, [(review, key, None if until is None else until + by) for review, key, until in snoozes])
    audit.note(db, time.time(), "clock", PROGRAM, {"by_s": round(by, 1)})


def since_start() -> float:
    """Seconds since the machine was started; they go on while it is suspended, and nobody can set them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _measured() -> tuple[float, float]:
    """How far the system's clock is ahead of `since_start`, and how long the machine was suspended; read as if at one moment."""
    while True:
        before, wall, awake = since_start(), time.time(), time.monotonic()
        if since_start() - before < JUMP_S / 4:  # else the process was stopped in between
            return wall - before, max(0.0, before - awake)


@functools.cache
def _source() -> str:
    """Names this start of this machine, as far as its processes share a clock; empty where the system does not tell."""
    try:
        boot = BOOT_ID.read_text("ascii").strip()
        space = os.stat("/proc/self/ns/time").st_ino if os.path.exists("/proc/self/ns/time") else 0
    except (OSError, ValueError):
        return ""
    return f"{boot}:{space}" if boot and hasattr(time, "CLOCK_BOOTTIME") else ""


def reading(db: sqlite3.Connection) -> Read:
    """`Read` on a plain connection."""
    return lambda sql, values: db.execute(sql, values).fetchall()
