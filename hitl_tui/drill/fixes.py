"""Finds for a hole of a drill the smallest change of policy.toml that closes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.drill.calls import BadCall, GoodCall, facts_of, facts_of_good
from hitl_tui.model import Levels, Outcome, PastDecision
from hitl_tui.oversight.argument_kinds import ArgumentKind, kind_of, part_at
from hitl_tui.policy import facts as past_facts
from hitl_tui.policy.engine import judge_unsampled
from hitl_tui.policy.parser import parse_with_problems
from hitl_tui.policy.schema import Policy


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


def smallest_fix(
    rule: str,
    bads: Sequence[BadCall],
    goods: Sequence[GoodCall],
    policy: Policy,
    text: str,
    levels: Levels,
    history: Sequence[PastDecision],
    now: float,
) -> Fix | None:
    """Of the rules that close a hole, the one that asks least about past decisions and about the good calls; None if there is none.

    Args:
        rule: the rule that lets the calls run, or what stands in its place.
        bads: the calls of the hole, all to one tool.
        goods: good calls, of which those to the tool count.
        policy: as it is.
        text: its file.
        levels: the autonomy levels of the agents' tools.
        history: decisions of the past, which each rule is replayed on.
        now: Unix time in seconds, for rules with hours.
    """
    line = _line_of(rule, policy, text)
    own = [good for good in goods if good.tool == bads[0].good.tool]
    before = [_ran(past, policy, levels) for past in history]
    best: tuple[tuple[int, int, int], Fix] | None = None
    for toml in candidates(bads, own, policy):
        changed, problems = parse_with_problems(with_lines(text, toml, line))
        if any(problem.is_error for problem in problems):
            continue
        if any(judge_unsampled(facts_of(bad), changed, now, levels, bad.warning).outcome is Outcome.AUTO for bad in bads):
            continue
        more = sum(ran and not _ran(past, changed, levels) for ran, past in zip(before, history, strict=True))
        asked = sum(judge_unsampled(facts_of_good(good), changed, now, levels).outcome is not Outcome.AUTO for good in own)
        rank = (more, asked, len(toml))
        if best is None or rank < best[0]:
            best = (rank, Fix(toml, line, more, len(history)))
    return best[1] if best else None


def _ran(past: PastDecision, policy: Policy, levels: Levels) -> bool:
    found = past_facts.of_past(past, policy.answers)
    return judge_unsampled(found, policy, past.opened_at, levels).outcome is Outcome.AUTO


def _line_of(rule: str, policy: Policy, text: str) -> int:
    """The line before which a rule is added: that of the rule which decides, else after the last line."""
    return next((one.line for one in policy.rules if one.name == rule), len(text.splitlines()) + 1)


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
