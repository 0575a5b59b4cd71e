"""Two consoles on one store: one decision wins, the other reviewer is told and keeps typed text."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, PauseKind, Risk, Routed, Verdict
from hitl_tui.settings import Settings
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.support.empty_database import open_store
from tests.ui.conftest import ConsoleDriver, StartConsole, opens
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import MAIL, SQL, text

BY_BOB = re.compile(r"approved by bob at \d\d:\d\d:\d\d")


@contextlib.asynccontextmanager
async def second(console: ConsoleDriver, grace_s: float = 0.0) -> AsyncIterator[ConsoleDriver]:
    """Start bob's console on the same store."""
    async with open_store(console.home.database) as store:
        app = HitlApp(opens(Inbox(store, "bob", grace_s=grace_s)), Settings(), NoWorkers(), console.home)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            bob = ConsoleDriver(app, pilot, console.store, console.project, console.home, console.bob, console.review_ids)
            await bob.until_keys_accepted()
            yield bob


async def test_two_reviewers_deciding_one_review_gives_one_decision_and_a_notice(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann, grace_s=60) as bob:
        await ann.press("j", "k")
        await bob.press("a")
        await ann.settle()
        assert "✓ approved by bob" in ann.screen_text() and "undo" not in ann.screen_text()
        assert BY_BOB.search(ann.screen_text()) and ann.app.query_one(QueueList).cursor == ann.review_ids[MAIL]
        await ann.until_keys_accepted()
        await ann.press("a")
        assert BY_BOB.search(ann.refusals())
        await ann.press("u")
        assert "nothing of yours" in ann.refusals()
        await bob.press("u")
        await ann.until_keys_accepted()
        assert "✓ approved by bob" not in ann.screen_text()
        await ann.press("a")
        await bob.until_shown("✓ approved by ann")
        assert await bob.decisions_of(ann.review_ids[MAIL]) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_two_reviewers_deciding_at_once_gives_one_decision(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.app._updates._turn.acquire()  # ann's screen is not updated in time
        await bob.press("a")
        await ann.pilot.press("a")
        await ann.pilot.pause(0.3)
        ann.app._updates._turn.release()
        await ann.settle()
        assert re.search(r"review \d+ is approved by bob at \d\d:\d\d:\d\d; nothing was changed", ann.notifications())
        assert await ann.store.one("SELECT group_concat(actor) FROM decisions") == ("bob",)


async def test_decision_by_another_while_a_dialog_is_open_is_shown(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.press("r", *"too early")
        await bob.press("a")
        assert BY_BOB.search(await ann.until_shown("Reject", "too early", "approved by bob"))
        await ann.press("enter")
        assert re.search(r"is approved by bob at \d\d:\d\d:\d\d; nothing was changed", ann.notifications())
        assert "Reject" in ann.screen_text() and text(ann, "#reason") == "too early"
        await ann.press("escape")
        assert len(ann.app.screen_stack) == 1
        assert await ann.decisions_of(ann.review_ids[MAIL]) == [(0, "approve", None, None)]
        assert await ann.decisions_of(ann.review_ids[SQL]) == []


@pytest.mark.slow
async def test_cancel_by_another_while_a_dialog_is_open_is_shown(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.press("m", *"by hand")
        await bob.press("f2", "G", "ctrl+x", "y")
        assert "gone: the run is cancelled" in await ann.until_shown("Respond", "by hand", "gone")
        await ann.press("enter")
        assert "is stale: the run is cancelled; nothing was changed" in ann.notifications()
        assert text(ann, "#text") == "by hand"
        await ann.press("escape")
        assert await ann.decisions_of(ann.review_ids[MAIL]) == []


@pytest.mark.slow
async def test_typed_text_returns_when_the_other_decision_is_undone(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann, grace_s=60) as bob:
        await ann.press("r", *"mine")
        await bob.press("a")
        await ann.until_shown("approved by bob")
        await bob.press("u")
        await ann.settle()
        await ann.press("enter")
        assert await ann.decisions_of(ann.review_ids[MAIL]) == [(0, "reject", None, "mine")]


async def until_looking(console: ConsoleDriver, name: str, places: int) -> str:
    """Wait until so many places of the screen say that somebody is looking: the list, and the details of the review under the cursor."""
    for _ in range(200):
        screen = console.screen_text()
        if screen.count(f"{name} is looking") == places:
            return screen
        await console.pilot.pause(0.05)
    raise AssertionError(f"never in {places} places: {console.screen_text()}")


@pytest.mark.slow
async def test_who_looks_at_a_review_is_shown_to_others_until_they_leave(start_console: StartConsole) -> None:
    async with start_console() as ann:
        async with second(ann) as bob:
            await bob.press("j")
            screen = await ann.until_shown("bob is looking at it")
            assert screen.count("bob is looking") == 1  # in the list; ann has another review in the details
            await ann.press("j")
            screen = await until_looking(ann, "bob", places=2)
            assert "ann is looking" not in screen
            await bob.until_shown("ann is looking at it")
            await bob.press("f2")
            await until_looking(ann, "bob", places=0)
            await bob.press("f1")
            await ann.until_shown("bob is looking at it")
        assert await ann.store.all("SELECT reviewer FROM presence") == [("ann",)]
        assert await ann.store.one("SELECT count(*) FROM audit WHERE kind LIKE '%look%' OR kind LIKE '%presen%'") == (0,)


@pytest.mark.slow
async def test_who_comes_back_from_a_view_that_was_scrolled_is_looking_again(start_console: StartConsole) -> None:
    async with start_console(size=(110, 18)) as ann:
        for _ in range(3):
            await until_present(ann, True)
            await ann.press("f2")
            await until_present(ann, False)
            await ann.press("G", "g", "f1")
        await until_present(ann, True)


async def until_present(console: ConsoleDriver, is_so: bool) -> None:
    """Wait until others are told that a review is looked at, or that none is."""
    for _ in range(400):
        if bool(await console.store.all("SELECT 1 FROM presence")) is is_so:
            return
        await console.pilot.pause(0.05)
    raise AssertionError(f"present: {not is_so}")


@pytest.mark.slow
async def test_blind_review_hides_the_first_answer_from_the_second_reviewer(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 40)) as console:
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.action("pay", {"amount": 5}))
        verdict = Verdict(Outcome.ASK, "pay", "rule 'pay' says ask", Risk.REVERSIBLE, reviewers=2, blind=True)
        review = await seed.add_waiting_run(console.store, console.project, "desk", pause, judge=lambda _: Routed({0: verdict}))
        await console.until_shown("needs 2 blind answers")
        found = await console.bob.reviews.get(review)
        await console.bob.reviews.decide(found, {0: Answer(DecisionKind.REJECT, message="far too much")})
        screen = await console.until_shown("1 of 2 answers, by bob", "you answer without seeing what they say")
        assert "rejected by bob" not in screen and "far too much" not in screen
        await console.until_keys_accepted()
        await console.press("a")
        await console.until_shown("rejected by bob", "approved by you")
