"""Replays a policy on past actions: which outcomes would differ, and which rejected actions would have run. Pure.

Each action is judged as a worker judges a new one, by `engine.judge_unsampled` and the limits of its run, with the grants that were in
force when it was asked. Left out are spot checks, which would hide what a rule lets through, the second reader, and reject loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hitl_tui.model import ActorKind, DecisionKind, Facts, Json, Levels, Outcome, PastDecision, Verdict
from hitl_tui.policy import expression, facts, limits
from hitl_tui.policy.engine import NO_LEVELS, judge_unsampled
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex, PastGrants
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


@dataclass(frozen=True, slots=True)
class _Counted:
    """A call that counts for the limits of its run: while its own review waits, and afterwards if it ran."""

    review: int
    call: limits.Call
    counts: bool


@dataclass(slots=True)
class Replay:
    """The result of a replay. Its size grows with the kinds of differences, not with the number of actions."""

    actions: int = 0
    same: int = 0
    differences: dict[Difference, DifferenceCount] = field(default_factory=dict)
    let_through: dict[Difference, DifferenceCount] = field(default_factory=dict)
    """Actions that a person rejected and that would run by themselves, whether or not the verdict differs."""
    by_grant: int = 0
    """Actions that a grant would let through."""
    _counted: dict[int, list[_Counted]] = field(default_factory=dict)
    """By run with limits, its calls so far."""

    def add(self, pasts: Iterable[PastDecision], policy: Policy | None, levels: Levels = NO_LEVELS, grants: GrantIndex = NO_GRANTS) -> None:
        """Judge past actions by a policy at the time they were asked, with the given autonomy levels instead of those of that time.

        Args:
            pasts: the actions in the order in which they were asked, with what was said before where `reads_context` says so.
            policy: None to replay the grants alone.
            levels: by agent and tool.
            grants: all grants, as `PastGrants`. A use is taken for each action that one lets through, whatever was decided then.
        """
        for past in pasts:
            verdict = self._judged(past, policy, levels, grants)
            rule = verdict.rule if verdict.grant is None else f"grant {verdict.grant}"
            turn = Difference(_was(past, verdict.outcome), verdict.outcome, rule, past.tool)
            self.actions += 1
            if _outcome_then(past) is verdict.outcome:
                self.same += 1
            else:
                self.differences.setdefault(turn, DifferenceCount()).add(past.review)
            if turn.was == "rejected" and verdict.outcome is Outcome.AUTO:
                self.let_through.setdefault(turn, DifferenceCount()).add(past.review)

    def _judged(self, past: PastDecision, policy: Policy | None, levels: Levels, grants: GrantIndex) -> Verdict:
        """The verdict on a past action, within the limits of its run; the use of a grant is taken."""
        known = facts.of_past(past, policy.answers if policy else ())
        if isinstance(grants, PastGrants):
            grants.move_to(past.run, past.opened_at)
        verdict = judge_unsampled(known, policy, past.opened_at, levels, past.note, grants)
        if past.limits and past.kind.is_tool_call:
            verdict = self._within_limits(past, known, verdict)
        if verdict.grant is not None and isinstance(grants, PastGrants):
            grants.take(verdict.grant)
            self.by_grant += 1
        return verdict

    def _within_limits(self, past: PastDecision, known: Facts, verdict: Verdict) -> Verdict:
        calls = self._counted.setdefault(past.run, [])
        others = [one.call for one in calls if one.counts or one.review == past.review]
        found = limits.outside(past.limits, known, others)
        may_deny = not past.note and DecisionKind.REJECT in past.allowed
        verdict = limits.limited(verdict, found, may_deny) if found else verdict
        if verdict.outcome is not Outcome.DENY:
            runs = verdict.outcome is Outcome.AUTO or past.decision in (DecisionKind.APPROVE, DecisionKind.EDIT)
            calls.append(_Counted(past.review, (past.tool, past.args if past.edited is None else past.edited), runs))
        return verdict

    def as_json(self) -> dict[str, Json]:
        """As JSON: `{actions, same, different, by_grant, differences: [{was, would, rule, tool, count, reviews}], let_through: [same]}`."""
        return {
            "actions": self.actions,
            "same": self.same,
            "different": self.actions - self.same,
            "by_grant": self.by_grant,
            "differences": _as_rows(self.differences),
            "let_through": _as_rows(self.let_through),
        }


def reads_context(policy: Policy | None, grants: GrantIndex, past: PastDecision) -> bool:
    """Whether the verdict on a past action may depend on what was said before it."""
    rules = policy.rules if policy else ()
    of_what_was_said = any(name in rule.when.text for rule in rules if rule.when for name in (*expression.ORIGINS, "repeated"))
    return of_what_was_said or bool(past.limits) or grants.knows(Facts(past.agent, past.tool))


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
