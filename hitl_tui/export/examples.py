"""One decided review as a case to export: the calls people wanted, and whether the case is left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.export.trajectories import ThreadHistory, made_by_agent, overruled
from hitl_tui.model import ActorKind, Context, Decision, DecisionKind, Json, Review, ReviewState
from hitl_tui.oversight.reading import reading_time_s, words_of_size

Calls = Mapping[int, tuple[str, Json]]
"""Calls by slot: name and arguments."""


class LeftOut(StrEnum):
    """Reasons for leaving a case out, as clauses."""

    OPEN = "not decided yet"
    UNDECIDED = "not decided by people, or undone"
    POLICY = "decided by policy or a timeout"
    FAST = "decided faster than it can be read"
    UNDOABLE = "can still be undone"
    NO_CALL = "no tool call that an agent made"
    MEDIA = "with images or files in the conversation, which a chat of texts does not hold"


@dataclass(frozen=True, slots=True)
class IncludedCases:
    """Which cases are kept that are left out by default."""

    policy: bool = False
    """Keep cases decided by policy and timeouts."""
    fast: bool = False
    """Keep cases decided faster than they can be read."""
    undoable: bool = False
    """Keep cases whose decision can still be undone."""


@dataclass(frozen=True, slots=True)
class ExportCase:
    """A decided review with its context and history."""

    review: Review
    context: Context
    disliked: frozenset[int] = frozenset()
    """Slots of whose decision, or whole run, somebody's last word is a thumbs-down rating."""
    first_viewed_at: float | None = None
    """Unix time of the first view; None if it was never viewed in a console, as when the command line decided it."""
    thread: ThreadHistory = field(default_factory=ThreadHistory)
    """Calls that people were asked about on the same thread, with their answers."""

    @property
    def regretted(self) -> frozenset[int]:
        """Slots that somebody disliked or overruled later."""
        return self.disliked | overruled(self.review, self.thread)

    @property
    def final(self) -> Calls:
        """The calls that ran: approved or edited, and not regretted."""
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
        """The calls as people wanted them, including those sent back with changes, without those they refused.

        Empty if calls were refused and none was corrected: the refusal alone does not say what to do instead. Also if one was answered in
        the tool's place, or regretted.
        """
        made: dict[int, tuple[str, Json]] = {}
        is_corrected = is_refused = False
        if self.regretted:
            return made
        for action in self.review.actions:
            answer = self.review.decisions[action.slot].answer
            if answer.kind is DecisionKind.APPROVE:
                made[action.slot] = (action.name, action.args)
            elif answer.kind is not DecisionKind.RESPOND and isinstance(answer.args, dict):
                made[action.slot] = (action.name, answer.args)
                is_corrected = True
            elif answer.kind is DecisionKind.REJECT:
                is_refused = True
            else:
                return {}
        return {} if is_refused and not is_corrected else made

    @property
    def proposed(self) -> Calls:
        """The calls that the agent proposed."""
        return {action.slot: (action.name, action.args) for action in self.review.actions}

    @property
    def good(self) -> bool:
        """Whether every call ran as proposed, and nobody regretted it."""
        return self.final == self.proposed


def left_out_reason(case: ExportCase, rules: IncludedCases, now: float, chat: bool) -> LeftOut | None:
    """Why a case is left out; None if it is exported.

    Args:
        case: the case.
        rules: which cases are kept.
        now: Unix time, seconds.
        chat: the format is a chat, to which only an agent's tool calls can be written.
    """
    decisions = case.review.decisions
    if len(decisions) < len(case.review.actions) or not decisions:
        return LeftOut.OPEN if case.review.row.state is ReviewState.OPEN else LeftOut.UNDECIDED
    if chat and not made_by_agent(case.review, case.context):
        return LeftOut.NO_CALL
    if chat and any(message.media for message in case.context.conversation):
        return LeftOut.MEDIA
    if not rules.policy and any(decision.actor_kind is not ActorKind.PERSON for decision in decisions.values()):
        return LeftOut.POLICY
    if not rules.fast and any(_too_fast(case, decision) for decision in decisions.values()):
        return LeftOut.FAST
    row = case.review.row
    if not rules.undoable and row.state is ReviewState.DECIDED and (row.effective_at or 0.0) > now:
        return LeftOut.UNDOABLE
    return None


def _too_fast(case: ExportCase, decision: Decision) -> bool:
    """Whether the call cannot have been read in the time it was viewed. Decisions without a viewing time, as by command line, are kept."""
    if decision.viewed_ms is None:
        return False
    size = next(len(canonical_json.dumps(action.args)) for action in case.review.actions if action.slot == decision.slot)
    needed_ms = reading_time_s(words_of_size(size)) * 1000 if decision.reading_ms is None else decision.reading_ms
    return decision.viewed_ms < needed_ms
