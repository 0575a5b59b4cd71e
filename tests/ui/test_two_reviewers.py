"""Two consoles on one store: one wins, the other is told who and when, and loses nothing that was typed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from hitl_tui.inbox import Inbox
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.ui.conftest import Console, Desk, opened
from tests.ui.queue.test_decisions import MAIL, SQL, text

BY_BOB = re.compile(r"approved by bob at \d\d:\d\d:\d\d")


@contextlib.asynccontextmanager
async def second(desk: Desk, grace_s: float = 0.0) -> AsyncIterator[Desk]:
    """Bob's console on the same store."""
    async with Store.open(desk.home.database) as store:
        app = HitlApp(opened(Inbox(store, "bob", grace_s=grace_s)), Settings(), NoWorkers(), desk.home)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            bob = Desk(app, pilot, desk.store, desk.project, desk.home, desk.other, desk.ids)
            await bob.armed()
            yield bob


async def test_one_wins_and_the_other_is_told(console: Console) -> None:
    async with console() as ann, second(ann, grace_s=60) as bob:
        await ann.press("j", "k")
        await bob.press("a")
        await ann.settle()
        assert "✓ approved by bob" in ann.screen() and "undo" not in ann.screen()
        assert BY_BOB.search(ann.screen()) and ann.app.query_one(QueueList).cursor == ann.ids[MAIL]
        await ann.armed()
        await ann.press("a")
        assert BY_BOB.search(ann.notices())
        await ann.press("u")
        assert "nothing of yours" in ann.notices()
        await bob.press("u")
        await ann.armed()
        assert "✓ approved by bob" not in ann.screen()
        await ann.press("a")
        await bob.settle()
        assert await bob.decided(ann.ids[MAIL]) == [(0, "approve", None, None)] and "✓ approved by ann" in bob.screen()


async def test_at_the_same_moment(console: Console) -> None:
    async with console() as ann, second(ann) as bob:
        await ann.app._updates._turn.acquire()  # ann's screen does not hear of it in time
        await bob.press("a")
        await ann.pilot.press("a")
        await ann.pilot.pause(0.3)
        ann.app._updates._turn.release()
        await ann.settle()
        assert re.search(r"review \d+ is approved by bob at \d\d:\d\d:\d\d; nothing was changed", ann.notices())
        assert await ann.store.one("SELECT group_concat(actor) FROM decisions") == ("bob",)


async def test_a_decision_elsewhere_under_an_open_dialog(console: Console) -> None:
    async with console() as ann, second(ann) as bob:
        await ann.press("r", *"too early")
        await bob.press("a")
        assert BY_BOB.search(await ann.seen("Reject", "too early", "approved by bob"))
        await ann.press("enter")
        assert re.search(r"is approved by bob at \d\d:\d\d:\d\d; nothing was changed", ann.notices())
        assert "Reject" in ann.screen() and text(ann, "ReasonInput") == "too early"
        await ann.press("escape")
        assert len(ann.app.screen_stack) == 1
        assert await ann.decided(ann.ids[MAIL]) == [(0, "approve", None, None)]
        assert await ann.decided(ann.ids[SQL]) == []


async def test_a_run_cancelled_under_an_open_dialog(console: Console) -> None:
    async with console() as ann, second(ann) as bob:
        await ann.press("m", *"by hand")
        await bob.press("f2", "G", "ctrl+x", "y")
        assert "gone: the run is cancelled" in await ann.seen("Respond", "by hand", "gone")
        await ann.press("enter")
        assert "is stale: the run is cancelled; nothing was changed" in ann.notices()
        assert text(ann, "#text") == "by hand"
        await ann.press("escape")
        assert await ann.decided(ann.ids[MAIL]) == []


async def test_what_was_typed_is_there_again_when_the_other_takes_it_back(console: Console) -> None:
    async with console() as ann, second(ann, grace_s=60) as bob:
        await ann.press("r", *"mine")
        await bob.press("a")
        await ann.seen("approved by bob")
        await bob.press("u")
        await ann.settle()
        await ann.press("enter")
        assert await ann.decided(ann.ids[MAIL]) == [(0, "reject", None, "mine")]
