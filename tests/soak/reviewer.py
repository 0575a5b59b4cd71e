"""`python -m tests.soak.reviewer HOME LOG NAME SEED`: a reviewer without a screen.

It follows the store's changes, like the console.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random

from hitl_tui.errors import Storage
from hitl_tui.inbox import Inbox, Rev
from hitl_tui.model import Review, ReviewState, RunState
from hitl_tui.store import Store
from tests.soak.answers import answer, whole
from tests.soak.intent_log import IntentLog

GRACES_S = (0.0, 0.0, 0.3, 1.0)


class Reviewer:
    """A reviewer, with a colleague who sometimes decides the same review at the same moment."""

    def __init__(self, store: Store, other: Store, intent_log: IntentLog, name: str, seed: str) -> None:
        self._random = Random(seed)
        self._store = store
        self._intent_log = intent_log
        self._name = name
        self._colleague = Inbox(other, f"{name}-colleague")
        self._open: set[int] = set()
        self._failed: set[int] = set()
        self._rev = Rev()

    async def work(self) -> None:
        """Review until the process ends."""
        inbox = Inbox(self._store, self._name)
        self._rev = await inbox.revision()
        self._open = set(await inbox.reviews.open_ids())
        while True:
            await self._look(inbox)
            if self._failed and self._random.random() < 0.3:
                await self._intent_log.retry(inbox, self._failed.pop())
            if self._open:
                oldest = sorted(self._open)[:8]
                await self._handle(await inbox.reviews.get(self._random.choice(oldest)))
            await asyncio.sleep(self._random.uniform(0.0, 0.15))

    async def _look(self, inbox: Inbox) -> None:
        """Read what changed since the last poll."""
        news = await inbox.changes(self._rev)
        self._rev = news.rev
        for row in news.reviews:
            (self._open.add if row.state == ReviewState.OPEN else self._open.discard)(row.id)
        for run in news.runs:
            (self._failed.add if run.state == RunState.FAILED else self._failed.discard)(run.id)
        if not news.whole:
            self._open = set(await inbox.reviews.open_ids())

    async def _handle(self, review: Review) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 0.1))
        inbox = Inbox(self._store, self._name, grace_s=self._random.choice(GRACES_S))
        choice = self._random.random()
        if choice < 0.02:
            await self._intent_log.cancel(inbox, review.row.run)
        elif choice < 0.15:
            await self._double(inbox, review)
        elif choice < 0.35 and len(review.actions) > 1:
            await self._piecemeal(inbox, review)
        elif await self._intent_log.decide(inbox, review, whole(self._random, review)) and self._random.random() < 0.3:
            await asyncio.sleep(self._random.choice((0.0, 0.1, 0.5)))
            await self._intent_log.undo(inbox, review.row.id)

    async def _double(self, inbox: Inbox, review: Review) -> None:
        """Decide one review twice at once, with different answers."""
        mine, theirs = whole(self._random, review), whole(self._random, review)
        won = await asyncio.gather(self._intent_log.decide(inbox, review, mine), self._intent_log.decide(self._colleague, review, theirs))
        self._intent_log.note("double", "done", review=review.row.id, won=sum(won))

    async def _piecemeal(self, inbox: Inbox, review: Review) -> None:
        """Decide action by action, change the first answer, and sometimes undo half-way."""
        first, *others = review.actions
        for action in (first, first, *others):
            if not await self._intent_log.decide(inbox, review, {action.slot: answer(self._random, review, action)}):
                return
            if self._random.random() < 0.15:
                await self._intent_log.undo(inbox, review.row.id)


async def main(home: Path, intent_log: Path, name: str, seed: str) -> None:
    """Run a reviewer."""
    async with Store.open(home / "hitl.db") as store, Store.open(home / "hitl.db") as other:
        reviewer = Reviewer(store, other, IntentLog(intent_log), name, seed)
        while True:
            try:
                await reviewer.work()
            except Storage as error:  # a person would try again
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
