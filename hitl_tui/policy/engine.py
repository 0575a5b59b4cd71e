"""The policy engine: one walk through the rules decides what happens to an action. Pure: equal inputs give equal verdicts.

`judge` returns the verdict of the walk, `explain.explain` shows its steps. Whatever the policy says:

- without a policy, and while its file is broken, every action asks;
- safety findings, unknown payload shapes, questions and gates go to a person; a question that has an answer template, only unless a
  rule names the outcome;
- thresholds never let an action run whose risk or confidence is unknown, or that is irreversible;
- a confidence that only the model itself states lets nothing run, by a threshold, a level or a rule, unless `[confidence] trust` names it;
- neither does an autonomy level, however high; an action below the `ask` threshold is taken over at every level;
- a rule lets an irreversible action run only if it names the tool exactly and says `outcome = "auto"`;
- a rule lets an action of unknown risk run only if it names the tool exactly, or declares the risk of the tools its glob matches;
- a grant lifts only an ask of the thresholds, of a level, of a missing policy, or of a rule with `grants = true`; never one that a rule
  sends to somebody, or that needs two people or a signature; what is said about safety holds for it too;
- a tool whose name holds more than letters, digits and `_ - . : /` runs only by a rule that names it exactly: `read_*` is not meant to
  match `read_mail;delete_all`;
- a rule whose condition cannot be evaluated asks and says why; it never counts as not matching.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hitl_tui.formatting import short_date
from hitl_tui.model import DecisionKind, Facts, Json, Level, Levels, Outcome, Risk, ToolLevel, Verdict
from hitl_tui.policy import globs
from hitl_tui.policy.expression_eval import Undetermined, evaluate
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.schema import Policy, Rule

BROKEN = "everything asks until the policy is corrected"
UNACCEPTED = "everything asks until the policy is accepted"
NO_POLICY = "no policy"
AUTONOMY = "autonomy"
THRESHOLDS = "thresholds"
GRANT = "grant"
SAFETY = "safety"
SPOT_CHECK = "spot check"
"""Steps of the walk after the rules; the first five also stand in a verdict in place of a rule's name."""
NO_LEVELS: Levels = {}
SELF_REPORT = "its confidence is only what the model says of itself, which [confidence] trust does not name"
START = ToolLevel()
WITHOUT = Policy()
"""Its share of spot checks holds where there is no policy."""
DOES = {
    Level.ASK: "asks",
    Level.THRESHOLD: "asks below the threshold",
    Level.SPOT_CHECKS: "acts, with spot checks",
    Level.ACT: "acts",
}
ODD_NAME = "its name holds characters that tools' names do not have"
_NAME = re.compile(r"[A-Za-z0-9_.:/-]+")
_LOW_TO_HIGH = (None, Risk.READ, Risk.REVERSIBLE, Risk.IRREVERSIBLE)


class Mark(StrEnum):
    """What one step contributes to the verdict."""

    NO_MATCH = "no match"
    MATCHED = "matched"
    """It decides, or changes what an earlier step decided."""
    NO_EFFECT = "no effect"
    SKIPPED = "skipped"
    """An earlier step had decided."""


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One rule, or one of the steps after the rules."""

    name: str
    """The rule's name, or `autonomy`, `thresholds`, `safety` or `spot check`."""
    mark: Mark
    why: str = ""
    """A clause for people; it may quote the arguments. Left empty by `walk` for a rule that does not match."""
    verdict: Verdict | None = None
    """The verdict after this step; None where the step gives none."""
    rule: Rule | None = None
    undecided: bool = False
    """Whether it is a rule whose condition could not be evaluated."""

    @property
    def line(self) -> int | None:
        """Line of the rule in its file; None for the other steps."""
        return self.rule.line if self.rule else None


def judge(
    facts: Facts, policy: Policy | None, now: float, levels: Levels = NO_LEVELS, note: str = "", grants: GrantIndex = NO_GRANTS
) -> Verdict:
    """Decide what happens to an action.

    A share of the actions that would run by themselves, set by the policy, goes to a person as a spot check: then `outcome` is `ask` and
    `spot_check` is true.

    Args:
        facts: what is known of the action.
        policy: None when there is none.
        now: Unix time, seconds.
        levels: the autonomy levels of the agent's tools.
        note: a warning that came with the pause, such as that the call may have run once; with one, an action is not even denied
            without a person.
        grants: those that may still be used, of people who may make them.
    """
    verdict = judge_unsampled(facts, policy, now, levels, note, grants)
    return spot_check(facts, policy or WITHOUT, verdict).verdict or verdict


def judge_unsampled(
    facts: Facts, policy: Policy | None, now: float, levels: Levels = NO_LEVELS, note: str = "", grants: GrantIndex = NO_GRANTS
) -> Verdict:
    """The same as `judge`, before the spot check."""
    if policy and policy.problem:
        return Verdict(Outcome.ASK, NO_POLICY, unusable(policy), valid(facts).risk)
    if policy is None and not grants:
        return final_verdict([_without_policy(valid(facts))])
    return final_verdict(walk(facts, policy, now, levels, note, grants))


def unusable(policy: Policy) -> str:
    """Why everything asks, as a sentence: the file has a mistake, or nobody has accepted it. Empty if it can be used."""
    return f"{BROKEN if policy.accepted else UNACCEPTED}: {policy.problem}" if policy.problem else ""


def final_verdict(steps: Iterable[WalkStep]) -> Verdict:
    """The verdict of a walk: that of its last step."""
    *_, last = steps
    assert last.verdict is not None, "the safety step always has a verdict"
    return last.verdict


def walk(
    facts: Facts, policy: Policy | None, now: float, levels: Levels = NO_LEVELS, note: str = "", grants: GrantIndex = NO_GRANTS
) -> Iterator[WalkStep]:
    """Yield the steps that lead to the verdict on an action.

    First each rule up to the first that matches; where no rule decides, the autonomy level if the policy has autonomy, and the
    thresholds unless the level decides; then grants, if the tool has any; at last safety, whose verdict is final.
    """
    facts = valid(facts)
    decisive = list(_decide(facts, policy, now, levels)) if policy else [_without_policy(facts)]
    yield from decisive
    last, doubts = decisive[-1], [note] if note else []
    assert last.verdict is not None, "the step that decides has a verdict"
    if policy and last.verdict.outcome is Outcome.AUTO and not policy.sources.lets_run(facts.confidence_source):
        *_, without = _decide(replace(facts, confidence=None), policy, now, levels)
        if without.verdict is not None and without.verdict.outcome is not Outcome.AUTO:
            last = without  # it asks, and a grant may lift that
            doubts.append(SELF_REPORT)
    if grants.knows(facts):
        granted = by_grant(facts, last, grants)
        yield granted
        if granted.mark is Mark.MATCHED and granted.verdict is not None:
            yield _safely(facts, granted.verdict, [note] if note else [], False)
            return
    by_outcome = any(step.rule and step.verdict and step.rule.outcome for step in decisive)
    yield _safely(facts, final_verdict(decisive), doubts, by_outcome)


def _without_policy(facts: Facts) -> WalkStep:
    verdict = Verdict(Outcome.ASK, NO_POLICY, "there is no policy, so everything asks", facts.risk)
    return WalkStep(NO_POLICY, Mark.MATCHED, verdict.reason, verdict)


def by_grant(facts: Facts, last: WalkStep, grants: GrantIndex) -> WalkStep:
    """Hold an action against the grants of its tool, after the step that decided it."""
    verdict = last.verdict
    assert verdict is not None, "the step that decides has a verdict"
    if why := _unliftable(facts, last, verdict):
        return WalkStep(GRANT, Mark.NO_EFFECT, why, verdict)
    grant = grants.covering(facts, verdict.risk or facts.risk)
    if grant is None:
        return WalkStep(GRANT, Mark.NO_EFFECT, "no grant covers it", verdict)
    risk = max((one for one in (verdict.risk or facts.risk, grant.risk)), key=_LOW_TO_HIGH.index)
    reason = f"grant {grant.id} by {grant.actor} covers it ({grant.scope.told()})"
    return WalkStep(GRANT, Mark.MATCHED, reason, Verdict(Outcome.AUTO, GRANT, reason, risk, grant=grant.id))


def _unliftable(facts: Facts, last: WalkStep, verdict: Verdict) -> str:
    """Why no grant changes what a step decided, as a clause; empty if one may."""
    if verdict.outcome is Outcome.AUTO:
        return "it goes on by itself"
    if verdict.outcome is not Outcome.ASK:
        return f"a grant lifts no {'takeover' if verdict.outcome is Outcome.TAKEOVER else 'denial'}"
    if not facts.kind.is_tool_call:
        return "grants are for tool calls"
    rule = last.rule
    if rule is None:
        return ""
    if last.undecided:
        return f"rule {rule.name!r} could not be judged"
    if verdict.to or verdict.reviewers > 1 or verdict.signed or verdict.separate:
        return f"rule {rule.name!r} says who decides, or how"
    if rule.outcome is not None and not (rule.outcome is Outcome.ASK and rule.grants):
        return f"rule {rule.name!r} has no grants = true"
    return ""


def _decide(facts: Facts, policy: Policy, now: float, levels: Levels) -> Iterator[WalkStep]:
    """The steps before safety: each rule up to the first that matches, and the levels and thresholds where no rule decides."""
    for rule in policy.rules:
        answer = matches(rule, facts, now)
        if answer is False:
            yield WalkStep(rule.name, Mark.NO_MATCH, rule=rule)
            continue
        verdict, left_to = _apply(rule, answer, facts, policy, levels)
        yield from left_to
        yield WalkStep(rule.name, Mark.MATCHED, verdict.reason, verdict, rule, isinstance(answer, Undetermined))
        return
    yield from _without_rule(facts, policy, levels)[0]


def spot_check(facts: Facts, policy: Policy, verdict: Verdict) -> WalkStep:
    """Pick the policy's share of the actions that would run by themselves, so that a person sees them first."""
    share = f"{100 * policy.spot_check:.3g} %"
    if verdict.outcome is not Outcome.AUTO:
        return WalkStep(SPOT_CHECK, Mark.SKIPPED, "only automatic actions are spot-checked")
    if not verdict.sampled:
        return WalkStep(SPOT_CHECK, Mark.SKIPPED, "its level is above spot checks")
    if not is_picked(facts.id, policy):
        return WalkStep(SPOT_CHECK, Mark.NO_EFFECT, f"not picked: {share} go to a person first")
    reason = f"spot check: {verdict.reason}, and {policy.spot_check:.3g} of those go to a person first"
    picked = replace(verdict, outcome=Outcome.ASK, reason=reason, spot_check=True)
    return WalkStep(SPOT_CHECK, Mark.MATCHED, f"picked: {share} go to a person first", picked)


def is_picked(id_: str, policy: Policy) -> bool:
    """Whether an action is one of the spot checks. Depends only on its id and the policy's seed, so it can be computed again later."""
    drawn = hashlib.sha256(f"{policy.seed}\0{id_}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:8], "big") < policy.spot_check * 2**64


def is_plain_name(tool: str) -> bool:
    """Whether a tool's name is one that a glob may stand for."""
    return bool(_NAME.fullmatch(tool))


def risk_of(metadata: Json) -> Risk | None:
    """The risk that a tool's metadata declares: its own key `risk`, else MCP's annotations, at the top level or under `annotations`.

    By MCP's defaults, a tool that is not read-only is destructive unless it says otherwise; of hints that contradict each other, the
    worse one counts.
    """
    if not isinstance(metadata, Mapping):
        return None
    own = metadata.get("risk")
    if isinstance(own, str) and own in list(Risk):
        return Risk(own)
    return _by_hints(metadata) or _by_hints(metadata.get("annotations"))


def _by_hints(hints: Json) -> Risk | None:
    if not isinstance(hints, Mapping):
        return None
    reads, destroys = hints.get("readOnlyHint"), hints.get("destructiveHint")
    if destroys is True or (reads is False and destroys is None):
        return Risk.IRREVERSIBLE
    if reads is True:
        return Risk.READ
    return Risk.REVERSIBLE if destroys is False else None


def valid(facts: Facts) -> Facts:
    """Return the facts with an invalid confidence or risk made unknown, so that a caller's mistake does not pass for high confidence."""
    given, risk = facts.confidence, facts.risk
    sure = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1
    known = isinstance(risk, str) and risk in list(Risk)
    if sure and isinstance(risk, Risk):
        return facts
    return replace(facts, confidence=given if sure else None, risk=Risk(risk) if known and risk else None)


# Rules


def matches(rule: Rule, facts: Facts, now: float) -> bool | Undetermined:
    """Whether a rule matches an action; `Undetermined` when its condition cannot be evaluated."""
    if not selects(rule, facts, now):
        return False
    return evaluate(rule.when, facts) if rule.when else True


def selects(rule: Rule, facts: Facts, now: float) -> bool:
    """Whether a rule's globs, tags and hours match, its condition aside."""
    return (
        any(globs.matches(glob, facts.tool) for glob in rule.tools)
        and any(globs.names(glob, facts.agent) for glob in rule.agents)
        and all(tag in facts.tags for tag in rule.tags)
        and (rule.hours is None or rule.hours.contain(now))
    )


def effective_risk(rule: Rule, facts: Facts) -> Risk | None:
    """The risk a matching rule judges by. A rule lowers the risk that a tool declares only if it names the tool exactly."""
    if rule.risk is None or rule.names(facts.tool):
        return rule.risk or facts.risk
    return max(rule.risk, facts.risk, key=_LOW_TO_HIGH.index)


def _apply(rule: Rule, answer: bool | Undetermined, facts: Facts, policy: Policy, levels: Levels) -> tuple[Verdict, list[WalkStep]]:
    """The verdict of a rule that matches or cannot be evaluated, and the steps it leaves the decision to, if it names no outcome."""
    risk = effective_risk(rule, facts)
    if isinstance(answer, Undetermined):
        return _verdict(rule, Outcome.ASK, f"rule {rule.name!r} could not be judged: {answer.why}", risk), []
    if rule.outcome is not None:
        return _by_outcome(rule, rule.outcome, facts, risk), []
    risk = max(risk, facts.risk, key=_LOW_TO_HIGH.index)  # only a rule that says auto lets an action run that its tool calls worse
    steps, verdict = _without_rule(replace(facts, risk=risk), policy, levels)
    by = "" if verdict.rule == AUTONOMY else "the thresholds: "
    combined = _verdict(rule, verdict.outcome, f"rule {rule.name!r} leaves it to {by}{verdict.reason}", risk)
    return replace(combined, sampled=verdict.sampled), steps


def _by_outcome(rule: Rule, outcome: Outcome, facts: Facts, risk: Risk | None) -> Verdict:
    says = f"rule {rule.name!r} says {outcome}"
    if outcome is not Outcome.AUTO or rule.names(facts.tool):
        return _verdict(rule, outcome, says, risk)
    if not is_plain_name(facts.tool):
        return _verdict(rule, Outcome.ASK, f"{says}, but {ODD_NAME}, and the rule does not name it", risk)
    if risk is Risk.IRREVERSIBLE:
        return _verdict(rule, Outcome.ASK, f"{says}, but {facts.tool} is irreversible and the rule does not name it", risk)
    if risk is None or (facts.risk is None and all(not glob.strip("*?") for glob in rule.tools)):
        return _verdict(rule, Outcome.ASK, f"{says}, but the risk of {facts.tool} is unknown and the rule does not name it", facts.risk)
    return _verdict(rule, Outcome.AUTO, says, risk)


def _verdict(rule: Rule, outcome: Outcome, reason: str, risk: Risk | None) -> Verdict:
    return Verdict(
        outcome, rule.name, reason, risk, rule.reviewers, rule.to, rule.deadline_s, rule.then,
        signed=rule.signed, separate=rule.separate, blind=rule.blind,
    )  # fmt: skip


# Autonomy and thresholds


def _without_rule(facts: Facts, policy: Policy, levels: Levels) -> tuple[list[WalkStep], Verdict]:
    """The steps that decide where no rule does, and their verdict: the tool's autonomy level, else the thresholds."""
    by_confidence = _by_thresholds(facts, policy)
    thresholds = WalkStep(THRESHOLDS, Mark.MATCHED, by_confidence.reason, by_confidence)
    if policy.autonomy is None:
        return [thresholds], by_confidence
    current = levels.get((facts.agent, facts.tool), START)
    if current.level is Level.THRESHOLD or by_confidence.outcome is Outcome.TAKEOVER:
        why = "the thresholds decide" if current.level is Level.THRESHOLD else "but its confidence is too low for any level"
        return [WalkStep(AUTONOMY, Mark.NO_EFFECT, f"{describe_level(facts, current)}: {why}"), thresholds], by_confidence
    by_level = _by_level(facts, current)
    return [WalkStep(AUTONOMY, Mark.MATCHED, by_level.reason, by_level)], by_level


def _by_level(facts: Facts, current: ToolLevel) -> Verdict:
    does = describe_level(facts, current)
    if current.level is Level.ASK:
        return Verdict(Outcome.ASK, AUTONOMY, does, facts.risk)
    if facts.risk is None:
        return Verdict(Outcome.ASK, AUTONOMY, f"{does}, but the risk of this call is unknown", facts.risk)
    if facts.risk is Risk.IRREVERSIBLE:
        return Verdict(Outcome.ASK, AUTONOMY, f"{does}, but this call is irreversible and no rule names it", facts.risk)
    if not is_plain_name(facts.tool):
        return Verdict(Outcome.ASK, AUTONOMY, f"{does}, but {ODD_NAME}, and no rule names it", facts.risk)
    return Verdict(Outcome.AUTO, AUTONOMY, does, facts.risk, sampled=current.level is not Level.ACT)


def describe_level(facts: Facts, current: ToolLevel) -> str:
    """A tool's level in words: `autonomy: support_desk's look_up acts, with spot checks (since 3 Nov 2026, by ann)`."""
    since = "until it has earned more"
    if current.since is not None:
        since = f"(since {short_date(current.since, with_year=True)}, by {current.by})"
    return f"{AUTONOMY}: {facts.agent}'s {facts.tool} {DOES[current.level]} {since}"


def _by_thresholds(facts: Facts, policy: Policy) -> Verdict:
    sure, limits = facts.confidence, policy.thresholds
    odd = not is_plain_name(facts.tool) and not facts.kind.asks_person

    def verdict(outcome: Outcome, reason: str) -> Verdict:
        return Verdict(outcome, THRESHOLDS, reason, facts.risk)

    if sure is None:
        return verdict(Outcome.ASK, "its confidence is unknown")
    if sure < limits.ask:
        return verdict(Outcome.TAKEOVER, f"its confidence {sure:.3g} is below {limits.ask:g}")
    if sure < limits.auto:
        return verdict(Outcome.ASK, f"its confidence {sure:.3g} is below {limits.auto:g}")
    if facts.risk is None:
        return verdict(Outcome.ASK, f"its confidence is {sure:.3g}, but its risk is unknown")
    if facts.risk is Risk.IRREVERSIBLE:
        return verdict(Outcome.ASK, f"its confidence is {sure:.3g}, but it is irreversible and no rule names it")
    if odd:
        return verdict(Outcome.ASK, f"its confidence is {sure:.3g}, but {ODD_NAME}, and no rule names it")
    return verdict(Outcome.AUTO, f"its confidence {sure:.3g} is at least {limits.auto:g}")


# Safety


def _safely(facts: Facts, verdict: Verdict, warnings: Sequence[str], by_outcome: bool) -> WalkStep:
    """The last step of the walk; see `_keep_safe`."""
    checked = _keep_safe(facts, verdict, warnings, by_outcome)
    if checked is not verdict:
        return WalkStep(SAFETY, Mark.MATCHED, checked.reason, checked)
    to_person = verdict.outcome in (Outcome.ASK, Outcome.TAKEOVER)
    why = "a person looks anyway" if to_person else "nothing about it means that a person must look"
    return WalkStep(SAFETY, Mark.NO_EFFECT, why, verdict)


def _keep_safe(facts: Facts, verdict: Verdict, warnings: Sequence[str], by_outcome: bool) -> Verdict:
    """Send an action to a person in spite of the verdict if it is suspicious, if it has a warning, or if its graph would not accept it.

    `by_outcome`: a rule names the outcome, and leaves it neither to the thresholds nor to a level.
    """
    if verdict.outcome in (Outcome.ASK, Outcome.TAKEOVER):
        return verdict
    wanted = DecisionKind.APPROVE if verdict.outcome is Outcome.AUTO else DecisionKind.REJECT
    doubts = [*_unusual(facts, wanted, by_outcome), *(facts.findings if verdict.outcome is Outcome.AUTO else ())]
    if verdict.outcome is Outcome.AUTO and verdict.reviewers > 1:
        doubts.append(f"{verdict.reviewers} people must approve it")
    elif verdict.outcome is Outcome.AUTO and verdict.separate:
        doubts.append("somebody must approve it")
    if verdict.outcome is Outcome.AUTO and verdict.signed:
        doubts.append("a person must sign what is decided")
    if wanted not in facts.allowed:
        doubts.append(f"the graph does not accept {wanted}")
    doubts += [one for one in warnings if one not in doubts]
    if not doubts:
        return verdict
    reason = f"{'; '.join(doubts)}: a person must look, though {verdict.reason}"
    return replace(verdict, outcome=Outcome.ASK, rule=SAFETY, reason=reason, grant=None)


def _unusual(facts: Facts, wanted: DecisionKind, by_outcome: bool) -> Iterable[str]:
    if facts.kind.asks_person:
        if wanted not in facts.templates:
            yield "it asks a person and is no tool call"
        elif not by_outcome:
            yield "it asks a person, and no rule says how it is decided"
    elif not facts.known_shape:
        yield "its shape is unknown"
