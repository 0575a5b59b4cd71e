"""Parser of the filter language for queue, history and exports: `agent:mail* tool:send_* decided:reject by:ann since:7d text`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from hitl_tui.errors import Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.model import DecisionKind, Outcome, PauseKind, Risk
from hitl_tui.suggest import did_you_mean

Name = Literal[
    "agent", "tool", "by", "rule", "run", "review", "decided", "kind", "risk", "outcome", "rating", "confidence", "since", "until"
]  # fmt: skip
CHOICES: Mapping[str, tuple[str, ...]] = {
    "decided": tuple(DecisionKind),
    "kind": tuple(PauseKind),
    "risk": (*Risk, "unknown"),
    "outcome": (*Outcome, "none"),
    "rating": ("up", "down"),
}
"""Fields whose value is one of a few words."""
GLOBS = ("agent", "tool", "by", "rule")
"""Fields whose value is a glob with `*` and `?`, which ignores case."""
IDS = ("run", "review")
"""Fields whose value is a number."""
TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?("[^"]*"|\S+)')
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}


@dataclass(frozen=True, slots=True)
class Term:
    """`field:value` or `field:value,value`: one of the values must match, or with `-` before the field none of them."""

    field: Name
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ConfidenceLimit:
    """`confidence:<0.6`."""

    sign: str
    """A key of `SIGNS`."""
    value: float


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; all of its parts must match."""

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    """Words that must all occur in the text; each may be the beginning of a longer word."""
    without: tuple[str, ...] = ()
    """Words that must not occur."""
    confidence: tuple[ConfidenceLimit, ...] = ()
    since: float | None = None
    """Unix time, seconds."""
    until: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the filter matches everything."""
        return self == Filter()


def parse(text: str, now: float) -> Filter:
    """Parse a filter.

    Args:
        text: the filter; empty for one that matches everything.
        now: Unix time in seconds, from which `since:7d` counts back.

    Raises:
        Refused: a field is unknown, or a value is invalid.
    """
    terms: list[Term] = []
    words: dict[bool, list[str]] = {False: [], True: []}
    limits: list[ConfidenceLimit] = []
    times: dict[str, float] = {}
    for minus, given, raw in TERM.findall(text):
        field, value = given.lower(), raw.strip('"')
        if not given:
            words[bool(minus)].append(value)
        elif field in ("since", "until"):
            if minus:
                raise Refused(f"{field} cannot be negated", "use since: and until:")
            times[field] = _time(field, value, now)
        elif field == "confidence":
            if minus:
                raise Refused("confidence cannot be negated", "use the opposite sign")
            limits.append(_limit(value))
        else:
            terms.append(_term(field, value, bool(minus)))
    return Filter(tuple(terms), tuple(words[False]), tuple(words[True]), tuple(limits), times.get("since"), times.get("until"))


def _term(field: str, value: str, negated: bool) -> Term:
    known = (*GLOBS, *IDS, *CHOICES, "confidence", "since", "until")
    if field not in known:
        raise Refused(f"there is no field {field!r} to filter by", f"{did_you_mean(field, known)}; put text with a colon into quotes")
    values = tuple(part.strip() for part in value.split(",") if part.strip())
    if not values:
        raise Refused(f"{field}: has no value", f"write it like {field}:{CHOICES.get(field, ('name',))[0]}")
    if field in CHOICES:
        values = tuple(one.lower() for one in values)
        for one in values:
            if one not in CHOICES[field]:
                raise Refused(f"{field}: cannot be {one!r}", did_you_mean(one, CHOICES[field]))
    if field in IDS:
        values = tuple(one.removeprefix("r") if field == "run" else one for one in values)
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in values):
            raise Refused(f"{value!r} is not the id of a {field}", f"write it like {field}:{'r3' if field == 'run' else '12'}")
    return Term(field, values, negated)  # type: ignore[arg-type]


def _limit(value: str) -> ConfidenceLimit:
    found = re.fullmatch(r"(<=|>=|<|>)\s*([01](?:\.\d{1,6})?|\.\d{1,6})", value, re.ASCII)
    if not found or not 0 <= float(found[2]) <= 1:
        raise Refused(f"confidence: cannot be {value!r}", "write it like confidence:<0.6 or confidence:>=0.9")
    return ConfidenceLimit(found[1], float(found[2]))


def _time(field: str, value: str, now: float) -> float:
    """Unix time of a duration back from now, or of a local date or time in ISO format."""
    try:
        return dt.datetime.fromisoformat(value).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    if value[-1:].isdigit():
        raise Refused(f"{field}: cannot be {value!r}", f"write it like {field}:7d, {field}:12h or {field}:2026-03-31")
    try:
        return now - parse_duration(value)
    except Refused:
        raise Refused(f"{field}: cannot be {value!r}", f"write it like {field}:7d, {field}:12h or {field}:2026-03-31") from None
