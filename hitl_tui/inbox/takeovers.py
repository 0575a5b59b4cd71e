"""Takeovers: take a run over, save a plan, hand the run back with the plan, confirm a hand-back, or discard the takeover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from hitl_tui import canonical_json
from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Actor, HandBack, Identified, Json, Role, RunHead, Takeover, TakeoverPlan, same_person
from hitl_tui.store import Store, hand_backs, takeovers

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox
    from hitl_tui.store.signatures import SignedText


def require_not_taken_over(store: Store, reviewer: str, run: int) -> None:
    """Check that a run is not taken over, so that it can be retried.

    Raises:
        Stale: it is taken over, by this reviewer or by somebody else.
    """
    held = takeovers.live(store, run)
    if not held:
        return
    mine = same_person(held.actor, reviewer)
    raise Stale(
        f"run r{run} is taken over by {'you' if mine else held.actor}",
        "hand it back or discard the takeover first" if mine else "wait until it is handed back, or take it over with a reason",
    )


class Takeovers:
    """One reviewer's verbs on takeovers."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def take(self, run: int, reason: str = "") -> Takeover:
        """Take over a run that waits, failed or was cancelled. Until it is handed back or discarded, nobody else decides its reviews.

        Returns the existing takeover when this reviewer already has the run. With a reason, a run is taken from somebody else.

        Raises:
            NotAllowed: this person may not take over, or not decide what the run asks; that is logged.
            Refused: the run is queued, running or done; somebody else has it and no reason is given; or it was an attention check, which
                this ends.
        """
        await self._inbox.runs.get(run)  # refuses an unknown run
        await self._inbox.require(Role.TAKE_OVER, "take over", run=run)
        made = await takeovers.take(self._store, run, self._inbox.actor, canonical_json.storable(reason), self._inbox.people())
        self._inbox.ring()
        if made is None:
            found = self._inbox.runs.attention_check(run)
            raise Refused(found.told(self._inbox.reviewer) if found else f"run r{run} cannot be taken over")
        return made

    async def latest(self, run: int) -> Takeover | None:
        """Read the run's last takeover, live or ended (`Takeover.is_live`); None when there never was one."""
        return await takeovers.newest(self._store, run)

    async def head(self, run: int) -> RunHead:
        """Read the state of a run that waits, failed or was cancelled.

        Raises:
            Refused: no worker has recorded it.
        """
        found = await takeovers.head(self._store, run)
        if found is None:
            raise Refused(f"the state of run r{run} is not recorded", "take it over when it waits or has failed")
        return found

    async def state_schema(self, run: int) -> Json:
        """JSON Schema of the graph state of a run; None when it is unknown.

        Raises:
            Refused: there is no such run.
        """
        from hitl_tui.store import agents

        found = await self._inbox.runs.get(run)
        known = [a for a in await agents.list_agents(self._store, found.agent) if found.project in (None, a.project)]
        return known[0].state_schema if known else None

    async def save_plan(self, takeover: int, plan: TakeoverPlan, typed: Mapping[str, str] | None = None) -> None:
        """Save a plan that is still being edited, which need not be valid yet.

        Args:
            takeover: its id.
            plan: the parts that could be parsed.
            typed: by part, the text that could not be parsed yet.

        Raises:
            Refused: there is no such takeover.
            Stale: this reviewer no longer has the run.
        """
        if not await takeovers.save_plan(self._store, takeover, self._inbox.reviewer, plan, typed or {}):
            await self._refuse_ended(takeover)

    async def hand_back(self, takeover: int, plan: TakeoverPlan) -> Takeover:
        """Return the run to its agent. A worker carries the plan out (`applied`, or `stale` or `failed` with a note) and resumes the run.

        Where rules demand other people for what the run asks, they must `confirm` it first: see `Takeover.is_unconfirmed` of the result.

        Raises:
            Refused: the plan does nothing or does not fit the run's state.
            NotSigned: it must be signed, and could not be.
            Stale: this reviewer no longer has the run.
        """
        from hitl_tui import takeover_plan

        found = await takeovers.get(self._store, takeover)
        await self._inbox.require(Role.TAKE_OVER, "hand back", run=found.run)
        takeover_plan.validate(plan, await self.head(found.run), await self.state_schema(found.run))
        by, signed = await self._signed(replace(found, plan=plan))
        made = await takeovers.hand_back(self._store, takeover, by, plan, self._inbox.people(), signed)
        if made is None:
            return await self._refuse_ended(takeover)
        self._inbox.ring()
        return made

    async def confirm(self, shown: Takeover) -> bool:
        """Agree to a hand-back of somebody else that waits for other people. True if no more are needed.

        Raises:
            NotAllowed: this person may not decide what the run asks; that is logged.
            NotSigned: it must be signed, and could not be.
            Refused: it is this reviewer's own, or they have confirmed it.
            Stale: it waits for nobody, or its plan is not the one that was shown.
        """
        from hitl_tui import takeover_plan

        await self._inbox.require(Role.DECIDE, "confirm", run=shown.run)
        by, signed = await self._signed(shown)
        is_enough = await takeovers.confirm(self._store, shown.id, by, takeover_plan.as_json(shown.plan), self._inbox.people(), signed)
        self._inbox.ring()
        return is_enough

    def waiting(self) -> list[HandBack]:
        """Hand-backs that wait for other people's confirmation, oldest first: `HandBack.needs_me` tells whether for this reviewer's."""
        return hand_backs.waiting(self._store, self._inbox.reviewer, self._inbox.people())

    def must_sign(self, run: int) -> bool:
        """Whether a hand-back of a run must be signed, and so what confirms it. Synchronous."""
        return self._inbox.people().sign == "always" or any(one.signed for one in hand_backs.asked_now(self._store, run))

    async def _signed(self, takeover: Takeover) -> tuple[Actor, SignedText | None]:
        """Who hands back or confirms, and the signature where one is needed."""
        if not self.must_sign(takeover.run):
            return self._inbox.actor, None
        return replace(self._inbox.actor, identified=Identified.SIGNED), await self._inbox.signing.sign_hand_back(takeover)

    async def discard(self, takeover: int) -> None:
        """End a takeover without changing the run.

        Raises:
            Refused: there is no such takeover.
            Stale: somebody else has the run, or the takeover has ended.
        """
        if not await takeovers.discard(self._store, takeover, self._inbox.reviewer):
            await self._refuse_ended(takeover)
        self._inbox.ring()

    async def _refuse_ended(self, takeover: int) -> NoReturn:
        found = await takeovers.get(self._store, takeover)
        why = f": {found.note}" if found.note else ""
        if found.is_live and not same_person(found.actor, self._inbox.reviewer):
            raise Stale(f"run r{found.run} is taken over by {found.actor}", "take it over with a reason")
        raise Stale(f"the takeover of run r{found.run} is {found.state.replace('_', ' ')}{why}", "look at the run again")
