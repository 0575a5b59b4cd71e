"""What a thread's head asks right now, read lean: it stands between a person's decision and its effect.

LangGraph's own `aget_tuple` takes five trips to a thread and decodes the whole state; this is one read of the same rows, by the
library's own rule (CONTRACT 4.2), right where it is needed: a reader of a WAL database waits for nobody.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.types import Interrupt

INTERRUPT, RESUME = "__interrupt__", "__resume__"
CONTROL = frozenset({INTERRUPT, RESUME, "__error__", "__error_source_node__"})
"""Channels that do not say that a task has ended."""

WRITES = """
    SELECT task_id, channel, type, value FROM writes WHERE thread_id = :thread AND checkpoint_ns = '' AND checkpoint_id = (
        SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = '')
"""


class Heads:
    """A reader of `checkpoints.db`."""

    def __init__(self, db: sqlite3.Connection, serde: SerializerProtocol) -> None:
        self._db = db
        self._serde = serde

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, serde: SerializerProtocol) -> Iterator[Heads]:
        """Open the checkpoints for reading; they must exist."""
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
            yield cls(db, serde)

    def pending(self, thread: str) -> list[Interrupt]:
        """The interrupts of the newest checkpoint whose task has not ended."""
        writes = self._db.execute(WRITES, {"thread": thread}).fetchall()
        ended = {task for task, channel, *_ in writes if channel not in CONTROL}
        asking = [(type_, value) for task, channel, type_, value in writes if channel == INTERRUPT and task not in ended]
        return [interrupt for typed in asking for interrupt in self._serde.loads_typed(typed)]
