"""Hypothesis profiles: few examples in the gate, more in the slow tests, and `HYPOTHESIS_PROFILE=thorough` for hours."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

GATE: Final = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
settings.register_profile("gate", GATE)
settings.register_profile("sample", GATE, max_examples=100, derandomize=False, print_blob=True)
settings.register_profile("thorough", GATE, max_examples=5_000, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


def examples(factor: float) -> settings:
    """Scale the profile's number of examples: above 1 for cheap examples, below 1 for those that open a store."""
    return settings(max_examples=max(5, round(settings().max_examples * factor)))
