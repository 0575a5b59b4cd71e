"""Watches a source on which others run agents: what they ask becomes runs with reviews here, and an outage is stored for the screens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from hitl_tui.agents.source import Outage, Source
from hitl_tui.errors import Storage
from hitl_tui.model import Agent, MovedThread
from hitl_tui.store import Store, agents, moved_threads

STORE_RETRY_S = 1.0
AT_ONCE = 100
"""Threads in one transaction: few, so that it is short."""


class SourceWatch:
    """Watches the source of one worker.

    Args:
        notes: sentences about the project that are shown beside the source's own warnings.
        ring: tells the console that rows changed.
    """

    def __init__(self, store: Store, project: int, source: Source, notes: Sequence[str], ring: Callable[[], None]) -> None:
        self._store = store
        self._project = project
        self._source = source
        self._notes = notes
        self._ring = ring
        self._wake: Callable[[], None] = lambda: None
        self._agents: Sequence[Agent] | None = None
        self._warnings: list[str] = []
        self._state: tuple[Outage | None, str] | None = None
        """The source's outage, and why it is read-only, as this worker stored them last."""
        self._has_looked = False

    def versions(self, threads: Sequence[str]) -> Mapping[str, str]:
        """The versions under which these threads were handled last, of those that were."""
        return moved_threads.versions(self._store, self._project, threads)

    def waiting(self) -> list[str]:
        """The threads of runs that wait for a person."""
        return moved_threads.waiting(self._store, self._project)

    def queued(self) -> int:
        """How many runs of the project wait for a worker."""
        return moved_threads.queued(self._store, self._project)

    @contextlib.asynccontextmanager
    async def running(self, wake: Callable[[], None]) -> AsyncIterator[SourceWatch]:
        """Watch in the background while the block lasts. `wake` tells the worker that a run was queued."""
        self._wake = wake
        task = asyncio.ensure_future(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def is_looking(self) -> bool:
        """Whether the source was not looked through yet, although it can be used."""
        return not self._has_looked

    async def note_source(self) -> None:
        """Store the source's agents if they changed, and whether it can be used. Agents of a source that is away stay as they were."""
        source, changed = self._source, False
        warnings = [*filter(None, self._notes), *source.warnings]
        if source.outage is None and (source.agents is not self._agents or warnings != self._warnings):
            listed = list(source.agents)
            source.rename(await agents.replace_agents(self._store, self._project, listed, "", warnings))
            self._agents, self._warnings, changed = source.agents, warnings, True
        state = (source.outage, source.read_only)
        if state != self._state:
            out, read_only = state
            await agents.note_outage(self._store, self._project, out.why if out else read_only, out.since if out else None)
            self._state, changed = state, True
            if out:
                print(f"hitl-tui: {source.label} cannot be used: {out.why}; it is tried again", file=sys.stderr, flush=True)
        if changed:
            self._ring()

    async def _watch(self) -> None:
        """Watch until there is nothing to watch. An error of this program must not end the watch for good."""
        while True:
            try:
                await self._follow()
                break
            except Exception:  # noqa: BLE001 - it is in the log, and the next round may fare better
                traceback.print_exc()
                self._has_looked = True
                await asyncio.sleep(STORE_RETRY_S)
        self._has_looked = True

    async def _follow(self) -> None:
        async with contextlib.aclosing(self._source.follow(self)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                while True:
                    try:
                        await self._handle(batch)
                        break
                    except Storage:  # the worker reports it
                        await asyncio.sleep(STORE_RETRY_S)

    async def _handle(self, batch: Sequence[MovedThread]) -> None:
        await self.note_source()
        for start in range(0, len(batch), AT_ONCE):
            if await moved_threads.take_up(self._store, self._project, batch[start : start + AT_ONCE]):
                self._ring()
                self._wake()
        if not batch:
            self._has_looked = True
