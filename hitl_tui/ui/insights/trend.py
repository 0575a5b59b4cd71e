"""Days and weeks in even steps, as many as there is room for: where nothing was decided is a gap. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui.oversight.statistics import Rates, Span

DAY = 86_400
STEPS = ((1, "a day"), (7, "a week"), (28, "in four weeks"), (364, "in a year"))
"""Days of a step, and how it is said."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Steps one after another; None where nothing was decided."""

    steps: Sequence[Span | None]
    each: str
    """How long a step is, as the end of a phrase."""
    began: float
    ended: float
    """Where the last step begins."""


def trend_of(spans: Sequence[Span], room: int) -> Trend | None:
    """The spans in at most `room` steps where that can be; one alone is no trend, and None."""
    if len(spans) < 2:
        return None
    first, last = spans[0].began, spans[-1].began
    gaps = [(b.began - a.began) / DAY for a, b in itertools.pairwise(spans)]
    least = 7 if all(round(gap) % 7 == 0 for gap in gaps) else 1
    days, each = next((step for step in STEPS if step[0] >= least and (last - first) / (step[0] * DAY) < room), STEPS[-1])
    steps: list[list[Span]] = [[] for _ in range(round((last - first) // (days * DAY)) + 1)]
    for span in spans:
        steps[int((span.began - first) // (days * DAY))].append(span)
    return Trend([_merged(step) if step else None for step in steps], each, first, first + (len(steps) - 1) * days * DAY)


def _merged(spans: Sequence[Span]) -> Span:
    """Several as one; of the medians, the one in the middle by how many decisions each is of."""
    if len(spans) == 1:
        return spans[0]
    rates = Rates(
        sum(span.rates.approved for span in spans), sum(span.rates.edited for span in spans),
        sum(span.rates.rejected for span in spans), sum(span.rates.answered for span in spans),
    )  # fmt: skip
    waits = sorted((span.waited, span.rates.total) for span in spans if span.waited is not None)
    seen, waited = 0, None
    for wait, count in waits:
        seen, waited = seen + count, wait
        if seen * 2 >= sum(count for _, count in waits):
            break
    return Span(spans[0].began, rates, waited)
