"""Which cases of a parametrized test run in the gate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

is_full = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
full_only = pytest.mark.skipif(not is_full, reason="costs minutes: runs with `python -m tests --full`")
"""For a slow test that costs too much for `--slow`, too."""


def sampled(cases: Iterable[Any], gate: int = 1) -> list[Any]:
    """The cases for `pytest.mark.parametrize`: the first `gate` of them run with every change, the others are slow tests."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=() if place < gate else pytest.mark.slow) for place, row in enumerate(rows)]
