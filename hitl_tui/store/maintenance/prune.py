"""Pruning old threads from `hitl.db`, one whole thread at a time. The history stays: what was decided, and by whom."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import asdict

from hitl_tui import canonical_json
from hitl_tui.model import Actor, Context
from hitl_tui.store import audit
from hitl_tui.store.connection import Store

PRUNED = '{"pruned": true, "input": null}'
"""Replaces the input of a run whose reviews are kept: it can no longer continue."""
RUNS = "SELECT id FROM runs WHERE thread = ? ORDER BY id"
OLD = """
SELECT thread FROM runs {} GROUP BY thread
HAVING max(state IN ('queued', 'running', 'waiting') OR worker IS NOT NULL) = 0
    AND max(coalesce(ended_at, created_at)) < :before AND max(input != :pruned)
ORDER BY min(id)
"""
TRACE_SIZE = """
SELECT count(*), coalesce(sum(length(body)), 0) FROM events WHERE run IN (SELECT id FROM runs WHERE thread = ?)
"""
CONTEXT_SIZE = """
SELECT coalesce(sum(length(context)), 0) FROM details
WHERE review IN (SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE r.thread = ?)
"""
ITS_RUNS = "(SELECT id FROM runs WHERE thread = :thread)"
PRUNE = (
    f"DELETE FROM events WHERE run IN {ITS_RUNS}",
    f"UPDATE details SET context = :empty WHERE review IN (SELECT id FROM reviews WHERE run IN {ITS_RUNS})",
    f"DELETE FROM heads WHERE run IN {ITS_RUNS}",
    f"UPDATE takeovers SET plan = NULL, typed = NULL WHERE run IN {ITS_RUNS}",
    "DELETE FROM runs WHERE thread = :thread AND NOT EXISTS (SELECT 1 FROM reviews WHERE run = runs.id) "
    "AND NOT EXISTS (SELECT 1 FROM feedback WHERE run = runs.id)",
    "INSERT INTO changes (run) VALUES (NULL), (NULL)",
    "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)",
    "UPDATE runs SET input = :pruned, result = NULL, traceback = '' WHERE thread = :thread",
)
"""Deletes a thread's rows. The feed of changes cannot name deleted rows, so it is cut, which makes readers read everything again."""


async def old_threads(store: Store, before: float) -> list[str]:
    """Threads whose runs all ended before that Unix time, and that are not pruned yet; oldest first."""
    return [str(thread) for (thread,) in await store.all(OLD.format(""), {"before": before, "pruned": PRUNED})]


async def runs_of(store: Store, thread: str) -> list[int]:
    """Every run of a thread."""
    return [int(run) for (run,) in await store.all(RUNS, (thread,))]


async def size_of(store: Store, thread: str) -> tuple[int, int]:
    """Lines of the thread's traces, and bytes that pruning it would free in `hitl.db`."""
    lines, trace_bytes = await store.one(TRACE_SIZE, (thread,))
    (context_bytes,) = await store.one(CONTEXT_SIZE, (thread,))
    return int(lines), int(trace_bytes) + int(context_bytes)


@contextlib.asynccontextmanager
async def pruning(store: Store, thread: str, before: float, by: str) -> AsyncIterator[bool]:
    """Delete the thread's rows at the end of the block, which deletes the rest of it. Meanwhile no worker can take a run of the thread.

    Yields False, and deletes nothing, if the thread is no longer old. If the block raises, every row stays. The audit entry names who
    did it and the runs of the thread, some of which are named nowhere else afterwards.
    """
    values = {"thread": thread, "before": before, "pruned": PRUNED, "empty": canonical_json.dumps(asdict(Context()))}
    async with store.transaction() as db:
        is_old = bool(db.rows(OLD.format("WHERE thread = :thread"), values))
        yield is_old
        if not is_old:
            return
        body = {"thread": thread, "runs": [run for (run,) in db.rows(RUNS, (thread,))]}
        audit.note(db, time.time(), "pruned", Actor(by), body)
        for statement in PRUNE:
            db.execute(statement, values)
