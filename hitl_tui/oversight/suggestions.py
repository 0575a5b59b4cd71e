"""Changes of policy.toml that past decisions support: rules from grants, rules that people work around, other thresholds. Pure.

Nothing is changed by itself: each suggestion says what it rests on, and a person accepts it.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hitl_tui.formatting import counted, measured_duration, percent_down
from hitl_tui.model import DecisionKind, Facts, Grant, Json, Outcome, Risk
from hitl_tui.oversight.grants import PastCall, evidence, judgements
from hitl_tui.oversight.statistics import wilson
from hitl_tui.policy.engine import THRESHOLDS, judge_unsampled, selects
from hitl_tui.policy.grant_scopes import as_rule, quoted
from hitl_tui.policy.schema import Policy, Rule

LEAST = 20
"""Judgements that a suggestion rests on at least: calls that were decided with one key are one."""
WANTED = 0.85
"""Wilson's lower bound of the share approved unchanged from which less is asked, as for autonomy levels."""
TOO_FEW_CAUGHT = 0.8
"""Share of attention checks caught below which a stricter threshold is suggested."""
LEAST_CHECKS = 5
"""Attention checks that say something of how people review."""
CORRECTED = 3
"""Approved calls rated down later from which on a stricter threshold is suggested."""
UNHURRIED = 5.0
"""Times the least reading time: as long as reading at an ordinary pace takes, 240 words a minute. Who takes no longer approves fast."""
STEP = 0.05


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One change of policy.toml."""

    why: str
    """What it rests on, as a sentence."""
    text: str
    """The file with the change, and those before it."""


@dataclass(frozen=True, slots=True)
class Attention:
    """How carefully people reviewed."""

    shown: int = 0
    caught: int = 0
    """Attention checks."""
    corrected_later: int = 0
    """Calls that people approved, and that were rated down later."""


@dataclass(slots=True)
class Effect:
    """What a policy would make of past calls that people decided."""

    calls: int = 0
    asked_before: int = 0
    asked_after: int = 0
    let_through: list[tuple[int, int]] = field(default_factory=list)
    """Calls that people rejected, and that would run by themselves."""


def suggestions(
    text: str,
    policy: Policy,
    grants: Sequence[tuple[Grant, Json]],
    past: Mapping[tuple[str, str], Sequence[PastCall]],
    attention: Attention,
) -> list[Suggestion]:
    """Suggested changes, each on top of those before it.

    Args:
        text: of policy.toml.
        policy: what it says.
        grants: all grants, each with the arguments of the call that it was made from.
        past: what people decided, newest first, by agent and tool.
        attention: how carefully they did.
    """
    found = list[Suggestion]()
    for grant, args in grants:
        if why := _is_clean(grant, past.get((grant.agent, grant.tool), ())):
            text = _with_rule(text, policy, grant, args)
            found.append(Suggestion(why, text))
    for rule in policy.rules:
        if why := _is_worked_around(rule, policy, past):
            changed = _with_grants(text, rule)
            if changed != text:
                text = changed
                found.append(Suggestion(why, text))
    threshold, why = _threshold(policy, past, attention)
    if why:
        text = _with_threshold(text, threshold)
        found.append(Suggestion(why, text))
    return found


def effect(before: Policy | None, after: Policy, past: Iterable[PastCall]) -> Effect:
    """Judge past calls by two policies, with what was said before each of them, and without spot checks."""
    found = Effect()
    for one in past:
        found.calls += 1
        found.asked_before += judge_unsampled(one.facts, before, one.at).outcome is not Outcome.AUTO
        runs = judge_unsampled(one.facts, after, one.at).outcome is Outcome.AUTO
        found.asked_after += not runs
        if runs and one.decision in (DecisionKind.REJECT, DecisionKind.RESPOND):
            found.let_through.append((one.review, one.slot))
    return found


# Grants that were used up cleanly


def _is_clean(grant: Grant, past: Sequence[PastCall]) -> str:
    """Why a grant may become a rule; empty if it may not."""
    if grant.revoked_at is not None or grant.left or grant.scope.is_exact or grant.risk is Risk.IRREVERSIBLE:
        return ""
    known = evidence(grant.scope, past)
    if known.rejected or known.edited or known.rated_down:
        return ""
    calls = f"{counted(grant.taken, 'call')}, none rejected or rated down"
    seen = f", and people approved {counted(len(known.approved), 'past call')} that it covers unchanged" if known.total else ""
    return f"Grant {grant.id} by {grant.actor} was used up: {calls}{seen}."


def _with_rule(text: str, policy: Policy, grant: Grant, args: Json) -> str:
    condition = as_rule(grant, args)
    lines = [
        "[[rule]]",
        f'name = "as grant {grant.id}"',
        f"agent = {quoted(grant.agent)}",
        f"tool = {quoted(grant.tool)}",
        *([f"when = {_literal(condition)}"] if condition else []),
        *([f'risk = "{grant.risk}"'] if grant.risk else []),
        'outcome = "auto"',
    ]
    rule = "\n".join(lines) + "\n"
    for one in policy.rules:  # where the grant came in: what decides before a rule that leaves it open still does
        is_always = one.when is None and not one.tags and one.hours is None
        if is_always and selects(one, Facts(grant.agent, grant.tool), 0.0):
            before = _place(text, one.name)
            return f"{text[:before]}{rule}\n{text[before:]}"
    return f"{text.rstrip()}\n\n{rule}" if text.strip() else rule


def _literal(text: str) -> str:
    """A text as a TOML string."""
    return f"'{text}'" if "'" not in text and "\n" not in text else quoted(text)


def _place(text: str, name: str) -> int:
    """Where the table of a rule begins."""
    tables = [found.start() for found in re.finditer(r"^\[\[rule\]\]", text, re.MULTILINE)]
    named = re.search(rf"^name\s*=\s*[\"']{re.escape(name)}[\"']", text, re.MULTILINE)
    return max((at for at in tables if named and at < named.start()), default=len(text))


# Rules that people work around


def _is_worked_around(rule: Rule, policy: Policy, past: Mapping[tuple[str, str], Sequence[PastCall]]) -> str:
    """Why grants may lift a rule that only asks; empty if they may not."""
    if rule.outcome is not Outcome.ASK or rule.grants or rule.to or rule.reviewers > 1 or rule.signed or rule.separate:
        return ""
    calls = [one for found in past.values() for one in found if judge_unsampled(one.facts, policy, one.at).rule == rule.name]
    good, made = judgements(calls)
    low = (wilson(good, made) or (0.0, 1.0))[0]
    if made < LEAST or low < WANTED:
        return ""
    share = f"{good} of {counted(made, 'judgement')}, at least {percent_down(low)}"
    return f"Rule {rule.name!r} asks about what people approve unchanged ({share}): grants may then lift it, within their bounds."


def _with_grants(text: str, rule: Rule) -> str:
    at = _place(text, rule.name)
    found = re.compile(r"^outcome\s*=\s*[\"']ask[\"'].*$", re.MULTILINE).search(text, at)
    return f"{text[: found.end()]}\ngrants = true{text[found.end() :]}" if found else text


# Thresholds


def _threshold(policy: Policy, past: Mapping[tuple[str, str], Sequence[PastCall]], attention: Attention) -> tuple[float, str]:
    """Another `auto` threshold with what it rests on; an empty reason for none."""
    now = policy.thresholds.auto
    viewed = _Viewed.of(one for found in past.values() for one in found)
    if (careless := _careless(attention)) and (viewed.is_too_fast or not viewed.is_known):
        pace = f"People decided {viewed.too_fast} of {counted(viewed.calls, 'call')} faster than these can be read, and"
        why = f"{pace if viewed.is_known else 'People'} {careless}"
        why += "" if viewed.is_known else "; how long they look is not measured"
        return min(1.0, round(now + STEP, 2)), f"{why}: less should run by itself."
    if attention.caught < attention.shown or (viewed.is_too_fast and attention.shown < LEAST_CHECKS):
        return now, ""
    best, most, least = now, 0, list[PastCall]()
    for step in range(1, math.ceil((now - policy.thresholds.ask) / STEP)):
        wanted = round(now - step * STEP, 2)
        tried = replace(policy, thresholds=replace(policy.thresholds, auto=wanted))
        calls = [one for found in past.values() for one in found if _runs_newly(one.facts, one.at, policy, tried)]
        good, made = judgements(calls)
        if good < made:
            break
        if made > most:
            best, most, least = wanted, made, calls
    viewed = _Viewed.of(least)
    low = (wilson(most, most) or (0.0, 1.0))[0]
    if most < LEAST or low < WANTED or not viewed.is_fast:
        return now, ""
    share = f"{most} of {most}, at least {percent_down(low)}"
    pace = f"within a median of {measured_duration(viewed.median_s)}"
    return best, f"People approve unchanged what has a confidence from {best:g} ({share}), {pace}, and missed no attention check."


def _careless(attention: Attention) -> str:
    """What people missed or corrected later, as a clause with a verb; empty where that says nothing."""
    if attention.shown >= LEAST_CHECKS and attention.caught < TOO_FEW_CAUGHT * attention.shown:
        return f"caught {attention.caught} of {attention.shown} attention checks"
    if attention.corrected_later >= CORRECTED:
        return f"rated down {counted(attention.corrected_later, 'call')} later that they had approved"
    return ""


@dataclass(frozen=True, slots=True)
class _Viewed:
    """How long people viewed calls, as far as that was measured; those that were decided with one key were viewed once."""

    calls: int
    too_fast: int
    """Those that were decided faster than anybody can read them."""
    fast: int
    """Those that were decided within the time that reading takes at an ordinary pace."""
    median_s: float

    @classmethod
    def of(cls, calls: Iterable[PastCall]) -> _Viewed:
        looks = dict[tuple[float, str], tuple[float, float]]()
        for one in calls:
            if one.viewed_s is not None:
                _, needed = looks.get((one.at, one.person), (0.0, 0.0))
                looks[one.at, one.person] = one.viewed_s, max(needed, one.reading_s)
        known = list(looks.values())
        return cls(
            len(known),
            sum(viewed < needed for viewed, needed in known),
            sum(viewed <= UNHURRIED * needed for viewed, needed in known),
            statistics.median([viewed for viewed, _ in known] or [0.0]),
        )

    @property
    def is_known(self) -> bool:
        """Whether enough of them were measured."""
        return self.calls >= LEAST

    @property
    def is_too_fast(self) -> bool:
        return self.is_known and self.too_fast * 2 >= self.calls

    @property
    def is_fast(self) -> bool:
        return self.is_known and self.fast * 2 >= self.calls


def _runs_newly(facts: Facts, at: float, policy: Policy, tried: Policy) -> bool:
    verdict = judge_unsampled(facts, tried, at)
    runs = verdict.outcome is Outcome.AUTO and verdict.rule == THRESHOLDS
    return runs and judge_unsampled(facts, policy, at).outcome is Outcome.ASK


def _with_threshold(text: str, auto: float) -> str:
    found = re.search(r"^\[thresholds\][^\n]*\n", text, re.MULTILINE)
    if found is None:
        table = re.search(r"^\[", text, re.MULTILINE)
        at = table.start() if table else len(text)
        head = text[:at]
        return f"{head}{'' if not head or head.endswith(chr(10)) else chr(10)}[thresholds]\nauto = {auto:g}\n\n{text[at:]}"
    end = re.compile(r"^\[", re.MULTILINE).search(text, found.end())
    section = text[found.end() : end.start() if end else len(text)]
    changed, count = re.subn(r"^auto\s*=\s*[0-9.]+", f"auto = {auto:g}", section, count=1, flags=re.MULTILINE)
    section_now = changed if count else f"auto = {auto:g}\n{section}"
    return f"{text[: found.end()]}{section_now}{text[end.start() if end else len(text) :]}"
