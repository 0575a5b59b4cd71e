"""The trace of every run: appended in batches, read by whoever watches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import jsontext
from hitl_tui.model import Event
from hitl_tui.store.connection import Store


async def append(store: Store, batches: Mapping[int, Sequence[Event]], activity: Mapping[int, str]) -> None:
    """Append lines by run, or rewrite the line of the same `seq` (a message that is still streaming), and say what the runs do now."""
    async with store.transaction() as db:
        await db.executemany(
            "INSERT OR REPLACE INTO events (run, seq, at, kind, node, path, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (run, e.seq, e.at, e.kind, e.node, jsontext.dumps(list(e.path)), jsontext.dumps(e.body))
                for run, lines in batches.items()
                for e in lines
            ],
        )
        await db.executemany(
            "UPDATE runs SET activity = ? WHERE id = ? AND state = 'running'", [(doing, run) for run, doing in activity.items()]
        )


async def last_seq(store: Store, run: int) -> int:
    """Number of the last line; 0 for none."""
    row = await store.one("SELECT max(seq) FROM events WHERE run = ?", (run,))
    return int(row[0] or 0)


async def trace(store: Store, run: int, after: int = 0, limit: int = 5000) -> list[Event]:
    """The last lines of a run beyond `after`, oldest first."""
    rows = await store.all(
        "SELECT seq, at, kind, node, path, body FROM events WHERE run = ? AND seq > ? ORDER BY seq DESC LIMIT ?", (run, after, limit)
    )
    return [_event(row) for row in reversed(rows)]


def _event(row: Any) -> Event:
    seq, at, kind, node, path, body = row
    return Event(seq, at, kind, node, tuple(json.loads(path)), json.loads(body))
