"""Where the values of a call come from, found in its conversation: typed by the user, from a tool's result, from nowhere … Pure.

A value is looked for as it is, then in other spellings of it (case, blanks, numbers, dates), then a long text by its parts. What the
agent itself wrote is no source. It is a mark, never a verdict: good calls hold values that nobody typed too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.argument_text import name_line
from hitl_tui.model import Json, Message


class Origin(StrEnum):
    """Where a value comes from; of several that hold, the first."""

    USER = "user"
    """The user typed it."""
    INPUT = "input"
    """It is in the input that the run was launched with."""
    TOOL = "tool"
    """It is in the result of a tool."""
    PROMPT = "prompt"
    """It is in a system message: the agent's prompt, with its lessons."""
    COMPUTED = "computed"
    """Parts of it are in one of these."""
    NOWHERE = "nowhere"
    """It is in none of them."""


SHORTEST = 3
"""Characters of a text that is looked for: a shorter one is found anywhere."""
LONG = 60
"""Characters of a text from which on it is looked for by its parts too."""
PARTS = 0.3
"""Share of a text's parts that make it computed from a source."""
PHRASE = 4
"""Words of a part of a long text."""
PASSAGE = 60
"""Characters of a passage on each side of what was found."""
LONGEST = 2_000_000
"""Characters of a conversation that are searched; the newest count."""
DEEPEST = 6
MOST_PLACES = 1000
"""Places of a source that are looked at for one value."""
MOST_VALUES = 60
"""Values of a call that are looked for."""


@dataclass(frozen=True)
class Source:
    """A text that values may come from, with the other forms of it that are searched."""

    origin: Origin
    text: str
    tool: str = ""
    number: int = 0
    """Which result of the tool it is, from 1."""

    @cached_property
    def folded(self) -> str:
        """The text in one case, with single blanks."""
        return _folded(self.text)

    @cached_property
    def numbers(self) -> tuple[tuple[tuple[int, int], float], ...]:
        """Its numbers: where they stand, and what they are."""
        return tuple((match.span(), _value(match[0])) for match in _NUMBER.finditer(self.text))

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words in small letters."""
        return _phrases(self.text, 1)

    @cached_property
    def phrases(self) -> frozenset[str]:
        """Its phrases of `PHRASE` words."""
        return _phrases(self.text, PHRASE)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one value comes from."""

    path: str
    """`to`, `items[0].name`."""
    origin: Origin
    tool: str = ""
    number: int = 0
    passage: str = ""
    """What stands around it in the source, on one line; empty for nowhere."""
    how: str = ""
    """`verbatim`, `spelt otherwise` or `parts`."""
    tools: tuple[str, ...] = ()
    """All tools with a result that holds it, also if the user typed it."""
    is_target: bool = False
    """Whether a value from nowhere says whom or what the call reaches."""

    def told(self) -> str:
        """Where it comes from, in words: `from read_mail, result 2`."""
        tool = name_line(self.tool, 40)
        match self.origin:
            case Origin.USER:
                words = "typed by the user"
            case Origin.INPUT:
                words = "in the launch input"
            case Origin.TOOL:
                words = f"from {tool}, result {self.number}"
            case Origin.PROMPT:
                words = "in a prompt or lesson"
            case Origin.COMPUTED:
                words = f"in parts from {tool}, result {self.number}" if self.tool else "in parts from what was said"
            case _:
                words = "from nowhere"
        return words + (", spelt otherwise" if self.how == "spelt otherwise" else "")

    def as_json(self) -> dict[str, Any]:
        """`{path, origin, tool, result, how, passage}`."""
        result = self.number or None
        return {
            "path": self.path, "origin": self.origin, "tool": self.tool or None, "result": result, "how": self.how, "passage": self.passage
        }  # fmt: skip


def of_call(args: Json, conversation: Sequence[Message], launch_input: Json) -> tuple[Provenance, ...]:
    """Where each value of a call comes from; nothing where nothing was said, as in graphs without messages."""
    return trace(args, sources(conversation, launch_input)) if conversation else ()


def by_origin(found: Sequence[Provenance]) -> dict[str, list[Provenance]]:
    """The values by where they come from, in words, in the order of `Origin`."""
    order = list(Origin)
    groups = dict[str, list[Provenance]]()
    for one in sorted(found, key=lambda one: order.index(one.origin)):
        groups.setdefault(one.told(), []).append(one)
    return groups


def sources(conversation: Sequence[Message], launch_input: Json = None) -> tuple[Source, ...]:
    """The texts that values of a call may come from, the ones that count first in front."""
    found, counts, left = list[Source](), dict[str, int](), LONGEST
    for message in conversation:
        if message.role == "tool":
            counts[message.name] = counts.get(message.name, 0) + 1
            found.append(Source(Origin.TOOL, message.text, message.name, counts[message.name]))
        elif message.role in ("user", "system"):
            found.append(Source(Origin.USER if message.role == "user" else Origin.PROMPT, message.text))
    if launch_input is not None:
        found.append(Source(Origin.INPUT, "\n".join(_texts(launch_input))))
    kept = []
    for source in reversed(found):
        left -= len(source.text)
        if left >= 0:
            kept.append(source)
    order = list(Origin)
    return tuple(sorted(kept, key=lambda source: order.index(source.origin)))


def trace(args: Json, found: Sequence[Source]) -> tuple[Provenance, ...]:
    """Where each value of a call comes from; values that are too short to tell have no entry."""
    values = list(_values(args, "", 0))[:MOST_VALUES]
    return tuple(one for path, value in values if (one := trace_value(value, found, path)) is not None)


def trace_value(value: Json, found: Sequence[Source], path: str = "") -> Provenance | None:
    """Where one value comes from; None if it is too short to tell, true, false or null."""
    if isinstance(value, bool) or value is None or not isinstance(value, str | int | float):
        return None
    text = value.strip() if isinstance(value, str) else canonical_json.dumps(value)
    if isinstance(value, str) and len(text) < SHORTEST and not text.isdigit():
        return None
    hits = [(source, *hit) for source in found if (hit := _find(value, text, source))]
    if not hits:
        return _by_parts(text, found, path) or Provenance(path, Origin.NOWHERE, is_target=is_target(value, path))
    source, begin, end, how = min(hits, key=lambda hit: list(Origin).index(hit[0].origin))
    tools = tuple(dict.fromkeys(one[0].tool for one in hits if one[0].origin is Origin.TOOL))
    shown = source.folded if how == "spelt otherwise" else source.text
    return Provenance(path, source.origin, source.tool, source.number, _passage(shown, begin, end), how, tools)


def is_target(value: Json, path: str = "") -> bool:
    """Whether a value says whom or what a call reaches: an address, an account, a URL, a path, a host, an id. Texts and amounts do not."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]).casefold()
    if _TARGET_NAME.search(name):
        return True
    text = value.strip() if isinstance(value, str) else ""
    return bool(_TARGET.fullmatch(text)) and not _NO_TARGET.fullmatch(text)


_TARGET_NAME = re.compile(
    r"(^|_)(to|cc|bcc|recipients?|ids?|iban|bic|accounts?|address|e?mail|phone|urls?|uri|hosts?|paths?|files?|folder|bucket|branch|repo)$"
)
_TARGET = re.compile(
    r"""[^\s@]+@[^\s@]+ | [a-z][a-z0-9+.-]*:\S+ | [A-Z]{2}\d\d[A-Z0-9 ]{8,30} | \+?[\d ()/-]{7,20}
    | \S*[/\\]\S* | [\w-]+(\.[\w-]+)+ | \S*\d\S*""",
    re.VERBOSE | re.IGNORECASE,
)
"""Address, URL, IBAN, telephone number; path, host or file name, and any other single word with a digit: an id."""
_NO_TARGET = re.compile(r"[-+]?\d+[.,]\d+\s?%? | \d+\s?% | \d{4}-\d\d(-\d\d)?([T ]\S+)? | \d\d?:\d\d(:\d\d)? | \w+/\w+", re.VERBOSE)
"""Decimal numbers, shares, dates and times, and two words such as `and/or`."""


def _find(value: Json, text: str, source: Source) -> tuple[int, int, str] | None:
    """Where a value stands in a source, and how it is spelt there."""
    if isinstance(value, str) and (place := _verbatim(text, source.text)):
        return *place, "verbatim"
    if isinstance(value, str) and (place := _verbatim(_folded(text), source.folded)):
        return *place, "spelt otherwise"
    number = _number(text)
    if number is not None:
        return next(((*place, "verbatim") for place, other in source.numbers if other == number), None)
    return next(((*place, "spelt otherwise") for form in _date_forms(text) if (place := _verbatim(form, source.folded))), None)


def _verbatim(text: str, source: str) -> tuple[int, int] | None:
    """Where a text stands in another, as a whole: `ann@example.com` is not in `joann@example.com.evil.org`."""
    at, looked = source.find(text), 0
    while at >= 0 and looked < MOST_PLACES:
        looked += 1
        end = at + len(text)
        if not (_goes_on(source, at - 1, -1) and text[:1].isalnum()) and not (_goes_on(source, end, 1) and text[-1:].isalnum()):
            return at, end
        at = source.find(text, at + 1)
    return None


def _goes_on(source: str, at: int, step: int) -> bool:
    """Whether a word or address goes on at a place, in a direction."""
    if not 0 <= at < len(source):
        return False
    if source[at].isalnum() or source[at] == "_":
        return True
    return source[at] in ".@-+/" and 0 <= at + step < len(source) and source[at + step].isalnum()


def _folded(text: str) -> str:
    """A text in one case, with single blanks."""
    return re.sub(r"\s+", " ", text.casefold())


_NUMBER = re.compile(r"(?<![\w.,-])[-+]?(?:\d{1,3}(?:[,' \u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)")


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    return _value(match[0]) if match else None


def _value(text: str) -> float:
    return float(re.sub(r"[,' \u00a0\u202f]", "", text))


_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905


def _date_forms(text: str) -> Iterator[str]:
    """Other spellings of an ISO date, in small letters."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[T ].*)?", text)
    if not match:
        return
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return
    month = _MONTHS[day.month - 1]
    for name in (month, month[:3]):
        yield from (f"{day.day} {name} {day.year}", f"{name} {day.day}, {day.year}", f"{day.day} {name}", f"{name} {day.day}")
    for sign in "./-":
        for one, two in ((day.day, day.month), (day.month, day.day)):
            yield from (f"{one}{sign}{two}{sign}{day.year}", f"{one:02}{sign}{two:02}{sign}{day.year}")


def _phrases(text: str, size: int) -> frozenset[str]:
    words = re.findall(r"\w+", text.casefold())
    if size == 1:
        return frozenset(words)
    return frozenset(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))


def _by_parts(text: str, found: Sequence[Source], path: str) -> Provenance | None:
    """A long text by phrases of a few words, a shorter one by its words: the source that has the most of them, if it has enough."""
    size = PHRASE if len(text) >= LONG else 1
    parts = {part for part in _phrases(text, size) if size > 1 or len(part) > 3 or any(c.isdigit() for c in part)}
    if not parts:
        return None
    if size > 1:  # phrases cost more than words, and a source that lacks the words has no phrase of them
        words = _phrases(text, 1)
        found = [one for one in found if len(words & one.words) >= PARTS * len(words)]
    shares = ((len(parts & (one.phrases if size > 1 else one.words)) / len(parts), one) for one in found)
    share, source = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    if source is None or share < (PARTS if size > 1 else 0.5):
        return None
    part = next(iter(sorted(parts & (source.phrases if size > 1 else source.words), key=len, reverse=True)))
    place = _verbatim(part, source.folded) or (0, 0)
    return Provenance(path, Origin.COMPUTED, source.tool, source.number, _passage(source.folded, *place), "parts")


def _passage(source: str, begin: int, end: int) -> str:
    """What stands around a place of a source, on one line."""
    first, last = max(0, begin - PASSAGE), min(len(source), end + PASSAGE)
    return f"{'…' if first else ''}{' '.join(source[first:last].split())}{'…' if last < len(source) else ''}"


def _values(value: Json, path: str, depth: int) -> Iterator[tuple[str, Json]]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _values(item, f"{path}[{number}]", depth + 1)
    else:
        yield path, value


def _texts(value: Json) -> Iterator[str]:
    for _, one in _values(value, "", 0):
        if isinstance(one, str):
            yield one
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield canonical_json.dumps(one)
