"""Notices threads of a LangGraph server that others begin and move: there is no stream over all threads, but polling is cheap.

Each look reads the newest rows back to the last look. Every few minutes all threads that wait are read, for what slipped through: rows
change while pages are read, clocks of several servers differ, and a deletion shows nowhere else (CONTRACT-SERVER 3, 6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from langgraph_sdk.errors import NotFoundError

from hitl_tui.agents.server_connection import ServerConnection, reading
from hitl_tui.agents.source import KnownThreads
from hitl_tui.model import MovedThread

MARGIN = timedelta(seconds=10)
"""How far before the newest row of the last look the next one reads: servers' clocks differ, and transactions end late."""
SCAN_S = 180.0
PAGE, SCAN_PAGE, IDS = 100, 1000, 500
AT_ONCE = 8
"""States that are read at a time."""
WAITING = ("interrupted", "error")
"""States of threads that may wait: a failed run leaves its questions pending."""
ROW = ("thread_id", "status", "updated_at", "metadata")
GONE = "gone"

Row = Mapping[str, Any]


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
        self._recent: dict[str, str] = {}
        """Threads within the margin, by the `updated_at` under which they were reported."""
        self._scanned_at: float | None = None

    async def look(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """What changed since the last look, in batches.

        Raises:
            ServerProblem: the server cannot be used now.
        """
        if self._scanned_at is None or time.monotonic() - self._scanned_at > SCAN_S:
            if self._newest is None:
                await self._changed()
            began = time.monotonic()
            async for batch in self._scan(known):
                yield batch
            self._scanned_at = began
        if rows := await self._changed():
            yield await self._moved(rows, known)

    async def _changed(self) -> list[Row]:
        """Rows that changed since the last look, newest first."""
        found: list[Row] = []
        since = self._newest - MARGIN if self._newest else None
        newest = self._newest
        while True:
            page = await self._search(sort_by="updated_at", sort_order="desc", limit=PAGE if since else 1, offset=len(found))
            with reading():
                times = [_time(row) for row in page]
            found += page
            newest = max([*times, *([newest] if newest else [])], default=None)
            if since is None or len(page) < PAGE or times[-1] < since:
                break
        self._newest = newest
        if since is None or newest is None:
            return []
        fresh = [row for row in found if self._recent.get(str(row["thread_id"])) != str(row["updated_at"])]
        self._recent = {str(row["thread_id"]): str(row["updated_at"]) for row in found if _time(row) >= newest - MARGIN}
        for row in found:
            if _time(row) < newest - MARGIN:
                self._seen.pop(str(row["thread_id"]), None) if str(row["updated_at"]) != self._seen.get(str(row["thread_id"])) else None
        return [row for row in fresh if _time(row) >= since]

    async def _search(self, **filters: Any) -> list[Row]:
        async with self._connection.talking() as client:
            return list(await client.threads.search(select=list(ROW), **filters))  # type: ignore[arg-type]

    async def _scan(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """All threads that wait, and those on which runs of this home wait, wherever they are now."""
        left = set(known.waiting())
        for status in WAITING:
            offset = 0
            while page := await self._search(status=status, sort_by="created_at", sort_order="asc", limit=SCAN_PAGE, offset=offset):
                offset += len(page)
                left.difference_update(str(row["thread_id"]) for row in page)
                yield await self._moved(page, known)
                if len(page) < SCAN_PAGE:
                    break
        ids = sorted(left)
        for start in range(0, len(ids), IDS):
            chunk = ids[start : start + IDS]
            rows = await self._search(ids=chunk, limit=IDS)
            yield await self._moved(rows, known)
            gone = set(chunk) - {str(row["thread_id"]) for row in rows}
            yield [MovedThread(thread, "", GONE, "", waits=False) for thread in sorted(gone) if known.versions([thread]) != {thread: GONE}]

    async def _moved(self, rows: Sequence[Row], known: KnownThreads) -> list[MovedThread]:
        """Those of these rows that are not known in this version."""
        with reading():
            handled = known.versions([str(row["thread_id"]) for row in rows])
            changed = [row for row in rows if handled.get(str(row["thread_id"])) != str(row["updated_at"])]
            new = [row for row in changed if self._seen.get(str(row["thread_id"])) != str(row["updated_at"])]
            reviewed = [row for row in new if row["status"] in WAITING and self._agent_of(row.get("metadata") or {})]
            asking = await self._asking(reviewed)
            news = {str(row["thread_id"]) for row in new}
            return [self._moved_thread(row, asking, news) for row in changed]

    def _moved_thread(self, row: Row, asking: Collection[str], news: Collection[str]) -> MovedThread:
        metadata, thread = row.get("metadata") or {}, str(row["thread_id"])
        agent = self._agent_of(metadata) or ""
        title = metadata.get("title") if isinstance(metadata.get("title"), str) else f"thread {thread[:8]}"
        return MovedThread(thread, agent, str(row["updated_at"]), str(title), bool(agent) and thread in asking, thread not in news)

    async def _asking(self, rows: Sequence[Row]) -> set[str]:
        """The threads among these that ask something or stand at a gate. A row alone does not tell: it may have been cancelled there."""
        limit = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(self._asks(str(row["thread_id"]), limit) for row in rows))
        return {str(row["thread_id"]) for row, asks in zip(rows, answers, strict=True) if asks}

    async def _asks(self, thread: str, limit: asyncio.Semaphore) -> bool:
        async with limit, self._connection.talking() as client:
            try:
                state = await client.threads.get_state(thread)
                with reading():
                    if any(task["interrupts"] for task in state["tasks"]):
                        return True
                    if not state["next"] or any(task.get("error") for task in state["tasks"]):
                        return False
                runs = await client.runs.list(thread, limit=1)
                with reading():
                    return bool(runs) and runs[0]["status"] == "success"
            except NotFoundError:
                return False


def _time(row: Row) -> datetime:
    return datetime.fromisoformat(str(row["updated_at"]))
