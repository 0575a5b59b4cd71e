"""What rejections and corrections of a tool have in common, and the sentence that an agent shall read of it. Pure.

The rules are plain: the same argument changed in the same way, or the same reason given, at least twice. What was changed alike of late
is said before what was changed otherwise earlier. An argument that was changed in ways that have nothing in common makes a lesson from
three changes on, for it says little. Each is proposed only; a person accepts it.

What an agent or a person wrote stands in a lesson as a JSON string, in one line, of bounded length, with control characters spelt out as
codes: it is quoted, and never reads like a sentence of the lesson itself. What holds emoji and letters together stays as it is.
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
"""So many calls that were corrected alike, or rejected for the same reason, make a lesson."""
LEAST_UNALIKE = 3
"""So many changes of one argument that have nothing in common make one."""
QUOTED = 300
"""Characters of somebody's text that a lesson quotes."""
EXCERPT = 60
"""Characters of a text that are shown around what was changed in it."""
BEFORE = 15
"""Characters of them that stand before it."""
TOPIC = 100
"""Characters of a name or reason that a topic bears."""
LONGEST = 1000
"""Characters of a lesson."""
SHORTENED_FROM = 80
"""A text of fewer characters is not said to be shortened."""
WORDS = 100
"""Words that differ, on either side, beyond which two texts are not compared word by word."""
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
_MISSING = object()


class Rank(IntEnum):
    """What a change has of others, the most telling first: of two that as many calls share, the first is said."""

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
    """The same value as before was changed into the same one each time: that may be chance."""


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
    """A lesson as the rules draw it."""

    topic: str
    gist: str
    """What to do, without figures."""
    text: str
    """As the agent reads it: the gist, and what it was drawn from."""
    examples: tuple[int, ...]
    """Decisions, the oldest first."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a change has in common with others: a rank, and the canonical JSON of the one or two values that belong to it."""

    rank: Rank
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """What became of one argument; `_MISSING` where it was not there."""

    decision: int
    before: object
    after: object


def draw_lessons(tool: str, calls: Sequence[CorrectedCall | RejectedCall]) -> list[DrawnLesson]:
    """The lessons of one tool's rejections and corrections, by topic; the same whatever the order they come in."""
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
    """A lesson as a person wrote it: one line, nothing in it unseen.

    Raises:
        Refused: it is empty or too long.
    """
    line = " ".join(spell_out(canonical_json.storable("\n".join(text.splitlines()))).replace("\t", " ").splitlines()).strip()
    if not line:
        raise Refused("a lesson needs a text", "say what the agent shall do the next time")
    if len(line) > LONGEST:
        raise Refused(f"the lesson has {len(line):,} characters", f"say it in {LONGEST:,}: every call of the model reads it")
    return line


def normalized(reason: str) -> str:
    """A reason as it is compared with others: no capitals, one space between words, no full stop at its end, nothing unseen."""
    words = " ".join(canonical_json.storable(reason).casefold().split())
    return " ".join(spell_out(words, lambda _: "").split()).strip(" .!,;:")


def quoted(value: object) -> str:
    """A value as a lesson quotes it: JSON in one line; a long text is cut, and says so."""
    text = spell_out(value if isinstance(value, str) else canonical_json.canonical(value))
    if len(text) > QUOTED:
        return f"{json.dumps(_cut(text, QUOTED), ensure_ascii=False)} (cut)"
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def _cut(text: str, limit: int) -> str:
    """Its beginning, which ends neither in a piece of a code nor with what joins it to nothing."""
    return text if len(text) <= limit else re.sub(r"⟨(U(\+\w*)?)?$", "", text[:limit]).rstrip(_JOINERS)


def name_of(name: str) -> str:
    """A tool's or an argument's name: as it is where it is one, else quoted."""
    return name if re.fullmatch(r"[\w.\-]{1,80}", name) else quoted(name)


# Differences


def _changes(call: CorrectedCall) -> Iterator[tuple[str, ArgumentChange]]:
    """What changed, by argument; what is no object is one argument without a name."""
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
    """All that can be said of a change and may be the same in others."""
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
    """Pieces that were replaced, taken out or put in."""
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
    """The place up to which the two are the same."""
    return next((place for place, (one, other) in enumerate(zip(was, now, strict=False)) if one != other), min(len(was), len(now)))


def _joined(codes: Sequence[tuple[str, int, int, int, int]], was: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """The places that differ; those with nothing but blanks between them are one."""
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
    """What an argument's changes, the oldest first, have in common, and the decisions that have it.

    At least two must have it, and from some change on half of them: two out of a hundred may be chance, the last two are not. What neither
    of the last two has is said only where nothing else is; then what more have is said, then the more telling, then the later.
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
    """Whether from some of these places on there are two of them, and half of all."""
    left = len(places)
    return any(left - nth >= LEAST and (left - nth) * 2 >= count - place for nth, place in enumerate(places))


def _rank(trait: Trait, made: Sequence[ArgumentChange]) -> Rank:
    """A value that took the place of one and the same is less telling than what the two differ in."""
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
    """What it was and became, a long text no further than around the first difference."""
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
    """In the words that were used most; of those used as often, the last."""
    used = Counter(" ".join(spell_out(canonical_json.storable(one.reason)).split()) for one in made)
    last = {" ".join(spell_out(canonical_json.storable(one.reason)).split()): place for place, one in enumerate(made)}
    words = max(used, key=lambda one: (used[one], last[one]))
    name = name_of(tool)
    gist = f"Before you call {name}, think of why people rejected it: {quoted(words)}."
    return DrawnLesson(
        f"reject:{_cut(reason, TOPIC)}", gist, f"{gist} They gave that reason {len(made)} times.", tuple(one.decision for one in made)
    )
