"""Statistics of agents, tools, rules and reviewers, read from counts that the store keeps up to date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hitl_tui.oversight.statistics import Calibration, Figures, Reader, Statistics, brier, calibration_error, supported_threshold
from hitl_tui.store import statistics
from hitl_tui.store.statistics import StatisticsFilter

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

TRUSTED = 0.9
"""Wilson's lower bound of the share approved unchanged at which the data supports an `auto` threshold."""


class Insights:
    """Statistics as one reviewer reads them."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def read(self, since: float = 0.0, only: StatisticsFilter | None = None) -> Statistics:
        """Read the statistics since the day (UTC) of a Unix time, with `only` restricted to some agents or tools.

        The cost does not depend on the number of decisions. Figures about reviewers' attention always use their last decisions.
        """
        found = await statistics.period_counts(self._store, since, only)
        overall = found.overall.figures("")
        people = _busiest(one.figures(name) for name, one in found.reviewers.items())
        return Statistics(
            since,
            overall.rates.total,
            found.by_itself,
            overall,
            _busiest(one.figures(name) for name, one in found.agents.items()),
            _busiest(one.figures(tool, agent) for (agent, tool), one in found.tools.items()),
            people,
            _busiest(one.figures(name) for name, one in found.rules.items()),
            Calibration(found.bins, brier(found.bins), calibration_error(found.bins), supported_threshold(found.bins, TRUSTED)),
            [await statistics.reader(self._store, one.name, found.reviewers[one.name], since) for one in people],
            await statistics.agreements(self._store, since, only),
            await statistics.trainings(self._store, since),
        )

    async def pace(self) -> Reader | None:
        """Read figures about this reviewer's attention; None if they have decided nothing."""
        found = await statistics.reviewer_counts(self._store, self._inbox.reviewer)
        return await statistics.reader(self._store, self._inbox.reviewer, found) if found.rates.total else None


def _busiest(groups: Iterable[Figures]) -> list[Figures]:
    """The groups with decisions, those with the most decisions first."""
    return sorted((one for one in groups if one.rates.total), key=lambda one: (-one.rates.total, one.agent, one.name))
