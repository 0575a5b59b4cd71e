"""Forgetting old threads, one whole thread at a time. What was decided stays, and by whom: that is history."""

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
"""In place of the input of a run whose reviews are kept: there is nothing left that it could go on from."""
RUNS = "SELECT id FROM runs WHERE thread = ? ORDER BY id"
OLD = (
    "SELECT thread FROM runs {where} GROUP BY thread HAVING max(state IN ('queued', 'running', 'waiting') OR worker IS NOT NULL) = 0 "
    "AND max(coalesce(ended_at, created_at)) < ? AND max(input != ?) ORDER BY min(id)"
)


async def old_threads(store: Store, before: float) -> list[str]:
    """Threads all of whose runs were over before that time, and of which something is left; the oldest first."""
    return [str(row[0]) for row in await store.all(OLD.format(where=""), (before, PRUNED))]


async def runs_of(store: Store, thread: str) -> list[int]:
    """Every run of a thread."""
    return [int(row[0]) for row in await store.all(RUNS, (thread,))]


async def size_of(store: Store, thread: str) -> tuple[int, int]:
    """Lines of the thread's traces, and the bytes of what would go from `hitl.db`."""
    events = await store.one(
        "SELECT count(*), coalesce(sum(length(body)), 0) FROM events WHERE run IN (SELECT id FROM runs WHERE thread = ?)", (thread,)
    )
    contexts = await store.one(
        "SELECT coalesce(sum(length(context)), 0) FROM details WHERE review IN "
        "(SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE r.thread = ?)",
        (thread,),
    )
    return int(events[0]), int(events[1]) + int(contexts[0])


@contextlib.asynccontextmanager
async def forgetting(store: Store, thread: str, before: float, by: str) -> AsyncIterator[bool]:
    """Drop the thread's rows at the end of the block, in which the rest of it goes; while it lasts nobody can take up a run of the thread.

    Yields False, and drops nothing, when the thread is no longer old. A block that fails leaves every row. The log says `by` whom, and
    which runs the thread had: some of them are nowhere else any more.
    """
    async with store.transaction() as db:
        found = list(db.rows(OLD.format(where="WHERE thread = ?"), (thread, before, PRUNED)))
        yield bool(found)
        if not found:
            return
        body = {"thread": thread, "runs": [row[0] for row in db.rows(RUNS, (thread,))]}
        audit.note(db, time.time(), "pruned", Actor(by), body)
        mine = "(SELECT id FROM runs WHERE thread = ?)"
        empty = canonical_json.dumps(asdict(Context()))
        db.execute(f"DELETE FROM events WHERE run IN {mine}", (thread,))
        db.execute(f"UPDATE details SET context = ? WHERE review IN (SELECT id FROM reviews WHERE run IN {mine})", (empty, thread))
        db.execute(f"DELETE FROM heads WHERE run IN {mine}", (thread,))
        db.execute(f"UPDATE takeovers SET plan = NULL, typed = NULL WHERE run IN {mine}", (thread,))
        kept = "EXISTS (SELECT 1 FROM reviews WHERE run = runs.id) OR EXISTS (SELECT 1 FROM feedback WHERE run = runs.id)"
        db.execute(f"DELETE FROM runs WHERE thread = ? AND NOT ({kept})", (thread,))
        db.execute("INSERT INTO changes (run) VALUES (NULL), (NULL)")  # what is gone cannot be told by its row:
        db.execute("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)")  # readers fall behind, and read all anew
        db.execute("UPDATE runs SET input = ?, result = NULL, traceback = '' WHERE thread = ?", (PRUNED, thread))
