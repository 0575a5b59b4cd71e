"""Undo in the console: which decision, how long, and what the screen shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from hitl_tui.model import Answer, DecisionKind
from hitl_tui.ui.commands import COMMANDS
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.widgets.key_bar import KeyBar
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import BATCH, MAIL, SQL, go_to, put, text
from tests.ui.test_key_queue import burst

APPROVED = [(0, "approve", None, None)]
COUNTING = re.compile(r"u undo \d+ s")


def cursor(console: ConsoleDriver) -> int | None:
    """Return the id of the review under the cursor."""
    return console.app.query_one(QueueList).cursor


async def state(console: ConsoleDriver, review: int) -> str:
    """Return the stored state of a review."""
    return str((await console.store.one("SELECT state FROM reviews WHERE id = ?", (review,)))[0])


@pytest.mark.slow
async def test_undo_when_the_cursor_has_moved_on_reopens_the_review(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        assert cursor(console) == console.review_ids[SQL] and COUNTING.search(console.screen_text())
        assert re.search(r"✓ approved by you +undo \d+ s", console.screen_text())
        await console.press("u")
        assert cursor(console) == console.review_ids[MAIL] and await state(console, console.review_ids[MAIL]) == "open"
        assert "undo" not in console.screen_text() and "approved" not in console.screen_text()
        await console.until_keys_accepted()
        await console.press("r", *"no", "enter")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "no")]


@pytest.mark.slow
async def test_undo_twice_reopens_the_last_two_decisions(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        await console.until_keys_accepted()
        await console.press("a")
        await console.press("u")
        assert [await state(console, console.review_ids[n]) for n in (MAIL, SQL)] == ["decided", "open"]
        assert cursor(console) == console.review_ids[SQL]
        await console.press("u")
        assert await state(console, console.review_ids[MAIL]) == "open" and cursor(console) == console.review_ids[MAIL]
        await console.press("u")
        assert "nothing of yours to take back" in console.refusals()


@pytest.mark.slow
async def test_undo_prefers_the_decided_item_under_the_cursor(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        await console.until_keys_accepted()
        await console.press("a", "g")
        assert cursor(console) == console.review_ids[MAIL] and re.search(r"undo \d+ s +irreversible", console.screen_text())
        await console.press("u")
        assert [await state(console, console.review_ids[n]) for n in (MAIL, SQL)] == ["open", "decided"]


async def test_undo_skips_a_newer_decision_whose_time_is_over(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        await console.until_keys_accepted()
        await console.press("a")
        await console.store.db.execute("UPDATE reviews SET effective_at = decided_at WHERE id = ?", (console.review_ids[SQL],))
        await console.settle()
        await console.press("u")
        assert [await state(console, console.review_ids[n]) for n in (MAIL, SQL)] == ["open", "decided"]


async def test_approve_and_undo_typed_in_one_burst_are_both_done(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await burst(console, "a", "u", "a")
        assert await state(console, console.review_ids[MAIL]) == "open" and cursor(console) == console.review_ids[MAIL]
        assert await console.store.one("SELECT count(*) FROM decisions WHERE NOT superseded") == (0,)


@pytest.mark.slow
async def test_undo_when_too_late_is_refused(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("a")
        assert not COUNTING.search(console.screen_text())
        await console.press("u")
        assert "was approved by ann at" in console.notifications() and "its grace time is over" in console.notifications()
        assert await console.decisions_of(console.review_ids[MAIL]) == APPROVED
        await console.store.db.execute("UPDATE reviews SET state = 'applied' WHERE id = ?", (console.review_ids[MAIL],))
        await console.settle()
        await console.press("u")
        assert "it was applied" in console.notifications()


async def test_undo_countdown_counts_down_and_ends(start_console: StartConsole) -> None:
    shift = 0.0
    async with start_console(grace_s=60, clock=lambda: time.time() + shift) as console:
        await console.press("a")
        assert COUNTING.search(console.screen_text())
        shift = 40.0
        await until(console, lambda screen: re.search(r"u undo (1?\d|20) s", screen) is not None)
        shift = 61.0
        await until(console, lambda screen: "undo" not in screen)
        assert "approved by you" in console.screen_text()


async def until(console: ConsoleDriver, right: Callable[[str], bool]) -> None:
    """Wait until a condition on the screen holds."""
    for _ in range(200):
        if right(console.screen_text()):
            return
        await console.pilot.pause(0.05)
    raise AssertionError(console.screen_text())


async def test_decided_item_stays_listed_while_undo_is_possible(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        await console.pilot.pause(2.3)
        await console.press("slash", *"mail", "enter")
        assert re.search(r"approved by you +undo \d+ s", console.screen_text())
        await console.press("slash", *["backspace"] * 4, *"planner", "enter")
        assert "approved by you" not in console.screen_text() and COUNTING.search(console.screen_text())
        await console.press("u")
        assert cursor(console) == console.review_ids[MAIL] and await state(console, console.review_ids[MAIL]) == "open"


@pytest.mark.slow
async def test_undo_of_a_partly_decided_batch_reopens_the_call(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        review = await go_to(console, BATCH)
        await console.press("a")
        assert (
            "1 of 2 decided" in console.screen_text() and "u undo" in console.screen_text() and not COUNTING.search(console.screen_text())
        )
        await console.until_keys_accepted()
        await console.press("r", "1", "enter")
        assert await state(console, review) == "decided" and COUNTING.search(console.screen_text())
        await console.press("u")
        assert await state(console, review) == "open" and [row[:2] for row in await console.decisions_of(review)] == [(0, "approve")]
        assert "1 of 2 decided" in console.screen_text() and cursor(console) == review
        await console.press("u")
        assert await console.decisions_of(review) == [] and "1 of 2 decided" not in console.screen_text()


@pytest.mark.slow
async def test_undo_of_another_persons_decision_is_not_offered(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.bob.reviews.decide(await console.bob.reviews.get(console.review_ids[MAIL]), {0: Answer(DecisionKind.APPROVE)})
        assert "undo" not in await console.until_shown("✓ approved by bob")
        await console.press("u")
        assert "nothing of yours to take back" in console.refusals() and await console.decisions_of(console.review_ids[MAIL]) == APPROVED


@pytest.mark.slow
async def test_edit_when_undone_is_kept_in_the_editor(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        edited = '{"to": "x@example.com", "subject": "s", "body": "b"}'
        await console.press("e", "ctrl+t")
        put(console, "#edit-text", edited)
        await console.press("ctrl+s", "u")
        await console.until_keys_accepted()
        await console.press("e")
        assert json.loads(text(console, "#edit-text")) == json.loads(edited)


async def test_undo_in_one_pane_reopens_the_review(start_console: StartConsole) -> None:
    async with start_console(size=(80, 24), grace_s=60) as console:
        await console.press("enter")
        await console.until_keys_accepted()
        await console.press("a")
        assert "run_sql" in console.screen_text() and COUNTING.search(console.screen_text())
        await console.press("u")
        assert "Dear Ann" in console.screen_text() and await state(console, console.review_ids[MAIL]) == "open"


async def test_undo_of_the_last_open_review_reopens_it(start_console: StartConsole) -> None:
    async with start_console("empty", grace_s=60) as console:
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pauses_of_every_kind()[0][1])
        await console.until_keys_accepted()
        await console.press("a")
        assert re.search(r"✓ approved by you at \d\d:\d\d:\d\d", console.screen_text()) and "Queue 0" in console.screen_text()
        await console.press("u")
        assert await state(console, review) == "open" and "Queue 1" in console.screen_text()


@pytest.mark.slow
async def test_click_selects_an_item_and_click_on_a_key_hint_runs_it(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.pilot.click(QueueList, offset=(8, 4))
        assert cursor(console) == console.review_ids[SQL]
        await console.pilot.click(QueueList, offset=(8, 2))
        assert cursor(console) == console.review_ids[MAIL]
        await console.pilot.click(QueueList, offset=(8, 3))
        assert cursor(console) == console.review_ids[SQL]
        await console.until_keys_accepted()
        await click_hint(console, "approve")
        assert await console.decisions_of(console.review_ids[SQL]) == APPROVED
        await click_hint(console, "undo")
        assert await state(console, console.review_ids[SQL]) == "open" and cursor(console) == console.review_ids[SQL]


async def click_hint(console: ConsoleDriver, command: str) -> None:
    """Click a key hint in the last row."""
    label = next(c.label for c in COMMANDS if c.id == command)
    row = console.screen_text().split("\n")[-1]
    await console.pilot.click(KeyBar, offset=(row.index(f" {label} ") + 2, 0))
    await console.settle()
