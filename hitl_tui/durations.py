"""Lengths of time as people type them: `45s`, `30m`, `12h`, `30d`, `2w`."""

from __future__ import annotations

import re

from hitl_tui.errors import Refused

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> float:
    """The length in seconds; a bare number is seconds.

    Raises:
        Refused: it is no length of time.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhdw]?)", text.strip().lower(), re.ASCII)
    if not found:
        raise Refused(f"{text!r} is no length of time", "write it like 45s, 30m, 12h, 30d or 2w")
    return float(found[1]) * SECONDS[found[2] or "s"]


def told(length_s: float) -> str:
    """A length of time for people: `90 seconds`, `15 minutes`, `36 hours`, `4 days`; rounded where it does not come out even."""
    for word, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if length_s >= size and (length_s % size == 0 or length_s >= 3 * size):
            return _counted(round(length_s / size), word)
    return _counted(round(length_s, 1), "second")


def _counted(count: float, word: str) -> str:
    return f"{count:g} {word}" + ("s" if count != 1 else "")
