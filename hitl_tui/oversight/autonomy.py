"""Earned autonomy: turns past decisions about a tool into evidence, and evidence into a proposal for its next level. Pure.

The levels are `ask → threshold → spot checks → act`. The next level is proposed if

- people have decided enough of the tool's last calls, and Wilson's lower bound of "approved unchanged" is high enough;
- none of the last few calls was refused: rejected, edited, answered in its place, or rated thumbs down afterwards;
- as many calls were decided since the tool reached its level, up or down: each level is earned separately;
- the people who decided missed none of the attention checks shown to them;
- for `threshold`, the confidence that the tool states is calibrated. If it states none for more than half of its calls, `threshold` would
  ask about them for ever, so that level is skipped: the one after it, with spot checks, needs no confidence.

No level is proposed for a tool that is irreversible, of unknown risk, or decided by a rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui.formatting import percent_down
from hitl_tui.model import Evidence, Facts, Level, Risk
from hitl_tui.oversight import statistics
from hitl_tui.oversight.statistics import ConfidenceBin
from hitl_tui.policy.engine import effective_risk, selects
from hitl_tui.policy.schema import AutonomyRules, Policy, Rule

BINS = 20
"""Bins of stated confidence, as in the insights view."""


@dataclass(frozen=True, slots=True)
class WeighedDecision:
    """One judgement of a person, reduced to what counts as evidence. Calls that were decided with one key are one judgement."""

    at: float
    """Unix time, seconds."""
    unchanged: bool
    """Approved as proposed, and not rated down later."""
    confidence: float | None = None
    spot_check: bool = False
    number: int = 0
    """Its place in the order of all decisions. Times are none: clocks are set back."""


def evidence(decided: Sequence[WeighedDecision], came_after: int | None, attention: tuple[int, int] = (0, 0)) -> Evidence:
    """Sum up the decisions about a tool.

    Args:
        decided: the decisions, newest first.
        came_after: number of the last decision before the tool reached its level; None if it has always had it.
        attention: numbers of attention checks shown to the people who decided, and caught by them.
    """
    bins = _bins(decided)
    count, good = len(decided), sum(one.unchanged for one in decided)
    bounds = statistics.wilson(good, count)
    return Evidence(
        count,
        good,
        bounds[0] if bounds else None,
        next((ago for ago, one in enumerate(decided) if not one.unchanged), count),
        statistics.calibration_error(bins) if bins else None,
        statistics.overconfidence(bins) if bins else None,
        *attention,
        sum(one.spot_check for one in decided),
        count if came_after is None else sum(one.number > came_after for one in decided),
    )


def _bins(decided: Sequence[WeighedDecision]) -> list[ConfidenceBin]:
    """Bins of the stated confidence; none if fewer than half of the decisions have one."""
    stated = [(one.confidence, one.unchanged) for one in decided if one.confidence is not None and 0 <= one.confidence <= 1]
    if not stated or len(stated) * 2 < len(decided):
        return []
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, unchanged in stated:
        bins.setdefault(min(BINS - 1, math.floor(confidence * BINS)), []).append((confidence, unchanged))
    return [_bin_of(one) for one in bins.values()]


def _bin_of(stated: Sequence[tuple[float, bool]]) -> ConfidenceBin:
    return ConfidenceBin(
        len(stated),
        sum(confidence for confidence, _ in stated),
        sum(confidence * confidence for confidence, _ in stated),
        sum(unchanged for _, unchanged in stated),
        sum(confidence for confidence, unchanged in stated if unchanged),
    )


def why_barred(facts: Facts, policy: Policy) -> str:
    """Why a tool can earn no level, as a clause; empty if it can. `facts` are of its last call; the arguments do not matter."""
    rule = deciding_rule(facts, policy)
    if rule and rule.outcome:
        return f"rule {rule.name!r} decides it"
    risk = effective_risk(rule, facts) if rule else facts.risk
    if Risk.IRREVERSIBLE in (risk, facts.risk):
        return "irreversible: only a rule that names it lets it go on"
    return "" if risk else "its risk is unknown: only a rule that says it lets it go on"


def deciding_rule(facts: Facts, policy: Policy) -> Rule | None:
    """The first rule that matches every call of the tool: one without condition, tags and hours. Earlier rules match only some calls."""
    always = (rule for rule in policy.rules if rule.when is None and not rule.tags and rule.hours is None)
    return next((rule for rule in always if selects(rule, facts, 0.0)), None)


def proposal(level: Level, found: Evidence, rules: AutonomyRules, bar: str = "") -> tuple[Level | None, str]:
    """The next level, where the evidence supports it, and a clause: what supports it, what is missing, or what bars it."""
    if bar:
        return None, bar
    if level is Level.ACT:
        return None, "it is at the top"
    missing = _missing(level, found, rules)
    if missing:
        return None, missing
    supports = f"{found.unchanged} of {found.decisions} approved unchanged, at least {percent_down(found.lower)}; "
    supports += f"none of the last {found.since_refused} refused"
    if level is not Level.ASK:
        return (Level.SPOT_CHECKS if level is Level.THRESHOLD else Level.ACT), supports
    if found.calibration_error is None or found.overconfidence is None:
        return Level.SPOT_CHECKS, f"{supports}; it states no confidence to ask by"
    if found.overconfidence > rules.calibration:
        return None, f"its confidence is {found.overconfidence:.2f} too high on average, {rules.calibration:g} is the most"
    return Level.THRESHOLD, f"{supports}; its confidence is off by {found.calibration_error:.2f}"


def _missing(level: Level, found: Evidence, rules: AutonomyRules) -> str:
    if found.decisions < rules.decisions:
        return f"{found.decisions} of {rules.decisions} decisions"
    if found.since_refused < rules.quiet and found.since_refused == found.decisions:
        return f"{found.decisions} of {rules.quiet} decisions, none of them refused"
    if found.since_refused < rules.quiet:
        ago = f"{found.since_refused} decision{'s' * (found.since_refused > 1)} ago" if found.since_refused else "with the last decision"
        return f"refused {ago}; {rules.quiet} since then are wanted"
    if found.since_level < rules.quiet:
        return f"{found.since_level} of {rules.quiet} decisions since it came to {level}"
    if found.attention_caught < found.attention_shown:
        return f"{found.attention_caught} of {found.attention_shown} attention checks caught"
    if found.lower is None or found.lower < rules.approved:
        shown = f"{found.unchanged} of {found.decisions} approved unchanged shows {percent_down(found.lower)}"
        return f"{shown}, {percent_down(rules.approved)} are wanted"
    return ""
