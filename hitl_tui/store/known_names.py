"""Names and numbers for completion, in shells and in filters; nothing is created or changed. To add a kind, add its query here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hitl_tui.store.connection import Store
from hitl_tui.store.maintenance import integrity

MOST = 200
QUERIES = {
    "agents": "SELECT name, description FROM agents ORDER BY name",
    "tools": "SELECT DISTINCT name, '' FROM actions WHERE review > (SELECT max(id) FROM reviews) - 1000",
    "reviews": "SELECT id, agent || ': ' || title FROM reviews WHERE state = 'open' ORDER BY id DESC",
    "decided": "SELECT id, agent || ': ' || title FROM reviews WHERE state = 'decided' ORDER BY id DESC",
    "all reviews": "SELECT id, state || ' ' || agent || ': ' || title FROM reviews ORDER BY id DESC",
    "runs": "SELECT 'r' || id, state || ' ' || agent || ': ' || title FROM runs ORDER BY id DESC",
    "stopped runs": "SELECT 'r' || id, agent || ': ' || title FROM runs WHERE state IN ('failed', 'cancelled') ORDER BY id DESC",
    "live runs": "SELECT 'r' || id, agent || ': ' || title FROM runs WHERE state IN ('queued', 'running', 'waiting') ORDER BY id DESC",
    "taken runs": "SELECT DISTINCT 'r' || run, actor FROM takeovers WHERE state IN ('open', 'handed_back', 'submitted') ORDER BY run DESC",
    "lessons": "SELECT id, state || ' ' || agent || ' ' || tool || ': ' || text FROM lessons ORDER BY id DESC",
}
"""Kind → its newest names, each with what it is about."""


async def of(store: Store, kind: str) -> list[str]:
    """The names of a kind, from an open store."""
    return [str(name) for name, _ in await store.all(f"{QUERIES[kind]} LIMIT {MOST}")]


def read(database: Path, kind: str) -> list[tuple[str, str]]:
    """The names of a kind; none where there is no database, or none that can be read."""
    if not database.exists():
        return []
    try:
        with integrity.reading(database) as db:
            rows = db.execute(f"{QUERIES[kind]} LIMIT {MOST}").fetchall()
    except sqlite3.Error:
        return []
    return [(str(name), str(about)) for name, about in rows]
