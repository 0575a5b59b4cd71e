"""Measures a benchmark: both sides in turn, and the ratio of their medians or 95th percentiles."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """One printed line."""

    name: str
    ours: float
    """Seconds or bytes."""
    base: float
    limit: float
    unit: str = "ms"
    """The unit of a thousandth, or of a thousand."""

    @property
    def value(self) -> float:
        """Our value divided by the base's."""
        return self.ours / self.base

    def __str__(self) -> str:
        verdict = "ok  " if self.value <= self.limit else "OVER"
        scale = 1000 if self.unit == "ms" else 0.001
        sides = f"{self.ours * scale:.2f} {self.unit} ÷ {self.base * scale:.2f} {self.unit}"
        return f"{verdict} {self.value:7.3f} (≤ {self.limit:g})  {self.name}   [{sides}]"


def median_ratio(name: str, limit: float, pairs: int, ours: Callable[[], float], base: Callable[[], float]) -> Ratio:
    """Measure both sides in turn; each callable returns its own seconds."""
    measured = [(base(), ours()) if n % 2 else (ours(), base())[::-1] for n in range(pairs)]
    return Ratio(name, statistics.median(o for _, o in measured), statistics.median(b for b, _ in measured), limit)


async def median_ratio_async(
    name: str, limit: float, pairs: int, ours: Callable[[], Awaitable[float]], base: Callable[[], Awaitable[float]]
) -> Ratio:
    """The same for coroutines."""
    one, other = [], []
    for _ in range(pairs):
        one.append(await ours())
        other.append(await base())
    return Ratio(name, statistics.median(one), statistics.median(other), limit)


def p95(samples: list[float]) -> float:
    """The 95th percentile."""
    return sorted(samples)[max(0, round(len(samples) * 0.95) - 1)]
