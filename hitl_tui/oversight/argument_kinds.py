"""Kinds of tool arguments, recognized by name and value, and the values inside a call's arguments by their path. Pure.

Attention checks, practice and the drill change arguments by these kinds. A kind that is missing here is missing in all three.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from hitl_tui.model import Json

JsonPath = tuple[str | int, ...]
"""Keys and indexes that lead to a part of a JSON value."""


def words_of(name: str) -> frozenset[str]:
    """The words of a name, `totalAmount` and `total_amount` alike."""
    return frozenset(re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


class ArgumentKind(StrEnum):
    """What an argument holds."""

    AMOUNT = "amount"
    ADDRESS = "address"
    """One mail address of somebody whom the call reaches."""
    PERSON = "person"
    """The name of somebody whom the call reaches, without an address."""
    CHANNEL = "channel"
    ID = "id"
    """A value that is right only as a whole: an id, an account, a password, a street with its number."""
    DATE = "date"
    PATH = "path"
    COMMAND = "command"
    SQL = "sql"
    URL = "url"
    TEXT = "text"
    """What people read: the body of a mail, a comment."""
    OTHER = "other"


AMOUNTS = words_of("amount amounts price total sum cost refund salary budget fee payment credit discount percent quantity qty")
ADDRESSEES = words_of("to cc bcc recipient recipients email emails mail address addresses invite invitees attendees participants guests")
PEOPLE = ADDRESSEES | words_of(
    "user member assignee owner contact customer person name beneficiary payee receiver username reviewer approver"
)
CHANNELS = words_of("channel channels room topic")
IDS = words_of(
    "id ids number no code iban account order ticket invoice reference ref sku token password pin secret key phone telephone mobile street "
    "address zip postal postcode plate recipient reservation booking flight event item card payment user customer file document record"
)
DATES = words_of("date day time start end begin until from due deadline when departure arrival checkin checkout")
BIRTHS = words_of("birth birthday dob born")
PLACES = words_of("path paths file files filename folder dir directory destination dest target source src")
TEXTS = words_of("body text message content comment note reply answer description draft letter post")
NUMBERS = words_of("id ids no number code")
COMMANDS = words_of("command cmd script shell bash")
READING = words_of("read search get list find look show fetch query view check describe count")
"""Words in the name of a tool that changes nothing."""
LONG_TEXT = 20
"""Characters of the shortest text that people read as one."""
LONGEST_ID = 60
MAIL = re.compile(r"[^\s@<>,;\"']+@[\w-]+(\.[\w-]+)+")
STATEMENT = re.compile(
    r"""\s*(?:update\s+(?P<a>[\w."`]+)\s+set\b|delete\s+from\s+(?P<b>[\w."`]+)|insert\s+into\s+(?P<c>[\w."`]+)\s*(?:\(|values|select)"""
    r"""|select\b.*?\bfrom\s+(?P<d>[\w."`]+))""",
    re.IGNORECASE | re.DOTALL,
)
PATH = re.compile(r"^[\w.~ -]*(/[\w.~ -]*)+$|^[\w.-]+\.\w{1,5}$")
URL = re.compile(r"https?://(?P<host>[^/\s]+)(?P<rest>/\S*)?", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ][\d:.+Z-]+)?")
YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_NAME = re.compile(r"[^\W\d_]+(?:[ .'-]+[^\W\d_]+){0,3}\.?")
_CHANNEL = re.compile(r"#?[\w-]{2,40}")


def kind_of(where: JsonPath, value: Json) -> ArgumentKind:
    """The kind of one argument.

    Args:
        where: its place in the arguments; the innermost name counts, for amounts every name.
        value: a part of the arguments that is neither an object nor a list.
    """
    names = [words_of(part) for part in where if isinstance(part, str)]
    words = names[-1] if names else frozenset()
    if is_number(value):
        return ArgumentKind.AMOUNT if any(name & AMOUNTS for name in names) else ArgumentKind.OTHER
    if not isinstance(value, str) or not value.strip():
        return ArgumentKind.OTHER
    return _kind_of_text(words, value.strip())


def _kind_of_text(words: frozenset[str], text: str) -> ArgumentKind:
    if MAIL.fullmatch(text):
        return ArgumentKind.ADDRESS if words & ADDRESSEES else ArgumentKind.OTHER
    for kind, fits in (
        (ArgumentKind.SQL, STATEMENT.match(text)),
        (ArgumentKind.COMMAND, words & COMMANDS),
        (ArgumentKind.URL, URL.fullmatch(text)),
        (ArgumentKind.DATE, _is_date(words, text)),
        (ArgumentKind.PATH, words & PLACES and not words & IDS - PLACES and PATH.match(text)),
        (ArgumentKind.TEXT, words & TEXTS and not words & NUMBERS and len(text) >= LONG_TEXT),
        (ArgumentKind.ID, words & IDS and re.search(r"\d", text) and len(text) <= LONGEST_ID and "\n" not in text),
        (ArgumentKind.CHANNEL, words & CHANNELS and _CHANNEL.fullmatch(text)),
        (ArgumentKind.PERSON, words & PEOPLE and _NAME.fullmatch(text)),
    ):
        if fits:
            return kind
    return ArgumentKind.PATH if words & PLACES and PATH.match(text) else ArgumentKind.OTHER


def _is_date(words: frozenset[str], text: str) -> bool:
    if words & BIRTHS or len(text) > LONGEST_ID:
        return False
    return bool(YEAR.match(text) and _ISO.fullmatch(text)) or (bool(words & DATES) and len(YEAR.findall(text)) == 1)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and neither true nor false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


# Parts of arguments


def leaves(value: Json, where: JsonPath = ()) -> Iterator[tuple[JsonPath, Json]]:
    """Every part that is neither an object nor a list, with its place, in order."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*where, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, (*where, number))
    else:
        yield where, value


def part_at(value: Any, where: JsonPath) -> Json:
    """The part at a place; None if there is none."""
    for part in where:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not inside:
            return None
        value = value[part]
    return value


def with_part(value: Any, where: JsonPath, new: Json) -> Json:
    """The value with another part at a place."""
    if not where:
        return new
    if isinstance(value, dict):
        return {key: with_part(part, where[1:], new) if key == where[0] else part for key, part in value.items()}
    return [with_part(part, where[1:], new) if number == where[0] else part for number, part in enumerate(value)]


def in_words(where: JsonPath) -> str:
    """A place in words: `total amount`."""
    return " ".join(str(part) for part in where if isinstance(part, str)).replace("_", " ")
