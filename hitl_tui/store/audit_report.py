"""The figures of an audit report: counts from the tables and entries of the log, read from one snapshot of the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.model import Json

BY_RISK = """
SELECT coalesce(v.risk, 'unknown'), d.kind, d.actor_kind, count(*)
FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run
WHERE d.at >= :since AND NOT d.superseded AND NOT r.attention AND fits(d.agent) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
BY_PERSON = """
SELECT d.actor, coalesce(d.identified, 'not known'), d.kind, count(*), avg(d.viewed_ms), sum(d.signature IS NOT NULL)
FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run
WHERE d.at >= :since AND NOT d.superseded AND d.actor_kind = 'person' AND NOT r.attention AND fits(d.agent)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
BY_RULE = """
SELECT d.actor, d.actor_kind, d.kind, count(*) FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run
WHERE d.at >= :since AND NOT d.superseded AND d.actor_kind != 'person' AND NOT r.attention AND fits(d.agent)
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1
"""
BY_DAY = """
SELECT CAST(d.at / 86400 AS INTEGER), d.actor_kind = 'person', count(*) FROM decisions d JOIN reviews v ON v.id = d.review
JOIN runs r ON r.id = v.run WHERE d.at >= :since AND NOT d.superseded AND NOT r.attention AND fits(d.agent) GROUP BY 1, 2 ORDER BY 1
"""
CHECKS = """
SELECT t.actor, count(*), sum(t.caught) FROM attention_checks t JOIN reviews v ON v.id = t.review
WHERE t.caught IS NOT NULL AND t.found_at >= :since AND fits(v.agent) GROUP BY 1 ORDER BY 1
"""
WAITS = """
SELECT v.decided_at - v.opened_at FROM reviews v JOIN runs r ON r.id = v.run
WHERE v.decided_at >= :since AND v.decided_by_kind = 'person' AND NOT r.attention AND fits(v.agent) ORDER BY 1
"""
OVERDUE = """
SELECT count(*) FROM reviews v WHERE v.deadline_at >= :since AND fits(v.agent)
    AND (v.decided_by_kind = 'timeout' OR coalesce(v.decided_at, :now) > v.deadline_at)
"""
ENTRIES = """
SELECT a.seq, a.at, a.kind, a.actor, a.run, a.review, a.body FROM audit a LEFT JOIN runs r ON r.id = a.run
WHERE a.at >= :since AND a.kind IN (SELECT value FROM json_each(:kinds)) AND (r.agent IS NULL OR fits(r.agent))
ORDER BY a.seq DESC LIMIT :most
"""
COUNTS = """
SELECT a.kind, count(*) FROM audit a LEFT JOIN runs r ON r.id = a.run
WHERE a.at >= :since AND (r.agent IS NULL OR fits(r.agent)) GROUP BY 1 ORDER BY 1
"""
MOST_ENTRIES = 200
"""Entries of a kind that are listed; more are only counted."""


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """One entry of the log."""

    seq: int
    at: float
    kind: str
    actor: str
    run: int | None
    review: int | None
    body: Json


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """The facts of a period. Attention checks are only in `checks`; decisions that were undone or replaced are left out."""

    by_risk: Sequence[tuple[str, str, str, int]]
    """Risk, decision, kind of actor, count."""
    by_person: Sequence[tuple[str, str, str, int, float | None, int]]
    """Name, identification, decision, count, mean milliseconds viewed, how many are signed."""
    by_rule: Sequence[tuple[str, str, str, int]]
    """Actor such as `policy:reading`, kind of actor, decision, count."""
    by_day: Sequence[tuple[int, int, int]]
    """Day since 1970 (UTC), whether a person decided, count."""
    checks: Sequence[tuple[str, int, int]]
    """Name, attention checks shown, and caught."""
    waits_s: Sequence[float]
    """Seconds from opening to a person's decision, sorted."""
    overdue: int
    """Reviews whose deadline passed undecided."""
    counts: dict[str, int]
    """Entries of the log, by kind."""
    entries: dict[str, list[LoggedEntry]]
    """The last entries of some kinds, newest first."""


def gather(db: sqlite3.Connection, since: float, now: float, fits: Callable[[str], bool], kinds: Sequence[str]) -> AuditFacts:
    """Read the facts since a Unix time.

    Args:
        fits: whether an agent belongs to the report.
        kinds: the kinds of entries to list.
    """
    db.create_function("fits", 1, lambda agent: fits(str(agent)), deterministic=True)
    db.execute("BEGIN")
    values: dict[str, Any] = {"since": since, "now": now}

    def rows(sql: str, **more: Any) -> list[Any]:
        return db.execute(sql, {**values, **more}).fetchall()

    listed = {kind: [_entry(row) for row in rows(ENTRIES, kinds=json.dumps([kind]), most=MOST_ENTRIES)] for kind in kinds}
    found = AuditFacts(
        rows(BY_RISK), rows(BY_PERSON), rows(BY_RULE), rows(BY_DAY), rows(CHECKS), [float(wait) for (wait,) in rows(WAITS)],
        int(rows(OVERDUE)[0][0]), dict(rows(COUNTS)), listed,
    )  # fmt: skip
    db.execute("COMMIT")
    return found


def _entry(row: Any) -> LoggedEntry:
    seq, at, kind, actor, run, review, body = row
    try:
        read = json.loads(body)
    except ValueError:
        read = {"unreadable": True}
    return LoggedEntry(seq, at, kind, actor, run, review, read)
