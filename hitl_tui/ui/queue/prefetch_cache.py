"""Prefetches the reviews around the cursor, so that the next one is painted at once."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from hitl_tui.effects.view import EffectSettings
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Context, DecisionKind, Remark, Review
from hitl_tui.ui.review.assignment import ReviewActivity
from hitl_tui.ui.review.context import ReviewContext

KEPT = 12


@dataclass(frozen=True, slots=True)
class LoadedReview:
    """A review with all that is shown of it at once."""

    review: Review
    context: Context
    activity: ReviewActivity
    effect_settings: Callable[[], Awaitable[Mapping[int, EffectSettings]]]
    """Reads, by slot, what is known beside a call's arguments, to tell what it would do."""
    remarks: Sequence[Remark] = ()
    """The remarks on its calls."""


class PrefetchCache:
    """The reviews read last, complete."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._reviews: OrderedDict[int, LoadedReview] = OrderedDict()

    def get(self, id_: int) -> LoadedReview | None:
        """The review, if it is cached."""
        return self._reviews.get(id_)

    def forget(self, id_: int) -> None:
        """Drop a review that changed; the next read loads it again."""
        self._reviews.pop(id_, None)

    async def read(self, id_: int) -> LoadedReview:
        """Load a review from its rows."""
        review = await self._inbox.reviews.get(id_)
        effects = functools.partial(self._inbox.policy.effect_settings, review)
        remarks = await self._inbox.reviews.remarks(id_) if review.row.kind.is_tool_call else ()
        loaded = LoadedReview(review, await self._inbox.reviews.context(id_), await self._read_activity(review), effects, remarks)
        self._reviews[id_] = loaded
        self._reviews.move_to_end(id_)
        while len(self._reviews) > KEPT:
            self._reviews.popitem(last=False)
        return loaded

    async def _read_activity(self, review: Review) -> ReviewActivity:
        """Read what people did so far, only where the review says that there is something."""
        several = any(action.may_need_several for action in review.actions)
        return ReviewActivity(
            await self._inbox.reviews.endorsements(review.row.id) if several else (),
            await self._inbox.reviews.escalations(review.row.id) if review.row.escalated else (),
            await self._inbox.reviews.versions(review.row.id) if review.row.kind.is_revisable else (),
        )

    async def read_context(self, id_: int) -> ReviewContext:
        """Load what is shown of a review once a person stays on it."""
        inbox, similar = self._inbox, await self._inbox.reviews.similar(id_)
        edits = {past.review for past in similar if past.decision is DecisionKind.EDIT}
        return ReviewContext(
            similar,
            {edit: (await inbox.reviews.get(edit)).decisions for edit in edits},
            await inbox.reviews.views(id_),
            ReviewActivity(await inbox.reviews.endorsements(id_), await inbox.reviews.escalations(id_)),
            await inbox.reviews.notifications(id_),
        )

    async def read_ahead(self, ids: Sequence[int]) -> None:
        """Load those that are not cached and still exist."""
        for id_ in ids:
            if id_ not in self._reviews:
                try:
                    await self.read(id_)
                except Refused:
                    continue
