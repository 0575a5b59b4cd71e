"""Figures against what is worked out by hand, or the definition itself."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui import insights
from hitl_tui.insights import Believed, Rates


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    [(1, 1, 0.2065, 1.0), (0, 1, 0.0, 0.7935), (8, 10, 0.4902, 0.9433), (95, 100, 0.8882, 0.9785), (0, 50, 0.0, 0.0713)],
)
def test_wilson(good: int, total: int, low: float, high: float) -> None:
    """Values of statsmodels' proportion_confint(method="wilson"), to four places."""
    found = insights.wilson(good, total)
    assert found is not None
    assert found == pytest.approx((low, high), abs=5e-5)


def test_nothing_says_nothing() -> None:
    assert insights.wilson(0, 0) is None
    assert Rates().share(0) is None and Rates().unchanged is None
    assert insights.quantile({}, 0.5) is None
    assert insights.brier([]) is None and insights.calibration_error([]) is None
    assert insights.reliability([]) == []
    assert insights.supported_threshold([], 0.9) is None
    assert not insights.pace([]).too_fast


def test_rates() -> None:
    rates = Rates(approved=6, edited=2, rejected=1, answered=1)
    assert (rates.total, rates.share(rates.approved), rates.share(rates.rejected)) == (10, 0.6, 0.1)


@given(st.lists(st.floats(0.02, 1e7), min_size=1, max_size=300), st.sampled_from([0.5, 0.9]))
def test_a_quantile_is_off_by_a_bucket_at_most(times: list[float], q: float) -> None:
    buckets: dict[int, int] = {}
    for time in times:
        buckets[insights.bucket(time)] = buckets.get(insights.bucket(time), 0) + 1
    exact = sorted(times)[max(1, math.ceil(q * len(times))) - 1]
    found = insights.quantile(buckets, q)
    assert found is not None
    assert exact / insights.GROWTH <= found <= exact * insights.GROWTH


@pytest.mark.parametrize("jumped", [-3600.0, 0.0, float("nan")])
def test_a_clock_that_jumps_is_the_first_bucket(jumped: float) -> None:
    assert insights.bucket(jumped) == 0


def believed(pairs: list[tuple[float, bool]], bins: int = 10) -> list[Believed]:
    made = []
    for number in range(bins):
        inside = [(p, good) for p, good in pairs if min(bins - 1, int(p * bins)) == number]
        made.append(
            Believed(
                len(inside),
                sum(p for p, _ in inside),
                sum(p * p for p, _ in inside),
                sum(g for _, g in inside),
                sum(p for p, g in inside if g),
            )
        )
    return made


def test_calibration_by_hand() -> None:
    bins = believed([(0.9, True), (0.9, False), (0.2, False), (0.2, False)])
    assert insights.brier(bins) == pytest.approx((0.01 + 0.81 + 0.04 + 0.04) / 4)
    assert insights.calibration_error(bins) == pytest.approx((2 * abs(0.9 - 0.5) + 2 * abs(0.2 - 0.0)) / 4)
    (low, high) = insights.reliability(bins)
    assert low == pytest.approx((0.2, 0.0, 2))
    assert high == pytest.approx((0.9, 0.5, 2))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_the_brier_score_does_not_depend_on_the_bins(pairs: list[tuple[float, bool]]) -> None:
    exact = sum((p - good) ** 2 for p, good in pairs) / len(pairs)
    assert insights.brier(believed(pairs)) == pytest.approx(exact, abs=1e-9)


def test_a_threshold_needs_support() -> None:
    drawn = random.Random(4)
    pairs = [(p, drawn.random() < p) for p in (drawn.random() for _ in range(4000))]
    found = insights.supported_threshold(believed(pairs, 20), 0.8)
    assert found is not None
    assert 0.55 < found < 0.75  # those above it are good in 0.8 of all cases at the least
    assert insights.supported_threshold(believed(pairs, 20), 0.999) is None
    assert insights.supported_threshold(believed([(0.95, True)] * 20), 0.5) is None


def test_pace() -> None:
    slow, fast = (9.0, 3.0, True), (0.4, 3.0, True)
    assert insights.pace([slow, fast, fast, fast, fast]).streak == 4
    assert insights.pace([slow, *[fast] * 5]).too_fast
    assert not insights.pace([*[fast] * 5, slow]).too_fast
    assert not insights.pace([*[fast] * 4, (0.4, 3.0, False)]).too_fast  # a quick no harms nobody
    assert insights.pace([slow, fast] * 10).too_fast
    assert insights.pace([(None, 3.0, True)] * 9).decided == 0
