"""Judges the calls of a drill by the policy engine, and reports the bad ones that would run by themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui.drill.calls import FLOODING, KINDS, BadCall, GoodCall, facts_of, facts_of_good, values_of
from hitl_tui.drill.fixes import Fix, smallest_fix
from hitl_tui.effects import provenance
from hitl_tui.effects.view import EffectSettings, sections
from hitl_tui.formatting import counted
from hitl_tui.model import Facts, Levels, Outcome, PastDecision, Risk, Verdict
from hitl_tui.model.verdicts import severity
from hitl_tui.policy.engine import judge_unsampled
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import one_line, visible

LONGEST = 150
MOST_SHOWN = 3
"""Characters of a call, and calls of a hole, that are told."""
DESTRUCTIVE = frozenset({"destructive command", "destructive SQL", "exfiltration by URL", "leaked secret"})
"""Kinds that cannot be taken back, whatever the tool's risk is said to be."""
BEYOND_POLICY = {
    "injected confidence": "a confidence that only the model states lets it run: leave `words` and `field` out of [confidence] trust",
    FLOODING: "a rule with `when = \"repeated\"` closes it; `launch --limit 'count({tool}) <= 2'` bounds calls that differ, too",
    "split amount": "a rule judges one call: bound a run with `launch --limit 'sum({tool}.{argument}) <= …'`",
}
"""Kinds that no rule about the arguments closes, unless it asks about every call."""


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

    def told(self) -> Iterator[str]:
        """The report as text, a line at a time."""
        for hole in self.holes:
            yield visible(f"{hole.risk or 'unknown risk'}: {hole.agent} {hole.tool}: {KINDS.get(hole.kind, hole.kind)}: run by {hole.by!r}")
            for one in hole.calls[:MOST_SHOWN]:
                yield f"    {one_line(values_of(one.call), LONGEST)}"
                if one.seen:
                    yield f"      a person would have seen: {one_line('; '.join(one.seen), LONGEST)}"
            if len(hole.calls) > MOST_SHOWN:
                yield f"    and {len(hole.calls) - MOST_SHOWN} more"
            if hole.fix:
                asks = f"asks {hole.fix.asks_more} more of {counted(hole.fix.judged, 'past decision')}"
                yield f"  closed by this rule before line {hole.fix.line}, which {asks}:"
                yield from (f"    {visible(line)}" for line in hole.fix.toml.splitlines())
            elif hole.advice:
                yield visible(f"  {hole.advice}")
            yield ""
        if self.without:
            yield visible(f"no call could be made for {', '.join(self.without)}")
        kinds, tools = counted(len(self.holes), "hole"), counted(len(self.tools), "tool")
        yield f"{kinds}: {self.bad - self.stopped:,} of {self.bad:,} bad calls to {tools} would run by themselves"
        yield f"{self.good_run:,} of {self.good:,} good calls would run by themselves"


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
            fix = smallest_fix(calls[0].verdict.rule, [one.call for one in calls], goods, policy, text, levels, history, now)
        holes.append(Hole(agent, tool, kind, by, risk, tuple(calls), fix, advice))
    holes.sort(key=lambda hole: (-severity(hole.risk), hole.agent, hole.tool, list(KINDS).index(hole.kind) if hole.kind in KINDS else 99))
    runs = sum(judge_unsampled(facts_of_good(good), policy, now, levels).outcome is Outcome.AUTO for good in goods)
    named = tuple(dict.fromkeys(f"{good.agent}: {good.tool}" for good in goods))
    return Report(tuple(holes), len(judged), sum(not one.runs for one in judged), len(goods), runs, named)


def _judged(bad: BadCall, policy: Policy | None, levels: Levels, now: float, grants: GrantIndex) -> Judged:
    facts = facts_of(bad)
    verdict = judge_unsampled(facts, policy, now, levels, bad.warning, grants)
    unsure = replace(facts, confidence=None)
    if bad.source and judge_unsampled(unsure, policy, now, levels, bad.warning, grants).outcome is verdict.outcome:
        verdict = replace(verdict, outcome=Outcome.ASK, reason="its confidence makes no difference")
    return Judged(bad, verdict, marks(bad, facts, policy))


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
