"""What a thread's head asks right now, read lean: it stands between a person's decision and its effect.

LangGraph's own `aget_tuple` takes five trips to a thread and decodes the whole state; this is one read of the same rows, by the
library's own rule (CONTRACT 4.2), right where it is needed: a reader of a WAL database waits for nobody.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.types import Interrupt

from hitl_tui.store.errors import told

INTERRUPT, RESUME = "__interrupt__", "__resume__"
CONTROL = frozenset({INTERRUPT, RESUME, "__error__", "__error_source_node__"})
"""Channels that do not say that a task has ended."""

WRITES = """
    SELECT task_id, channel, type, value FROM writes WHERE thread_id = :thread AND checkpoint_ns = :ns AND checkpoint_id = (
        SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns)
"""

METADATA = "SELECT metadata FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = :ns ORDER BY checkpoint_id DESC LIMIT 1"
RUN = """
    SELECT json_extract(CAST(metadata AS TEXT), '$.hitl_run') AS run FROM checkpoints
    WHERE thread_id = :thread AND checkpoint_ns = :ns AND run IS NOT NULL ORDER BY checkpoint_id DESC LIMIT 1
"""
TAKEOVER = """
    SELECT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = :thread
    AND json_extract(CAST(metadata AS TEXT), '$.hitl_takeover') = :takeover)
"""
BELOW = "thread_id = :thread AND (checkpoint_ns = :ns OR checkpoint_ns >= :ns || '|' AND checkpoint_ns < :ns || '}')"
"""A namespace and those in it: their names go on after a `|`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """An interrupt, and who raised it."""

    interrupt: str
    namespace: str
    task: str


class CheckpointReader:
    """A reader of `checkpoints.db`."""

    def __init__(self, db: sqlite3.Connection, path: Path, serde: SerializerProtocol) -> None:
        self._db = db
        self._path = path
        self._serde = serde

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, serde: SerializerProtocol) -> Iterator[CheckpointReader]:
        """Open the checkpoints for reading; they must exist."""
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
            yield cls(db, path, serde)

    def pending(self, thread: str, namespace: str = "") -> list[Interrupt]:
        """The interrupts of a namespace's newest checkpoint whose task has not ended.

        Raises:
            Storage: the file cannot be read now.
        """
        with told(self._path):
            writes = self._db.execute(WRITES, {"thread": thread, "ns": namespace}).fetchall()
        ended = {task for task, channel, *_ in writes if channel not in CONTROL}
        asking = [(type_, value) for task, channel, type_, value in writes if channel == INTERRUPT and task not in ended]
        return [interrupt for typed in asking for interrupt in self._serde.loads_typed(typed)]

    def code(self, thread: str) -> str | None:
        """The fingerprint of the code that wrote the newest checkpoint; None when that is unknown."""
        return self._metadata(thread, "", "hitl_code")

    def agent(self, thread: str, namespace: str) -> str | None:
        """The name of the agent whose checkpoints these are, or of the one around it; None when it has none."""
        return self._metadata(thread, namespace, "lc_agent_name")

    def run(self, thread: str) -> int | None:
        """The last run of the console that wrote a checkpoint of the thread; None when none did."""
        rows = self._rows(RUN, thread, "")
        return int(rows[0][0]) if rows else None

    def has_takeover(self, thread: str, takeover: int) -> bool:
        """Whether a checkpoint of the thread carries out that take-over."""
        with told(self._path):
            found = self._db.execute(TAKEOVER, {"thread": thread, "takeover": takeover}).fetchone()
        return bool(found[0])

    def _metadata(self, thread: str, namespace: str, name: str) -> str | None:
        rows = self._rows(METADATA, thread, namespace)
        found = json.loads(rows[0][0]).get(name) if rows and rows[0][0] else None
        return found if isinstance(found, str) else None

    def asking_below(self, thread: str, namespace: str) -> list[Asking]:
        """Every interrupt that was raised in a namespace or below it."""
        found = self._rows(
            f"SELECT checkpoint_ns, task_id, type, value FROM writes WHERE channel = '{INTERRUPT}' AND {BELOW}", thread, namespace
        )
        return [Asking(interrupt.id, ns, task) for ns, task, *typed in found for interrupt in self._serde.loads_typed(tuple(typed))]

    def namespaces_below(self, thread: str, namespace: str) -> list[str]:
        """The namespace, where it has checkpoints, and those below it."""
        return [str(row[0]) for row in self._rows(f"SELECT DISTINCT checkpoint_ns FROM checkpoints WHERE {BELOW}", thread, namespace)]

    def _rows(self, sql: str, thread: str, namespace: str) -> list[Any]:
        with told(self._path):
            return self._db.execute(sql, {"thread": thread, "ns": namespace}).fetchall()
