"""What `checkpoints.db` says of itself, without LangGraph: which threads wait, whose they are, and for which run they were begun."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

WAITING = """
    WITH head AS (SELECT thread_id, max(checkpoint_id) AS id FROM checkpoints WHERE checkpoint_ns = '' GROUP BY thread_id)
    SELECT h.thread_id, CAST(c.metadata AS TEXT) FROM head h
    JOIN checkpoints c ON c.thread_id = h.thread_id AND c.checkpoint_ns = '' AND c.checkpoint_id = h.id
    WHERE EXISTS (
        SELECT 1 FROM writes w WHERE w.thread_id = h.thread_id AND w.checkpoint_ns = '' AND w.checkpoint_id = h.id
        AND w.channel = '__interrupt__' AND NOT EXISTS (
            SELECT 1 FROM writes o WHERE o.thread_id = w.thread_id AND o.checkpoint_ns = '' AND o.checkpoint_id = w.checkpoint_id
            AND o.task_id = w.task_id AND o.channel NOT IN ('__interrupt__', '__resume__', '__error__', '__error_source_node__')))
    ORDER BY h.id
"""


def waiting_threads(path: Path) -> list[tuple[str, str, int]]:
    """Threads that ask something, as (thread, agent, run); those that were not begun by the console are left out."""
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as db:
        try:
            rows = db.execute(WAITING).fetchall()
        except sqlite3.Error:
            return []
    found = [(str(thread), _metadata(text)) for thread, text in rows]
    return [(thread, said["hitl_agent"], said["hitl_run"]) for thread, said in found if _is_ours(said)]


def _metadata(text: str | None) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(text or "")
        return found if isinstance(found, dict) else {}
    return {}


def _is_ours(said: dict[str, Any]) -> bool:
    run = said.get("hitl_run")
    return isinstance(said.get("hitl_agent"), str) and isinstance(run, int) and 0 < run < 2**62
