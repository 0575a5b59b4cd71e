"""Explains a verdict: every rule and step of the engine's walk, with the reason in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hitl_tui.model import ROUTES, Action, Facts, Json, Levels, Outcome, Review, Verdict, because
from hitl_tui.policy import globs
from hitl_tui.policy.engine import (
    AUTONOMY,
    GRANT,
    NO_LEVELS,
    THRESHOLDS,
    WITHOUT,
    Mark,
    WalkStep,
    final_verdict,
    judge_unsampled,
    selects,
    spot_check,
    valid,
    walk,
)
from hitl_tui.policy.expression_eval import values_read
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.loader import PolicyStatus
from hitl_tui.policy.schema import Policy, Rule


@dataclass(frozen=True, slots=True)
class Walk:
    """The steps by which policy reaches its verdict on one action."""

    facts: Facts
    steps: tuple[WalkStep, ...]
    """Every rule in order, then autonomy if the policy has it, thresholds, safety and spot check; empty without a usable policy."""
    verdict: Verdict
    """Before the spot check."""
    picked: bool = False
    """The action would run by itself, but is a spot check that goes to a person first."""

    @property
    def outcome(self) -> Outcome:
        """The final outcome, spot check included."""
        return Outcome.ASK if self.picked else self.verdict.outcome

    def summary(self) -> str:
        """The result in words: `asks: rule 'mail'`."""
        picked = "spot check: " if self.picked else ""
        rule = "" if self.verdict.rule in self.verdict.reason else f" ({self.verdict.rule})"
        return f"{ROUTES[self.outcome]}: {picked}{because(self.verdict.reason, self.outcome)}{rule}"

    def changed_since(self, action: Action) -> str:
        """The verdict from when the action was asked, in words; empty if the current one is the same."""
        same = (action.outcome, action.rule) == (self.outcome, self.verdict.rule)
        return "" if same else action.routed() or "there was no policy, and everything asked"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the current policy routes the actions of a review."""

    review: Review
    target: str
    """The review's project, whose policy applies if the home has none."""
    file: PolicyStatus
    walks: Mapping[int, Walk]
    """Walks by action slot."""


def describe_facts(facts: Facts) -> str:
    """The facts of an action besides its arguments on one line: stated risk, confidence, answer template, tags, findings."""
    parts = [f"stated risk {facts.risk or 'unknown'}"]
    parts.append("confidence unknown" if facts.confidence is None else f"confidence {facts.confidence:.3g}")
    parts += [f"answer template for {' and '.join(facts.templates)}"] if facts.templates else []
    parts += [f"tags {', '.join(facts.tags)}"] if facts.tags else []
    return " · ".join([*parts, *facts.findings])


def explain(
    facts: Facts, policy: Policy | None, now: float, note: str = "", levels: Levels = NO_LEVELS, grants: GrantIndex = NO_GRANTS
) -> Walk:
    """Explain what `engine.judge` decides with the same arguments."""
    if (policy and policy.problem) or (policy is None and not grants.knows(facts)):
        return Walk(facts, (), judge_unsampled(facts, policy, now, levels, note, grants))
    facts = valid(facts)
    *decisive, safety = walk(facts, policy, now, levels, note, grants)
    verdict = final_verdict([safety])
    check = spot_check(facts, policy or WITHOUT, verdict)
    steps = _all_steps(decisive, facts, policy, now) if policy else decisive
    return Walk(facts, (*steps, safety, check), verdict, check.mark is Mark.MATCHED)


def _all_steps(decisive: Sequence[WalkStep], facts: Facts, policy: Policy, now: float) -> Iterator[WalkStep]:
    """The steps of the walk with a reason for each, and among them those it skipped."""
    reached = {step.name: step for step in decisive}
    matched = next((step.name for step in decisive if step.rule and step.mark is Mark.MATCHED), "")
    for rule in policy.rules:
        step = reached.get(rule.name)
        if step is None:
            yield WalkStep(rule.name, Mark.SKIPPED, f"rule {matched!r} comes before it", rule=rule)
        elif step.mark is Mark.NO_MATCH:
            yield replace(step, why="; ".join(_mismatches(rule, facts, now)))
        else:
            yield replace(step, why=step.why + _values_read(rule, facts))
    for name in (AUTONOMY, THRESHOLDS) if policy.autonomy else (THRESHOLDS,):
        before = "autonomy comes before them" if AUTONOMY in reached else f"rule {matched!r} decides"
        yield reached.get(name) or WalkStep(name, Mark.SKIPPED, before)
    if GRANT in reached:
        yield reached[GRANT]


def _mismatches(rule: Rule, facts: Facts, now: float) -> Iterator[str]:
    """Every reason why a rule does not match."""
    if rule.when and selects(rule, facts, now):
        yield f"{rule.when.text} is false{_values_read(rule, facts)}"
    for what, named, listed, fits in (
        ("tool", facts.tool, rule.tools, globs.matches), ("agent", facts.agent, rule.agents, globs.names),
    ):  # fmt: skip
        if not any(fits(glob, named) for glob in listed):
            yield f"its {what} {named} is not {_or(listed)}"
    missing = [tag for tag in rule.tags if tag not in facts.tags]
    if missing:
        yield f"its run has no tag {_or(missing)}"
    if rule.hours and not rule.hours.contain(now):
        yield f"it was not asked {rule.hours.text}"


def _values_read(rule: Rule, facts: Facts) -> str:
    """The values that a rule's condition reads, in brackets."""
    values = [f"{path} is {found}" for path, found in values_read(rule.when, facts)] if rule.when else []
    return f" ({', '.join(values)})" if values else ""


def _or(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def walk_json(walk: Walk) -> Json:
    """A walk as JSON: `{facts, steps: [{name, line, mark, why}], verdict: {outcome, rule, reason, risk, …}, spot_check}`."""
    facts, verdict = walk.facts, walk.verdict
    return {
        "facts": {
            "agent": facts.agent,
            "tool": facts.tool,
            "kind": facts.kind,
            "risk": facts.risk,
            "confidence": facts.confidence,
            "findings": list(facts.findings),
            "tags": list(facts.tags),
            "templates": list(facts.templates),
        },
        "steps": [{"name": one.name, "line": one.line, "mark": one.mark, "why": one.why} for one in walk.steps],
        "verdict": {
            "outcome": verdict.outcome,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "risk": verdict.risk,
            "reviewers": verdict.reviewers,
            "signed": verdict.signed,
            "to": verdict.to or None,
            "deadline_s": verdict.deadline_s,
            "then": verdict.then if verdict.deadline_s is not None else None,
        },
        "spot_check": walk.picked,
    }
