"""The trace of every run: appended in batches, read by whoever watches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Event
from hitl_tui.store.connection import Store

COLUMNS = "run, seq, at, kind, node, path, body"
AT_ONCE = 100
"""Lines in one statement: fewer trips to the connection's thread than one by one."""


async def append(store: Store, batches: Mapping[int, Sequence[Event]]) -> None:
    """Append lines by run, or rewrite the line of the same `seq` (a message that is still streaming)."""
    lines = [
        (run, e.seq, e.at, e.kind, e.node, canonical_json.dumps(list(e.path)), canonical_json.dumps(e.body))
        for run, batch in batches.items()
        for e in batch
    ]
    for start in range(0, len(lines), AT_ONCE):
        some = lines[start : start + AT_ONCE]
        marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(some))
        await store.write(f"INSERT OR REPLACE INTO events ({COLUMNS}) VALUES {marks}", [value for line in some for value in line])


async def last_seq(store: Store, run: int) -> int:
    """Number of the last line; 0 for none."""
    row = await store.one("SELECT max(seq) FROM events WHERE run = ?", (run,))
    return int(row[0] or 0)


async def has_gone_on(store: Store, run: int, cut: bool) -> bool:
    """Whether the run ever asked somebody, or ended a step: then it has done things, and must not begin again.

    Of a run that was `cut` off, as by a worker's death, a step may have ended whose checkpoint was still to be written.
    """
    ended = "kind = 'end' AND json_extract(body, '$.paused') IS NULL AND json_extract(body, '$.error') IS NULL"
    row = await store.one(
        f"SELECT EXISTS (SELECT 1 FROM reviews WHERE run = ?1) OR (NOT ?2 AND EXISTS (SELECT 1 FROM events WHERE run = ?1 AND {ended}))",
        (run, cut),
    )
    return bool(row[0])


async def trace(store: Store, run: int, after: int = 0, limit: int = 5000) -> list[Event]:
    """The last lines of a run beyond `after`, oldest first."""
    rows = await store.all(
        "SELECT seq, at, kind, node, path, body FROM events WHERE run = ? AND seq > ? ORDER BY seq DESC LIMIT ?", (run, after, limit)
    )
    return [_event(row) for row in reversed(rows)]


def _event(row: Any) -> Event:
    seq, at, kind, node, path, body = row
    return Event(seq, at, kind, node, tuple(json.loads(path)), json.loads(body))
