"""What the decisions say about agents and reviewers, read from figures that are kept up to date."""

from __future__ import annotations

from hitl_tui.store import Store


class InsightsDesk:
    """The figures, as one reviewer reads them."""

    def __init__(self, store: Store, reviewer: str) -> None:
        self._store = store
        self._reviewer = reviewer
