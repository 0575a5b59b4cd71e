"""Reads `checkpoints.db` directly with SQL, without LangGraph's state.

Before a decision is sent, the worker checks that its interrupt is still pending. LangGraph's `aget_tuple` switches threads five times for
that, and decodes the whole state. This reader applies the library's own rule (CONTRACT 4.2) to the same rows, on the caller's thread: in a
WAL database a reader waits for nobody.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_tui.store import damaged_files
from hitl_tui.store.errors import told
from hitl_tui.store.maintenance import integrity

if TYPE_CHECKING:  # `doctor` reads this file without waiting for LangGraph's import
    from langgraph.checkpoint.serde.base import SerializerProtocol
    from langgraph.types import Interrupt

INTERRUPT, RESUME = "__interrupt__", "__resume__"
CONTROL = frozenset({INTERRUPT, RESUME, "__error__", "__error_source_node__"})
"""Channels whose writes do not mean that a task has ended."""

GREATEST = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns"
"""The id of the checkpoint that LangGraph reads as the newest."""
GREATEST_OF_ALL = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :thread"
IS_OUT_OF_ORDER = (
    "SELECT 1 FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns AND parent_checkpoint_id >= checkpoint_id LIMIT 1"
)
GREATEST_IN_ORDER = f"SELECT ({GREATEST}), EXISTS ({IS_OUT_OF_ORDER})"
OUT_OF_ORDER = "SELECT DISTINCT thread_id FROM checkpoints WHERE parent_checkpoint_id >= checkpoint_id AND checkpoint_ns = ''"
"""Threads with a checkpoint that sorts before its parent: the clock was set back between both."""
AS_WRITTEN = "SELECT parent_checkpoint_id, checkpoint_id FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns ORDER BY rowid"
WRITES = """
    SELECT task_id, channel, type, value FROM writes WHERE thread_id = :thread AND checkpoint_ns = :ns AND checkpoint_id = :checkpoint
"""
METADATA = "SELECT metadata FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns AND checkpoint_id = :checkpoint"
RUN = """
    SELECT json_extract(CAST(metadata AS TEXT), '$.hitl_run') AS run FROM checkpoints
    WHERE thread_id = :thread AND checkpoint_ns = :ns AND run IS NOT NULL ORDER BY rowid DESC LIMIT 1
"""
TAKEOVER = """
    SELECT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = :thread
    AND json_extract(CAST(metadata AS TEXT), '$.hitl_takeover') = :takeover)
"""
ASKS = """
    EXISTS (
        SELECT 1 FROM writes w WHERE w.thread_id = {thread} AND w.checkpoint_ns = '' AND w.checkpoint_id = {checkpoint}
        AND w.channel = '__interrupt__' AND NOT EXISTS (
            SELECT 1 FROM writes o WHERE o.thread_id = w.thread_id AND o.checkpoint_ns = '' AND o.checkpoint_id = w.checkpoint_id
            AND o.task_id = w.task_id AND o.channel NOT IN ('__interrupt__', '__resume__', '__error__', '__error_source_node__')))
"""
"""SQL condition: the checkpoint has an interrupt, and the task that raised it has not ended."""
WAITING = f"""
    WITH head AS (SELECT thread_id, max(checkpoint_id) AS id FROM checkpoints WHERE checkpoint_ns = '' GROUP BY thread_id)
    SELECT h.thread_id, CAST(c.metadata AS TEXT) FROM head h
    JOIN checkpoints c ON c.thread_id = h.thread_id AND c.checkpoint_ns = '' AND c.checkpoint_id = h.id
    WHERE h.thread_id NOT IN ({OUT_OF_ORDER}) AND {ASKS.format(thread="h.thread_id", checkpoint="h.id")}
    ORDER BY h.id
"""
"""Threads in order whose newest checkpoint waits."""
WAITS = f"""
    SELECT thread_id, CAST(metadata AS TEXT) FROM checkpoints
    WHERE thread_id = :thread AND checkpoint_ns = '' AND checkpoint_id = :checkpoint
    AND {ASKS.format(thread=":thread", checkpoint=":checkpoint")}
"""
BELOW = "thread_id = :thread AND (checkpoint_ns = :ns OR checkpoint_ns >= :ns || '|' AND checkpoint_ns < :ns || '}')"
"""A namespace and its descendants, whose names continue after a `|`."""


@dataclass(frozen=True, slots=True)
class RaisedInterrupt:
    """An interrupt's id, and the task that raised it."""

    interrupt: str
    namespace: str
    task: str


class CheckpointReader:
    """Reads `checkpoints.db` on a connection that any thread may use."""

    def __init__(self, db: damaged_files.Connection, path: Path, serde: SerializerProtocol) -> None:
        self._db = db
        self._path = path
        self._serde = serde

    def pending(self, thread: str, namespace: str = "") -> tuple[list[Interrupt], str | None]:
        """Interrupts in a namespace's newest checkpoint whose task has not ended, and the fingerprint of the code that wrote it, if known.

        Raises:
            Storage: the file cannot be read now.
        """
        with told(self._path):
            place = {"thread": thread, "ns": namespace, "checkpoint": newest(self._db, thread, namespace)}
            writes = self._db.rows(WRITES, place)
            described = self._db.rows(METADATA, place)
        ended = {task for task, channel, *_ in writes if channel not in CONTROL}
        asking = [(type_, value) for task, channel, type_, value in writes if channel == INTERRUPT and task not in ended]
        return [interrupt for typed in asking for interrupt in self._serde.loads_typed(typed)], _said(described, "hitl_code")

    def greatest(self, thread: str) -> str | None:
        """The greatest id of the thread's checkpoints in all namespaces; None if it has none."""
        return _text(self._rows(GREATEST_OF_ALL, thread, ""))

    def newest_if_hidden(self, thread: str, namespace: str = "") -> str | None:
        """The newest checkpoint of a namespace, if LangGraph would take an older one for it; None otherwise."""
        if not self._rows(IS_OUT_OF_ORDER, thread, namespace):
            return None
        with told(self._path):
            found = newest(self._db, thread, namespace)
        return found if found != _text(self._rows(GREATEST, thread, namespace)) else None

    def agent(self, thread: str, namespace: str) -> str | None:
        """Name of the agent that runs in a namespace, or of the agent around it; None if it has none."""
        with told(self._path):
            place = {"thread": thread, "ns": namespace, "checkpoint": newest(self._db, thread, namespace)}
            return _said(self._db.rows(METADATA, place), "lc_agent_name")

    def run(self, thread: str) -> int | None:
        """The last run of the console that wrote to the thread; None if none did."""
        rows = self._rows(RUN, thread, "")
        return int(rows[0][0]) if rows else None

    def has_takeover(self, thread: str, takeover: int) -> bool:
        """True if a checkpoint of the thread carries the takeover's number."""
        with told(self._path):
            found = self._db.execute(TAKEOVER, {"thread": thread, "takeover": takeover}).fetchone()
        return bool(found[0])

    def raised_below(self, thread: str, namespace: str) -> list[RaisedInterrupt]:
        """Every interrupt raised in a namespace or below it, answered ones included."""
        found = self._rows(
            f"SELECT checkpoint_ns, task_id, type, value FROM writes WHERE channel = '{INTERRUPT}' AND {BELOW}", thread, namespace
        )
        return [
            RaisedInterrupt(interrupt.id, ns, task) for ns, task, *typed in found for interrupt in self._serde.loads_typed(tuple(typed))
        ]

    def namespaces_below(self, thread: str, namespace: str) -> list[str]:
        """The namespaces with checkpoints: this one and those below it."""
        return [str(row[0]) for row in self._rows(f"SELECT DISTINCT checkpoint_ns FROM checkpoints WHERE {BELOW}", thread, namespace)]

    def _rows(self, sql: str, thread: str, namespace: str) -> list[Any]:
        with told(self._path):
            return self._db.rows(sql, {"thread": thread, "ns": namespace})


def newest(db: sqlite3.Connection, thread: str, namespace: str = "") -> str | None:
    """The checkpoint of a namespace that was written last on top of the greatest id; without disorder, that is the one itself."""
    place = {"thread": thread, "ns": namespace}
    [(greatest, is_out_of_order)] = db.execute(GREATEST_IN_ORDER, place).fetchall()
    found = None if greatest is None else str(greatest)
    if found is None or not is_out_of_order:
        return found
    last_child = {parent: child for parent, child in db.execute(AS_WRITTEN, place)}
    while (child := last_child.pop(found, None)) is not None:  # popped: damaged rows may form a circle
        found = str(child)
    return found


def _text(rows: list[Any]) -> str | None:
    return None if not rows or rows[0][0] is None else str(rows[0][0])


def _said(rows: list[Any], name: str) -> str | None:
    """A text of a checkpoint's metadata, given as the row of `METADATA`, if there is one."""
    found = json.loads(rows[0][0]).get(name) if rows and rows[0][0] else None
    return found if isinstance(found, str) else None


# Without a serializer: for `doctor`


def waiting_threads(path: Path) -> list[tuple[str, str, int]]:
    """Threads with a pending interrupt, as (thread, agent, run), if the console started them."""
    if not path.exists():
        return []
    try:
        with integrity.reading(path) as db:
            rows = db.execute(WAITING).fetchall()
            for (thread,) in db.execute(OUT_OF_ORDER).fetchall():
                rows += db.execute(WAITS, {"thread": thread, "checkpoint": newest(db, thread)}).fetchall()
    except sqlite3.Error:
        return []
    found = [(str(thread), _metadata(text)) for thread, text in rows]
    return [(thread, metadata["hitl_agent"], metadata["hitl_run"]) for thread, metadata in found if _is_ours(metadata)]


def threads_out_of_order(path: Path) -> list[str]:
    """Threads whose newest checkpoint LangGraph would not find, because the clock was set back before it was written."""
    if not path.exists():
        return []
    try:
        with integrity.reading(path) as db:
            found = [str(thread) for (thread,) in db.execute(OUT_OF_ORDER).fetchall()]
            greatest = {thread: _text(db.execute(GREATEST, {"thread": thread, "ns": ""}).fetchall()) for thread in found}
            return [thread for thread in found if newest(db, thread) != greatest[thread]]
    except sqlite3.Error:
        return []


def _metadata(text: str | None) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(text or "")
        return found if isinstance(found, dict) else {}
    return {}


def _is_ours(metadata: dict[str, Any]) -> bool:
    run = metadata.get("hitl_run")
    return isinstance(metadata.get("hitl_agent"), str) and isinstance(run, int) and 0 < run < 2**62
