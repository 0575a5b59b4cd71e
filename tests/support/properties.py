"""How many examples a property test draws: little in the gate, more in the slow tests, `HYPOTHESIS_PROFILE=thorough` for hours."""

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
    """The profile's number of examples times a factor: above 1 where an example costs next to nothing, below where it opens a store."""
    return settings(max_examples=max(5, round(settings().max_examples * factor)))
