"""The reviews around the cursor, read ahead, so that moving it paints the next one at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Context, Review

KEPT = 12

Held = tuple[Review, Context]


class Shelf:
    """The last few reviews, whole."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._held: OrderedDict[int, Held] = OrderedDict()

    def get(self, id_: int) -> Held | None:
        """A review that is at hand."""
        return self._held.get(id_)

    def forget(self, id_: int) -> None:
        """It changed: read it again when it is next looked at."""
        self._held.pop(id_, None)

    async def read(self, id_: int) -> Held:
        """A review as its rows are now."""
        held = (await self._inbox.review(id_), await self._inbox.context(id_))
        self._held[id_] = held
        self._held.move_to_end(id_)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return held

    async def read_ahead(self, ids: Sequence[int]) -> None:
        """Have these at hand, as far as they still exist."""
        for id_ in ids:
            if id_ not in self._held:
                try:
                    await self.read(id_)
                except Refused:
                    continue
