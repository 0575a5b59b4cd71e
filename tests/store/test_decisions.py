"""A decision, as it is stored."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind, ReviewState
from tests.support.empty_database import open_store
from tests.support.harness import approve
from tests.ui.homes import seed


async def test_decide_when_a_worker_submits_at_once_returns_decided(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"

    def submit() -> None:
        """Submit the review as a worker that hears the doorbell does, before `decide` goes on."""
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE reviews SET state = 'submitted' WHERE state = 'decided'")

    async with open_store(path) as store:
        ann = Inbox(store, "ann", ring=submit)
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.mail("ann@example.com"))
        review = await ann.reviews.get(await seed.add_waiting_run(store, await seed.add_project(store), "mail_assistant", pause))
        assert await ann.reviews.decide(review, {0: approve()}) is ReviewState.DECIDED
        assert (await ann.reviews.get(review.row.id)).row.state is ReviewState.SUBMITTED
