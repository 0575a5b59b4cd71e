"""Writes decisions straight to the store, by any kind of actor, to test what the store itself refuses."""

from __future__ import annotations

import time

from hitl_tui.model import Action, Actor, ActorKind, Answer
from hitl_tui.store import Store, decisions


async def record(store: Store, review: int, action: Action, answer: Answer, name: str) -> bool:
    """Store a decision by a person, `policy:<rule>` or `timeout:<rule>`. Returns whether it was stored."""
    kind = ActorKind(name.partition(":")[0]) if ":" in name else ActorKind.PERSON
    now = time.time()
    async with store.transaction() as db:
        stored = decisions.record(db, decisions.Given(review, action, answer, Actor(name, kind), now, now))
        if stored:
            decisions.conclude(db, review)
    return stored
