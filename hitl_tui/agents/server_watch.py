"""Notices threads of a LangGraph server that others begin and move: there is no stream over all threads, but polling is cheap.

Each look reads the newest rows back to the last look. Every few minutes all threads that wait are read, for what slipped through: rows
change while pages are read, clocks of several servers differ, and a deletion shows nowhere else (CONTRACT-SERVER 3, 6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph_sdk.errors import NotFoundError, PermissionDeniedError

from hitl_tui.agents.messages import messages_in, text_of
from hitl_tui.agents.server_connection import ServerConnection
from hitl_tui.agents.server_state import snapshot_of
from hitl_tui.agents.source import KnownThreads
from hitl_tui.model import MovedThread

MARGIN = timedelta(seconds=10)
"""How far before the newest row of the last look the next one reads: servers' clocks differ, and transactions end late."""
SCAN_S = 180.0
SCAN_SLICE_S = 1.0
"""Time of a look that is given to a scan."""
BACKLOG = 50
"""Queued runs beyond which a scan waits: what is new is queued behind them."""
PAGE, SCAN_PAGE, IDS, READ_AT_ONCE = 100, 1000, 500, 50
AT_ONCE = 8
"""States that are read at a time."""
WAITING = ("interrupted", "error")
"""States of threads that may wait: a failed run leaves its questions pending."""
IDLE = "idle"
ROW = ("thread_id", "status", "updated_at", "metadata")
GONE = "gone"
TITLE = 80
"""Characters of what a thread is about."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A thread without its state."""

    thread: str
    status: str
    updated_at: str
    time: datetime
    """`updated_at`."""
    metadata: Mapping[str, Any]


class ThreadWatch:
    """Looks for changed threads.

    Args:
        connection: to the server.
        seen: by thread, the `updated_at` of its row when a worker of this process read it last.
        agent_of: the agent to which a thread belongs, by its metadata; None if it is not reviewed here.
    """

    def __init__(self, connection: ServerConnection, seen: dict[str, str], agent_of: Callable[[Mapping[str, Any]], str | None]) -> None:
        self._connection = connection
        self._seen = seen
        self._agent_of = agent_of
        self._newest: datetime | None = None
        self._scanned_at: float | None = None
        self._scan_began = 0.0
        self._scan_left: AsyncIterator[Sequence[MovedThread]] | None = None
        """What is left of a scan of all threads that wait."""
        self._at_rest: set[tuple[str, str]] = set()
        """Threads of the newest rows that ask nothing, with their `updated_at`."""

    @property
    def is_scanning(self) -> bool:
        """Whether a scan of all threads that wait is not at its end yet."""
        return self._scan_left is not None

    def scan_again(self) -> None:
        """Let the next look begin a scan: a server that was away may have forgotten threads."""
        self._scan_left = self._scanned_at = None

    async def look(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """What changed since the last look, and a part of a scan if one is due, in batches that are not empty.

        Raises:
            ServerProblem: the server cannot be used now.
        """
        if self._newest is None:
            await self._note_newest()
        rows = await self._changed()
        if moved := await self._moved(rows, known, (*WAITING, IDLE)):
            yield moved
        self._at_rest &= {(row.thread, row.updated_at) for row in rows}  # older ones are not read again
        if self._scan_left is None and (self._scanned_at is None or time.monotonic() - self._scanned_at > SCAN_S):
            self._scan_left, self._scan_began = self._scan(known), time.monotonic()
        async for batch in self._part_of_scan(known):
            yield batch

    async def _part_of_scan(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """Scan for a while, so that what is new is not seen late, and only as long as workers keep up with what was found."""
        until = time.monotonic() + SCAN_SLICE_S
        while self._scan_left is not None and time.monotonic() < until and known.queued() < BACKLOG:
            try:
                batch = await anext(self._scan_left, None)
            except BaseException:
                self._scan_left = None  # it cannot be continued; the next look begins another
                raise
            if batch is None:
                self._scan_left, self._scanned_at = None, self._scan_began
            elif batch:
                yield batch

    async def _note_newest(self) -> None:
        """Remember where the first look begins: the scan that follows reads what is older."""
        rows = await self._search(sort_by="updated_at", sort_order="desc", limit=1)
        self._newest = rows[0].time if rows else datetime.fromtimestamp(0, UTC)

    async def _changed(self) -> list[_Row]:
        """Rows that changed since shortly before the last look, newest first."""
        assert self._newest
        found: list[_Row] = []
        since = self._newest - MARGIN if self._newest.timestamp() else self._newest
        while True:
            page = await self._search(sort_by="updated_at", sort_order="desc", limit=PAGE, offset=len(found))
            fresh = [row for row in page if row.time >= since]
            found += fresh
            if len(page) < PAGE or len(fresh) < len(page):
                break
        self._newest = max([self._newest, *(row.time for row in found)])
        return found

    async def _search(self, **filters: Any) -> list[_Row]:
        async with self._connection.talking(whole=True) as client:
            found = await client.threads.search(select=list(ROW), **filters)  # type: ignore[arg-type]
            with self._connection.reading():
                return [_row(one) for one in found]

    async def _scan(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """All threads that wait, and those on which runs of this home wait, wherever they are now."""
        left = set(known.waiting())
        for status in WAITING:
            offset = 0
            while page := await self._search(status=status, sort_by="created_at", sort_order="asc", limit=SCAN_PAGE, offset=offset):
                offset += len(page)
                left.difference_update(row.thread for row in page)
                for start in range(0, len(page), READ_AT_ONCE):
                    yield await self._moved(page[start : start + READ_AT_ONCE], known)
                if len(page) < SCAN_PAGE:
                    break
        ids = sorted(left)
        for start in range(0, len(ids), IDS):
            chunk = ids[start : start + IDS]
            rows = await self._search(ids=chunk, limit=IDS)
            yield await self._moved(rows, known, have_runs=True)
            gone = set(chunk) - {row.thread for row in rows}
            yield [MovedThread(thread, "", GONE, "", waits=False) for thread in sorted(gone) if known.versions([thread]) != {thread: GONE}]

    async def _moved(
        self, rows: Sequence[_Row], known: KnownThreads, states: Collection[str] = WAITING, have_runs: bool = False
    ) -> list[MovedThread]:
        """Those of these rows that are not known in this version, and may wait or have a run here (as all do with `have_runs`).

        Threads in these `states` are read. Among them are idle ones that have just changed: langhost has been seen to call a thread idle
        that asks something.
        """
        by_thread = {row.thread: row for row in rows}
        handled = known.versions(list(by_thread)) if rows else {}
        changed = {thread: row for thread, row in by_thread.items() if handled.get(thread) != row.updated_at}
        seen = {thread for thread, row in changed.items() if self._seen.get(thread) == row.updated_at}
        resting = {thread for thread, row in changed.items() if (thread, row.updated_at) in self._at_rest}
        reviewed = [thread for thread in changed if thread not in seen | resting and self._is_reviewed(changed[thread], states)]
        asking = await self._asking(reviewed)
        self._at_rest |= {(thread, changed[thread].updated_at) for thread in reviewed if thread not in asking}
        waiting = {thread for thread in reviewed if thread in asking or changed[thread].status in WAITING}
        told = [thread for thread in changed if have_runs or thread in handled or thread in self._seen or thread in waiting]
        for thread in told:
            self._seen.pop(thread, None)  # from now on, the version that is stored says that it is known
        return [self._moved_thread(changed[thread], asking.get(thread), thread in seen) for thread in told]

    def _is_reviewed(self, row: _Row, states: Collection[str]) -> bool:
        return row.status in states and self._agent_of(row.metadata) is not None

    def _moved_thread(self, row: _Row, about: str | None, is_known: bool) -> MovedThread:
        given = row.metadata.get("title")
        title = given if isinstance(given, str) else about or f"thread {row.thread[:8]}"
        return MovedThread(row.thread, self._agent_of(row.metadata) or "", row.updated_at, title, about is not None, is_known)

    async def _asking(self, threads: Sequence[str]) -> dict[str, str]:
        """What those of these threads are about that ask something or stand at a gate.

        A row alone does not tell: a thread may have been cancelled there.
        """
        limit = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(self._asks(thread, limit) for thread in threads))
        return {thread: about for thread, about in zip(threads, answers, strict=True) if about is not None}

    async def _asks(self, thread: str, limit: asyncio.Semaphore) -> str | None:
        """What a thread is about, which may be empty; None if it asks nothing."""
        async with limit, self._connection.talking() as client:
            try:
                state = await client.threads.get_state(thread, subgraphs=True)
                with self._connection.reading():
                    found = snapshot_of(state)
                    if found.interrupts:
                        return _about(found.values)
                    if not found.next or any(task.error for task in found.tasks):
                        return None
                runs = await client.runs.list(thread, limit=1)
                with self._connection.reading():
                    return _about(found.values) if runs and runs[0]["status"] == "success" else None
            except (NotFoundError, PermissionDeniedError):
                return None


def _about(values: Any) -> str:
    """The first thing that a person said in a thread, in one line."""
    said = next((text_of(message) for message in messages_in(values) if isinstance(message, HumanMessage)), "")
    return " ".join(said.split())[:TITLE]


def _row(found: Any) -> _Row:
    at, metadata = str(found["updated_at"]), found.get("metadata") or {}
    return _Row(str(found["thread_id"]), str(found["status"]), at, datetime.fromisoformat(at), dict(metadata))
