"""Times of the week: parses `mon-fri 09:00-17:00`, `22:00-06:00 Europe/Berlin` or `outside sat,sun 00:00-24:00`, and tests a time."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui.errors import Refused

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE = 'write it like "mon-fri 09:00-17:00" or "22:00-06:00 Europe/Berlin"'
_FORM = re.compile(
    r"(?P<outside>outside )?(?:(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*) )?"
    r"(?P<begin>[0-9]{1,2}:[0-9]{2})-(?P<end>[0-9]{1,2}:[0-9]{2})(?: (?P<zone>[A-Z][A-Za-z0-9_+/-]*))?"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the week. If it ends before it begins, it goes on into the next day, and counts as part of the day it began on."""

    days: frozenset[int]
    """0 is Monday."""
    begin: int
    """Minutes since midnight."""
    end: int

    def contains(self, weekday: int, minute: int) -> bool:
        """Whether a minute of a day is in it."""
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        return (weekday in self.days and minute >= self.begin) or ((weekday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week, or with `outside` all other times."""

    text: str
    """As it is written in the file."""
    windows: tuple[Window, ...]
    outside: bool = False
    zone: dt.tzinfo | None = None
    """None for this machine's own time zone."""

    def contain(self, now: float) -> bool:
        """Whether a Unix time is in them."""
        then = dt.datetime.fromtimestamp(now, dt.UTC).astimezone(self.zone)
        minute = then.hour * 60 + then.minute
        return any(window.contains(then.weekday(), minute) for window in self.windows) is not self.outside


def parse(texts: Sequence[str]) -> Hours:
    """Parse one or more times of the week into their union. `outside` and the time zone must be the same in all of them.

    Raises:
        Refused: a text cannot be parsed, or covers no time.
    """
    windows, outside, zones = [], set(), set()
    for text in texts:
        match = _FORM.fullmatch(" ".join(text.split()))
        if not match:
            raise Refused(f"{text!r} is not a time of the week", EXAMPLE)
        begin, end = _minutes(match["begin"]), _minutes(match["end"])
        if begin == end or begin == 24 * 60:
            raise Refused(f"{text!r} covers no time", EXAMPLE)
        windows.append(Window(_days(match["days"]), begin, end))
        outside.add(bool(match["outside"]))
        zones.add(match["zone"] or "")
    if len(outside) != 1 or len(zones) != 1:
        raise Refused("these hours differ in `outside` or in their time zone", "split the rule")
    return Hours(", ".join(texts), tuple(windows), outside.pop(), _zone(zones.pop()))


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if hour * 60 + minute > 24 * 60 or minute > 59:
        raise Refused(f"{text} is not a time of day", "write one from 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str | None) -> frozenset[int]:
    found: set[int] = set()
    for part in (text or "mon-sun").split(","):
        first, _, last = part.partition("-")
        for day in (first, last or first):
            if day not in DAYS:
                raise Refused(f"{day!r} is not a day", f"days: {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))}
    return frozenset(found)


def _zone(name: str) -> dt.tzinfo | None:
    if not name or name == "UTC":
        return dt.UTC if name else None
    import zoneinfo  # imported late: only needed by rules that name a zone

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"unknown time zone {name!r}", "write one like Europe/Berlin, or leave it out for this machine's zone") from None
