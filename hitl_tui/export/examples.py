"""A decided review with what surrounded it, and whether it says anything about what a person wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.export.trajectories import ThreadHistory, made_by_agent, overruled
from hitl_tui.model import ActorKind, Context, Decision, DecisionKind, Json, Review, ReviewState
from hitl_tui.oversight.statistics import reading_time_s

Calls = Mapping[int, tuple[str, Json]]
"""Calls by slot: name and arguments."""


class LeftOut(StrEnum):
    """Why a case is left out."""

    OPEN = "not decided yet"
    UNDECIDED = "not decided by people, or taken back"
    POLICY = "decided by policy or a timeout"
    FAST = "decided faster than it can be read"
    UNDOABLE = "can still be taken back"
    NO_CALL = "no tool call that an agent made"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is left out."""

    policy: bool = False
    """Keep what policy and timeouts decided."""
    fast: bool = False
    """Keep what was decided faster than it can be read."""
    undoable: bool = False
    """Keep what can still be taken back."""


@dataclass(frozen=True, slots=True)
class Case:
    """One review, decided."""

    review: Review
    context: Context
    disliked: frozenset[int] = frozenset()
    """Slots of whose decision, or whole run, somebody's last word is a thumbs-down rating."""
    first_viewed_at: float | None = None
    """When anybody saw it first, as Unix time; None when it was decided unseen here, as by the command line."""
    thread: ThreadHistory = field(default_factory=ThreadHistory)
    """What people were asked, and answered, on the same thread."""

    @property
    def regretted(self) -> frozenset[int]:
        """Slots that somebody disliked or overruled later."""
        return self.disliked | overruled(self.review, self.thread)

    @property
    def final(self) -> Calls:
        """The calls that people let run."""
        made, regretted = {}, self.regretted
        for action in self.review.actions:
            decision = self.review.decisions.get(action.slot)
            if decision is None or action.slot in regretted:
                continue
            if decision.answer.kind is DecisionKind.APPROVE:
                made[action.slot] = (action.name, action.args)
            elif decision.answer.kind is DecisionKind.EDIT:
                made[action.slot] = (action.name, decision.answer.args)
        return made

    @property
    def wanted(self) -> Calls:
        """The calls as people wanted them, also where they sent them back changed; empty when one of them was not wanted at all."""
        made: dict[int, tuple[str, Json]] = {}
        if self.regretted:
            return made
        for action in self.review.actions:
            answer = self.review.decisions[action.slot].answer
            if answer.kind is DecisionKind.APPROVE:
                made[action.slot] = (action.name, action.args)
            elif answer.kind is not DecisionKind.RESPOND and isinstance(answer.args, dict):
                made[action.slot] = (action.name, answer.args)
            else:
                return {}
        return made

    @property
    def proposed(self) -> Calls:
        """The calls that the agent proposed."""
        return {action.slot: (action.name, action.args) for action in self.review.actions}

    @property
    def good(self) -> bool:
        """Whether everything runs as it was proposed, and nobody regretted it."""
        return self.final == self.proposed


def left_out_reason(case: Case, rules: Selection, now: float, chat: bool) -> LeftOut | None:
    """Why a case says nothing to learn from at a Unix time, in a chat only calls do; None when it does."""
    decisions = case.review.decisions
    if len(decisions) < len(case.review.actions) or not decisions:
        return LeftOut.OPEN if case.review.row.state is ReviewState.OPEN else LeftOut.UNDECIDED
    if chat and not made_by_agent(case.review, case.context):
        return LeftOut.NO_CALL
    if not rules.policy and any(decision.actor_kind is not ActorKind.PERSON for decision in decisions.values()):
        return LeftOut.POLICY
    if not rules.fast and any(_too_fast(case, decision) for decision in decisions.values()):
        return LeftOut.FAST
    row = case.review.row
    if not rules.undoable and row.state is ReviewState.DECIDED and (row.effective_at or 0.0) > now:
        return LeftOut.UNDOABLE
    return None


def _too_fast(case: Case, decision: Decision) -> bool:
    """Whether nobody can have read the call in that time; a decision of the command line has no time in view, and is believed."""
    size = next(len(canonical_json.dumps(action.args)) for action in case.review.actions if action.slot == decision.slot)
    return decision.viewed_ms is not None and decision.viewed_ms < reading_time_s(size) * 1000
