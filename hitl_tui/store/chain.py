"""The hash by which every row of the audit vouches for the one before it."""

from __future__ import annotations

import hashlib

from hitl_tui import canonical_json


def chained(previous: str, seq: int, at: float, kind: str, actor: str, run: int | None, review: int | None, body: str) -> str:
    """SHA-256 (hex) over the previous row's hash (empty before the first) and the canonical JSON of this row's other columns.

    SQLite calls it by this name from the trigger that chains what is logged (`schema/triggers/log.sql`).
    """
    row = canonical_json.canonical([previous, seq, at, kind, actor, run, review, body])
    return hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()
