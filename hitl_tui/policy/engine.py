"""What becomes of an action: `judge(facts, policy, now, levels)` → `Verdict`. Pure; the same of them give the same verdict.

What holds whatever the policy says:

- without a policy, and while the file is broken, everything asks;
- a safety finding, an unknown shape, a question or a gate goes to a person, whatever a rule says;
- thresholds let nothing go on whose risk or confidence is unknown, or that is irreversible;
- nor does a level that a tool has earned, however high; what its agent is very unsure of is taken over at every level;
- a rule lets something irreversible go on only when it names the tool, letter for letter, and says `outcome = "auto"`;
- a rule lets something of unknown risk go on only when it names the tool so, or says which risk the tools of its glob have;
- a rule that cannot be judged asks, and says why; it never counts as not matching.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hitl_tui.model import DecisionKind, Facts, Held, Json, Level, Levels, Outcome, PauseKind, Risk, Verdict
from hitl_tui.policy import globs
from hitl_tui.policy.expression_eval import Undecided, holds
from hitl_tui.policy.schema import Policy, Rule

PEOPLES = frozenset({PauseKind.QUESTION, PauseKind.GATE, PauseKind.MCP_ELICITATION, PauseKind.ESCALATION, PauseKind.DRAFT})
"""Pauses that ask a person something, and are no calls of a tool."""
BROKEN = "everything asks until the policy is corrected"
AUTONOMY = "autonomy"
"""What the verdicts of the ladder are by."""
NO_LEVELS: Levels = {}
START = Held()
DOES = {
    Level.ASK: "asks",
    Level.THRESHOLD: "asks below the threshold",
    Level.SPOT_CHECKS: "acts, with spot checks",
    Level.ACT: "acts",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORST = (None, Risk.READ, Risk.REVERSIBLE, Risk.IRREVERSIBLE)


def judge(facts: Facts, policy: Policy | None, now: float, levels: Levels = NO_LEVELS) -> Verdict:
    """What becomes of an action at a Unix time; `policy` is None where there is none. `levels` are what the agent's tools have earned.

    Of what would go on by itself, the policy's share is picked to go to a person first: then `outcome` is `ask` and `spot_check` true.
    """
    verdict = unsampled(facts, policy, now, levels)
    if verdict.outcome is not Outcome.AUTO or policy is None or not verdict.sampled or not is_picked(facts.id, policy):
        return verdict
    reason = f"spot check: {verdict.reason}, and {policy.spot_check:.3g} of those go to a person first"
    return replace(verdict, outcome=Outcome.ASK, reason=reason, spot_check=True)


def is_picked(id_: str, policy: Policy) -> bool:
    """Whether an action is one of the spot checks: a hash of its id and the policy's seed, so that it can be told again later."""
    drawn = hashlib.sha256(f"{policy.seed}\0{id_}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:8], "big") < policy.spot_check * 2**64


def unsampled(facts: Facts, policy: Policy | None, now: float, levels: Levels = NO_LEVELS) -> Verdict:
    """The verdict before any spot check."""
    facts = plain(facts)
    if policy is None:
        return Verdict(Outcome.ASK, "no policy", "there is no policy, so everything asks", facts.risk)
    if policy.problem:
        return Verdict(Outcome.ASK, "no policy", f"{BROKEN}: {policy.problem}", facts.risk)
    return safe(facts, _by_rules(facts, policy, now, levels))


def risk_of(metadata: Json) -> Risk | None:
    """The risk that a tool's metadata declares: its own key `risk`, else MCP's annotations, beside it or under `annotations`.

    By MCP, a tool that changes things is destructive unless it says otherwise; of hints that contradict each other, the worse is believed.
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


def plain(facts: Facts) -> Facts:
    """Facts with what is no confidence and no risk made unknown: a caller's slip must not pass for high."""
    given, risk = facts.confidence, facts.risk
    sure = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1
    known = isinstance(risk, str) and risk in list(Risk)
    if sure and isinstance(risk, Risk):
        return facts
    return replace(facts, confidence=given if sure else None, risk=Risk(risk) if known and risk else None)


def _by_rules(facts: Facts, policy: Policy, now: float, levels: Levels) -> Verdict:
    for rule in policy.rules:
        if not concerns(rule, facts, now):
            continue
        found = holds(rule.when, facts) if rule.when else True
        if isinstance(found, Undecided):
            return undecided(rule, facts, found)
        if found:
            return by_rule(rule, facts, policy, levels)
    return by_level(facts, policy, levels)


def undecided(rule: Rule, facts: Facts, found: Undecided) -> Verdict:
    """What a rule says whose condition cannot be judged."""
    return _said(rule, Outcome.ASK, f"rule {rule.name!r} could not be judged: {found.why}", tier(rule, facts))


def concerns(rule: Rule, facts: Facts, now: float) -> bool:
    """Whether its globs, tags and hours fit; its condition is not asked yet."""
    return (
        any(globs.matches(glob, facts.tool) for glob in rule.tools)
        and any(globs.matches(glob, facts.agent) for glob in rule.agents)
        and all(tag in facts.tags for tag in rule.tags)
        and (rule.hours is None or rule.hours.hold(now))
    )


def tier(rule: Rule, facts: Facts) -> Risk | None:
    """The risk it is judged by: a rule may lower what the tool declares only by naming it."""
    if rule.risk is None or rule.names(facts.tool):
        return rule.risk or facts.risk
    return max(rule.risk, facts.risk, key=_WORST.index)


def by_rule(rule: Rule, facts: Facts, policy: Policy, levels: Levels) -> Verdict:
    """What a rule says that matches."""
    risk = tier(rule, facts)
    if rule.outcome is None:
        risk = max(risk, facts.risk, key=_WORST.index)  # only a rule that says auto lets go what its tool calls worse
        verdict = by_level(replace(facts, risk=risk), policy, levels)
        by = "" if verdict.rule == AUTONOMY else "the thresholds: "
        said = _said(rule, verdict.outcome, f"rule {rule.name!r} leaves it to {by}{verdict.reason}", risk)
        return replace(said, sampled=verdict.sampled)
    if rule.outcome is not Outcome.AUTO or rule.names(facts.tool):
        return _said(rule, rule.outcome, f"rule {rule.name!r} says {rule.outcome}", risk)
    if risk is Risk.IRREVERSIBLE:
        reason = f"rule {rule.name!r} says auto, but {facts.tool} is irreversible and the rule does not name it"
        return _said(rule, Outcome.ASK, reason, risk)
    if risk is None or (facts.risk is None and all(not glob.strip("*?") for glob in rule.tools)):
        reason = f"rule {rule.name!r} says auto, but the risk of {facts.tool} is unknown and the rule does not name it"
        return _said(rule, Outcome.ASK, reason, facts.risk)
    return _said(rule, Outcome.AUTO, f"rule {rule.name!r} says auto", risk)


def _said(rule: Rule, outcome: Outcome, reason: str, risk: Risk | None) -> Verdict:
    return Verdict(outcome, rule.name, reason, risk, rule.reviewers, rule.to, rule.deadline_s, rule.then)


def by_level(facts: Facts, policy: Policy, levels: Levels) -> Verdict:
    """What becomes of what no rule decides: by the level that the tool has earned, or without a ladder by the thresholds alone."""
    by_confidence = by_thresholds(facts, policy)
    held = levels.get((facts.agent, facts.tool), START)
    if policy.ladder is None or held.level is Level.THRESHOLD or by_confidence.outcome is Outcome.TAKEOVER:
        return by_confidence
    does = stands(facts, held)
    if held.level is Level.ASK:
        return Verdict(Outcome.ASK, AUTONOMY, does, facts.risk)
    if facts.risk is None:
        return Verdict(Outcome.ASK, AUTONOMY, f"{does}, but the risk of this call is unknown", facts.risk)
    if facts.risk is Risk.IRREVERSIBLE:
        return Verdict(Outcome.ASK, AUTONOMY, f"{does}, but this call is irreversible and no rule names it", facts.risk)
    return Verdict(Outcome.AUTO, AUTONOMY, does, facts.risk, sampled=held.level is not Level.ACT)


def stands(facts: Facts, held: Held) -> str:
    """Where a tool stands on the ladder: `autonomy: support_desk's look_up acts, with spot checks (since 3 Nov 2026, by ann)`."""
    since = "until it has earned more"
    if held.since is not None:
        day = dt.datetime.fromtimestamp(held.since, dt.UTC).astimezone()
        since = f"(since {day.day} {MONTHS[day.month - 1]} {day.year}, by {held.by})"
    return f"{AUTONOMY}: {facts.agent}'s {facts.tool} {DOES[held.level]} {since}"


def by_thresholds(facts: Facts, policy: Policy) -> Verdict:
    """What the confidence says where no rule says otherwise."""
    sure, limits = facts.confidence, policy.thresholds

    def verdict(outcome: Outcome, reason: str) -> Verdict:
        return Verdict(outcome, "thresholds", reason, facts.risk)

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
    return verdict(Outcome.AUTO, f"its confidence {sure:.3g} is at least {limits.auto:g}")


def safe(facts: Facts, verdict: Verdict) -> Verdict:
    """The verdict, unless something about the action means that a person must see it, or the graph would not take it."""
    if verdict.outcome in (Outcome.ASK, Outcome.TAKEOVER):
        return verdict
    doubts = [*_strange(facts), *(facts.findings if verdict.outcome is Outcome.AUTO else ())]
    if verdict.outcome is Outcome.AUTO and verdict.reviewers > 1:
        doubts.append(f"{verdict.reviewers} people must approve it")
    wanted = DecisionKind.APPROVE if verdict.outcome is Outcome.AUTO else DecisionKind.REJECT
    if wanted not in facts.allowed:
        doubts.append(f"the graph does not accept {wanted}")
    if not doubts:
        return verdict
    reason = f"{'; '.join(doubts)}: a person must look, though {verdict.reason}"
    return replace(verdict, outcome=Outcome.ASK, rule="safety", reason=reason)


def _strange(facts: Facts) -> Iterable[str]:
    if facts.kind in PEOPLES:
        yield "it asks a person and is no tool call"
    elif not facts.known_shape:
        yield "its shape is unknown"


def careful(verdict: Verdict, note: str) -> Verdict:
    """The verdict; but a call with a warning, that it may have run or that its answer may reach another, is not even refused alone."""
    if not note or verdict.outcome not in (Outcome.AUTO, Outcome.DENY):
        return verdict
    return replace(verdict, outcome=Outcome.ASK, rule="safety", reason=f"{note}: a person must look, though {verdict.reason}")
