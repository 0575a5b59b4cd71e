"""Line numbers of the keys of a TOML text, which `tomllib` does not report. Only for texts that `tomllib` accepts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the top of the file; a table in an array by its index: `("rule", 0, "when")`."""

_KEY = r"""[ \t]*(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*"""
_KEYS = re.compile(rf"{_KEY}(?:\.{_KEY})*")
_HEADER = re.compile(rf"(\[\[?)({_KEY}(?:\.{_KEY})*)\]")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r"""\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""", re.DOTALL)


def key_lines(text: str) -> Mapping[Path, int]:
    """Return the line number, from 1, of every table and key. Keys inside an inline table are not listed; see `line_of`."""
    found: dict[Path, int] = {}
    counts: Counter[Path] = Counter()
    table: Path = ()
    at = counted = 0
    line = 1
    while at < len(text):
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        line += text.count("\n", counted, at)
        counted = at
        if header := _HEADER.match(text, at):
            table = _table(_parts(header[2]), header[1] == "[[", counts)
            found.setdefault(table, line)
            at = header.end()
        elif keys := _KEYS.match(text, at):
            path = table
            for key in _parts(keys[0]):
                path = (*path, key)
                found.setdefault(path, line)
            at = _after_value(text, keys.end())
        else:
            at += 1
    return found


def line_of(found: Mapping[Path, int], path: Path) -> int:
    """Return the line of a key, else of the nearest enclosing key or table; 1 if none is known."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 1)


def _parts(keys: str) -> list[str]:
    return [part if part[0] not in "\"'" else part[1:-1] for part in _PART.findall(keys)]


def _table(keys: list[str], is_array: bool, counts: Counter[Path]) -> Path:
    """Path of a table header. A key that is an array of tables means its newest table."""
    path: Path = ()
    for number, key in enumerate(keys, 1):
        path = (*path, key)
        if number == len(keys) and is_array:
            counts[path] += 1
        if counts[path]:
            path = (*path, counts[path] - 1)
    return path


def _after_value(text: str, at: int) -> int:
    """End of the value that starts at `at`: the first end of line outside strings and brackets."""
    depth = 0
    for token in _STRING.finditer(text, at):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        elif token[0] == "\n" and depth <= 0:
            return token.end()
    return len(text)
