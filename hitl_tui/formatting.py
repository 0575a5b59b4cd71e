"""Durations, dates, counts and shares as people write and read them; the console and the command line share these functions."""

from __future__ import annotations

import datetime as dt
import math
import re
import time

from hitl_tui.errors import Refused

UNKNOWN = "–"
"""What stands for a number that is not known."""
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Seconds and the short name of each unit, largest first."""
LONG_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))
TYPED_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# Durations


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `45s`, `30m`, `12h`, `30d` or `2w`; a bare number is seconds.

    Raises:
        Refused: the text is not a duration.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhdw]?)", text.strip().lower(), re.ASCII)
    if not found:
        raise Refused(f"{text!r} is not a duration", "write it like 45s, 30m, 12h, 30d or 2w")
    return float(found[1]) * TYPED_UNITS[found[2] or "s"]


def age(seconds: float) -> str:
    """How long ago something was, in its largest whole unit: `8 s`, `4 min`, `2 h`, `3 d`."""
    seconds = max(0, int(seconds))
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    return f"{seconds // size} {unit}"


def remaining(seconds: float) -> str:
    """The time until something happens, in one unit and rounded up; below two of a unit in the next smaller one."""
    seconds = max(0, math.ceil(seconds))
    size, unit = next(((size, unit) for size, unit in UNITS if seconds > 2 * size), UNITS[-1])
    return f"{math.ceil(seconds / size)} {unit}"


def exact_duration(seconds: float) -> str:
    """A duration to the second: `4 h`, `1 h 30 min`."""
    parts, left = [], round(seconds)
    for size, unit in UNITS:
        count, left = divmod(left, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts) or "0 s"


def measured_duration(seconds: float | None) -> str:
    """A measured duration in one unit, with one decimal below ten: `6.2 min`, `14 h`."""
    if seconds is None:
        return UNKNOWN
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def viewed_duration(ms: int) -> str:
    """How long somebody viewed something, from milliseconds: with one decimal below ten seconds, else as `age`."""
    seconds = ms / 1000
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def long_duration(seconds: float) -> str:
    """A duration in a sentence: `90 seconds`, `15 minutes`, `36 hours`, `4 days`; rounded from three of a unit on."""
    for size, word in LONG_UNITS:
        if seconds >= size and (seconds % size == 0 or seconds >= 3 * size):
            return counted(round(seconds / size), word)
    rounded = round(seconds, 1)
    return f"{rounded:g} second{'s' * (rounded != 1)}"


# Dates and times


def at_time(at: float, now: float) -> str:
    """A moment in local time: `at 14:03:22`, or `on 2026-10-09 at 14:03:22` on another day than `now`."""
    then = time.localtime(at)
    return time.strftime("at %H:%M:%S" if then[:3] == time.localtime(now)[:3] else "on %Y-%m-%d at %H:%M:%S", then)


def until_time(at: float, now: float) -> str:
    """An end in local time: `until 14:20`, or `until 2026-10-09 14:20` on another day than `now`."""
    then = time.localtime(at)
    return time.strftime("until %H:%M" if then[:3] == time.localtime(now)[:3] else "until %Y-%m-%d %H:%M", then)


def short_date(at: float, with_year: bool = False) -> str:
    """A local day without a locale: `9 Oct`, or `9 Oct 2026`."""
    then = time.localtime(at)
    return f"{then.tm_mday} {MONTHS[then.tm_mon - 1]}" + (f" {then.tm_year}" if with_year else "")


def utc_date(at: float) -> str:
    """A day of UTC, by which statistics are kept: `2026-10-09`."""
    return dt.datetime.fromtimestamp(at, dt.UTC).date().isoformat()


def local_time(at: float) -> str:
    """A moment with its offset from UTC: `2026-10-09 14:03:22+02:00`."""
    return dt.datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


# Counts and shares


def file_size(size: int) -> str:
    """A size in bytes as people read it: `900 B`, `3 kB`, `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    value, unit = (size / 1000, "kB") if size < 999_500 else (size / 1_000_000, "MB")
    return f"{value:.1f} {unit}" if value < 9.95 and unit == "MB" else f"{value:,.0f} {unit}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 decision`, `2,000 decisions`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def percent(share: float | None) -> str:
    """A share in whole percent: `85 %`. Only a share of exactly 0 or 1 reads `0 %` or `100 %`."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{share:.0%}".replace("%", " %")


def percent_down(share: float | None) -> str:
    """A share that must reach a limit, in whole percent rounded down, so that 84.9 % does not read as 85 %."""
    return UNKNOWN if share is None else f"{math.floor(100 * share + 1e-9)} %"


def percent_range(low: float, high: float) -> str:
    """An interval of shares: `82–91 %`."""
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def top_of(values: list[float]) -> float:
    """The round number that a chart's scale ends with: the smallest at or above all values; 0 for no values."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(highest))
    steps = (step * size for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return next((step for step in steps if step >= highest * (1 - 1e-9)), highest)  # a denormal number has no step
