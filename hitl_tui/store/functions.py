"""SQL functions that the schema and the statements of this package call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from hitl_tui import canonical_json
from hitl_tui.oversight.statistics import edited_arguments, normalized_reason, time_bucket


def chained(
    previous: str, seq: int, at: float, kind: str, actor: str, actor_kind: str, run: int | None, review: int | None, body: str
) -> str:
    """Hash of an audit entry: SHA-256 (hex) of the previous entry's hash (empty before the first) and this entry's other columns.

    The columns are hashed as canonical JSON. A trigger checks every new entry with it (`schema/triggers/audit.sql`).
    """
    row = canonical_json.canonical([previous, seq, at, kind, actor, actor_kind, run, review, body])
    return hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()


FUNCTIONS: tuple[tuple[str, int, Callable[..., str | int]], ...] = (
    ("chained", 9, chained), ("bucket", 1, time_bucket), ("edited", 2, edited_arguments), ("worded", 1, normalized_reason),
)  # fmt: skip
"""Name, number of values, function; each is deterministic."""
