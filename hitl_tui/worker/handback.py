"""Applies a takeover's plan exactly once, and only if the run has not moved since it was taken over; resolves crashes in between."""

from __future__ import annotations

import asyncio

from hitl_tui import canonical_json, failpoints
from hitl_tui.agents.source import AppliedHandback, Source, Thread, ThreadSnapshot
from hitl_tui.errors import Refused, Storage
from hitl_tui.failpoints import Failpoint
from hitl_tui.model import Run, RunState, Takeover
from hitl_tui.store import Store, takeovers

NOT_BEGUN = "the run was interrupted before anything of it was applied; check it, and hand the run back again"
MAY_BE_DONE = "may have been applied: the run was interrupted while {}'s hand-back was being applied; check where the agent stands"
MOVED = "the run has moved since it was taken over, so nothing was applied; look at it again"


class NotApplied(Exception):
    """Nothing of a hand-back was applied, and the run is unchanged. The message says why, as a clause."""


class Handbacks:
    """Applies hand-backs of one worker."""

    def __init__(self, store: Store, worker: str, source: Source) -> None:
        self._store = store
        self._worker = worker
        self._source = source

    async def apply(self, run: Run, takeover: Takeover, before: ThreadSnapshot, thread: Thread) -> AppliedHandback:
        """Apply a plan to a run that was just leased for it.

        Raises:
            NotApplied: nothing was done.
        """
        if before.checkpoint != takeover.head:
            raise await self._not_applied(takeover, "stale", MOVED)
        try:
            applied = await thread.apply_handback(takeover, run.state is not RunState.WAITING)
        except Storage:
            raise
        except Refused as refused:
            raise await self._not_applied(takeover, "failed", str(refused)) from None
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # the conditions of a graph's edges are user code
            if (await thread.snapshot(stopped=True)).checkpoint != takeover.head:
                raise
            why = f"its graph does not take that: {self._source.explain(error)}"
            raise await self._not_applied(takeover, "failed", why) from None
        failpoints.reached(Failpoint.RESUMED)
        await takeovers.applied(self._store, takeover)
        return applied

    async def resolve_after_crash(self, takeover: Takeover, snapshot: ThreadSnapshot, thread: Thread) -> None:
        """Store whether a hand-back that was interrupted by a crash was applied.

        Raises:
            NotApplied: nothing was done.
        """
        if snapshot.checkpoint == takeover.head and not thread.has_handback(takeover.id):
            raise await self._not_applied(takeover, "failed", NOT_BEGUN)
        await takeovers.applied(self._store, takeover, MAY_BE_DONE.format(takeover.actor))

    async def _not_applied(self, takeover: Takeover, state: str, why: str) -> NotApplied:
        note = canonical_json.storable(why)
        await takeovers.restore_run(self._store, self._worker, takeover, state, note)
        return NotApplied(note)
