"""Statistics of decisions: rates with confidence intervals, durations, calibration, and how fast reviewers decide. Pure, over counts.

A figure without enough data is None, never NaN and never an estimate.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hitl_tui import canonical_json
from hitl_tui.sanitize import one_line

if TYPE_CHECKING:
    from hitl_tui.oversight.practice import Training

GROWTH = 1.1
"""Ratio of the widths of neighbouring histogram buckets for durations: a quantile is off by at most 10 %."""
ROUGH = 4
"""Buckets that are merged into one for the trend: its median is off by about a quarter."""
LEAST = 0.01
"""Seconds; shorter durations are in the first bucket."""
Z = 1.959963984540054
"""The normal distribution's 97.5 % quantile, for 95 % confidence intervals."""
NAME_LENGTH = 80
"""Characters of an argument's name; longer names are cut before they are counted."""
REASON_LENGTH = 120
"""Characters of a reason; longer reasons are cut before they are counted."""
LONG_STREAK = 5
"""Approvals in a row, each faster than it can be read, that are a habit."""
MOST_NAMES = 50
"""Most arguments counted for one edit."""
WHOLE = "(all of it)"
"""Name for what was edited if there are no arguments, but a text or a list."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Numbers of actions by decision."""

    approved: int = 0
    edited: int = 0
    rejected: int = 0
    answered: int = 0

    @property
    def total(self) -> int:
        """All decisions."""
        return self.approved + self.edited + self.rejected + self.answered

    def share(self, count: int) -> float | None:
        """A count as a share of `total`, from 0 to 1; None if there are no decisions."""
        return count / self.total if self.total else None

    @property
    def unchanged(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share approved unchanged; None if there are no decisions."""
        return wilson(self.approved, self.total)


def wilson(good: int, total: int, z: float = Z) -> tuple[float, float] | None:
    """Wilson's score interval (1927) of the share `good / total`; None if `total` is 0."""
    if total <= 0:
        return None
    share, square = good / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two readers of the same calls agree that a call is fine as it is."""

    name: str
    """Who agrees with whom: `second reader and people`, `blind reviews`."""
    both: int = 0
    """Calls that both let run unchanged."""
    first_only: int = 0
    """Calls that only the first let run unchanged."""
    second_only: int = 0
    neither: int = 0

    @property
    def total(self) -> int:
        """All calls that both have read."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def agreed(self) -> int:
        """Calls on which they agree."""
        return self.both + self.neither

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share on which they agree; None without calls."""
        return wilson(self.agreed, self.total)

    @property
    def kappa(self) -> tuple[float, float, float] | None:
        """Cohen's kappa (1960) with its 95 % interval: value, low, high. None where chance alone would make them agree on all, or none."""
        n = self.total
        if not n:
            return None
        first, second = (self.both + self.first_only) / n, (self.both + self.second_only) / n
        observed, chance = self.agreed / n, first * second + (1 - first) * (1 - second)
        if chance >= 1:
            return None
        value = (observed - chance) / (1 - chance)
        half = Z * math.sqrt(observed * (1 - observed) / n) / (1 - chance)
        return value, max(-1.0, value - half), min(1.0, value + half)


# Durations


def time_bucket(seconds: float) -> int:
    """Histogram bucket of a duration. A negative one, from a clock that was set back, is in the first bucket."""
    return 0 if not seconds > LEAST else math.ceil(math.log(seconds / LEAST, GROWTH))


def quantile(buckets: Mapping[int, int], q: float) -> float | None:
    """Quantile `q` (0 to 1) of a histogram in seconds, as the geometric middle of its bucket; None if the histogram is empty."""
    total = sum(buckets.values())
    if not total:
        return None
    wanted, numbers = max(1, math.ceil(q * total)), sorted(buckets)
    seen = accumulate(buckets[number] for number in numbers)
    number = next(number for number, count in zip(numbers, seen, strict=True) if count >= wanted)
    return LEAST * GROWTH ** (number - 0.5) if number else LEAST


def rough_median(buckets: Mapping[int, int]) -> float | None:
    """Median in seconds of a coarse histogram, whose buckets merge `ROUGH` ordinary ones; None if it is empty."""
    return quantile({number * ROUGH + ROUGH // 2 if number else 0: count for number, count in buckets.items()}, 0.5)


# Edited arguments and reject reasons


def edited_arguments(proposed: str | None, final: str | None) -> str:
    """Names of the arguments that differ between two JSON texts, including added and removed ones, as a JSON list. An SQL function."""
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
    """A reason in the form it is counted by: lower case, single spaces, no punctuation at its ends, cut. An SQL function."""
    return one_line(" ".join(canonical_json.storable(reason or "").lower().split()).strip(" .!,;:"), REASON_LENGTH)


def _read(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text


def _canonical(value: Any) -> str:
    """Canonical text of a value for comparisons, in which `true` is not 1."""
    try:
        return canonical_json.canonical(value)
    except RecursionError:
        return repr(value)


# Calibration


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Actions of similar stated confidence, and how many of them people approved unchanged ("good")."""

    count: int
    confidence: float
    """Sum of the stated confidences."""
    squares: float
    """Sum of their squares."""
    good: int
    believed_good: float
    """Sum of the confidences of the good actions."""


def brier(bins: Sequence[ConfidenceBin]) -> float | None:
    """The Brier score (1950): mean squared difference of stated confidence and result; 0 is best. Exact for any bins; None without data."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return max(0.0, sum(one.squares - 2 * one.believed_good + one.good for one in bins) / total)


def calibration_error(bins: Sequence[ConfidenceBin]) -> float | None:
    """Expected calibration error (Naeini et al. 2015): mean difference of confidence and share of good actions, weighted by bin size."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return sum(abs(one.confidence - one.good) for one in bins) / total


def overconfidence(bins: Sequence[ConfidenceBin]) -> float | None:
    """The part of the calibration error that is overconfidence. Underconfidence is harmless: it only asks more often than needed."""
    total = sum(one.count for one in bins)
    if not total:
        return None
    return sum(max(0.0, one.confidence - one.good) for one in bins) / total


def reliability(bins: Sequence[ConfidenceBin]) -> list[tuple[float, float, int]]:
    """Points of the calibration chart: mean confidence, share of good actions, and count of each bin that is not empty; by confidence."""
    return sorted((one.confidence / one.count, one.good / one.count, one.count) for one in bins if one.count)


def supported_threshold(bins: Sequence[ConfidenceBin], wanted: float, least: int = 30) -> float | None:
    """The lowest `auto` threshold that the data supports: Wilson's lower bound of the share of good actions above it is at least `wanted`.

    A threshold needs at least `least` actions above it. Thresholds are mean confidences of bins. None if no threshold is supported.
    """
    found, count, good = None, 0, 0
    for one in sorted((one for one in bins if one.count), key=lambda one: one.confidence / one.count, reverse=True):
        count, good = count + one.count, good + one.good
        bounds = wilson(good, count)
        if count >= least and bounds and bounds[0] >= wanted:
            found = one.confidence / one.count
    return found


# Pace


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a reviewer decides, by their last decisions."""

    decided: int
    fast: int
    """Decisions made faster than the action can be read."""
    streak: int
    """Fast approvals in a row, up to now."""

    @property
    def too_fast(self) -> bool:
        """Whether the reviewer should be warned: five fast approvals in a row, or half of at least twenty decisions."""
        return self.streak >= LONG_STREAK or (self.decided >= 20 and self.fast * 2 >= self.decided)


def pace(views: Sequence[tuple[float | None, float, bool]]) -> Pace:
    """Pace from decisions in order of time, each `(seconds viewed or None, seconds that reading takes, approved)`."""
    known = [(viewed, needed, approved) for viewed, needed, approved in views if viewed is not None]
    streak = 0
    for viewed, needed, approved in reversed(known):
        if not (approved and viewed < needed):
            break
        streak += 1
    return Pace(len(known), sum(viewed < needed for viewed, needed, _ in known), streak)


# Figures, as the insights view and `stats` show them


@dataclass(frozen=True, slots=True)
class Times:
    """Median and 90th percentile of a duration in seconds; None without data."""

    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One day or week of a trend."""

    began: float
    """Unix time, seconds."""
    rates: Rates
    waited: float | None
    """Median seconds from opening to decision."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of the decisions about one agent, tool or rule, or by one reviewer."""

    name: str
    """The agent, tool, rule or reviewer; empty for all decisions."""
    rates: Rates
    waited: Times
    """From opening to decision."""
    viewed: Times
    """Time viewed before the decision."""
    trend: Sequence[TrendPoint]
    """Oldest first; one point per day, or per week of a long period, without the empty ones."""
    edited: Sequence[tuple[str, int]]
    """Edited arguments and their counts, the most frequent first."""
    reasons: Sequence[tuple[str, int]]
    """Reject reasons and their counts, the most frequent first."""
    agent: str = ""
    """A tool's agent; empty for all else."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Stated confidence compared with decisions."""

    bins: Sequence[ConfidenceBin]
    brier: float | None
    error: float | None
    """Expected calibration error."""
    auto: float | None
    """The lowest `auto` threshold that the data supports; None if it supports none."""

    @property
    def count(self) -> int:
        """Number of decisions it is based on."""
        return sum(one.count for one in self.bins)


@dataclass(frozen=True, slots=True)
class Reader:
    """Figures about one reviewer's attention: pace, viewing time, share approved, attention checks."""

    reviewer: str
    pace: Pace
    viewed: Times
    per_1000: float | None
    """Median seconds viewed per 1,000 characters."""
    unchanged: float | None
    """Share approved as proposed, from 0 to 1."""
    shown: int
    """Attention checks shown to them."""
    caught: int
    """Attention checks they did not approve."""
    seen: float | None = None
    """Mean share of the shown text that had been on the screen when they decided; None where it was not measured."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """All figures of a period."""

    since: float
    """Unix time, seconds; 0 for everything."""
    decisions: int
    """Decisions by people."""
    by_itself: int
    """Actions that policy let run or denied without a person."""
    overall: Figures
    agents: Sequence[Figures]
    tools: Sequence[Figures]
    reviewers: Sequence[Figures]
    rules: Sequence[Figures]
    calibration: Calibration
    readers: Sequence[Reader]
    agreements: Sequence[Agreement] = ()
    """Of two who read the same calls; none where nobody did."""
    trainings: Sequence[Training] = ()
    """Of people who practised, the last one first."""
