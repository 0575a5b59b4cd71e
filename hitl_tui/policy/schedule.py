"""Times of the week as people write them: `mon-fri 09:00-17:00`, `22:00-06:00 Europe/Berlin`, `outside sat,sun 00:00-24:00`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from hitl_tui.errors import Refused
from hitl_tui.policy.schema import Hours, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE = 'write it like "mon-fri 09:00-17:00" or "22:00-06:00 Europe/Berlin"'
_FORM = re.compile(
    r"(?P<outside>outside )?(?:(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*) )?"
    r"(?P<begin>[0-9]{1,2}:[0-9]{2})-(?P<end>[0-9]{1,2}:[0-9]{2})(?: (?P<zone>[A-Z][A-Za-z0-9_+/-]*))?"
)


def parse(texts: Sequence[str]) -> Hours:
    """Read one or more parts of the week, joined by or; `outside` and the time zone must be the same in all.

    Raises:
        Refused: one cannot be read, or no time is in it.
    """
    windows, outside, zones = [], set(), set()
    for text in texts:
        match = _FORM.fullmatch(" ".join(text.split()))
        if not match:
            raise Refused(f"{text!r} is no time of the week", EXAMPLE)
        begin, end = _minutes(match["begin"]), _minutes(match["end"])
        if begin == end or begin == 24 * 60:
            raise Refused(f"{text!r} holds no time", EXAMPLE)
        windows.append(Window(_days(match["days"]), begin, end))
        outside.add(bool(match["outside"]))
        zones.add(match["zone"] or "")
    if len(outside) != 1 or len(zones) != 1:
        raise Refused("hours must be all outside or none, and all of one time zone", "split the rule")
    return Hours(", ".join(texts), tuple(windows), outside.pop(), _zone(zones.pop()))


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if hour * 60 + minute > 24 * 60 or minute > 59:
        raise Refused(f"{text} is no time of day", "they go from 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str | None) -> frozenset[int]:
    found: set[int] = set()
    for part in (text or "mon-sun").split(","):
        first, _, last = part.partition("-")
        for day in (first, last or first):
            if day not in DAYS:
                raise Refused(f"{day!r} is no day", f"days: {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))}
    return frozenset(found)


def _zone(name: str) -> dt.tzinfo | None:
    if not name or name == "UTC":
        return dt.UTC if name else None
    import zoneinfo  # only for rules that name one

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"no time zone {name!r} is known here", "write one like Europe/Berlin, or none for this machine's own") from None
