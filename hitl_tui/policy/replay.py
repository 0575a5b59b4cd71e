"""A policy over past actions: what it would say otherwise than was said then, and which rejected ones it would have let through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hitl_tui.model import ActorKind, DecisionKind, Facts, Json, Levels, Outcome, Past, Risk
from hitl_tui.policy.engine import NO_LEVELS, judge_unsampled
from hitl_tui.policy.schema import Policy

EXAMPLES = 5
BY_POLICY = (ActorKind.POLICY, ActorKind.GRANT)
"""Decisions of actors that begin so were policy's own."""
_DID = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.EDIT: "edited",
    DecisionKind.REJECT: "rejected",
    DecisionKind.RESPOND: "answered",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A way in which an action fares otherwise: what was, what would be, by which rule, for which tool."""

    was: str
    """`approved`, `edited`, `rejected` or `answered` by a person; what policy said where it decided, or where it would ask now."""
    would: Outcome
    rule: str
    tool: str


@dataclass(slots=True)
class DifferenceCount:
    """How many actions fared so, and the first few reviews."""

    count: int = 0
    reviews: list[int] = field(default_factory=list)

    def add(self, review: int) -> None:
        """Count one more."""
        self.count += 1
        if len(self.reviews) < EXAMPLES and review not in self.reviews:
            self.reviews.append(review)


@dataclass(slots=True)
class Replay:
    """What came of it; grows with the kinds of differences and not with the actions."""

    actions: int = 0
    same: int = 0
    differences: dict[Difference, DifferenceCount] = field(default_factory=dict)
    let_through: dict[Difference, DifferenceCount] = field(default_factory=dict)
    """Where a person rejected what would have gone on by itself, were it by the same verdict as then."""

    def add(self, pasts: Iterable[Past], policy: Policy | None, levels: Levels = NO_LEVELS) -> None:
        """Judge these by the policy as of when they were asked, on these levels of the ladder, whatever they were then.

        Spot checks are left out: chance would hide what a rule lets through.
        """
        for past in pasts:
            verdict = judge_unsampled(facts_of(past), policy, past.opened_at, levels)
            turn = Difference(_was(past, verdict.outcome), verdict.outcome, verdict.rule, past.tool)
            self.actions += 1
            if _outcome_then(past) is verdict.outcome:
                self.same += 1
            else:
                self.differences.setdefault(turn, DifferenceCount()).add(past.review)
            if turn.was == "rejected" and verdict.outcome is Outcome.AUTO:
                self.let_through.setdefault(turn, DifferenceCount()).add(past.review)

    def as_json(self) -> dict[str, Json]:
        """For scripts: `{actions, same, different, let_through, differences: [{was, would, rule, tool, count, reviews}], …}`."""
        return {
            "actions": self.actions,
            "same": self.same,
            "different": self.actions - self.same,
            "differences": _as_rows(self.differences),
            "let_through": _as_rows(self.let_through),
        }


def facts_of(past: Past) -> Facts:
    """What policy may know of an action of long ago: what is stored of it. A warning it had counts as a finding."""
    risk = Risk(past.risk) if past.risk in list(Risk) else None
    return Facts(
        past.agent, past.tool, past.args, past.kind, risk, past.confidence, (past.note,) if past.note else (), allowed=past.allowed,
        id=f"{past.review}:{past.slot}",
    )  # fmt: skip


def _outcome_then(past: Past) -> Outcome:
    """What policy said of it then; without one everything asked."""
    if past.actor_kind in BY_POLICY:
        return Outcome.DENY if past.decision is DecisionKind.REJECT else Outcome.AUTO
    return past.outcome or Outcome.ASK


def _was(past: Past, would: Outcome) -> str:
    """What to call what was: a person who is asked now as well may do the same again, so there it is what policy said."""
    return _outcome_then(past) if would is Outcome.ASK or past.actor_kind in BY_POLICY else _DID[past.decision]


def _as_rows(groups: Mapping[Difference, DifferenceCount]) -> list[Json]:
    found = sorted(groups.items(), key=lambda item: (-item[1].count, item[0].was, item[0].would, item[0].rule, item[0].tool))
    return [
        {"was": t.was, "would": t.would.value, "rule": t.rule, "tool": t.tool, "count": g.count, "reviews": [str(r) for r in g.reviews]}
        for t, g in found
    ]
