"""Which cases of a parametrized test run in the gate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], gate: int = 1) -> list[Any]:
    """The cases for `pytest.mark.parametrize`: the first `gate` of them run with every change, the others are slow tests."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=() if place < gate else pytest.mark.slow) for place, row in enumerate(rows)]
