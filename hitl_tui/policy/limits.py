"""What a run was launched for, as limits on its calls: `send_mail.to in domain("example.com")`, `count(refund) <= 2 else deny`. Pure.

A call outside a limit asks a person, or is denied if the limit ends with `else deny`; it never runs by itself. Counts
and sums are over the whole run: what it did, may have done, and waits to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hitl_tui.errors import BadExpression, Refused
from hitl_tui.model import Facts, Json, Outcome, Verdict
from hitl_tui.policy import expression
from hitl_tui.policy.expression_eval import Undetermined, evaluate

LIMITS = "limits"
"""Stands in verdicts in place of a rule's name."""
OUTSIDE = "outside what was asked for"
MOST = 20
"""Limits of a run."""
_TOTAL = re.compile(r"(count|sum)\s*\(\s*([\w:/-]+)((?:\.\w+)*)\s*\)\s*(<=|<)\s*([0-9]+(?:\.[0-9]+)?)")
_TOOL = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?<![\w.])([A-Za-z_][\w-]*)\.")
"""A text, or a name before a dot."""
_DENIES = re.compile(r"\s+else\s+deny$")
Call = tuple[str, Json]
"""A tool's name, and the arguments that it was or would be called with."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: a condition on each call of a tool, or the most that its calls may come to."""

    text: str
    tool: str
    condition: expression.Expression | None = None
    path: tuple[str, ...] = ()
    """Fields of the argument that is added up; empty to count calls."""
    most: float = 0.0
    is_strict: bool = False
    """Whether the total must stay below `most`."""
    denies: bool = False
    """Whether a call outside is denied, and not asked about."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A call is outside the limits."""

    problem: str
    """Why, as a clause."""
    denies: bool = False
    """Whether it is denied, and not asked about."""


def parse(text: str) -> Limit:
    """Parse a limit.

    Raises:
        Refused: it is none; the error says where and what to write.
    """
    text = text.strip()
    denies = _DENIES.search(text)
    if denies:
        return replace(parse(text[: denies.start()]), denies=True)
    if found := _TOTAL.fullmatch(text):
        word, tool, path, sign, most = found.groups()
        if (word == "sum") != bool(path):
            raise Refused(f"the limit {text} is not understood", "write count(refund) <= 2, or sum(refund.amount) <= 500")
        return Limit(text, tool, None, tuple(path.split(".")[1:]), float(most), sign == "<")
    tools = {name for one in _TOOL.finditer(text) if (name := one[1]) and name not in expression.NAMES}
    if len(tools) != 1:
        what = f"names {len(tools)} tools" if tools else "names no tool"
        raise Refused(f"the limit {text!r} {what}", 'write one tool with its argument: send_mail.to in domain("example.com")')
    (tool,) = tools
    condition = _TOOL.sub(lambda one: "args." if one[1] == tool else one[0], text)
    try:
        return Limit(text, tool, expression.parse(condition))
    except BadExpression as error:
        raise Refused(f"the limit {text!r} cannot be read: {error.happened}", error.todo or "see docs/policy.md") from None


def check(texts: Sequence[str]) -> None:
    """Refuse limits that cannot be read.

    Raises:
        Refused: one of them cannot, or there are too many.
    """
    if len(texts) > MOST:
        raise Refused(f"a run has {len(texts)} limits", f"at most {MOST} are allowed")
    for text in texts:
        parse(text)


def outside(texts: Iterable[str], facts: Facts, others: Sequence[Call]) -> Outside | None:
    """Which limit a call is outside of, one that denies before one that asks; None if it is inside all.

    Args:
        texts: the limits as they were launched.
        facts: of the call.
        others: the run's other calls that count.
    """
    found = [problem for text in texts if (problem := _outside(text, facts, others))]
    return next((one for one in found if one.denies), found[0] if found else None)


def _outside(text: str, facts: Facts, others: Sequence[Call]) -> Outside | None:
    try:
        limit = parse(text)
    except Refused as error:
        return Outside(error.happened)
    problem = _problem(limit, facts, others) if limit.tool == facts.tool else ""
    return Outside(problem, limit.denies) if problem else None


def limited(verdict: Verdict | None, found: Outside, may_deny: bool = True) -> Verdict:
    """The verdict on a call that is outside: it asks a person, or is denied. One that is denied stays denied.

    Args:
        may_deny: whether the program may answer with a rejection; without, a limit that denies asks.
    """
    reason = f"{OUTSIDE}: {found.problem}"
    if found.denies and may_deny:
        is_denied = verdict is not None and verdict.outcome is Outcome.DENY
        return verdict if verdict and is_denied else Verdict(Outcome.DENY, LIMITS, reason, verdict.risk if verdict else None)
    if verdict is None:
        return Verdict(Outcome.ASK, LIMITS, reason)
    if verdict.outcome is Outcome.AUTO:
        text = f"{reason}; a person must look, though {verdict.reason}"
        return replace(verdict, outcome=Outcome.ASK, rule=LIMITS, reason=text, grant=None)
    return verdict if verdict.outcome is Outcome.DENY else replace(verdict, reason=f"{reason}; {verdict.reason}")


def _problem(limit: Limit, facts: Facts, others: Sequence[Call]) -> str:
    if limit.condition:
        found = evaluate(limit.condition, facts)
        return "" if found is True else f"{limit.text}" + (f" cannot be told: {found.why}" if isinstance(found, Undetermined) else "")
    total = 0.0
    for args in [facts.args, *(args for name, args in others if name == limit.tool)]:
        value = _at(args, limit.path) if limit.path else 1
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0:
            return f"{limit.text} cannot be told: {'.'.join(limit.path)} is no number from 0 on"
        total += value
    fits = total < limit.most if limit.is_strict else total <= limit.most
    return "" if fits else f"{limit.text}, and this call makes it {total:,.10g}"


def _at(value: Json, path: Sequence[str]) -> Json:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
