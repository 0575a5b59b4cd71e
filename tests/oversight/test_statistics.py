"""Statistics compared with values by hand and with their definitions."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.oversight import statistics
from hitl_tui.oversight.statistics import ConfidenceBin, Rates
from hitl_tui.sanitize import INVISIBLE


@pytest.mark.parametrize(
    ("good", "total", "low", "high"),
    [(1, 1, 0.2065, 1.0), (0, 1, 0.0, 0.7935), (8, 10, 0.4902, 0.9433), (95, 100, 0.8882, 0.9785), (0, 50, 0.0, 0.0713)],
)
def test_wilson_matches_statsmodels(good: int, total: int, low: float, high: float) -> None:
    """Values of statsmodels' proportion_confint(method="wilson"), to four places."""
    found = statistics.wilson(good, total)
    assert found is not None
    assert found == pytest.approx((low, high), abs=5e-5)


@pytest.mark.slow
@given(st.integers(1, 1_000_000), st.floats(0, 1))
def test_wilson_matches_scipy(total: int, share: float) -> None:
    from scipy.stats import binomtest  # type: ignore[import-untyped] # takes longer to import than most tests run

    good = round(total * share)
    exact = binomtest(good, total).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(good, total) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_statistics_without_data_are_none() -> None:
    assert statistics.wilson(0, 0) is None
    assert Rates().share(0) is None and Rates().unchanged is None
    assert statistics.quantile({}, 0.5) is None
    assert statistics.brier([]) is None and statistics.calibration_error([]) is None and statistics.overconfidence([]) is None
    assert statistics.reliability([]) == []
    assert statistics.supported_threshold([], 0.9) is None
    assert not statistics.pace([]).too_fast


def test_rates_have_total_and_shares() -> None:
    rates = Rates(approved=6, edited=2, rejected=1, answered=1)
    assert (rates.total, rates.share(rates.approved), rates.share(rates.rejected)) == (10, 0.6, 0.1)


@given(st.lists(st.floats(0.02, 1e7), min_size=1, max_size=300), st.sampled_from([0.5, 0.9]))
def test_quantile_is_at_most_one_bucket_off(times: list[float], q: float) -> None:
    import numpy as np

    buckets: dict[int, int] = {}
    for time in times:
        buckets[statistics.time_bucket(time)] = buckets.get(statistics.time_bucket(time), 0) + 1
    exact = sorted(times)[max(1, math.ceil(q * len(times))) - 1]
    assert exact == np.quantile(times, q, method="inverted_cdf")
    found = statistics.quantile(buckets, q)
    assert found is not None
    assert exact / statistics.GROWTH <= found <= exact * statistics.GROWTH
    coarse: dict[int, int] = {}
    for number, count in buckets.items():
        coarse[number // statistics.ROUGH] = coarse.get(number // statistics.ROUGH, 0) + count
    median, about = np.quantile(times, 0.5, method="inverted_cdf"), statistics.rough_median(coarse)
    assert about is not None
    assert median / statistics.GROWTH**3 <= about <= median * statistics.GROWTH**3


@pytest.mark.parametrize("jumped", [-3600.0, 0.0, float("nan")])
def test_negative_time_is_in_the_first_bucket(jumped: float) -> None:
    assert statistics.time_bucket(jumped) == 0


def believed(pairs: list[tuple[float, bool]], bins: int = 10) -> list[ConfidenceBin]:
    made = []
    for number in range(bins):
        inside = [(p, good) for p, good in pairs if min(bins - 1, int(p * bins)) == number]
        made.append(
            ConfidenceBin(
                len(inside),
                sum(p for p, _ in inside),
                sum(p * p for p, _ in inside),
                sum(g for _, g in inside),
                sum(p for p, g in inside if g),
            )
        )
    return made


def test_calibration_matches_values_computed_by_hand() -> None:
    bins = believed([(0.9, True), (0.9, False), (0.2, False), (0.2, False)])
    assert statistics.brier(bins) == pytest.approx((0.01 + 0.81 + 0.04 + 0.04) / 4)
    assert statistics.calibration_error(bins) == pytest.approx((2 * abs(0.9 - 0.5) + 2 * abs(0.2 - 0.0)) / 4)
    (low, high) = statistics.reliability(bins)
    assert low == pytest.approx((0.2, 0.0, 2))
    assert high == pytest.approx((0.9, 0.5, 2))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_brier_score_does_not_depend_on_the_bins(pairs: list[tuple[float, bool]]) -> None:
    exact = sum((p - good) ** 2 for p, good in pairs) / len(pairs)
    assert statistics.brier(believed(pairs)) == pytest.approx(exact, abs=1e-9)


@pytest.mark.slow
def test_calibration_matches_scikit_learn() -> None:
    import numpy as np
    from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]
    from sklearn.metrics import brier_score_loss  # type: ignore[import-untyped]

    drawn = random.Random(7)
    pairs = [(p, drawn.random() < p * p) for p in (drawn.random() for _ in range(3000))]
    stated, good = np.array([p for p, _ in pairs]), np.array([g for _, g in pairs])
    bins = believed(pairs, 20)
    assert statistics.brier(bins) == pytest.approx(brier_score_loss(good, stated))
    happened, said = calibration_curve(good, stated, n_bins=20)
    assert [(a, b) for a, b, _ in statistics.reliability(bins)] == [pytest.approx(pair) for pair in zip(said, happened, strict=True)]
    weights = [count for _, _, count in statistics.reliability(bins)]
    assert statistics.calibration_error(bins) == pytest.approx(np.average(np.abs(said - happened), weights=weights))


def test_supported_threshold_needs_enough_decisions() -> None:
    drawn = random.Random(4)
    pairs = [(p, drawn.random() < p) for p in (drawn.random() for _ in range(4000))]
    found = statistics.supported_threshold(believed(pairs, 20), 0.8)
    assert found is not None
    assert 0.55 < found < 0.75  # at least 0.8 of those above it are good
    assert statistics.supported_threshold(believed(pairs, 20), 0.999) is None
    assert statistics.supported_threshold(believed([(0.95, True)] * 20), 0.5) is None


def test_pace_counts_fast_streaks() -> None:
    slow, fast = (9.0, 3.0, True), (0.4, 3.0, True)
    assert statistics.pace([slow, fast, fast, fast, fast]).streak == 4
    assert statistics.pace([slow, *[fast] * 5]).too_fast
    assert not statistics.pace([*[fast] * 5, slow]).too_fast
    assert not statistics.pace([*[fast] * 4, (0.4, 3.0, False)]).too_fast  # a fast rejection does no harm
    assert statistics.pace([slow, fast] * 10).too_fast
    assert statistics.pace([(None, 3.0, True)] * 9).decided == 0


@pytest.mark.parametrize(
    ("proposed", "final", "names"),
    [
        ('{"a": 1, "b": {"x": 1, "y": [2]}}', '{"b": {"y": [2], "x": 1}, "a": 1}', []),
        ('{"a": 1, "b": {"x": 1, "y": [2]}}', '{"a": 1, "b": {"x": 1, "y": [3]}}', ["b"]),
        ('{"a": 1, "gone": null}', '{"a": 1, "new": null}', ["gone", "new"]),
        ('{"a": 1}', '{"a": true}', ["a"]),
        ('{"a": 1}', '"a text"', [statistics.WHOLE]),
        ('"a text"', '"a text"', []),
        ("[1]", "[2]", [statistics.WHOLE]),
        (None, '{"a": 1}', [statistics.WHOLE]),
        ('{"\\ud83d\\u0000": 1}', "{}", ["\\ud83d⟨U+0000⟩"]),
        ("[" * 100_000, "{}", [statistics.WHOLE]),
    ],
)
def test_edited_arguments_names_changed_arguments(proposed: str | None, final: str | None, names: list[str]) -> None:
    assert json.loads(statistics.edited_arguments(proposed, final)) == names


def test_equal_reasons_are_normalised_to_one() -> None:
    assert {statistics.normalized_reason(one) for one in ("Too late", " too  LATE. ", "too\nlate!")} == {"too late"}
    assert (statistics.normalized_reason(None), statistics.normalized_reason(" . ")) == ("", "")
    assert len(statistics.normalized_reason("x\x1b" * 1000)) <= statistics.REASON_LENGTH


@given(st.text(), st.text())
def test_any_text_is_counted_by_a_visible_label(one: str, other: str) -> None:
    for name in (*json.loads(statistics.edited_arguments(json.dumps({one: 1}), json.dumps({other: 1}))), statistics.normalized_reason(one)):
        assert len(name) <= statistics.REASON_LENGTH
        assert not INVISIBLE.search(name) and not {"\n", "\t"} & {*name}
