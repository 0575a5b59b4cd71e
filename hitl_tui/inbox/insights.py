"""What the decisions say about agents and reviewers, read from figures that are kept up to date."""

from __future__ import annotations

from hitl_tui.insights import Calibration, Figures, Insights, Rates, Reader, Times, brier, calibration_error, quantile, supported_threshold
from hitl_tui.store import Store, tallies

TRUSTED = 0.9
"""What Wilson's lower bound must reach before the data supports that a call goes on by itself."""


class InsightsDesk:
    """The figures, as one reviewer reads them."""

    def __init__(self, store: Store, reviewer: str) -> None:
        self._store = store
        self._reviewer = reviewer

    async def read(self, since: float = 0.0) -> Insights:
        """Everything of a period; in no time, however many decisions there were."""
        reviewers, tools, agents = [
            [_figures(one) for one in await tallies.tallies(self._store, group, since)] for group in ("reviewer", "tool", "agent")
        ]
        bins = await tallies.beliefs(self._store, since)
        rates = [one.rates for one in reviewers]
        overall = Rates(*(sum(getattr(one, name) for one in rates) for name in ("approved", "edited", "rejected", "answered")))
        return Insights(
            since,
            overall.total,
            0,
            Figures("", overall, Times(None, None), Times(None, None), (), (), ()),
            agents,
            tools,
            reviewers,
            (),
            Calibration(bins, brier(bins), calibration_error(bins), supported_threshold(bins, TRUSTED)),
            (),
        )

    async def pace(self) -> Reader | None:
        """How this reviewer reads; None when there is nothing to tell it by."""
        return None


def _figures(one: tallies.Tally) -> Figures:
    return Figures(one.name, one.rates, _times(one.waited), _times(one.looked), (), (), ())


def _times(buckets: object) -> Times:
    return Times(quantile(buckets, 0.5), quantile(buckets, 0.9))  # type: ignore[arg-type]
