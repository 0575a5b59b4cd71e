"""Arguments as rows of text that tell every value from every other without colour; the console and the command line share them. Pure.

A text stands as it is, with its line breaks. One that would read like another value is quoted: `"5"` is a text and `5` a number.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from hitl_tui import canonical_json, media
from hitl_tui.model import Json
from hitl_tui.sanitize import cut, draw

FENCE = '"""'
"""Stands above and below a text of several lines that would read like JSON."""
_PLAIN_NAME = re.compile(r'[^\s"⟨]+')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null|-?Infinity|NaN")
_SAME_BLANK_LINES = re.compile(r"^( *)\n(?:\1\n){2,}", re.MULTILINE)
"""Lines that are counted: drawn as they are, they would push what follows off the screen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a value."""

    text: str
    """As it is in the value, before `sanitize.draw`; of counted lines what is drawn."""
    count: int = 1
    """Lines of the value that it stands for."""
    is_counted: bool = False
    """It says how many blank lines there are."""


def name_text(name: str) -> str:
    """A name of an argument or tool as it is drawn, on one line; quoted if it holds blanks or could be taken for more than a name."""
    return draw(name if _PLAIN_NAME.fullmatch(name) else canonical_json.dumps(name), is_name=True).text


def name_line(name: str, limit: int) -> str:
    """A name as it is drawn in at most so many characters, for titles and sentences; `…` marks what was cut."""
    return cut(name_text(name), limit)


def is_quoted(text: str) -> bool:
    """Whether a text would read like another value, and so is drawn in quotes."""
    first, newline, _ = text.partition("\n")
    if newline:
        return first in ("[", "{", FENCE)
    return text in ("", "[]", "{}") or text.startswith(media.STARTS) or bool(_SCALAR.fullmatch(text)) or (text[0] == text[-1] == '"')


def text_rows(text: str) -> Iterator[Row]:
    """The lines of a text: three or more that are blank in the same way are counted, and an empty one at the end is said."""
    at = 0
    while True:
        blank = _SAME_BLANK_LINES.match(text, at) if text[at : at + 1] in (" ", "\n") else None
        if blank:
            count, blanks = blank[0].count("\n"), len(blank[1])
            yield Row(f"⟨{count} lines of {blanks} blanks⟩" if blanks else f"⟨{count} empty lines⟩", count, True)
            at = blank.end()
        end = text.find("\n", at)
        if end < 0:
            yield Row("⟨1 empty line⟩", 1, True) if at and at == len(text) else Row(text[at:])
            return
        yield Row(text[at:end])
        at = end + 1


def json_rows(value: Json) -> list[str]:
    """A value as indented JSON, with labels in the place of images and files. They stand without quotes, as no text does."""
    labels: dict[str, str] = {}
    text = canonical_json.dumps(_labelled(value, labels), indent=2)
    for key, label in labels.items():
        text = text.replace(f'"{key}"', label)
    return text.split("\n")


def _labelled(value: Json, labels: dict[str, str]) -> Json:
    if isinstance(value, dict):
        return {key: _labelled(item, labels) for key, item in value.items()}
    if isinstance(value, list):
        return [_labelled(item, labels) for item in value]
    if not isinstance(value, str) or not (label := media.text_label(value)):
        return value
    key = next((key for key, known in labels.items() if known == label), "") or f"{secrets.token_hex(16)}"
    labels[key] = label
    return key


def value_rows(value: Json) -> Iterator[Row]:
    """A value as a person reads it: text as text, quoted where it would read like something else, anything nested as JSON."""
    if not isinstance(value, str):
        yield from map(Row, json_rows(value))
    elif label := media.text_label(value):
        yield Row(label)
    elif not is_quoted(value):
        yield from text_rows(value)
    elif "\n" in value:
        yield Row(FENCE)
        yield from text_rows(value)
        yield Row(FENCE)
    else:
        yield Row(canonical_json.dumps(value))


def drawn(row: Row) -> str:
    """A row as it is drawn, without style."""
    return row.text if row.is_counted else draw(row.text).text
