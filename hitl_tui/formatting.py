"""Shares, counts and times of insights as people read them. Pure: the console and the command line say them alike."""

from __future__ import annotations

import math

UNKNOWN = "–"
UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def percent(share: float | None) -> str:
    """A share in hundredths; neither all nor nothing unless it is."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{share:.0%}".replace("%", " %")


def took(seconds: float | None) -> str:
    """A length of time in one unit, with one decimal below ten."""
    if seconds is None:
        return UNKNOWN
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def counted(count: int, noun: str) -> str:
    """`1 decision`, `2 decisions`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def top_of(values: list[float]) -> float:
    """The round number at or above all of them that a scale ends with; 0 of nothing."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(highest))
    steps = (step * size for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    return next((step for step in steps if step >= highest * (1 - 1e-9)), highest)  # a denormal number has no step


def percent_range(low: float, high: float) -> str:
    """`82–91 %`."""
    return f"{100 * low:.0f}–{100 * high:.0f} %"
