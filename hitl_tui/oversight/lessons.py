"""Draws lessons from the rejections and corrections of a tool: finds what they have in common, and words it for the agent. Pure.

A lesson needs at least two calls in which the same argument was changed in the same way, or the same reason was given. Recent changes count
before earlier ones. An argument that was changed in unrelated ways makes a lesson only after three changes, because the lesson says little.
Lessons are proposals until a person accepts them.

Text by agents and people is quoted in a lesson as a JSON string on one line, cut, with control characters as codes, so that it never
reads like a sentence of the lesson itself. Characters that join emoji and letters are kept.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json
from hitl_tui.sanitize import spell_out

LEAST = 2
"""Calls corrected in the same way, or rejected for the same reason, that make a lesson."""
LEAST_UNALIKE = 3
"""Unrelated changes of one argument that make a lesson."""
QUOTED = 300
"""Most characters of a quotation."""
EXCERPT = 60
"""Characters shown around a change in a text."""
BEFORE = 15
"""Characters of an excerpt that precede the change."""
TOPIC = 100
"""Characters of a name or reason in a topic."""
LONGEST = 1000
"""Most characters of a lesson."""
SHORTENED_FROM = 80
"""Characters of the shortest text that can count as shortened."""
WORDS = 100
"""Most differing words, on either side, of texts that are compared word by word."""
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
_MISSING = object()


class Rank(IntEnum):
    """Kinds of traits, the most specific first: of two traits shared by the same number of calls, the first becomes the lesson."""

    LEFT_OUT = 0
    SET = 1
    ALSO = 2
    NOT = 3
    END = 4
    BEGINNING = 5
    INSTEAD = 6
    WITHOUT = 7
    SHORTER = 8
    SAME = 9
    """Each time the same old value was changed into the same new one, which may be chance."""


@dataclass(frozen=True, slots=True)
class CorrectedCall:
    """A call that a person changed."""

    decision: int
    proposed: Json
    final: Json


@dataclass(frozen=True, slots=True)
class RejectedCall:
    """A call that a person rejected."""

    decision: int
    reason: str


@dataclass(frozen=True, slots=True)
class DrawnLesson:
    """A lesson that was just drawn."""

    topic: str
    """Identifies the lesson among those of its tool: `edit:<argument>` or `reject:<reason>`."""
    gist: str
    """What to do, without figures."""
    text: str
    """What the agent reads: the gist, and how often people corrected that."""
    examples: tuple[int, ...]
    """Ids of the decisions it was drawn from, oldest first."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A property of a change that others may share: its kind, and the canonical JSON of the one or two values it is about."""

    rank: Rank
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """How a person changed one argument; `_MISSING` for an argument that was absent."""

    decision: int
    before: object
    after: object


def draw_lessons(tool: str, calls: Sequence[CorrectedCall | RejectedCall]) -> list[DrawnLesson]:
    """Draw the lessons of one tool's rejections and corrections, in order of topic. The order of `calls` does not matter."""
    ordered = sorted(calls, key=lambda call: call.decision)
    corrected = [call for call in ordered if isinstance(call, CorrectedCall)]
    rejected = [call for call in ordered if isinstance(call, RejectedCall)]
    changes: dict[str, list[ArgumentChange]] = defaultdict(list)
    for one in corrected:
        for name, change in _changes(one):
            changes[name].append(change)
    reasons: dict[str, list[RejectedCall]] = defaultdict(list)
    for each in rejected:
        if reason := normalized(each.reason):
            reasons[reason].append(each)
    found = [_of_changes(tool, name, made, len(corrected)) for name, made in changes.items()]
    found += [_of_reason(tool, reason, made) for reason, made in reasons.items() if len(made) >= LEAST]
    return sorted((lesson for lesson in found if lesson), key=lambda lesson: lesson.topic)


def validate_text(text: str) -> str:
    """Return a lesson that a person wrote as one line, with invisible characters as codes.

    Raises:
        Refused: the text is empty or too long.
    """
    line = " ".join(spell_out(canonical_json.storable("\n".join(text.splitlines()))).replace("\t", " ").splitlines()).strip()
    if not line:
        raise Refused("a lesson needs a text", "say what the agent should do next time")
    if len(line) > LONGEST:
        raise Refused(f"the lesson has {len(line):,} characters", f"say it in {LONGEST:,}: every call of the model reads it")
    return line


def normalized(reason: str) -> str:
    """A reason in the form in which reasons are compared: lower case, single spaces, no punctuation at its ends, nothing invisible."""
    words = " ".join(canonical_json.storable(reason).casefold().split())
    return " ".join(spell_out(words, lambda _: "").split()).strip(" .!,;:")


def quoted(value: object) -> str:
    """Quote a value as JSON on one line; a long text is cut and marked `(cut)`."""
    text = spell_out(value if isinstance(value, str) else canonical_json.canonical(value))
    if len(text) > QUOTED:
        return f"{json.dumps(_cut(text, QUOTED), ensure_ascii=False)} (cut)"
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def _cut(text: str, limit: int) -> str:
    """The beginning of a text, without a cut-off code or a joining character at its end."""
    return text if len(text) <= limit else re.sub(r"⟨(U(\+\w*)?)?$", "", text[:limit]).rstrip(_JOINERS)


def name_of(name: str) -> str:
    """The name of a tool or an argument; quoted if it contains anything but letters, digits, `_`, `.` and `-`."""
    return name if re.fullmatch(r"[\w.\-]{1,80}", name) else quoted(name)


# Differences


def _changes(call: CorrectedCall) -> Iterator[tuple[str, ArgumentChange]]:
    """Yield the changed arguments with their names. Arguments that are not an object count as one argument with an empty name."""
    before: Mapping[str, object] = call.proposed if isinstance(call.proposed, dict) else {"": call.proposed}
    after: Mapping[str, object] = call.final if isinstance(call.final, dict) else {"": call.final}
    for name in sorted({*before, *after}):
        change = ArgumentChange(call.decision, before.get(name, _MISSING), after.get(name, _MISSING))
        if _key(change.before) != _key(change.after):
            yield name, change


def _key(value: object) -> str:
    return "" if value is _MISSING else canonical_json.canonical(value)


def _is_blank(value: object) -> bool:
    return value is _MISSING or value is None or value in ("", [], {})


def traits_of(before: object, after: object) -> set[Trait]:
    """All traits of a change."""
    if after is _MISSING:
        return {Trait(Rank.LEFT_OUT)}
    found = {Trait(Rank.SET, (_key(after),))}
    if isinstance(before, list) and isinstance(after, list):
        was, now = {_key(one) for one in before}, {_key(one) for one in after}
        found |= {Trait(Rank.ALSO, (one,)) for one in now - was} | {Trait(Rank.NOT, (one,)) for one in was - now}
    elif isinstance(before, str) and isinstance(after, str) and before:
        found |= set(_of_texts(before, after))
    return found


def _of_texts(before: str, after: str) -> Iterator[Trait]:
    if after and len(before) >= SHORTENED_FROM and len(after) * 2 <= len(before):
        yield Trait(Rank.SHORTER)
    stem, is_more = before.rstrip(), False
    if stem and after.startswith(stem) and (rest := after[len(before) :] if after.startswith(before) else after[len(stem) :]).strip():
        is_more = True
        yield Trait(Rank.END, (_key(rest),))
    if before.strip() and after.endswith(before) and after[: -len(before)].strip():
        is_more = True
        yield Trait(Rank.BEGINNING, (_key(after[: -len(before)]),))
    if not is_more:
        yield from _of_words(before, after)


def _of_words(before: str, after: str) -> Iterator[Trait]:
    """Traits of the words that were replaced, removed or added."""
    was, now = re.findall(r"\s+|\S+", before), re.findall(r"\s+|\S+", after)
    first = _common_prefix(was, now)
    last = 0
    while last < min(len(was), len(now)) - first and was[-1 - last] == now[-1 - last]:
        last += 1
    was, now = was[first : len(was) - last], now[first : len(now) - last]
    if max(len(was), len(now)) > WORDS:
        return
    for a, b, c, d in _joined(difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes(), was):
        old, new = "".join(was[a:b]).strip(), "".join(now[c:d]).strip()
        if old and new and old != new:
            yield Trait(Rank.INSTEAD, (_key(old), _key(new)))
        elif old and not new:
            yield Trait(Rank.WITHOUT, (_key(old),))
        elif new and not old:
            yield Trait(Rank.ALSO, (_key(new),))


def _common_prefix(was: Sequence[str], now: Sequence[str]) -> int:
    """Length of the longest common beginning."""
    return next((place for place, (one, other) in enumerate(zip(was, now, strict=False)) if one != other), min(len(was), len(now)))


def _joined(codes: Sequence[tuple[str, int, int, int, int]], was: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of words that differ; ranges with only spaces between them are joined."""
    open_: tuple[int, int, int, int] | None = None
    for place, (tag, a, b, c, d) in enumerate(codes):
        if tag == "equal" and (open_ is None or place == len(codes) - 1 or "".join(was[a:b]).strip()):
            if open_:
                yield open_
            open_ = None
        else:
            open_ = (open_[0], b, open_[2], d) if open_ else (a, b, c, d)
    if open_:
        yield open_


def common_trait(changes: Sequence[ArgumentChange]) -> tuple[Trait, tuple[int, ...]] | None:
    """The best trait that an argument's changes share, and the ids of the decisions that have it; None if they share none.

    `changes` are ordered from the oldest. At least two changes must have the trait, and from some change on half of all: two of a hundred
    may be chance, the last two are not. Preferred are traits of the last two changes, then those of more changes, then the more specific
    kind, then the later one.
    """
    having: dict[Trait, list[int]] = defaultdict(list)
    for place, change in enumerate(changes):
        for trait in traits_of(change.before, change.after):
            having[trait].append(place)
    ranked = []
    for trait, places in having.items():
        if _is_enough(places, len(changes)):
            rank, last = _rank(trait, [changes[place] for place in places]), places[-1]
            ranked.append((last < len(changes) - LEAST, -len(places), rank, -last, trait.values, trait))
    if not ranked:
        return None
    _, _, rank, _, values, trait = min(ranked, key=lambda one: one[:-1])
    return Trait(rank, values), tuple(changes[place].decision for place in having[trait])


def _is_enough(places: Sequence[int], count: int) -> bool:
    """Whether, counted from one of these places on, there are at least two of them and they are at least half of all changes."""
    left = len(places)
    return any(left - nth >= LEAST and (left - nth) * 2 >= count - place for nth, place in enumerate(places))


def _rank(trait: Trait, made: Sequence[ArgumentChange]) -> Rank:
    """The kind of a shared trait. Setting the same value each time is less specific (`SAME`) if the old value was always the same too."""
    if trait.rank is not Rank.SET:
        return trait.rank
    was = {_key(change.before) for change in made}
    return Rank.SET if len(was) > 1 or all(_is_blank(change.before) for change in made) else Rank.SAME


# Sentences


def _of_changes(tool: str, name: str, changes: Sequence[ArgumentChange], of: int) -> DrawnLesson | None:
    place = f"`{name_of(name)}`" if name else "it"
    topic = f"edit:{_cut(spell_out(name), TOPIC)}"
    shared = common_trait(changes)
    if shared:
        trait, decisions = shared
        gist = f"When you call {name_of(tool)}, {_what_to_do(trait, place)}."
        count = len(decisions)
    elif len(changes) >= LEAST_UNALIKE:
        gist = f"When you call {name_of(tool)}, look twice at {place}: people change it."
        decisions, count = tuple(change.decision for change in changes), len(changes)
        return DrawnLesson(topic, gist, f"{gist} They did in {_share(count, of)}, last {_from_to(changes[-1])}.", decisions)
    else:
        return None
    return DrawnLesson(topic, gist, f"{gist} People did so in {_share(count, of)}.", decisions)


def _share(count: int, of: int) -> str:
    return f"{count} of the {of} calls they corrected" if count < of else f"all {of} calls they corrected"


def _from_to(change: ArgumentChange) -> str:
    """The old and the new value in words; of a long text the part around the first difference."""
    was, now = (value if isinstance(value, str) else _key(value) for value in (change.before, change.after))
    place = _common_prefix(was, now)
    return f"from {_excerpt(change.before, was, place)} to {_excerpt(change.after, now, place)}"


def _excerpt(value: object, text: str, place: int) -> str:
    if value is _MISSING:
        return "nothing"
    if len(text) <= EXCERPT:
        return quoted(value)
    start = max(0, min(place - BEFORE, len(text) - EXCERPT))
    end = start + EXCERPT
    return quoted(f"{'…' * (start > 0)}{text[start:end].strip(_JOINERS)}{'…' * (end < len(text))}")


def _what_to_do(trait: Trait, place: str) -> str:
    values = [quoted(json.loads(value)) for value in trait.values]
    match trait.rank:
        case Rank.LEFT_OUT:
            return f"leave {place} out"
        case Rank.SET | Rank.SAME:
            return f"put {values[0]} into {place}"
        case Rank.ALSO:
            return f"put {values[0]} into {place} too"
        case Rank.NOT:
            return f"keep {values[0]} out of {place}"
        case Rank.END:
            return f"add {values[0]} at the end of {place}"
        case Rank.BEGINNING:
            return f"add {values[0]} at the beginning of {place}"
        case Rank.INSTEAD:
            return f"write {values[1]} instead of {values[0]} in {place}"
        case Rank.WITHOUT:
            return f"do not write {values[0]} in {place}"
        case Rank.SHORTER:
            return f"keep {place} short, half as long as you would"


def _of_reason(tool: str, reason: str, made: Sequence[RejectedCall]) -> DrawnLesson:
    """The lesson of a reject reason, in its most frequent wording; of equally frequent ones the latest."""
    used = Counter(" ".join(spell_out(canonical_json.storable(one.reason)).split()) for one in made)
    last = {" ".join(spell_out(canonical_json.storable(one.reason)).split()): place for place, one in enumerate(made)}
    words = max(used, key=lambda one: (used[one], last[one]))
    name = name_of(tool)
    gist = f"Before you call {name}, think of why people rejected it: {quoted(words)}."
    return DrawnLesson(
        f"reject:{_cut(reason, TOPIC)}", gist, f"{gist} They gave that reason {len(made)} times.", tuple(one.decision for one in made)
    )
