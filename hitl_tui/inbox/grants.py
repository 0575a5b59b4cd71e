"""Grants, as one reviewer makes, reads and revokes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hitl_tui.errors import Refused
from hitl_tui.model import Action, Facts, Grant, GrantUse, Identified, Levels, Outcome, Risk, Role, Run, Scope, call_id
from hitl_tui.model.grants import FOR_S, LONGEST_S, MOST_USES, USES
from hitl_tui.model.signatures import grant_text
from hitl_tui.model.verdicts import severity
from hitl_tui.oversight.grants import SINCE_S, PastCall, ScopeEvidence, evidence
from hitl_tui.policy import engine, facts, grant_scopes
from hitl_tui.policy import grants as coverage
from hitl_tui.policy.engine import GRANT, Mark
from hitl_tui.policy.grant_scopes import Bound
from hitl_tui.policy.grants import GrantIndex, Outside
from hitl_tui.policy.schema import Policy
from hitl_tui.store import agents, audit, autonomy
from hitl_tui.store import grants as rows
from hitl_tui.store.grants import NewGrant

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

NEVER = 2**31
"""Number of a grant that is only tried."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a grant can be made of: a call, how its arguments can be bounded, and what was decided about calls like it."""

    run: Run
    action: Action
    review: int
    facts: Facts
    policy: Policy | None
    levels: Levels
    note: str
    bounds: Mapping[str, tuple[Bound, ...]]
    """By argument, narrowest first."""
    outside: Outside | None
    past: tuple[PastCall, ...]
    """What people decided about the tool, newest first."""

    @property
    def risk(self) -> Risk | None:
        """What the tool can do at worst, as the tool or a rule says; None if nobody says it."""
        steps = list(engine.walk(self.facts, self.policy, time.time(), self.levels, self.note)) if self._is_usable else []
        verdict = steps[-1].verdict if steps else None
        return (verdict.risk if verdict else None) or self.facts.risk

    @property
    def _is_usable(self) -> bool:
        return not (self.policy and self.policy.problem)

    def evidence(self, scope: Scope) -> ScopeEvidence:
        """What people decided about the past calls that a scope covers."""
        arguments = self.action.args if isinstance(self.action.args, dict) else {}
        return evidence(scope, self.past, arguments)

    def problem(self, scope: Scope, uses: int, risk: Risk | None) -> tuple[str, str]:
        """Why a grant would not let this very call through, as a sentence with what to do; two empty texts if it would."""
        if self.policy and self.policy.problem:
            return engine.unusable(self.policy), "correct or accept the policy first"
        known = engine.valid(self.facts)
        tried = Grant(NEVER, 0.0, "you", self.review, self.action.slot, known.agent, known.tool, scope, uses, FOR_S, 0.0, risk=risk)
        steps = list(engine.walk(known, self.policy, time.time(), self.levels, self.note, GrantIndex([tried])))
        granted = next(step for step in steps if step.name == GRANT)
        worst = max((one for one in (self.risk, risk) if one), key=severity, default=None)
        why = granted.why
        if granted.mark is Mark.NO_EFFECT and why == "no grant covers it":
            why = coverage.refusal(tried, known, worst, lambda: self.outside) or why
        if granted.mark is Mark.NO_EFFECT:
            return f"no such grant would let {call_id(self.review, self.action.slot)} through: {why}", _hint(why, worst)
        last = steps[-1].verdict
        if last is not None and last.outcome is not Outcome.AUTO:
            return (
                f"{call_id(self.review, self.action.slot)} asks all the same: {last.reason.split(': a person must look')[0]}",
                "decide it",
            )
        return "", ""


def _hint(why: str, risk: Risk | None) -> str:
    if "nobody has said" in why:
        return "say it with --risk read, reversible or irreversible"
    if risk is Risk.IRREVERSIBLE:
        return "only --scope call --uses 1 covers what is irreversible"
    if " comes from a result of " in why:
        name, _, tool = why.partition(" comes from a result of ")
        return f"pin the value with --arg {name}=…, or allow it with --from {name}={tool}"
    return "docs/grants.md says what grants lift"


class Grants:
    """One reviewer's verbs on grants."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def offer(self, review: int, slot: int) -> Offer:
        """What a grant can be made of from a call.

        Raises:
            Refused: there is no such call, or it is no tool call.
        """
        found = await self._inbox.reviews.get(review)
        action = next((one for one in found.actions if one.slot == slot), None)
        if action is None or not found.row.kind.is_tool_call or not isinstance(action.args, dict):
            raise Refused(f"{call_id(review, slot)} is no tool call", "grants are made from tool calls")
        run = await self._inbox.runs.get(found.row.run)
        policy = self._inbox.policy.active(await agents.target_of(self._store, review))
        known = facts.of_review(run, found, action, await self._inbox.reviews.context(review))
        levels = autonomy.levels(self._store, run.agent) if policy and policy.autonomy else engine.NO_LEVELS
        past = await rows.past_calls(self._store, run.agent, action.name, time.time() - SINCE_S)
        outside = await asyncio.to_thread(coverage.outside_of, known)
        bounds = {name: ways for name, value in action.args.items() if (ways := grant_scopes.bounds_of(name, value))}
        return Offer(run, action, review, known, policy, levels, facts.warning_of(found), bounds, outside, tuple(past))

    async def make(
        self,
        offer: Offer,
        scope: Scope,
        uses: int | None = None,
        for_s: float = FOR_S,
        *,
        this_run: bool = False,
        risk: Risk | None = None,
    ) -> Grant:
        """Make a grant from a call.

        Args:
            offer: the call.
            scope: which calls it covers; the call itself must be among them.
            uses: how many calls it lets through at most; None for the usual number, which is 1 for what is irreversible.
            for_s: seconds until it ends.
            this_run: whether it is only for the call's run.
            risk: what the tool can do at worst, needed where nobody else says it.

        Raises:
            NotAllowed: this person may not make grants; that is logged.
            NotSigned: people.toml wants it signed, and it could not be.
            Refused: such a grant would not let the call through, or is too large.
        """
        await self._inbox.require(Role.GRANT, "make a grant", offer.review, offer.run.id)
        grant_scopes.check(scope)
        risk = risk if offer.risk is None else None
        if uses is None:
            uses = 1 if Risk.IRREVERSIBLE in (offer.risk, risk) else USES
        if not 1 <= uses <= MOST_USES:
            raise Refused(f"{uses} is no number of calls", f"give one from 1 to {MOST_USES:,}")
        if not 0 < for_s <= LONGEST_S:
            raise Refused("a grant has no such duration", "give one of up to 90 days, like 24h")
        problem, todo = await asyncio.to_thread(offer.problem, scope, uses, risk)
        if problem:
            raise Refused(problem, todo)
        new = NewGrant(
            offer.review,
            offer.action.slot,
            offer.run.agent,
            offer.action.name,
            scope,
            uses,
            for_s,
            offer.run.id if this_run else None,
            risk,
        )
        signed = await self._signed(new)
        actor = replace(self._inbox.actor, identified=Identified.SIGNED) if signed else self._inbox.actor
        made = await rows.make(self._store, new, actor, signed)
        self._inbox.ring()
        return made

    async def _signed(self, new: NewGrant) -> tuple[str, str] | None:
        people = self._inbox.people()
        if people.sign != "always":
            return None
        head = audit.head(self._store.path)
        text = grant_text(audit.home_id(self._store), str(head), new.values(), self._inbox.reviewer, time.time())
        return text, (await self._inbox.signing.made_of(text, people)).text

    async def every(self) -> list[Grant]:
        """All grants, newest first."""
        return await rows.every(self._store)

    async def get(self, grant: int) -> Grant:
        """One grant.

        Raises:
            Refused: there is no such grant.
        """
        return await rows.get(self._store, grant)

    async def used_by(self, grant: int) -> list[GrantUse]:
        """The calls that a grant let through, or that were picked from these for a person to check; newest first."""
        return await rows.used_by(self._store, grant)

    async def revoke(self, grant: int, why: str = "") -> Grant:
        """End a grant at once. Everybody who may decide may do it, not only who made it.

        Raises:
            NotAllowed: this person may not decide; that is logged.
            Refused: there is no such grant.
            Stale: it was revoked before.
        """
        await self._inbox.require(Role.DECIDE, "revoke a grant")
        made = await rows.revoke(self._store, grant, self._inbox.actor, why)
        self._inbox.ring()
        return made
