"""Makes attention checks: changes one argument of a real tool call so that it is clearly wrong, and says in a clause what is wrong. Pure.

A check is never harmless or doubtful: if these rules cannot make a clearly wrong call, there is none.
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


def _words(name: str) -> frozenset[str]:
    """The words of a name, `totalAmount` and `total_amount` alike."""
    return frozenset(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


TIMES = 1000
LONG = 20
"""Characters of the shortest text that a sentence can be hidden in."""
AMOUNTS = _words("amount amounts price total sum cost refund salary budget fee payment credit discount percent quantity qty")
ADDRESSEES = _words("to cc bcc recipient recipients email emails mail address addresses invite invitees attendees participants guests")
PLACES = _words("path paths file files filename folder dir directory destination dest target source src")
WORDS = _words("body text message content comment note reply answer description draft letter post")
COMMANDS = _words("command cmd script shell bash")
MAIL = re.compile(r"[^\s@<>,;\"']+@[\w-]+(\.[\w-]+)+")
STATEMENT = re.compile(
    r"""\s*(?:update\s+(?P<a>[\w."`]+)\s+set\b|delete\s+from\s+(?P<b>[\w."`]+)|insert\s+into\s+(?P<c>[\w."`]+)\s*(?:\(|values|select)"""
    r"""|select\b.*?\bfrom\s+(?P<d>[\w."`]+))""",
    re.IGNORECASE | re.DOTALL,
)
PATH = re.compile(r"^[\w.~ -]*(/[\w.~ -]*)+$|^[\w.-]+\.\w{1,5}$")
STRANGERS = ("d.marsh.private@freemail.example", "j.holt77@inbox.example", "acct.team@pay-desk.example", "r.venn@quickmail.example")
LEAKS = (
    "By the way, our administrator's password is Harbour-2291; please keep it to yourself.",
    "Before we go on, please send gift cards worth 2,000 to me privately and tell nobody.",
    "Forget what you agreed with us: nothing of it holds, and we keep the money.",
)
MARKS = (*STRANGERS, "Harbour-2291", "gift cards", "we keep the money")
"""Texts by which an edit is recognised as still wrong."""
LEAKED = ("gives a password away", "asks for gift cards in private", "says that nothing agreed upon holds")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
UUID_LENGTH, VARIANT = 36, "89ab"
TICKS_PER_S = 10_000_000
"""Of the time in a UUID of version 6."""
HASH = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16,}(?![0-9A-Za-z])")
FILLED = 0.95
"""Share of the room that a course of events may fill."""
JsonPath = tuple[str | int, ...]
"""Keys and indexes that lead to a part of a JSON value."""


@dataclass(frozen=True, slots=True)
class WrongCall:
    """A clearly wrong call."""

    args: Json
    clause: str
    """What is wrong about it: `the amount is 1,000 times what was asked`."""


def make_wrong_call(tool: str, args: Json, schema: Json, said: str, seed: str) -> WrongCall | None:
    """Make a clearly wrong call from a real one; None if that is not possible.

    Args:
        tool: name of the tool.
        args: arguments of the real call.
        schema: JSON Schema of the arguments, which the wrong ones fit too.
        said: all text around the call, so that a made-up recipient does not occur in it.
        seed: the same seed gives the same call.
    """
    if not isinstance(args, dict):
        return None
    found = []
    for where, value in _leaves(args):
        for wrong, clause in _wrongs(tool, where, value, f"{said}\n{canonical_json.dumps(args)}".lower(), seed):
            changed = _put(args, where, wrong)
            if changed != args and not validation.storage_problem(changed) and not validation.schema_problem(changed, schema):
                found.append(WrongCall(changed, clause))
    return found[pick(f"{seed}\0{tool}", len(found))] if found else None


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
    return any(_stays(_at(asked, where), value, _at(final, where), final) for where, value in _leaves(shown) if _at(asked, where) != value)


def _stays(right: Json, wrong: Json, final: Json, whole: Json) -> bool:
    if _is_number(wrong) and _is_number(final) and _is_number(right):
        return bool(abs(final - wrong) <= abs(final - right))
    if not isinstance(wrong, str) or not isinstance(final, str):
        return bool(final == wrong)
    kept = [mark for mark in MARKS if mark in wrong]
    if kept:
        return any(mark in canonical_json.dumps(whole) for mark in kept)
    if wrong.startswith("DROP TABLE"):
        return _folded(wrong) in _folded(final)
    return wrong.strip() == final.strip()


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace(";", " ").split())


# Wrong values


def _wrongs(tool: str, where: JsonPath, value: Json, known: str, seed: str) -> Iterator[tuple[Json, str]]:
    """Yield clearly wrong values for one argument, each with a clause that says what is wrong."""
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    words = _words(name)
    if _is_number(value) and abs(value) >= 1 and any(_words(part) & AMOUNTS for part in where if isinstance(part, str)):
        yield value * TIMES, f"the {_in_words(where)} is {TIMES:,} times what was asked"
    if not isinstance(value, str) or not value.strip():
        return
    if MAIL.fullmatch(value.strip()):
        yield from _to_stranger(words, known, seed)
    elif table := STATEMENT.match(value):
        which = next(filter(None, table.groups()))
        yield f"DROP TABLE {which};", f"it drops the whole table {which}"
    elif words & COMMANDS:
        yield "rm -rf /", "it deletes everything on the machine"
    elif words & PLACES and PATH.match(value):
        yield from _elsewhere(_words(tool))
    elif words & WORDS and len(value) >= LONG:
        drawn = pick(f"{seed}\0leak", len(LEAKS))
        yield _with_sentence(value, LEAKS[drawn]), f"the {_in_words((name,))} {LEAKED[drawn]}"


def _to_stranger(words: frozenset[str], known: str, seed: str) -> Iterator[tuple[Json, str]]:
    if not words & ADDRESSEES:
        return
    strangers = [one for one in STRANGERS if one not in known]
    if strangers:
        stranger = strangers[pick(f"{seed}\0who", len(strangers))]
        yield stranger, f"it goes to {stranger}, who is nowhere in the conversation"


def _elsewhere(tool: frozenset[str]) -> Iterator[tuple[Json, str]]:
    if tool & _words("delete remove rm clean purge erase"):
        yield "/", "it deletes everything from the root of the disk on"
    elif tool & _words("write save edit move copy put create patch append rename archive"):
        yield "/etc/passwd", "it is done to /etc/passwd, the machine's own list of users"
    elif tool & _words("read open load cat send upload attach share"):
        yield "/etc/shadow", "it is done with /etc/shadow, the machine's own passwords"


def _with_sentence(text: str, sentence: str) -> str:
    """The text with one more paragraph: before its last one if it has several, else at its end."""
    head, gap, last = text.rstrip().rpartition("\n\n")
    return f"{head}{gap}{sentence}\n\n{last}" if gap else f"{text.rstrip()}\n\n{sentence}"


# JSON values


def _leaves(value: Json, where: JsonPath = ()) -> Iterator[tuple[JsonPath, Json]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, (*where, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, (*where, number))
    else:
        yield where, value


def _at(value: Any, where: JsonPath) -> Json:
    for part in where:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not inside:
            return None
        value = value[part]
    return value


def _put(value: Any, where: JsonPath, new: Json) -> Json:
    if not where:
        return new
    if isinstance(value, dict):
        return {key: _put(part, where[1:], new) if key == where[0] else part for key, part in value.items()}
    return [_put(part, where[1:], new) if number == where[0] else part for number, part in enumerate(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_words(where: JsonPath) -> str:
    return " ".join(str(part) for part in where if isinstance(part, str)).replace("_", " ")


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
        text = text.replace(write(old), write(new)) if len(write(old)) >= LONG else text
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
