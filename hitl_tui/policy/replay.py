"""Replays a policy on past actions: which outcomes would differ, and which rejected actions would have run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hitl_tui.model import ActorKind, DecisionKind, Json, Levels, Outcome, PastDecision
from hitl_tui.policy import facts
from hitl_tui.policy.engine import NO_LEVELS, judge_unsampled
from hitl_tui.policy.schema import Policy

MAX_EXAMPLES = 5
"""Reviews listed for each difference."""
BY_POLICY = (ActorKind.POLICY, ActorKind.GRANT)
"""Actors whose decisions were the policy's own."""
_DID = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.EDIT: "edited",
    DecisionKind.REJECT: "rejected",
    DecisionKind.RESPOND: "answered",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of difference: old outcome, new outcome, rule, tool."""

    was: str
    """`approved`, `edited`, `rejected` or `answered` by a person; or the old policy's outcome, if policy decided or would ask now."""
    would: Outcome
    rule: str
    tool: str


@dataclass(slots=True)
class DifferenceCount:
    """Number of actions with one difference, and the first few of their reviews."""

    count: int = 0
    reviews: list[int] = field(default_factory=list)

    def add(self, review: int) -> None:
        """Count one more."""
        self.count += 1
        if len(self.reviews) < MAX_EXAMPLES and review not in self.reviews:
            self.reviews.append(review)


@dataclass(slots=True)
class Replay:
    """The result of a replay. Its size grows with the kinds of differences, not with the number of actions."""

    actions: int = 0
    same: int = 0
    differences: dict[Difference, DifferenceCount] = field(default_factory=dict)
    let_through: dict[Difference, DifferenceCount] = field(default_factory=dict)
    """Actions that a person rejected and that would run by themselves, whether or not the verdict differs."""

    def add(self, pasts: Iterable[PastDecision], policy: Policy | None, levels: Levels = NO_LEVELS) -> None:
        """Judge past actions by a policy at the time they were asked, with the given autonomy levels instead of those of that time.

        Spot checks are left out: their random choice would hide what a rule lets through.
        """
        for past in pasts:
            verdict = judge_unsampled(facts.of_past(past, policy.answers if policy else ()), policy, past.opened_at, levels)
            turn = Difference(_was(past, verdict.outcome), verdict.outcome, verdict.rule, past.tool)
            self.actions += 1
            if _outcome_then(past) is verdict.outcome:
                self.same += 1
            else:
                self.differences.setdefault(turn, DifferenceCount()).add(past.review)
            if turn.was == "rejected" and verdict.outcome is Outcome.AUTO:
                self.let_through.setdefault(turn, DifferenceCount()).add(past.review)

    def as_json(self) -> dict[str, Json]:
        """As JSON: `{actions, same, different, differences: [{was, would, rule, tool, count, reviews}], let_through: [the same]}`."""
        return {
            "actions": self.actions,
            "same": self.same,
            "different": self.actions - self.same,
            "differences": _as_rows(self.differences),
            "let_through": _as_rows(self.let_through),
        }


def _outcome_then(past: PastDecision) -> Outcome:
    """The outcome that policy gave at the time; without a policy everything asked."""
    if past.actor_kind in BY_POLICY:
        return Outcome.DENY if past.decision is DecisionKind.REJECT else Outcome.AUTO
    return past.outcome or Outcome.ASK


def _was(past: PastDecision, would: Outcome) -> str:
    """The old outcome in words. If a person would be asked now too, the person's decision is no difference: then the policy's outcome."""
    return _outcome_then(past) if would is Outcome.ASK or past.actor_kind in BY_POLICY else _DID[past.decision]


def _as_rows(groups: Mapping[Difference, DifferenceCount]) -> list[Json]:
    found = sorted(groups.items(), key=lambda item: (-item[1].count, item[0].was, item[0].would, item[0].rule, item[0].tool))
    return [
        {"was": t.was, "would": t.would.value, "rule": t.rule, "tool": t.tool, "count": g.count, "reviews": [str(r) for r in g.reviews]}
        for t, g in found
    ]
