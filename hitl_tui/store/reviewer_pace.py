"""How people read what they decide, from the last decisions of each, and what became of their attention checks."""

from __future__ import annotations

import statistics

from hitl_tui.model import DecisionKind, person_key
from hitl_tui.oversight.reading import reading_time_s, words_of_size
from hitl_tui.oversight.statistics import Reader, pace
from hitl_tui.store.connection import Store
from hitl_tui.store.statistics import Counted, times

LAST = 50
"""Decisions that somebody's pace is told by."""
LEAST_SIZE = 100
"""Characters below which the time for 1,000 of them says nothing of reading."""


async def reader(store: Store, reviewer: str, counted: Counted, since: float = 0.0) -> Reader:
    """How one person reads, of late; the shares are those of what was counted, the attention checks those since that Unix time."""
    rows = await store.all(
        "SELECT viewed_ms / 1000.0, size, kind, reading_ms / 1000.0, seen FROM history "
        "WHERE actor_key = ? AND in_force AND viewed_ms IS NOT NULL "
        "ORDER BY decision DESC LIMIT ?",
        (person_key(reviewer), LAST),
    )
    views = [
        (viewed, reading_time_s(words_of_size(size)) if needed is None else needed, kind == DecisionKind.APPROVE)
        for viewed, size, kind, needed, _ in reversed(rows)
    ]
    per_1000 = [max(0.0, viewed) / size * 1000 for viewed, size, *_ in rows if size >= LEAST_SIZE]
    seen = [share for *_, share in rows if share is not None]
    shown, caught = await store.one(
        "SELECT count(*), coalesce(sum(caught), 0) FROM attention_checks WHERE actor_key = ? AND caught IS NOT NULL AND found_at >= ?",
        (person_key(reviewer), since),
    )
    rates = counted.rates
    return Reader(
        reviewer, pace(views), times(counted.viewed), statistics.median(per_1000) if per_1000 else None, rates.share(rates.approved), shown,
        caught, statistics.fmean(seen) if seen else None,
    )  # fmt: skip
