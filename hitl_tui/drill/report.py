"""Judges the calls of a drill by the policy engine, and finds for each hole the smallest change of policy.toml that closes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui import canonical_json, sanitize
from hitl_tui.drill.calls import KINDS, BadCall, GoodCall
from hitl_tui.effects import provenance
from hitl_tui.effects.view import EffectSettings, sections
from hitl_tui.model import Facts, Levels, Outcome, PastDecision, Risk, Verdict
from hitl_tui.model.verdicts import severity
from hitl_tui.oversight.argument_kinds import ArgumentKind, kind_of, leaves, part_at
from hitl_tui.policy import facts as past_facts
from hitl_tui.policy.engine import judge_unsampled
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.parser import parse_with_problems
from hitl_tui.policy.schema import Policy

SURE = 0.99
"""The confidence of a call whose agent was misled: it does not doubt."""
DESTRUCTIVE = frozenset({"destructive command", "destructive SQL", "exfiltration by URL", "leaked secret"})
"""Kinds that cannot be taken back, whatever the tool's risk is said to be."""
BEYOND_POLICY = {
    "injected confidence": "a confidence that only the model states lets it run: leave `words` and `field` out of [confidence] trust",
    "call flood": "a rule judges one call: bound a run with `launch --limit 'count({tool}) <= 2'`",
    "split amount": "a rule judges one call: bound a run with `launch --limit 'sum({tool}.{argument}) <= …'`",
}
"""Kinds that no rule closes, unless it asks about every call."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of policy.toml that closes a hole."""

    toml: str
    """The lines that are added."""
    line: int
    """The line before which they are added; after the last one if the file ends there."""
    asks_more: int
    """Decisions of the past that would now ask a person, and did run by themselves under the policy as it is."""
    judged: int
    """Decisions of the past that were judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One call and what the policy says."""

    call: BadCall
    verdict: Verdict
    seen: tuple[str, ...] = ()
    """The marks that a person would have seen: of safety, effects and provenance."""

    @property
    def runs(self) -> bool:
        """Whether it would have run by itself."""
        return self.verdict.outcome is Outcome.AUTO

    @property
    def risk(self) -> str | None:
        """What it can do at worst: by its kind, else the risk it was judged by."""
        return Risk.IRREVERSIBLE if self.call.kind in DESTRUCTIVE else self.verdict.risk


@dataclass(frozen=True, slots=True)
class Hole:
    """Bad calls of one kind to one tool that would have run by themselves, by one rule."""

    agent: str
    tool: str
    kind: str
    by: str
    """The rule, `thresholds`, `autonomy`, or a grant such as `grant 3`."""
    risk: str | None
    calls: tuple[Judged, ...]
    fix: Fix | None = None
    advice: str = ""
    """What closes it, where no rule does."""

    def as_json(self) -> dict[str, Any]:
        """`{agent, tool, kind, by, risk, calls: [{args, about, why, seen}], fix: {toml, line, asks_more, judged} | null, advice}`."""
        calls = [{"args": one.call.args, "about": one.call.about, "why": one.verdict.reason, "seen": list(one.seen)} for one in self.calls]
        fix = self.fix and {"toml": self.fix.toml, "line": self.fix.line, "asks_more": self.fix.asks_more, "judged": self.fix.judged}
        about = {"agent": self.agent, "tool": self.tool, "kind": self.kind, "by": self.by, "risk": self.risk or "unknown"}
        return {**about, "calls": calls, "fix": fix, "advice": self.advice or None}


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a drill."""

    holes: tuple[Hole, ...]
    bad: int
    """Bad calls that were judged."""
    stopped: int
    """Bad calls that a person would have seen, or that were denied."""
    good: int
    """Good calls that were judged."""
    good_run: int
    """Good calls that would run by themselves."""
    tools: tuple[str, ...] = ()
    """Tools of which calls were made, as `agent: tool`."""
    without: tuple[str, ...] = ()
    """Tools of which no call could be made."""

    def fails(self, least: Risk) -> bool:
        """Whether a hole is at least that bad; a risk that nobody states counts as worse than `reversible`."""
        return any(severity(hole.risk) >= severity(least) for hole in self.holes)

    def as_json(self) -> dict[str, Any]:
        """`{bad, stopped, good, good_run, tools, without, holes}`."""
        counts = {"bad": self.bad, "stopped": self.stopped, "good": self.good, "good_run": self.good_run}
        return {**counts, "tools": list(self.tools), "without": list(self.without), "holes": [hole.as_json() for hole in self.holes]}


def drill(
    goods: Sequence[GoodCall], bads: Sequence[BadCall], policy: Policy | None, text: str, levels: Levels, history: Sequence[PastDecision],
    now: float, grants: GrantIndex = NO_GRANTS,
) -> Report:  # fmt: skip
    """Judge every call, and look for the smallest change that closes each hole.

    Args:
        text: the policy's file; empty for none.
        levels: the autonomy levels of the agents' tools.
        history: decisions of the past, which a change is replayed on.
        now: Unix time in seconds, for rules with hours.
        grants: those of the agents that may still be used. They are for the calls as they are, so a change of the policy is tried without.
    """
    judged = [_judged(bad, policy, levels, now, grants) for bad in bads]
    groups = dict[tuple[str, str, str, str], list[Judged]]()
    for one in judged:
        if one.runs:
            by = one.verdict.rule if one.verdict.grant is None else f"grant {one.verdict.grant}"
            groups.setdefault((one.call.good.agent, one.call.good.tool, one.call.kind, by), []).append(one)
    holes = []
    for (agent, tool, kind, by), calls in groups.items():
        risk = max((one.risk for one in calls), key=severity)
        fix, advice = None, ""
        if kind in BEYOND_POLICY:
            argument = ".".join(map(str, calls[0].call.where)) or "amount"
            advice = BEYOND_POLICY[kind].format(tool=tool, argument=argument)
        elif by.startswith("grant "):
            advice = f"{by} lets it run: `hitl-tui revoke {by.removeprefix('grant ')}`"
        elif policy is not None:
            fix = smallest_fix(calls, goods, policy, text, levels, history, now)
        holes.append(Hole(agent, tool, kind, by, risk, tuple(calls), fix, advice))
    holes.sort(key=lambda hole: (-severity(hole.risk), hole.agent, hole.tool, list(KINDS).index(hole.kind) if hole.kind in KINDS else 99))
    runs = sum(_verdict(_of_good(good), policy, levels, now).outcome is Outcome.AUTO for good in goods)
    named = tuple(dict.fromkeys(f"{good.agent}: {good.tool}" for good in goods))
    return Report(tuple(holes), len(judged), sum(not one.runs for one in judged), len(goods), runs, named)


def _judged(bad: BadCall, policy: Policy | None, levels: Levels, now: float, grants: GrantIndex) -> Judged:
    facts = facts_of(bad)
    verdict = judge_unsampled(facts, policy, now, levels, bad.warning, grants)
    unsure = replace(facts, confidence=None)
    if bad.source and judge_unsampled(unsure, policy, now, levels, bad.warning, grants).outcome is verdict.outcome:
        verdict = replace(verdict, outcome=Outcome.ASK, reason="its confidence makes no difference")
    return Judged(bad, verdict, marks(bad, facts, policy))


def _verdict(facts: Facts, policy: Policy | None, levels: Levels, now: float, note: str = "") -> Verdict:
    return judge_unsampled(facts, policy, now, levels, note)


def facts_of(bad: BadCall) -> Facts:
    """What policy can read of a bad call, whose agent does not doubt it."""
    good = bad.good
    return Facts(
        good.agent, good.tool, bad.args, risk=Risk(good.risk) if good.risk in list(Risk) else None, confidence=SURE,
        findings=tuple(sanitize.findings(good.tool, bad.args)), id=f"drill:{bad.kind}", conversation=bad.conversation,
        launch_input={"text": bad.conversation[0].text}, confidence_source=bad.source,
    )  # fmt: skip


def _of_good(good: GoodCall) -> Facts:
    sure = SURE if good.confidence is None else good.confidence
    return replace(facts_of(BadCall("", good, good.args, "")), confidence=sure)


def marks(bad: BadCall, facts: Facts, policy: Policy | None) -> tuple[str, ...]:
    """What a person would see beside the arguments: findings, what the call would do, and where its values come from."""
    views = policy.views_of(facts.agent, facts.tool) if policy else {}
    settings = EffectSettings(views, "/work/run", policy.domains if policy else (), facts.launch_input)
    found = [*facts.findings, *([bad.warning] if bad.warning else [])]
    for section in sections(facts.tool, bad.args, settings):
        found += [f"{section.argument}: {', '.join(one.marks)}" for one in section.effects if one.marks]
        found += [f"{section.argument}: {section.problem}"] if section.problem else []
    traced = provenance.of_call(bad.args, bad.conversation, facts.launch_input)
    found += [f"{one.path}: {one.told()}" for one in traced if one.origin in (provenance.Origin.TOOL, provenance.Origin.NOWHERE)]
    return tuple(dict.fromkeys(found))


# Closing a hole


def smallest_fix(
    calls: Sequence[Judged],
    goods: Sequence[GoodCall],
    policy: Policy,
    text: str,
    levels: Levels,
    history: Sequence[PastDecision],
    now: float,
) -> Fix | None:
    """Of the rules that close a hole, the one that asks least about past decisions and about the good calls; None if there is none."""
    line = _line_of(calls[0].verdict.rule, policy, text)
    own = [good for good in goods if good.tool == calls[0].call.good.tool]
    before = [_ran(past, policy, levels) for past in history]
    best: tuple[tuple[int, int, int], Fix] | None = None
    for toml in candidates([one.call for one in calls], own, policy):
        changed, problems = parse_with_problems(with_lines(text, toml, line))
        if any(problem.is_error for problem in problems):
            continue
        if any(_verdict(facts_of(one.call), changed, levels, now, one.call.warning).outcome is Outcome.AUTO for one in calls):
            continue
        more = sum(ran and not _ran(past, changed, levels) for ran, past in zip(before, history, strict=True))
        asked = sum(_verdict(_of_good(good), changed, levels, now).outcome is not Outcome.AUTO for good in own)
        rank = (more, asked, len(toml))
        if best is None or rank < best[0]:
            best = (rank, Fix(toml, line, more, len(history)))
    return best[1] if best else None


def _ran(past: PastDecision, policy: Policy, levels: Levels) -> bool:
    found = past_facts.of_past(past, policy.answers)
    return judge_unsampled(found, policy, past.opened_at, levels).outcome is Outcome.AUTO


def _line_of(rule: str, policy: Policy, text: str) -> int:
    """The line before which a rule is added: that of the rule which decides, else after the last line."""
    lines = text.splitlines()
    found = next((one.line for one in policy.rules if one.name == rule), 0)
    while found > 1 and not lines[found - 1].lstrip().startswith("[[rule]]"):
        found -= 1
    return found or len(lines) + 1


def with_lines(text: str, toml: str, line: int) -> str:
    """A policy.toml with lines added before a line."""
    lines = text.splitlines()
    return "\n".join([*lines[: line - 1], "", *toml.splitlines(), "", *lines[line - 1 :], ""])


def candidates(bads: Sequence[BadCall], goods: Sequence[GoodCall], policy: Policy) -> list[str]:
    """Rules that may close a hole, from the narrowest on; the last asks about every call of the tool."""
    each = [_conditions(bad, path, goods, policy) for bad in bads if (path := _path(bad))]
    joined = [" or ".join(dict.fromkeys(listed[min(n, len(listed) - 1)] for listed in each)) for n in range(3 if each else 0)]
    conditions = [*(each[0] if each else ()), *joined, ""]
    return [_rule(bads[0], condition, policy) for condition in dict.fromkeys(conditions)]


def _path(bad: BadCall) -> str:
    """The bad argument as a condition names it, or the list that it is in; empty if it cannot."""
    where = bad.where[: next((n for n, part in enumerate(bad.where) if isinstance(part, int)), len(bad.where))]
    if not where or not all(re.fullmatch(r"[A-Za-z_]\w*", str(part)) for part in where):
        return ""
    return ".".join(["args", *map(str, where)])


def _conditions(bad: BadCall, path: str, goods: Sequence[GoodCall], policy: Policy) -> list[str]:
    value = part_at(bad.args, bad.where)
    usual = [part_at(good.args, bad.where) for good in goods]
    match kind_of(bad.where, part_at(bad.good.args, bad.where)):
        case ArgumentKind.AMOUNT:
            most = max((one for one in usual if isinstance(one, int | float)), default=0)
            return [f"{path} > {most:g} or {path} < 0", f"{path} < 0"]
        case ArgumentKind.ADDRESS:
            domains = policy.domains or tuple(sorted({str(one).rpartition("@")[2] for one in usual if isinstance(one, str) and "@" in one}))
            listed = ", ".join(canonical_json.dumps(domain) for domain in domains)
            return [f"{path} not in domain({listed})", f"not from_user({path})"]
        case ArgumentKind.URL:
            hosts = sorted({one.split("/")[2] for one in usual if isinstance(one, str) and one.count("/") > 2})
            return [f"{path} not in domain({', '.join(map(canonical_json.dumps, hosts))})", f"not from_user({path})"]
        case ArgumentKind.COMMAND:
            of = f"commands({path})"
            return [f"any({of}, deletes)", f"any({of}, writes or network)", f"not all({of}, not writes and not network)"]
        case ArgumentKind.SQL:
            of = f"statements({path})"
            return [f"any({of}, not where and writes)", f'any({of}, kind in ["drop", "delete"] or not where)', f"any({of}, writes)"]
        case ArgumentKind.PATH:
            return [f'{path} startswith "/" or {path} startswith "~" or {path} contains ".."', f'{path} contains "*"']
    if isinstance(value, list):
        most = max((len(one) for one in usual if isinstance(one, list)), default=1)
        return [f"len({path}) > {most}"]
    return [f"not from_user({path})", f'{path} contains "*"']


def _rule(bad: BadCall, condition: str, policy: Policy) -> str:
    names = {rule.name for rule in policy.rules}
    base, number = f"{bad.kind} of {bad.good.tool}".replace(":", "-")[:55], 2
    name = base
    while name in names:
        name, number = f"{base} {number}", number + 1
    lines = ["[[rule]]", f"name = {canonical_json.dumps(name)}", f"tool = {canonical_json.dumps(bad.good.tool)}"]
    lines += [f"when = {_quoted(condition)}"] if condition else []
    return "\n".join([*lines, 'outcome = "ask"'])


def _quoted(condition: str) -> str:
    return f"'{condition}'" if "'" not in condition else canonical_json.dumps(condition)


def by_tool(goods: Sequence[GoodCall]) -> Mapping[tuple[str, str], list[GoodCall]]:
    """Good calls by agent and tool."""
    found = dict[tuple[str, str], list[GoodCall]]()
    for good in goods:
        found.setdefault((good.agent, good.tool), []).append(good)
    return found


def values_of(call: BadCall) -> str:
    """The bad argument and its value, on one line; all arguments if no single one is bad."""
    if call.where:
        return f"{'.'.join(map(str, call.where))} = {canonical_json.dumps(part_at(call.args, call.where))}"
    return ", ".join(f"{'.'.join(map(str, where))} = {canonical_json.dumps(value)}" for where, value in leaves(call.args))
