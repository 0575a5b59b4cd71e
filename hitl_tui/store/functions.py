"""SQL functions written in Python, which the schema and statements of this package call."""

from __future__ import annotations

from collections.abc import Callable

from hitl_tui.oversight.statistics import edited_arguments, normalized_reason, time_bucket
from hitl_tui.store.audit import chained

FUNCTIONS: tuple[tuple[str, int, Callable[..., str | int]], ...] = (
    ("chained", 9, chained), ("bucket", 1, time_bucket), ("edited", 2, edited_arguments), ("worded", 1, normalized_reason),
)  # fmt: skip
"""Name, number of values, function; each is deterministic."""
