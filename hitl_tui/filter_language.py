"""The filter language `agent:mail* since:7d text`: to add a field, add it to `FIELDS` here and say where it is found in `store/filters.py`.

`store/filters.py` finds it on open reviews and on runs. In the history and exports it is found by a step in `store/schema/steps/` that
adds it to the indexed `facets` of the view `history_source`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hitl_tui.errors import Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.model import DecisionKind, Identified, Outcome, PauseKind, Risk
from hitl_tui.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Field:
    """A field to filter by, written `name:value`."""

    kind: Literal["glob", "id", "choice", "limit", "time"]
    """The kind of its values: a glob that ignores case, a number, one of a few words, `<0.6`, or a time such as `7d`."""
    example: str = ""
    """A value for the help; empty where the name says enough."""
    choices: tuple[str, ...] = ()
    """The words of a choice."""


FIELDS: Mapping[str, Field] = {
    "agent": Field("glob", "mail*"),
    "tool": Field("glob"),
    "by": Field("glob"),
    "rule": Field("glob"),
    "run": Field("id", "r3"),
    "review": Field("id", "12"),
    "rating": Field("choice", "down", ("up", "down")),
    "set": Field("id", "12"),
    "grant": Field("id", "3"),
    "decided": Field("choice", "reject", tuple(DecisionKind)),
    "identified": Field("choice", "signed", (*Identified, "none")),
    "kind": Field("choice", choices=tuple(PauseKind)),
    "risk": Field("choice", choices=(*Risk, "unknown")),
    "outcome": Field("choice", choices=(*Outcome, "none")),
    "confidence": Field("limit", "<0.6"),
    "since": Field("time", "7d"),
    "until": Field("time", "2026-03-31"),
}
"""All fields, in the order of the help."""
TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?("[^"]*"|\S+)')


@dataclass(frozen=True, slots=True)
class Term:
    """`field:value` or `field:value,value`: one of the values must match, or with `-` before the field none of them."""

    field: str
    """A key of `FIELDS`."""
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ConfidenceLimit:
    """`confidence:<0.6`."""

    sign: str
    """`<`, `<=`, `>` or `>=`."""
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
        elif field in FIELDS and FIELDS[field].kind == "time":
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


def completions(text: str, values: Mapping[str, Sequence[str]], fields: Collection[str] = FIELDS.keys()) -> list[str]:
    """Completions of the last word of a filter: field names with a colon, or values that begin with it.

    Args:
        text: the filter so far.
        values: by field, values in use; under the empty name plain words.
        fields: the fields to offer, keys of `FIELDS`.
    """
    word = text.rpartition(" ")[2]
    name, colon, value = word.removeprefix("-").partition(":")
    start = word[: len(word) - len(value)] if colon else "-" * word.startswith("-")
    if not colon:
        known = [*(f"{field}:" for field in fields), *values.get("", ())] if name else []
        return [start + one for one in known if one.startswith(name.lower()) and one != name]
    chosen, comma, last = value.rpartition(",")
    known = [*(FIELDS[name].choices if name in FIELDS else ()), *values.get(name, ())] if name in fields else []
    return [f"{start}{chosen}{comma}{one}" for one in known if one.startswith(last) and one != last and not set(one) & set(' ",')]


def without_begun_field(text: str, fields: Collection[str] = FIELDS.keys()) -> str:
    """A filter that is being typed, without a last word that is only the beginning of a field, such as `ris` or `risk:`."""
    word = text.rpartition(" ")[2]
    name, colon, value = word.removeprefix("-").partition(":")
    begun = not value and any(field.startswith(name) and (not colon or field == name) for field in fields)
    return text[: len(text) - len(word)] if begun else text


def _term(field: str, value: str, negated: bool) -> Term:
    if field not in FIELDS:
        raise Refused(f"there is no field {field!r} to filter by", f"{did_you_mean(field, FIELDS)}; put text with a colon into quotes")
    kind, choices = FIELDS[field].kind, FIELDS[field].choices
    values = tuple(part.strip() for part in value.split(",") if part.strip())
    if not values:
        raise Refused(f"{field}: has no value", f"write it like {field}:{(*choices, 'name')[0]}")
    if kind == "choice":
        values = tuple(one.lower() for one in values)
        for one in values:
            if one not in choices:
                raise Refused(f"{field}: cannot be {one!r}", did_you_mean(one, choices))
    if kind == "id":
        values = tuple(one.removeprefix("r") if field == "run" else one for one in values)
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in values):
            raise Refused(f"{value!r} is not the id of a {field}", f"write it like {field}:{FIELDS[field].example}")
    return Term(field, values, negated)


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
