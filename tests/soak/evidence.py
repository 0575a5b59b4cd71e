"""What is known after a soak: rows of the store, the journal of the tools, the reviewers' intent logs, and the processes ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effect:
    """One side effect of a graph, from the journal of the tools."""

    what: str
    """`tool`: a tool ran; `heard`: a node acted on answers; `passed`: a node ran that may be behind a gate."""
    thread: str
    key: str | None
    """`hitl_decision_id`: the decisions the run was resumed with."""
    pid: int
    at: float
    name: str = ""
    args: Any = None
    call: str = ""
    once: bool = False
    """The tool uses the decision's id as its idempotency key."""
    again: bool = False
    """The tool had acted for this key already, and did nothing."""
    pairs: tuple[tuple[Any, Any], ...] = ()
    """Question and answer."""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A process that was ended."""

    how: str
    """`kill -9`, `SIGTERM`, or `released`: it was stopped (SIGSTOP), a person released its runs, and it went on."""
    who: str
    """`worker`, `reviewer`, `console` or `command`."""
    pid: int
    at: float
    runs: tuple[int, ...] = ()
    """Runs the worker drove at that moment."""


@dataclass(frozen=True, slots=True)
class DoubtMark:
    """A review that was seen marked: its answer may have run once."""

    review: int
    run: int
    note: str
    at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence, by id. Rows are those of `hitl.db` with JSON columns decoded."""

    runs: dict[int, Row] = field(default_factory=dict)
    reviews: dict[int, Row] = field(default_factory=dict)
    actions: dict[tuple[int, int], Row] = field(default_factory=dict)
    decisions: dict[int, Row] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    marks: list[DoubtMark] = field(default_factory=list)
    said: list[Row] = field(default_factory=list)
    """Lines of the reviewers' intent logs: `verb`, `phase` (`try`, `done`, `lost`), `actor`, `at`, and what it was about."""
    faults: list[str] = field(default_factory=list)
    """Errors our processes logged, and failed integrity checks of databases."""

    def run_of(self, decision: Row) -> Row:
        """Return the run of a decision."""
        return self.runs[self.reviews[decision["review"]]["run"]]

    def decisions_in(self, key: str | None) -> list[Row]:
        """Return the known decisions named by an idempotency key."""
        ids = [part.split(".")[1:] for part in (key or "").split("+")]
        return [self.decisions[int(id_)] for several in ids for id_ in several if id_.isdigit() and int(id_) in self.decisions]


def read_lines(paths: Iterable[Path]) -> list[Row]:
    """Parse JSON lines; the last line of a killed process may be incomplete and is skipped."""
    lines = []
    for path in paths:
        for line in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return lines


def read_effects(path: Path) -> list[Effect]:
    """Read the tools' journal, ordered by time."""
    lines = read_lines([path])
    effects = [Effect(**{**line, "pairs": tuple((question, answer) for question, answer in line.get("pairs", ()))}) for line in lines]
    return sorted(effects, key=lambda effect: effect.at)


HOUR_S = 3600.0
SLACK_S = 60.0
TIMES = ("at", "undone_at", "opened_at", "decided_at", "submitted_at", "applied_at", "created_at", "started_at", "ended_at")
"""Columns with the time of an event."""


def read_rows(database: Path, began: float) -> dict[str, Any]:
    """Read the rows of the store, with the true times of events.

    The clock was set whole hours ahead or back while a soak of less than an hour ran, so its time of day tells by how many.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row

        def table(sql: str, *decoded: str) -> list[Row]:
            rows = [dict(row) for row in db.execute(sql)]
            for row in rows:
                row.update((name, json.loads(row[name])) for name in decoded if row[name] is not None)
                row.update((name, _true(row[name], began)) for name in TIMES if row.get(name) is not None)
            return rows

        reviews = table("SELECT v.*, d.value FROM reviews v JOIN details d ON d.review = v.id", "value")
        return {
            "runs": {row["id"]: row for row in table("SELECT * FROM runs", "gates_before", "gates_after")},
            "reviews": {row["id"]: row for row in reviews},
            "actions": {(row["review"], row["slot"]): row for row in table("SELECT * FROM actions", "args")},
            "decisions": {row["id"]: row for row in table("SELECT * FROM decisions", "args")},
        }


def _true(at: float, began: float) -> float:
    return at - HOUR_S * ((at - began + SLACK_S) // HOUR_S)


def integrity_problems(database: Path) -> list[str]:
    """Run SQLite's integrity check, and return its findings."""
    with closing(sqlite3.connect(database)) as db:
        return [f"{database.name}: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
