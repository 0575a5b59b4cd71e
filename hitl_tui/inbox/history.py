"""Past decisions as a reviewer asks for them: search, and one with its review, views, escalations, audit entries and ratings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui import filter_language
from hitl_tui.errors import Refused
from hitl_tui.model import HistoryDetails, HistoryEntry, HistoryRow
from hitl_tui.store import audit, history

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox


class History:
    """Past decisions of everybody, newest first."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def search(self, text: str = "", before: int | None = None, limit: int = 50) -> list[HistoryRow]:
        """Read one page of decisions that match a filter, newest first.

        Args:
            text: the filter; empty for all.
            before: id of the previous page's last decision; None for the first page.
            limit: length of the page.

        Raises:
            Refused: the filter has a syntax error.
        """
        return await history.search(self._store, filter_language.parse(text, time.time()), before, limit)

    async def search_details(self, text: str = "", before: int | None = None, limit: int = 50) -> list[HistoryDetails]:
        """`search`, with the proposal, the answer and the ratings of each decision.

        Raises:
            Refused: the filter has a syntax error.
        """
        return await history.details(self._store, await self.search(text, before, limit))

    async def rows(self, decisions: Sequence[int]) -> list[HistoryRow]:
        """Read these decisions as the history lists them."""
        return await history.rows(self._store, decisions)

    async def get(self, decision: int) -> HistoryEntry:
        """Read a decision with its review, context, views, approvals, escalations, audit entries and ratings.

        Raises:
            Refused: there is no such decision.
        """
        await history.catch_up(self._store)
        found, rows = await history.decision(self._store, decision), await history.rows(self._store, [decision])
        if found is None or not rows:
            raise Refused(f"there is no decision {decision}", "F3 and `hitl-tui history` list them")
        reviews = self._inbox.reviews
        return HistoryEntry(
            rows[0],
            found,
            await reviews.get(found.review),
            await reviews.context(found.review),
            await reviews.views(found.review),
            await reviews.endorsements(found.review),
            await reviews.escalations(found.review),
            await audit.of_review(self._store, found.review),
            [one for one in await self._inbox.feedback.of_run(rows[0].run) if one.subject.is_of(found.review, found.slot)],
            [one for one in await reviews.remarks(found.review) if one.at <= found.at],
        )
