"""Whole numbers that JSON has and the readers of typed columns have not: written as text, so that the file can be loaded."""

from __future__ import annotations

from typing import Any

LEAST, MOST = -(2**63), 2**64 - 1
"""What `datasets` reads in a column of JSON objects; it stops at a file that has more."""


def loadable(value: Any) -> tuple[Any, int]:
    """The same JSON value with larger whole numbers as text, and how many there were; the value itself when there was none."""
    count = _beyond(value)
    return (_as_text(value) if count else value), count


def _beyond(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_beyond, value.values()))
    if isinstance(value, list):
        return sum(map(_beyond, value))
    return isinstance(value, int) and not LEAST <= value <= MOST


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_text(part) for part in value]
    return str(value) if _beyond(value) else value
