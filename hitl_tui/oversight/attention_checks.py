"""Makes attention checks: changes one argument of a real tool call so that it is clearly wrong, and says in a clause what is wrong. Pure.

A check is never harmless or doubtful: if these rules cannot make a clearly wrong call, there is none. Wrong is what does harm whoever asked
for it, and a person, place, id or time that is not what was asked for: the ids are those that users or tools named, and no others.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json, validation
from hitl_tui.model import Json
from hitl_tui.oversight.argument_kinds import (
    STATEMENT,
    URL,
    YEAR,
    ArgumentKind,
    JsonPath,
    in_words,
    is_number,
    kind_of,
    leaves,
    part_at,
    with_part,
    words_of,
)

TIMES = 1000
LARGEST = 1e15
YEARS = 8
"""So many years later is clearly wrong, and a leap day stays one."""
SHORTEST = 20
"""Characters of the shortest text in which arguments are replaced."""
STRANGE_DOMAINS = ("mbox.example", "post.example", "mail7.example", "freemail.example", "pay-desk.example")
SYLLABLES = ("ma", "ri", "lo", "ven", "ta", "sol", "ke", "dan", "ji", "pe", "hol", "be")
HOSTS = ("files.drop-box.example", "paste.example", "collect.quick-upload.example", "cdn7.mirror-pages.example")
NAMES = ("Ned", "Orla", "Corin", "Marlow", "Tamsin", "Theodora", "Bartholomew", "Ned Holt", "Orla Venn", "Corin Marsh", "Theodora Marlow")
CHANNELS = ("all-partners", "press", "ex-staff", "competitors", "public-feed", "press-and-media", "outside-contractors")
LEAKS = {
    "By the way, our administrator's password is Harbour-2291; please keep it to yourself.": "gives a password away",
    "The administrator's password is Harbour-2291.": "gives a password away",
    "Before we go on, please send gift cards worth 2,000 to me privately and tell nobody.": "asks for gift cards in private",
    "Please send me gift cards, and tell nobody.": "asks for gift cards in private",
    "Forget what you agreed with us: nothing of it holds, and we keep the money.": "says that nothing agreed upon holds",
    "Nothing that we agreed upon holds; we keep the money.": "says that nothing agreed upon holds",
}
"""Sentences that nobody sends, and what a text with them does."""
DELETION = "rm -rf --no-preserve-root /"
DELETIONS = ("rm -rf /", "sudo rm -rf /", DELETION, f"sudo {DELETION}", f"cd / && sudo {DELETION} && sync")
DELETED_PLACES = ("/etc", "/boot", "/usr/lib", "/var/lib")
WRITTEN_PLACES = ("/etc", "/etc/ssh", "/etc/pam.d")
READ_PLACES = ("/root", "/root/.ssh", "/etc/ssl/private")
MARKS = (*(f"@{domain}" for domain in STRANGE_DOMAINS), "Harbour-2291", "gift cards", "we keep the money", DELETION)
"""Texts by which an edit is recognised as still wrong."""
LIKE = 0.25
"""By how much of its length a sentence may differ from the one it takes the place of."""
DROP = re.compile(r"drop table [\w.\"`]+")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
UUID_LENGTH, VARIANT = 36, "89ab"
TICKS_PER_S = 10_000_000
"""Of the time in a UUID of version 6."""
HASH = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16,}(?![0-9A-Za-z])")
FILLED = 0.95
"""Share of the room that a course of events may fill."""


@dataclass(frozen=True, slots=True)
class WrongCall:
    """A clearly wrong call."""

    args: Json
    clause: str
    """What is wrong about it: `the amount is 1,000 times what was asked`."""
    kind: ArgumentKind
    """What the argument holds that is wrong."""
    where: JsonPath
    """The place of that argument."""


def make_wrong_call(tool: str, args: Json, schema: Json, said: str, seed: str, heard: str = "") -> WrongCall | None:
    """Make a clearly wrong call from a real one; None if that is not possible.

    Args:
        tool: name of the tool.
        args: arguments of the real call.
        schema: JSON Schema of the arguments, which the wrong ones fit too.
        said: all text around the call, so that a made-up recipient does not occur in it.
        seed: the same seed gives the same call.
        heard: what users and tools said before the call. An id that stands there, and only such a one, has another one in its place.
    """
    found = wrong_calls(tool, args, schema, said, seed, heard)
    return found[pick(f"{seed}\0{tool}", len(found))] if found else None


def wrong_calls(tool: str, args: Json, schema: Json, said: str, seed: str, heard: str = "") -> list[WrongCall]:
    """Every clearly wrong call that can be made from a real one, one for each argument; see `make_wrong_call`."""
    found: list[WrongCall] = []
    if not isinstance(args, dict):
        return found
    talk = Talk(f"{said}\n{heard}\n{canonical_json.dumps(args)}".lower(), heard.lower())
    for where, value in leaves(args):
        kind = kind_of(where, value)
        for wrong, clause in _wrongs(tool, kind, where, value, talk, seed):
            changed = with_part(args, where, wrong)
            if changed != args and not validation.storage_problem(changed) and not validation.schema_problem(changed, schema):
                found.append(WrongCall(changed, clause, kind, where))
    return found


def pick(seed: str, count: int) -> int:
    """A pseudo-random number from 0 to `count - 1`; the same seed gives the same number."""
    return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()[:8], "big") % count


def decisions_until_next(every: int, seed: str) -> int:
    """Number of decisions until the next check: pseudo-random between half and one and a half times `every`."""
    return every - every // 2 + pick(seed, 2 * (every // 2) + 1)


def still_wrong(correct: str, wrong: str, edited: str | None) -> bool:
    """Whether an edit of a check is still wrong.

    Args:
        correct: arguments of the real call, as JSON text.
        wrong: arguments that were shown, as JSON text.
        edited: arguments after the edit, as JSON text; None if there are none.
    """
    asked, shown, final = json.loads(correct), json.loads(wrong), json.loads(edited) if edited is not None else None
    differing = ((where, value) for where, value in leaves(shown) if part_at(asked, where) != value)
    return any(_stays(part_at(asked, where), value, part_at(final, where), final) for where, value in differing)


def _stays(right: Json, wrong: Json, final: Json, whole: Json) -> bool:
    if is_number(wrong) and is_number(final) and is_number(right):
        return bool(abs(final - wrong) <= abs(final - right))
    if not isinstance(wrong, str) or not isinstance(final, str):
        return bool(final == wrong)
    kept = [mark for mark in MARKS if mark in wrong]
    if kept:
        return any(mark in canonical_json.dumps(whole) for mark in kept)
    if dropped := DROP.search(_folded(wrong)):
        return dropped[0] in _folded(final)
    return wrong.strip() == final.strip()


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace(";", " ").split())


# Wrong values


@dataclass(frozen=True, slots=True)
class Talk:
    """What is known around a call, in lower case."""

    known: str
    """All of it, with the call."""
    heard: str
    """What users and tools said before it."""

    def has_heard(self, value: str) -> bool:
        """Whether users or tools said this value, as a whole."""
        return bool(re.search(rf"(?<!\w){re.escape(value.strip().lower())}(?!\w)", self.heard))


def _wrongs(tool: str, kind: ArgumentKind, where: JsonPath, value: Json, talk: Talk, seed: str) -> Iterator[tuple[Json, str]]:
    """Yield clearly wrong values for one argument, each with a clause that says what is wrong.

    They are about as long as the right ones where that can be, so that their length tells nobody what they are.
    """
    if is_number(value):
        if kind is ArgumentKind.AMOUNT and abs(value) >= 1:
            yield _whole(value * TIMES), f"the {in_words(where)} is {TIMES:,} times what was asked"
    elif isinstance(value, str) and kind in (ArgumentKind.COMMAND, ArgumentKind.SQL, ArgumentKind.PATH, ArgumentKind.TEXT):
        yield from _harmful(tool, kind, where, value, seed)
    elif isinstance(value, str):
        yield from _somewhere_else(kind, where, value, talk, seed)


def _whole(amount: Any) -> Any:
    """A number without a fraction as an integer, which is as long as the amount with its cents."""
    return round(amount) if isinstance(amount, float) and abs(amount) < LARGEST else amount


def _harmful(tool: str, kind: ArgumentKind, where: JsonPath, value: str, seed: str) -> Iterator[tuple[Json, str]]:
    """What would do harm whoever asked for it."""
    if kind is ArgumentKind.COMMAND:
        yield _deletion(value), "it deletes everything on the machine"
    elif kind is ArgumentKind.SQL and (table := STATEMENT.match(value)):
        which = next(filter(None, table.groups()))
        yield _dropped(value, which), f"it drops the whole table {which}"
    elif kind is ArgumentKind.PATH:
        yield from _elsewhere(words_of(tool), value, seed)
    elif kind is ArgumentKind.TEXT:
        text, leak = _with_leak(value, seed)
        yield text, f"the {in_words(where[-1:])} {LEAKS[leak]}"


def _somewhere_else(kind: ArgumentKind, where: JsonPath, value: str, talk: Talk, seed: str) -> Iterator[tuple[Json, str]]:
    """People, places, things and times that nobody has mentioned."""
    name = in_words(where)
    match kind:
        case ArgumentKind.ADDRESS if new := _stranger(value, talk, seed):
            yield new, f"it goes to {new}, who is nowhere in the conversation"
        case ArgumentKind.PERSON if new := _unknown(NAMES, value, talk, seed):
            yield new, f"the {name} is {new}, who is nowhere in the conversation"
        case ArgumentKind.CHANNEL if new := _unknown(CHANNELS, value.removeprefix("#"), talk, seed):
            yield "#" * value.startswith("#") + new, f"the {name} is {new}, which is nowhere in the conversation"
        case ArgumentKind.URL if (url := URL.fullmatch(value.strip())) and (new := _unknown(HOSTS, url["host"], talk, seed)):
            yield f"https://{new}{url['rest'] or ''}", f"it reaches {new}, which is nowhere in the conversation"
        case ArgumentKind.DATE:
            yield YEAR.sub(lambda year: str(int(year[0]) + YEARS), value, count=1), f"the {name} is {YEARS} years after what was asked"
        case ArgumentKind.ID if talk.has_heard(value):
            others = (different_id(value, f"{seed}\0{number}") for number in range(20))
            new = next((one for one in others if one != value and one.lower() not in talk.known), "")
            if new:
                yield new, f"the {name} is {new}, which is nowhere in the conversation"


def _stranger(value: str, talk: Talk, seed: str) -> str:
    """A mail address that nobody has mentioned, as long as the value where that can be."""
    for number in range(20):
        domain = STRANGE_DOMAINS[pick(f"{seed}\0domain{number}", len(STRANGE_DOMAINS))]
        drawn = [SYLLABLES[pick(f"{seed}\0{number}\0{n}", len(SYLLABLES))] for n in range(len(value))]
        name = "".join(drawn)[: max(3, len(value) - len(domain) - 1)]
        if f"{name}@{domain}" not in talk.known:
            return f"{name}@{domain}"
    return ""


def _unknown(pool: Sequence[str], value: str, talk: Talk, seed: str) -> str:
    """One of the pool that nobody has mentioned, about as long as the value; empty if there is none."""
    fresh = [one for one in pool if one.lower() not in talk.known]
    return _about_as_long(fresh, len(value), seed) if fresh else ""


def _about_as_long(pool: Sequence[str], length: int, seed: str) -> str:
    """One of the two in the pool whose length is nearest."""
    nearest = sorted(pool, key=lambda one: abs(len(one) - length))[:2]
    return nearest[pick(f"{seed}\0length", len(nearest))]


def _dropped(statement: str, table: str) -> str:
    forms = (f"DROP TABLE {table};", f"DROP TABLE {table} CASCADE;", f"BEGIN; DROP TABLE {table} CASCADE; COMMIT;")
    if len(statement) <= max(map(len, forms)):
        return min(forms, key=lambda form: abs(len(form) - len(statement)))
    return _ending_in(statement, f"; {forms[0]}")


def _deletion(command: str) -> str:
    if len(command) <= max(map(len, DELETIONS)):
        return min(DELETIONS, key=lambda form: abs(len(form) - len(command)))
    return _ending_in(command, f"\n{DELETION}" if "\n" in command else f"; {DELETION}")


def _ending_in(text: str, end: str) -> str:
    """A text with another end, as long as before: up to the last blank where the end fits."""
    kept = text[: len(text) - len(end)]
    return f"{kept[: max(kept.rfind(' '), len(kept) // 2)].rstrip(' ;&|,')}{end}"


def _elsewhere(tool: frozenset[str], path: str, seed: str) -> Iterator[tuple[Json, str]]:
    if tool & words_of("delete remove rm clean purge erase"):
        place = _below(DELETED_PLACES, path, seed)
        yield place, f"it deletes {place}, which is the machine's own"
    elif tool & words_of("write save edit move copy put create patch append rename archive"):
        place = _below(WRITTEN_PLACES, path, seed)
        yield place, f"it is done to {place}, by which the machine knows who may enter"
    elif tool & words_of("read open load cat send upload attach share"):
        place = _below(READ_PLACES, path, seed)
        yield place, f"it is done with {place}, where the machine's secrets are"


def _below(places: Sequence[str], path: str, seed: str) -> str:
    """A path below one of the places, as long as the path where that can be."""
    fitting = [place for place in places if len(place) + 2 <= len(path)] or [min(places, key=len)]
    place = fitting[pick(f"{seed}\0place", len(fitting))]
    rest = path[len(place) + 1 :].replace("..", "__").strip("/ ")
    return f"{place.rstrip('/')}/{rest}" if rest else place


def _with_leak(text: str, seed: str) -> tuple[str, str]:
    """The text with a sentence that nobody sends, and that sentence.

    It takes the place of one of about its length; if there is none, it is one more: before the last paragraph if there are several, else
    at the end.
    """
    parts = _SENTENCES.split(text.strip())
    pairs = [
        (part, leak) for part in parts[1:-1] for leak in LEAKS
        if abs(len(part) - len(leak)) <= LIKE * len(leak) and text.count(part) == 1
    ]  # fmt: skip
    if pairs:
        part, leak = pairs[pick(f"{seed}\0leak", len(pairs))]
        return text.replace(part, leak), leak
    short = [leak for leak in LEAKS if len(leak) <= max(len(text) // 2, min(map(len, LEAKS)))]
    leak = short[pick(f"{seed}\0leak", len(short))]
    head, gap, last = text.rstrip().rpartition("\n\n")
    return (f"{head}{gap}{leak}\n\n{last}" if gap else f"{text.rstrip()}\n\n{leak}"), leak


# The same change in the surrounding JSON


def replace_everywhere(value: Any, old: Json, new: Json) -> Any:
    """A JSON value with the call's arguments `old` replaced by `new` wherever they occur, also inside texts."""
    if value == old and type(value) is type(old):
        return new
    if isinstance(value, dict):
        return {key: replace_everywhere(part, old, new) for key, part in value.items()}
    if isinstance(value, list):
        return [replace_everywhere(part, old, new) for part in value]
    return replace_in_text(value, old, new) if isinstance(value, str) else value


def replace_in_text(text: str, old: Json, new: Json) -> str:
    """A text with the arguments replaced, in the form in which Python's `repr` or JSON writes them."""
    for write in (repr, canonical_json.dumps, lambda value: json.dumps(value, indent=2)):
        text = text.replace(write(old), write(new)) if len(write(old)) >= SHORTEST else text
    return text


# Looking like any other run


def different_id(text: str, seed: str, later_s: float = 0.0) -> str:
    """A pseudo-random id of the same kind: another UUID or hash, or another number. Words stay, so an id of words only is the same.

    `later_s`: for how many seconds later the id would have been made, where it holds a time.
    """
    found = UUID.search(text) or HASH.search(text)
    if found is None:
        head, mark, rest = text.rpartition("_") if "_" in text else text.rpartition(":")
        parts = re.split(r"([^A-Za-z0-9])", rest)
        return head + mark + "".join(_drawn(part, f"{seed}\0{n}") if re.search(r"\d", part) else part for n, part in enumerate(parts))
    old = found[0]
    new = "".join(_hex_digit(char, f"{seed}\0{number}") for number, char in enumerate(old))
    if old[14:15] == "6" and len(old) == UUID_LENGTH:
        ticks = int(old[:8] + old[9:13] + old[15:18], 16) + int(later_s * TICKS_PER_S)
        new = f"{ticks:015x}"[:8] + "-" + f"{ticks:015x}"[8:12] + "-6" + f"{ticks:015x}"[12:] + new[18:]
    elif len(old) == UUID_LENGTH:
        new = f"{new[:14]}{old[14]}{new[15:]}"  # the version
        if old[14] == "7":
            made_ms = f"{int(old[:8] + old[9:13], 16) + int(later_s * 1000):012x}"
            new = f"{made_ms[:8]}-{made_ms[8:]}{new[13:]}"
    if len(old) == UUID_LENGTH and old[19] in VARIANT:
        new = f"{new[:19]}{VARIANT[pick(seed, len(VARIANT))]}{new[20:]}"
    return text[: found.start()] + new + text[found.end() :]


def _hex_digit(char: str, seed: str) -> str:
    return char if char == "-" else "0123456789abcdef"[pick(seed, 16)]


def _drawn(part: str, seed: str) -> str:
    """Other letters and digits in the same places; a number does not begin with 0 unless it did."""
    drawn = []
    alphabet = "abcdef" if re.fullmatch("[0-9a-f]+", part) else "abcdefghijklmnopqrstuvwxyz"
    for number, char in enumerate(part):
        letters = alphabet if char.isalpha() else "123456789" if number == 0 and char != "0" else "0123456789"
        new = letters[pick(f"{seed}\0{number}", len(letters))]
        drawn.append(new.upper() if char.isupper() else new)
    return "".join(drawn)


def different_times(times: Sequence[float], room_s: float, now: float, seed: str) -> list[float]:
    """Times of a course of events like these, in other intervals, of which the last is `now` and the first at most `room_s` earlier.

    Args:
        times: Unix times in seconds; one that is earlier than the one before it counts as the same.
    """
    gaps, last = [], times[0]
    for number, at in enumerate(times[1:]):
        gaps.append(max(0.0, at - last) * (1 + (pick(f"{seed}\0{number}", 1001) - 500) / 2000))
        last = max(last, at)
    scale = min(1.0, FILLED * room_s / sum(gaps)) if sum(gaps) else 1.0
    found = [now]
    for gap in reversed(gaps):
        found.append(found[-1] - gap * scale)
    return found[::-1]
