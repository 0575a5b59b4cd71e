"""Strict reading of TOML files that people write: every mistake at once, each with its line, which `tomllib` does not report."""

from __future__ import annotations

import errno
import os
import pathlib
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from hitl_tui.suggest import did_you_mean

LONGEST = 1_000_000
"""Most characters of a file."""
T = TypeVar("T")
D = TypeVar("D")

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the top of the file; a table in an array by its index: `("rule", 0, "when")`."""

_KEY = r"""[ \t]*(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*"""
_KEYS = re.compile(rf"{_KEY}(?:\.{_KEY})*")
_HEADER = re.compile(rf"(\[\[?)({_KEY}(?:\.{_KEY})*)\]")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r"""\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or a warning about a file."""

    line: int
    text: str
    hint: str = ""
    is_error: bool = True
    """False for a warning: the file is usable."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" + (f"; {self.hint}" if self.hint else "")


def read_file(path: pathlib.Path, newline: str | None = None) -> str:
    """Read the text of a file; of one that is too long, enough for `load` to refuse it. `newline` is as for `open`.

    A pipe or a device is refused at once: opening a pipe would wait until somebody writes into it.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open(path, encoding="utf-8", newline=newline, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        return file.read(LONGEST + 1)


def load(text: str) -> tuple[dict[str, Any], Problem | None]:
    """Parse a TOML text. Returns its tables, or none and the mistake that keeps all of it from being read."""
    if len(text) > LONGEST:
        return {}, Problem(1, f"it has {len(text):,} characters", f"at most {LONGEST:,} are allowed")
    if text.startswith("\ufeff"):
        return {}, Problem(1, "it begins with a byte order mark", "save it as UTF-8 without one (BOM)")
    try:
        return tomllib.loads(text), None
    except tomllib.TOMLDecodeError as error:
        return {}, _toml_problem(text, str(error))
    except (RecursionError, ValueError):
        return {}, Problem(1, "it is nested too deeply, or has a number of thousands of digits", "flatten it")


def _toml_problem(text: str, said: str) -> Problem:
    line = text.count("\n") + 1
    if "(at line " in said:
        said, _, place = said.partition(" (at line ")
        line = int(place.split(",")[0])
    return Problem(line, f"it is not TOML: {said.removesuffix(' (at end of document)')}", "texts need quotes")


def first_mistake(problems: Sequence[Problem], name: str, command: str) -> tuple[str, str] | None:
    """The first mistake of the file `name`, as what happened and what to do; None if there are only warnings.

    `command` lists all of them.
    """
    errors = [problem for problem in problems if problem.is_error]
    if not errors:
        return None
    first, more = errors[0], f" (and {len(errors) - 1} more; `{command}` lists them)" if errors[1:] else ""
    return f"{name}, line {first.line}: {first.text}", (first.hint or "correct it") + more


class Invalid(Exception):
    """A value cannot be used; its problem is already recorded."""


class TomlReader:
    """Reads values strictly: what is wrong becomes one of `problems`, and the default takes its place."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        """`lines`: the lines of the file's keys, see `key_lines`."""
        self._lines = lines
        self.problems: list[Problem] = []

    def _name(self, path: Path) -> str:
        """A path as it is written in the file, without list indexes."""
        return ".".join(str(part) for part in path if isinstance(part, str)) or "the file"

    def _wrong(self, path: Path, text: str, hint: str = "") -> Invalid:
        """Record a mistake. Returns the error to raise where no value can be used."""
        problem = Problem(line_of(self._lines, path), text, hint)
        if problem not in self.problems:
            self.problems.append(problem)
        return Invalid()

    def _table(self, path: Path, raw: Any, known: Iterable[str] | None = None) -> dict[str, Any]:
        """Read a table; unknown keys are recorded as problems and dropped."""
        if not isinstance(raw, dict):
            name = self._name(path)
            self._wrong(path, f"{name} is not a table", f"write [{name}] on a line of its own")
            return {}
        if known is None:
            return raw
        for key in raw:
            if key not in known:
                where = f" in {self._name(path)}" if path else ""
                self._wrong((*path, key), f"unknown key {key!r}{where}", did_you_mean(key, known))
        return {key: value for key, value in raw.items() if key in known}

    def _tables(self, path: Path, value: Any, header: str) -> list[Any]:
        if not isinstance(value, list):
            raise self._wrong(path, f"{self._name(path)} is not a list of tables", f"write {header}")
        return value

    def _read(self, path: Path, raw: Mapping[str, Any], key: str, read: Callable[[Path, Any], T], default: D) -> T | D:
        """Read the value of a key; the default if it is missing or wrong."""
        if key not in raw:
            return default
        try:
            return read((*path, key), raw[key])
        except Invalid:
            return default

    def _text(self, path: Path, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._wrong(path, f"{self._name(path)} is not a plain text", 'write it as "text"')
        return value

    def _texts(self, path: Path, value: Any) -> tuple[str, ...]:
        """Read a text or a list of texts."""
        if isinstance(value, list) and value:
            return tuple(self._text(path, item) for item in value)
        return (self._text(path, value),)

    def _truth(self, path: Path, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong(path, f"{self._name(path)} is neither true nor false", "write true or false, without quotes")
        return value

    def _one_of(self, known: Sequence[str]) -> Callable[[Path, Any], Any]:
        def read(path: Path, value: Any) -> Any:
            if value not in known:
                shown = repr(value) if isinstance(value, str) else "that"
                raise self._wrong(path, f"{self._name(path)} cannot be {shown}", f"it is one of {', '.join(known)}")
            return value

        return read


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
