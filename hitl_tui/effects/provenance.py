"""Where the values of a call come from, found in its conversation: typed by the user, from a tool's result, from nowhere … Pure.

A value is looked for as it is, then in other spellings of it (case, blanks, numbers, dates), then a long text by its parts. What the
agent itself wrote is no source. It is a mark, never a verdict: good calls hold values that nobody typed too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
MOST_PARTS = 40
"""Parts of a text that are looked for; of more, one in so many."""
PASSAGE = 60
"""Characters of a passage on each side of what was found."""
LONGEST = 2_000_000
"""Characters of a conversation that are searched; the newest count."""
DEEPEST = 6
MOST_PLACES = 20_000
"""Places that are looked at for one value."""
BETWEEN = "\n\0\n"
"""Stands between the texts of two sources; no value has it."""
OTHERWISE = "spelt otherwise"
MOST_VALUES = 60
"""Values of a call that are looked for."""


@dataclass(frozen=True)
class Source:
    """A text that values may come from."""

    origin: Origin
    text: str
    tool: str = ""
    number: int = 0
    """Which result of the tool it is, from 1."""

    @cached_property
    def folded(self) -> str:
        """The text in one case, with single blanks."""
        return _folded(self.text)


Places = dict[int, tuple[int, int]]
"""By number of a source, where something stands in it first."""


@dataclass(frozen=True)
class _Joined:
    """Texts of all sources in one, so that a value is looked for in all of them at once."""

    text: str
    starts: Sequence[int]

    @staticmethod
    def of(texts: Sequence[str]) -> _Joined:
        starts, at = [], 0
        for one in texts:
            starts.append(at)
            at += len(one) + len(BETWEEN)
        return _Joined(BETWEEN.join(texts), starts)

    def source_at(self, at: int) -> int:
        """Number of the source that a place is in."""
        return bisect_right(self.starts, at) - 1

    def places(self, text: str, is_whole: bool = True) -> Places:
        """Where a text stands, as a whole: `ann@example.com` is not in `joann@example.com.evil.org`; `is_whole=False` for anywhere."""
        found = Places()
        at, looked = self.text.find(text), 0
        while at >= 0 and looked < MOST_PLACES:
            looked += 1
            if is_whole and not _is_whole(self.text, text, at):
                at = self.text.find(text, at + 1)
                continue
            source = self.source_at(at)
            found[source] = (at - self.starts[source], at - self.starts[source] + len(text))
            at = self.text.find(text, self.starts[source + 1]) if source + 1 < len(self.starts) else -1
        return found


@dataclass(frozen=True)
class Sources:
    """All texts that values of a call may come from, the ones that count first in front."""

    all: tuple[Source, ...] = ()

    @cached_property
    def plain(self) -> _Joined:
        """The texts as they are."""
        return _Joined.of([one.text for one in self.all])

    @cached_property
    def folded(self) -> _Joined:
        """The texts in one case, with single blanks."""
        return _Joined.of([one.folded for one in self.all])

    @cached_property
    def words(self) -> _Joined:
        """The words of the texts in one case, each between two blanks."""
        return _Joined.of([f" {' '.join(_WORD.findall(one.folded))} " for one in self.all])

    @cached_property
    def numbers(self) -> Mapping[float, Places]:
        """Where each number stands."""
        found: dict[float, Places] = {}
        text = self.plain.text
        for run in _DIGITS.finditer(text):
            for match in _NUMBER.finditer(text, max(0, run.start() - 1), run.end()):
                source = self.plain.source_at(match.start())
                begin, end = match.start() - self.plain.starts[source], match.end() - self.plain.starts[source]
                found.setdefault(_value(match[0]), {}).setdefault(source, (begin, end))
        return found


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
    matters: bool = False
    """True if a value from nowhere is a target of the call, an amount, or a command."""

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
        return words + (", spelt otherwise" if self.how == OTHERWISE else "")

    def as_json(self) -> dict[str, Any]:
        """`{path, origin, tool, result, how, passage}`."""
        result = self.number or None
        return {
            "path": self.path, "origin": self.origin, "tool": self.tool or None, "result": result, "how": self.how, "passage": self.passage
        }  # fmt: skip


def of_call(args: Json, conversation: Sequence[Message], launch_input: Json) -> tuple[Provenance, ...]:
    """Where each value of a call comes from; nothing where nothing was said, as in graphs without messages."""
    return trace(args, sources(conversation, launch_input)) if conversation else ()


def sources(conversation: Sequence[Message], launch_input: Json = None) -> Sources:
    """The texts that values of a call may come from."""
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
    return Sources(tuple(sorted(kept, key=lambda source: order.index(source.origin))))


def trace(args: Json, found: Sources) -> tuple[Provenance, ...]:
    """Where each value of a call comes from; values that are too short to tell have no entry."""
    values = list(_values(args, "", 0))[:MOST_VALUES]
    return tuple(one for path, value in values if (one := trace_value(value, found, path)) is not None)


def trace_value(value: Json, found: Sources, path: str = "") -> Provenance | None:
    """Where one value comes from; None if it is too short to tell, true, false or null."""
    if isinstance(value, bool) or value is None or not isinstance(value, str | int | float):
        return None
    text = value.strip() if isinstance(value, str) else canonical_json.dumps(value)
    if isinstance(value, str) and len(text) < SHORTEST and not text.isdigit():
        return None
    hits = _find(value, text, found)
    if not hits:
        return _by_parts(text, found, path) or Provenance(path, Origin.NOWHERE, matters=matters(value, path))
    number = min(hits)  # sources are in the order of their origins
    source, (begin, end, how) = found.all[number], hits[number]
    tools = tuple(dict.fromkeys(found.all[one].tool for one in sorted(hits) if found.all[one].origin is Origin.TOOL))
    shown = source.folded if how == OTHERWISE else source.text
    return Provenance(path, source.origin, source.tool, source.number, _passage(shown, begin, end), how, tools)


def matters(value: Json, path: str = "") -> bool:
    """Check if a value should come from somewhere: an address, an account, a URL, a path, a host, an id, an amount or a command.

    Texts that the agent itself writes, such as the body of a mail, need not.
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]).casefold()
    text = value.strip() if isinstance(value, str) else ""
    if _TARGET_NAME.search(name) or name in COMMAND_NAMES or (_AMOUNT_NAME.search(name) and any(map(str.isdigit, text or str(value)))):
        return True
    return bool(_TARGET.fullmatch(text)) and not _NO_TARGET.fullmatch(text)


_TARGET_NAME = re.compile(
    r"(^|_)(to|cc|bcc|recipients?|ids?|iban|bic|accounts?|address|e?mail|phone|urls?|uri|hosts?|paths?|files?|folder|bucket|branch|repo)$"
)
_AMOUNT_NAME = re.compile(r"(^|_)(amount|price|total|sum|cost|fee|quantity|qty|budget|discount|salary|payment|refund)(_|$)")
COMMAND_NAMES = frozenset({"shell", "bash", "command", "cmd", "script", "code", "sql", "query", "statement", "statements"})
"""Arguments that hold a command, a statement or a program."""
_TARGET = re.compile(
    r"""[^\s@]+@[^\s@]+ | [a-z][a-z0-9+.-]*:\S+ | [A-Z]{2}\d\d[A-Z0-9 ]{8,30} | \+?[\d ()/-]{7,20}
    | \S*[/\\]\S* | [\w-]+(\.[\w-]+)+ | \S*\d\S*""",
    re.VERBOSE | re.IGNORECASE,
)
"""Address, URL, IBAN, telephone number; path, host or file name, and any other single word with a digit: an id."""
_NO_TARGET = re.compile(r"[-+]?\d+[.,]\d+\s?%? | \d+\s?% | \d{4}-\d\d(-\d\d)?([T ]\S+)? | \d\d?:\d\d(:\d\d)? | \w+/\w+", re.VERBOSE)
"""Decimal numbers, shares, dates and times, and two words such as `and/or`."""


def _find(value: Json, text: str, found: Sources) -> dict[int, tuple[int, int, str]]:
    """Where a value stands in each source that holds it, and how it is spelt there."""
    hits: dict[int, tuple[int, int, str]] = {}

    def add(places: Mapping[int, tuple[int, int]], how: str) -> None:
        for source, (begin, end) in places.items():
            hits.setdefault(source, (begin, end, how))

    if isinstance(value, str):
        spelt = found.folded.places(_folded(text))  # what stands there verbatim stands there folded too
        add({source: place for source in spelt if (place := _verbatim(text, found.all[source].text))}, "verbatim")
        add(spelt, OTHERWISE)
    number = _number(text)
    if number is not None:
        add(found.numbers.get(number, {}), "verbatim")
        return hits
    for form in _date_forms(text):
        add(found.folded.places(form), OTHERWISE)
    return hits


def _verbatim(text: str, source: str) -> tuple[int, int] | None:
    """Where a text stands as a whole in one source."""
    at = source.find(text)
    while at >= 0 and not _is_whole(source, text, at):
        at = source.find(text, at + 1)
    return (at, at + len(text)) if at >= 0 else None


def _is_whole(source: str, text: str, at: int) -> bool:
    """Whether a text that stands at a place is no part of a longer word or address."""
    end = at + len(text)
    return not (_goes_on(source, at - 1, -1) and text[:1].isalnum()) and not (_goes_on(source, end, 1) and text[-1:].isalnum())


def _goes_on(source: str, at: int, step: int) -> bool:
    """Whether a word or address goes on at a place, in a direction."""
    if not 0 <= at < len(source):
        return False
    if source[at].isalnum() or source[at] == "_":
        return True
    return source[at] in ".@-+/" and 0 <= at + step < len(source) and source[at + step].isalnum()


def _folded(text: str) -> str:
    """A text in one case, with single blanks."""
    return " ".join(text.casefold().split())


_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d[\d,' .\u00a0\u202f]*")
"""What a number can be in; looked for first, because it is found fast."""
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
    """The phrases of so many words of a text."""
    words = _WORD.findall(text.casefold())
    return frozenset(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))


def _by_parts(text: str, found: Sources, path: str) -> Provenance | None:
    """A long text by phrases of a few words, a shorter one by its words: the source that has the most of them, if it has enough."""
    size = PHRASE if len(text) >= LONG else 1
    parts = {part for part in _phrases(text, size) if size > 1 or len(part) > 3 or any(c.isdigit() for c in part)}
    if not parts:
        return None
    parts = set(sorted(parts)[:: len(parts) // MOST_PARTS + 1])
    held = defaultdict[int, list[str]](list)
    for part in parts:
        for number in found.words.places(f" {part} ", is_whole=False):
            held[number].append(part)
    best = min(held, key=lambda number: (-len(held[number]), number), default=None)
    if best is None or len(held[best]) / len(parts) < (PARTS if size > 1 else 0.5):
        return None
    source, part = found.all[best], max(sorted(held[best]), key=len)
    at = source.folded.find(part)
    place = (at, at + len(part)) if at >= 0 else (0, 0)
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
