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
