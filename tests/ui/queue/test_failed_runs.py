"""The review of a failed run in the console: what it shows, what its keys mean and do."""

from __future__ import annotations

import time

import pytest

from hitl_tui.model import RunState
from hitl_tui.store import failed_runs
from tests.ui.conftest import ConsoleDriver, StartConsole

ERROR = "ConnectionError: the line is dead"


async def failed(console: ConsoleDriver) -> tuple[int, int]:
    """Add a failed run with a review under the cursor. Returns both ids."""
    (run,) = await console.store.one("SELECT max(id) FROM runs")
    await console.store.write("UPDATE reviews SET state = 'stale' WHERE state = 'open'")
    await console.store.write("UPDATE runs SET state = 'failed', error = ?, ended_at = ? WHERE id = ?", (ERROR, time.time(), run))
    assert await failed_runs.settle(console.store, run, wanted=True)
    (review,) = await console.store.one("SELECT max(id) FROM reviews")
    await console.until_keys_accepted()
    return run, review


@pytest.mark.slow
@pytest.mark.parametrize(("key", "kind", "then"), [("a", "approve", RunState.QUEUED), ("r", "reject", RunState.FAILED)])
async def test_failed_run_review_can_retry_or_leave_the_run(start_console: StartConsole, key: str, kind: str, then: RunState) -> None:
    async with start_console() as ann:
        run, review = await failed(ann)
        screen = await ann.until_shown("failed run", ERROR, "tries it again, from its last checkpoint", "leaves it failed")
        assert "escalated, unassigned" in screen
        for dead in ("enter", "escape", "e", "m", "w"):
            await ann.press(dead)
        assert await ann.decisions_of(review) == []
        await ann.until_keys_accepted()
        await ann.press(key)
        if key == "r":
            await ann.press("enter")
        ((_, said, _, _),) = await ann.decisions_of(review)
        assert said == kind
        assert await failed_runs.apply(ann.store, review, time.time())
        assert (await ann.bob.runs.get(run)).state is then
