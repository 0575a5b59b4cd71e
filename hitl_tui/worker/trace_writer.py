"""Writes the traces of all runs in batches: one commit and one ring per batch, and the first line after a pause at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from hitl_tui.agents.source import StreamEvent
from hitl_tui.errors import Storage
from hitl_tui.model import Event, Json, Lease
from hitl_tui.store import Store, events

GATHER_S = 0.02


class RunTrace:
    """Numbers the trace lines of one run. A message that still streams keeps its number and is written again."""

    def __init__(self, last_seq: int) -> None:
        self._seq = last_seq
        self._streaming: dict[str, int] = {}
        self._written: set[str] = set()

    def line(self, kind: str, body: Json, node: str = "", path: tuple[str, ...] = ()) -> Event:
        """A new line."""
        self._seq += 1
        return Event(self._seq, time.time(), kind, node, path, body)

    def lines(self, event: StreamEvent) -> list[Event]:
        """The line of a streamed event; none if the same was written before, as resumed graphs repeat messages."""
        if event.key in self._written:
            return []
        line = self.line(event.kind, event.body, event.node, event.path) if event.key not in self._streaming else self._again(event)
        if event.partial:
            self._streaming[event.key] = line.seq
        elif event.key:
            self._streaming.pop(event.key, None)
            self._written.add(event.key)
        return [line]

    def _again(self, event: StreamEvent) -> Event:
        return Event(self._streaming[event.key], time.time(), event.kind, event.node, event.path, event.body)

    @staticmethod
    def activity(event: StreamEvent) -> str | None:
        """What the run does now, if the event says so."""
        return " › ".join((*event.path, event.node)) if event.kind == "start" else None


class TraceWriter:
    """Queues trace lines of all runs. A power cut may lose the last ones, which only costs lines on a screen."""

    def __init__(self, store: Store, ring: Callable[[], None]) -> None:
        self._store = store
        self._ring = ring
        self._lines: dict[int, dict[int, Event]] = {}
        self._activity: dict[int, str] = {}
        self._leases: dict[int, int] = {}
        self._more = asyncio.Event()
        self._writing = asyncio.Lock()

    def under(self, lease: Lease) -> None:
        """Write lines of this run only as long as nobody else leases it."""
        self._leases[lease.run] = lease.number

    def note(self, run: int, line: Event) -> None:
        """Queue a line that may wait for later ones, or for a flush."""
        self._lines.setdefault(run, {})[line.seq] = line

    def add(self, run: int, lines: list[Event], activity: str | None) -> None:
        """Queue lines of a run, to be written soon. A later line with the same number replaces an earlier one."""
        self._lines.setdefault(run, {}).update((line.seq, line) for line in lines)
        if activity is not None:
            self._activity[run] = activity
        self._more.set()

    async def write(self) -> None:
        """Write until cancelled."""
        while True:
            await self._more.wait()
            with contextlib.suppress(Storage):
                await self.flush()
            await asyncio.sleep(GATHER_S)

    async def flush(self) -> None:
        """Write everything queued so far, so that later writes to the store come after it."""
        async with self._writing:
            self._more.clear()
            lines, self._lines = self._lines, {}
            activity, self._activity = self._activity, {}
            if lines or activity:
                await self._append(lines, activity)
                self._ring()

    async def _append(self, lines: dict[int, dict[int, Event]], activity: dict[int, str]) -> None:
        try:
            await events.append(self._store, {run: list(batch.values()) for run, batch in lines.items()}, activity, self._leases)
        except Storage:
            self._lines = {run: {**lines.get(run, {}), **self._lines.get(run, {})} for run in {**lines, **self._lines}}
            self._more.set()
            raise

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[TraceWriter]:
        """Write in the background during the block, and the rest at its end."""
        task = asyncio.ensure_future(self.write())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(Storage):
                await self.flush()
