"""What decisions say about agents and reviewers: rates with their certainty, times, calibration, pace. Pure, over counts.

Every figure that there is too little for is None, never NaN and never a guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.sanitize import one_line

GROWTH = 1.1
"""Each bucket of a histogram of times is a tenth wider than the one before: a quantile is off by no more than that."""
ABOUT = 4
"""So many buckets are one where a trend says about how long something took: off by a quarter or so."""
LEAST = 0.01
"""Seconds; shorter times are in the first bucket."""
Z = 1.959963984540054
"""The normal distribution's 97.5 % quantile: intervals hold in 95 of 100 cases."""
READING_CPS = 250.0
"""Characters a second that nobody reads: about 2,500 words a minute."""
LEAST_READING_S = 0.3
MOST_READING_S = 10.0
"""However long it is: people look for what they know."""
NAME_LENGTH = 80
"""Characters that an argument's name is counted by."""
REASON_LENGTH = 120
"""Characters that a reason is counted by."""
MOST_NAMES = 50
"""Arguments that one edit is counted for."""
WHOLE = "(all of it)"
"""What was edited where there are no arguments, but a text or a list."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of actions, as counts."""

    approved: int = 0
    edited: int = 0
    rejected: int = 0
    answered: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.approved + self.edited + self.rejected + self.answered

    def share(self, count: int) -> float | None:
        """A count's share of all; None of nothing."""
        return count / self.total if self.total else None

    @property
    def unchanged(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share approved unchanged; None of nothing."""
        return wilson(self.approved, self.total)


def wilson(good: int, total: int, z: float = Z) -> tuple[float, float] | None:
    """Wilson's score interval (1927) of a share; None of nothing."""
    if total <= 0:
        return None
    share, square = good / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


# Times


def time_bucket(seconds: float) -> int:
    """The bucket of a time; a clock that jumped back gives the first."""
    return 0 if not seconds > LEAST else math.ceil(math.log(seconds / LEAST, GROWTH))


def quantile(buckets: Mapping[int, int], q: float) -> float | None:
    """The time in seconds that a share `q` of them is not above, by the geometric middle of its bucket; None of nothing."""
    total = sum(buckets.values())
    if not total:
        return None
    wanted, seen = max(1, math.ceil(q * total)), 0
    for number in sorted(buckets):
        seen += buckets[number]
        if seen >= wanted:
            return LEAST * GROWTH ** (number - 0.5) if number else LEAST
    return None


def rough_median(buckets: Mapping[int, int]) -> float | None:
    """The median in seconds of a histogram whose buckets are `ABOUT` of the others together; None of nothing."""
    return quantile({number * ABOUT + ABOUT // 2 if number else 0: count for number, count in buckets.items()}, 0.5)


# What was edited, and why it was rejected


def edited_arguments(proposed: str | None, final: str | None) -> str:
    """Which arguments two JSON texts differ in, also by having one that the other has not: a JSON list of their names."""
    before, after = _read(proposed), _read(final)
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return json.dumps([] if _canonical(before) == _canonical(after) else [WHOLE])
    names = [
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or _canonical(before[name]) != _canonical(after[name])
    ]
    return json.dumps(sorted({one_line(canonical_json.storable(name), NAME_LENGTH) for name in names})[:MOST_NAMES])


def normalized_reason(reason: str | None) -> str:
    """A reason as it is counted: no capitals, one space between words, no full stop at its end, of bounded length."""
    return one_line(" ".join(canonical_json.storable(reason or "").lower().split()).strip(" .!,;:"), REASON_LENGTH)


def _read(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text


def _canonical(value: Any) -> str:
    """The one text of a value, by which it is compared: `true` is not 1."""
    try:
        return canonical_json.canonical(value)
    except RecursionError:
        return repr(value)


# Calibration


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Actions whose confidence was about the same, and how many of them people approved unchanged."""

    count: int
    confidence: float
    """Sum of what was stated."""
    squares: float
    """Sum of its squares."""
    good: int
    believed_good: float
    """Sum of the confidence of the good ones."""


def brier(bins: Sequence[ConfidenceBin]) -> float | None:
    """The Brier score (1950): mean squared difference of stated confidence and what came of it, 0 is best; exact whatever the bins."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return max(0.0, sum(one.squares - 2 * one.believed_good + one.good for one in bins) / total)


def calibration_error(bins: Sequence[ConfidenceBin]) -> float | None:
    """Expected calibration error (Naeini et al. 2015): mean difference of confidence and share of good ones, by the size of the bins."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return sum(abs(one.confidence - one.good) for one in bins) / total


def overconfidence(bins: Sequence[ConfidenceBin]) -> float | None:
    """The part of the calibration error that is too much confidence: stated too low, it only asks more often than it need."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return sum(max(0.0, one.confidence - one.good) for one in bins) / total


def reliability(bins: Sequence[ConfidenceBin]) -> list[tuple[float, float, int]]:
    """For a plot: mean confidence, share of good ones, and count of every bin that has any; by confidence."""
    return sorted((one.confidence / one.count, one.good / one.count, one.count) for one in bins if one.count)


def supported_threshold(bins: Sequence[ConfidenceBin], wanted: float, least: int = 30) -> float | None:
    """The lowest confidence from which on the data supports acting: Wilson's lower bound of the good ones above it is at least `wanted`.

    None when there are fewer than `least` anywhere above, or no threshold does. The value is the lowest mean of a bin.
    """
    found, count, good = None, 0, 0
    for one in sorted((one for one in bins if one.count), key=lambda one: one.confidence / one.count, reverse=True):
        count, good = count + one.count, good + one.good
        bounds = wilson(good, count)
        if count >= least and bounds and bounds[0] >= wanted:
            found = one.confidence / one.count
    return found


# Pace


def reading_time_s(size: int) -> float:
    """Seconds below which nobody can have read so many characters."""
    return min(MOST_READING_S, LEAST_READING_S + size / READING_CPS)


@dataclass(frozen=True, slots=True)
class Pace:
    """How somebody reads."""

    decided: int
    fast: int
    """Decided faster than it can be read."""
    streak: int
    """Fast approvals in a row, up to now."""

    @property
    def too_fast(self) -> bool:
        """Whether they should be told, calmly: five in a row, or half of at least twenty."""
        return self.streak >= 5 or (self.decided >= 20 and self.fast * 2 >= self.decided)


def pace(looks: Sequence[tuple[float | None, float, bool]]) -> Pace:
    """From decisions in order of time: seconds looked at (None when unknown), seconds it takes to read, and whether it was approved."""
    known = [(looked, needed, approved) for looked, needed, approved in looks if looked is not None]
    streak = 0
    for looked, needed, approved in reversed(known):
        if not (approved and looked < needed):
            break
        streak += 1
    return Pace(len(known), sum(looked < needed for looked, needed, _ in known), streak)


# All of it, as it is shown


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in seconds; None of nothing."""

    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One day or week of a trend."""

    began: float
    """Unix time, seconds."""
    rates: Rates
    waited: float | None
    """Median seconds from being asked to being decided."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What people decided of one agent, tool, reviewer or rule."""

    name: str
    rates: Rates
    waited: Times
    """From being asked to being decided."""
    looked: Times
    """Time in view."""
    trend: Sequence[TrendPoint]
    """Oldest first; of every day, or week of a long period, in which anything was decided."""
    edited: Sequence[tuple[str, int]]
    """Arguments that were changed, with how often; the most first."""
    reasons: Sequence[tuple[str, int]]
    """Why it was rejected, with how often; the most first."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Stated confidence against what people decided."""

    bins: Sequence[ConfidenceBin]
    brier: float | None
    error: float | None
    """Expected calibration error."""
    auto: float | None
    """The lowest confidence from which on the data supports that it goes on by itself; None when none or too little does."""

    @property
    def count(self) -> int:
        """How many decisions it is from."""
        return sum(one.count for one in self.bins)


@dataclass(frozen=True, slots=True)
class Reader:
    """How one reviewer reads: the guard against fatigue."""

    reviewer: str
    pace: Pace
    looked: Times
    per_1000: float | None
    """Median seconds in view for 1,000 characters."""
    unchanged: float | None
    """Share approved as proposed."""
    shown: int
    """Attention checks that were put before them."""
    caught: int
    """Of those, the ones they did not approve."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Everything of a period."""

    since: float
    """Unix time, seconds; 0 for all there is."""
    decisions: int
    """By people."""
    by_itself: int
    """What policy let go on or denied, without a person."""
    overall: Figures
    agents: Sequence[Figures]
    tools: Sequence[Figures]
    """Named `agent tool`."""
    reviewers: Sequence[Figures]
    rules: Sequence[Figures]
    calibration: Calibration
    readers: Sequence[Reader]
