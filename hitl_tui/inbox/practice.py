"""Practice of one reviewer: a queue that is never stored, and its figures, which the audit log keeps as training."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from hitl_tui import canonical_json
from hitl_tui.drill.calls import good_calls
from hitl_tui.export.redaction import Masker
from hitl_tui.oversight.practice import PracticeCall, PracticeResult, Tool, make_queue
from hitl_tui.store import audit, history

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

BACK_S = 90 * 86_400.0
"""How far back good calls are looked for."""
STAND_IN = "kim@example.com"
"""Stands for each masked mail address, so that a wrong one can be told."""
PRACTICED = "practiced"
"""The kind of the log's entries."""


class Practice:
    """Practice on calls like those of this home."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def queue(self, count: int, bad_share: float, seed: str) -> list[PracticeCall]:
        """Calls to practise on, from what was approved in this home, with personal data and secrets masked, and from the agents' tools.

        Empty where there are no tools of which a bad call can be made. Nothing of it is stored, and nothing can run.
        """
        schemas = {(agent.name, tool): schema for agent in await self._inbox.agents.all() for tool, schema in agent.tools.items()}
        async with contextlib.aclosing(history.decided_since(self._store, time.time() - BACK_S)) as batches:
            past = [one async for batch in batches for one in batch]
        tools: list[Tool] = []
        for good in good_calls(schemas, past):
            args = _masked(good.args) if good.review is not None else good.args
            tools.append((good.agent, good.tool, args, schemas.get((good.agent, good.tool))))
        return make_queue(tools, count, bad_share, seed)

    async def keep(self, result: PracticeResult) -> None:
        """Log the figures as training of this reviewer."""
        async with self._store.transaction() as db:
            audit.note(db, time.time(), PRACTICED, self._inbox.actor, result.as_json())


def _masked(args: Any) -> Any:
    text = canonical_json.dumps(Masker().mask(args, numbers=False))
    return canonical_json.loads(text.replace("[e-mail]", STAND_IN), "arguments")
