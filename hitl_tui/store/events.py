"""The trace of every run: appended in batches by workers, read by the console."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Event
from hitl_tui.store.connection import Store

APPEND = """
INSERT OR REPLACE INTO events (run, seq, at, kind, node, path, body)
SELECT :run, :seq, :at, :kind, :node, :path, :body FROM runs WHERE id = :run AND lease = coalesce(:lease, lease)
"""
SET_ACTIVITY = "UPDATE runs SET activity = :activity WHERE id = :run AND state = 'running' AND lease = coalesce(:lease, lease)"
AT_ONCE = 100
"""Lines in one transaction: few, so that it is short."""
FEW = 20
HAS_PROGRESSED = """
SELECT EXISTS (SELECT 1 FROM reviews WHERE run = :run)
    OR (NOT :cut AND EXISTS (
        SELECT 1 FROM events
        WHERE run = :run AND kind = 'end' AND json_extract(body, '$.paused') IS NULL AND json_extract(body, '$.error') IS NULL
    ))
"""
HAS_STARTED = """
SELECT EXISTS (
    SELECT 1 FROM events WHERE run = :run AND kind = 'start'
    AND seq > (SELECT max(seq) FROM events WHERE run = :run AND kind = 'decided')
)
"""
TRACE = """
SELECT seq, at, kind, node, path, body FROM events WHERE run = :run AND seq > :after ORDER BY seq DESC LIMIT :limit
"""


async def append(
    store: Store, batches: Mapping[int, Sequence[Event]], activity: Mapping[int, str] | None = None, leases: Mapping[int, int] = {}
) -> None:
    """Append lines by run, and store what running runs do now. A line with a known `seq` replaces it: a message that is still streaming.

    Nothing is stored of runs that were leased again since the lease whose number is in `leases`.
    """
    lines = [
        {
            "run": run, "lease": leases.get(run), "seq": event.seq, "at": event.at, "kind": event.kind, "node": event.node,
            "path": canonical_json.dumps(list(event.path)), "body": canonical_json.dumps(event.body),
        }
        for run, batch in batches.items()
        for event in batch
    ]  # fmt: skip
    for start in range(0, max(1, len(lines)), AT_ONCE):
        async with store.transaction() as db:
            db.executemany(APPEND, lines[start : start + AT_ONCE])
            if start == 0:
                doing = [{"run": run, "activity": text, "lease": leases.get(run)} for run, text in (activity or {}).items()]
                db.executemany(SET_ACTIVITY, doing)


async def last_seq(store: Store, run: int) -> int:
    """`seq` of the run's last line; 0 if it has none."""
    row = await store.one("SELECT max(seq) FROM events WHERE run = ?", (run,))
    return int(row[0] or 0)


async def has_progressed(store: Store, run: int, cut: bool) -> bool:
    """Whether the run has ever asked somebody or completed a step, so that it must not start from the beginning again.

    If the run was `cut` off, for example because its worker died, completed steps do not count: their checkpoint may not be written.
    """
    (found,) = await store.one(HAS_PROGRESSED, {"run": run, "cut": cut})
    return bool(found)


async def has_started_since_decision(store: Store, run: int) -> bool:
    """Whether a node of the run was seen to start after what was decided last was sent."""
    (found,) = await store.one(HAS_STARTED, {"run": run})
    return bool(found)


async def trace(store: Store, run: int, after: int = 0, limit: int = 5000) -> list[Event]:
    """The last lines of a run after line `after`, at most `limit`, oldest first.

    A few that are new are read at once: people wait for them, and a switch to another thread would take longer than the read.
    """
    rows = store.read_now(TRACE, {"run": run, "after": after, "limit": min(limit, FEW)}) if after else []
    if not after or len(rows) == FEW:
        rows = await store.all(TRACE, {"run": run, "after": after, "limit": limit})
    return [_event(row) for row in reversed(rows)]


def _event(row: Any) -> Event:
    seq, at, kind, node, path, body = row
    return Event(seq, at, kind, node, tuple(json.loads(path)), json.loads(body))
