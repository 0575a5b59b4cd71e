"""Why an action goes where it goes: the walk of `judge` told step by step, with what each rule says to it. Pure.

It goes through the same parts as `judging`, so that it cannot come to another verdict; a property test holds it to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hitl_tui.model import ROUTES, Action, Facts, Json, Level, Levels, Outcome, Review, Verdict
from hitl_tui.policy import globs
from hitl_tui.policy.engine import (
    AUTONOMY,
    NO_LEVELS,
    START,
    by_level,
    by_rule,
    by_thresholds,
    careful,
    concerns,
    is_picked,
    plain,
    safe,
    stands,
    undecided,
    unsampled,
)
from hitl_tui.policy.expression_eval import Undecided, holds, inquired
from hitl_tui.policy.loader import PolicyNow
from hitl_tui.policy.schema import Policy, Rule


class Mark(StrEnum):
    """What became of one step of the walk."""

    NO = "no match"
    SPEAKS = "speaks"
    AGREES = "agrees"
    """It was asked, and changes nothing."""
    UNASKED = "not asked"
    """An earlier one had spoken."""


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One rule, or what comes after the rules."""

    name: str
    """The rule's name, or `autonomy`, `thresholds`, `safety` or `spot check`."""
    line: int | None
    """Where the rule is in its file."""
    mark: Mark
    why: str
    """A clause for people; it may quote the arguments."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How policy comes to its verdict on one action."""

    facts: Facts
    steps: tuple[WalkStep, ...]
    """Every rule in order, then autonomy where there is a ladder, thresholds, safety and spot check; none where no policy can be used."""
    verdict: Verdict
    """Before any spot check."""
    drawn: bool = False
    """It would go on by itself, and is one of those that a person looks at first."""

    @property
    def outcome(self) -> Outcome:
        """Where it goes in the end."""
        return Outcome.ASK if self.drawn else self.verdict.outcome

    def said(self) -> str:
        """The end of it, for people: `asks: rule 'mail' says ask`."""
        drawn = "spot check: " if self.drawn else ""
        rule = "" if self.verdict.rule in self.verdict.reason else f" ({self.verdict.rule})"
        return f"{ROUTES[self.outcome]}: {drawn}{self.verdict.reason}{rule}"

    def changed_since(self, action: Action) -> str:
        """What policy said of it when it was asked, where that was something else."""
        same = (action.outcome, action.rule) == (self.outcome, self.verdict.rule)
        return "" if same else action.routed() or "there was no policy, and everything asked"


@dataclass(frozen=True, slots=True)
class Explained:
    """Why the actions of a review are where they are, by the policy as it is now."""

    review: Review
    target: str
    """Its project, by which the policy is found."""
    file: PolicyNow
    walks: Mapping[int, Walk]
    """By slot."""


def told(facts: Facts) -> str:
    """What is known of an action besides its arguments, in one line for people."""
    parts = [f"risk {facts.risk}" if facts.risk else "risk unknown"]
    parts.append("confidence unknown" if facts.confidence is None else f"confidence {facts.confidence:.3g}")
    parts += [f"tags {', '.join(facts.tags)}"] if facts.tags else []
    return " · ".join([*parts, *facts.findings])


def explain(facts: Facts, policy: Policy | None, now: float, note: str = "", levels: Levels = NO_LEVELS) -> Walk:
    """The walk at a Unix time; `note` is the warning of the pause itself, for which a person is asked before anything is refused."""
    if policy is None or policy.problem:
        return Walk(facts, (), unsampled(facts, policy, now))
    facts = plain(facts)
    verdict, steps = _by_rules(facts, policy, now, levels)
    checked = careful(safe(facts, verdict), note)
    changed = checked != verdict
    to_people = checked.outcome in (Outcome.ASK, Outcome.TAKEOVER)
    calm = "a person looks anyway" if to_people else "nothing about it means that a person must look"
    steps.append(WalkStep("safety", None, Mark.SPEAKS if changed else Mark.AGREES, checked.reason if changed else calm))
    drawn = checked.outcome is Outcome.AUTO and checked.sampled and is_picked(facts.id, policy)
    steps.append(_spot_check(checked, policy, drawn))
    return Walk(facts, tuple(steps), checked, drawn)


def _by_rules(facts: Facts, policy: Policy, now: float, levels: Levels) -> tuple[Verdict, list[WalkStep]]:
    steps: list[WalkStep] = []
    verdict: Verdict | None = None
    spoke: Rule | None = None
    for rule in policy.rules:
        if spoke:
            steps.append(WalkStep(rule.name, rule.line, Mark.UNASKED, f"rule {spoke.name!r} comes before it"))
            continue
        why_not = _why_not(rule, facts, now)
        if why_not:
            steps.append(WalkStep(rule.name, rule.line, Mark.NO, why_not))
            continue
        spoke = rule
        found = holds(rule.when, facts) if rule.when else True
        verdict = undecided(rule, facts, found) if isinstance(found, Undecided) else by_rule(rule, facts, policy, levels)
        steps.append(WalkStep(rule.name, rule.line, Mark.SPEAKS, verdict.reason + _seen(rule, facts)))
    if spoke is None or verdict is None:
        return by_level(facts, policy, levels), [*steps, *_unruled(facts, policy, levels)]
    if spoke.outcome is None and not verdict.reason.startswith(f"rule {spoke.name!r} could not"):
        return verdict, [*steps, *_unruled(replace(facts, risk=verdict.risk), policy, levels)]
    later = [AUTONOMY] * (policy.ladder is not None) + ["thresholds"]
    return verdict, [*steps, *(WalkStep(name, None, Mark.UNASKED, f"rule {spoke.name!r} decides") for name in later)]


def _unruled(facts: Facts, policy: Policy, levels: Levels) -> Iterator[WalkStep]:
    """What comes after the rules, when none of them decides."""
    held = levels.get((facts.agent, facts.tool), START)
    verdict = by_level(facts, policy, levels)
    if verdict.rule == AUTONOMY:
        yield WalkStep(AUTONOMY, None, Mark.SPEAKS, verdict.reason)
        yield WalkStep("thresholds", None, Mark.UNASKED, "autonomy comes before them")
        return
    if policy.ladder is not None:
        asked = "the thresholds decide" if held.level is Level.THRESHOLD else "but its confidence is too low for any level"
        yield WalkStep(AUTONOMY, None, Mark.AGREES, f"{stands(facts, held)}: {asked}")
    yield WalkStep("thresholds", None, Mark.SPEAKS, by_thresholds(facts, policy).reason)


def _spot_check(verdict: Verdict, policy: Policy, drawn: bool) -> WalkStep:
    share = f"{100 * policy.spot_check:.3g} %"
    if verdict.outcome is not Outcome.AUTO:
        return WalkStep("spot check", None, Mark.UNASKED, "only what would go on by itself is drawn")
    if not verdict.sampled:
        return WalkStep("spot check", None, Mark.UNASKED, "its level is above spot checks")
    why = f"it is one of the {share} that go to a person first" if drawn else f"it is none of the {share} that go to a person first"
    return WalkStep("spot check", None, Mark.SPEAKS if drawn else Mark.AGREES, why)


def _why_not(rule: Rule, facts: Facts, now: float) -> str:
    """Why a rule says nothing to an action; empty when it does."""
    if not concerns(rule, facts, now):
        return "; ".join(_misses(rule, facts, now))
    if rule.when and holds(rule.when, facts) is False:
        return f"{rule.when.text} is false{_seen(rule, facts)}"
    return ""


def _misses(rule: Rule, facts: Facts, now: float) -> Iterator[str]:
    for what, named, listed in (("tool", facts.tool, rule.tools), ("agent", facts.agent, rule.agents)):
        if not any(globs.matches(glob, named) for glob in listed):
            yield f"its {what} {named} is not {_or(listed)}"
    missing = [tag for tag in rule.tags if tag not in facts.tags]
    if missing:
        yield f"its run has no tag {_or(missing)}"
    if rule.hours and not rule.hours.hold(now):
        yield f"it was not asked {rule.hours.text}"


def _seen(rule: Rule, facts: Facts) -> str:
    """What its condition asked of the action, and found."""
    told = [f"{path} is {found}" for path, found in inquired(rule.when, facts)] if rule.when else []
    return f" ({', '.join(told)})" if told else ""


def _or(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def walk_json(walk: Walk) -> Json:
    """For scripts: `{facts, steps: [{name, line, mark, why}], verdict: {outcome, rule, reason, risk, …}, spot_check}`."""
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
        },
        "steps": [{"name": one.name, "line": one.line, "mark": one.mark, "why": one.why} for one in walk.steps],
        "verdict": {
            "outcome": verdict.outcome,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "risk": verdict.risk,
            "reviewers": verdict.reviewers,
            "to": verdict.to or None,
            "deadline_s": verdict.deadline_s,
            "then": verdict.then if verdict.deadline_s is not None else None,
        },
        "spot_check": walk.drawn,
    }
