"""Runs that people hand back: what was done in the agent's place is done to the graph, once, and if it is where the person saw it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from hitl_tui import canonical_json, failpoints
from hitl_tui.agents.agent_errors import explain
from hitl_tui.agents.handback import bans
from hitl_tui.agents.thread import Look, Part, Thread
from hitl_tui.errors import Refused, Storage
from hitl_tui.failpoints import Step
from hitl_tui.model import Run, RunState, TakeOver
from hitl_tui.store import Store, decisions, takeovers

NOT_BEGUN = "the worker died before anything of it was done; look at it, and hand the run back again"
MAY_BE_DONE = "may have been applied: the worker died while {}'s take-over was being carried out; see where the agent stands"
MOVED = "the run has moved since it was taken over, and nothing was done; look at it again"


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a hand-back."""

    look: Look
    parts: AsyncIterator[Part] | None
    """How the agent goes on; None while it waits, or when it is done."""
    was_poisoned: bool
    """Whether an answer was saved that its node failed on."""


class HandBacks:
    """Carries out what people did in their agents' places."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store = store
        self._worker = worker

    async def carry_out(self, run: Run, takeover: TakeOver, thread: Thread) -> Carried | str:
        """Do what is planned to a run that was just leased for it; or why nothing was done, and the run is as it was."""
        look = await thread.look(stopped=run.state is RunState.WAITING)
        if look.checkpoint != takeover.head:
            return await self._leave(takeover, "stale", MOVED)
        try:
            moves = await thread.moves(look, takeover.plan, takeover.actor, run.state is not RunState.WAITING)
            await thread.carry_out(moves, takeover.id)
        except Storage:
            raise
        except Refused as refused:
            return await self._leave(takeover, "failed", str(refused))
        except Exception as error:  # the conditions of a graph's edges are user code
            if (await thread.look(stopped=True)).checkpoint != takeover.head:
                raise
            return await self._leave(takeover, "failed", f"its graph does not take that: {explain(error)}")
        failpoints.reached(Step.RESUMED)
        await takeovers.applied(self._store, takeover)
        after = await thread.look_after(moves)
        thread.forbid([*decisions.forbidden(self._store, run.id), *bans(moves.asks, takeover.actor)])
        goes_on = not after.finished and not after.pauses
        return Carried(after, thread.go_on_after(moves) if goes_on else None, look.poisoned)

    async def after_crash(self, takeover: TakeOver, look: Look, thread: Thread) -> str | None:
        """What to say of a take-over that a worker died over: why the run is as it was, or None, and the take-over was carried out."""
        if look.checkpoint == takeover.head and not thread.was_carried_out(takeover.id):
            return await self._leave(takeover, "failed", NOT_BEGUN)
        await takeovers.applied(self._store, takeover, MAY_BE_DONE.format(takeover.actor))
        return None

    async def _leave(self, takeover: TakeOver, state: str, why: str) -> str:
        note = canonical_json.plain(why)
        await takeovers.put_back(self._store, self._worker, takeover, state, note)
        return note
