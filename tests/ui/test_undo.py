"""Taking a decision back: which one, how long, and what the screen says while it can be done and when it is too late."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from hitl_tui.model import Answer, DecisionKind
from hitl_tui.ui.commands import COMMANDS
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.widgets.key_bar import KeyBar
from tests.ui.conftest import Console, Desk
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import BATCH, MAIL, SQL, go_to, put, text
from tests.ui.test_key_queue import burst

APPROVED = [(0, "approve", None, None)]
COUNTING = re.compile(r"u undo \d+ s")


def cursor(desk: Desk) -> int | None:
    """The id under the cursor."""
    return desk.app.query_one(QueueList).cursor


async def state(desk: Desk, review: int) -> str:
    """The stored state of a review."""
    return str((await desk.store.one("SELECT state FROM reviews WHERE id = ?", (review,)))[0])


async def test_undo_after_the_cursor_has_moved_on(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("a")
        assert cursor(desk) == desk.ids[SQL] and COUNTING.search(desk.screen())
        assert re.search(r"✓ approved by you +undo \d+ s", desk.screen())
        await desk.press("u")
        assert cursor(desk) == desk.ids[MAIL] and await state(desk, desk.ids[MAIL]) == "open"
        assert "undo" not in desk.screen() and "approved" not in desk.screen()
        await desk.armed()
        await desk.press("r", *"no", "enter")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "reject", None, "no")]


async def test_undo_again_takes_back_the_one_before(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("a")
        await desk.armed()
        await desk.press("a")
        await desk.press("u")
        assert [await state(desk, desk.ids[n]) for n in (MAIL, SQL)] == ["decided", "open"]
        assert cursor(desk) == desk.ids[SQL]
        await desk.press("u")
        assert await state(desk, desk.ids[MAIL]) == "open" and cursor(desk) == desk.ids[MAIL]
        await desk.press("u")
        assert "nothing of yours to take back" in desk.notices()


async def test_the_decided_item_under_the_cursor_comes_first(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("a")
        await desk.armed()
        await desk.press("a", "g")
        assert cursor(desk) == desk.ids[MAIL] and re.search(r"undo \d+ s +irreversible", desk.screen())
        await desk.press("u")
        assert [await state(desk, desk.ids[n]) for n in (MAIL, SQL)] == ["open", "decided"]


async def test_decided_and_taken_back_in_one_burst(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await burst(desk, "a", "u", "a")
        assert await state(desk, desk.ids[MAIL]) == "open" and cursor(desk) == desk.ids[MAIL]
        assert await desk.store.one("SELECT count(*) FROM decisions WHERE NOT superseded") == (0,)


async def test_too_late_is_said(console: Console) -> None:
    async with console() as desk:
        await desk.press("a")
        assert not COUNTING.search(desk.screen())
        await desk.press("u")
        assert "was approved by ann at" in desk.notices() and "its grace time is over" in desk.notices()
        assert await desk.decided(desk.ids[MAIL]) == APPROVED
        await desk.store.db.execute("UPDATE reviews SET state = 'applied' WHERE id = ?", (desk.ids[MAIL],))
        await desk.settle()
        await desk.press("u")
        assert "it was applied" in desk.notices()


async def test_the_countdown_counts_and_ends(console: Console) -> None:
    shift = 0.0
    async with console(grace_s=60, clock=lambda: time.time() + shift) as desk:
        await desk.press("a")
        assert COUNTING.search(desk.screen())
        shift = 40.0
        await until(desk, lambda screen: re.search(r"u undo (1?\d|20) s", screen) is not None)
        shift = 61.0
        await until(desk, lambda screen: "undo" not in screen)
        assert "approved by you" in desk.screen()


async def until(desk: Desk, right: Callable[[str], bool]) -> None:
    """Wait until the screen is right."""
    for _ in range(200):
        if right(desk.screen()):
            return
        await desk.pilot.pause(0.05)
    raise AssertionError(desk.screen())


async def test_a_decided_item_stays_as_long_as_it_can_be_taken_back(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("a")
        await desk.pilot.pause(2.3)
        await desk.press("slash", *"mail", "enter")
        assert re.search(r"approved by you +undo \d+ s", desk.screen())
        await desk.press("slash", *["backspace"] * 4, *"planner", "enter")
        assert "approved by you" not in desk.screen() and COUNTING.search(desk.screen())
        await desk.press("u")
        assert cursor(desk) == desk.ids[MAIL] and await state(desk, desk.ids[MAIL]) == "open"


async def test_a_batch_decided_in_part(console: Console) -> None:
    async with console(grace_s=60) as desk:
        review = await go_to(desk, BATCH)
        await desk.press("a")
        assert "1 of 2 decided · " in desk.screen() and "u undo" in desk.screen() and not COUNTING.search(desk.screen())
        await desk.armed()
        await desk.press("r", "1", "enter")
        assert await state(desk, review) == "decided" and COUNTING.search(desk.screen())
        await desk.press("u")
        assert await state(desk, review) == "open" and [row[:2] for row in await desk.decided(review)] == [(0, "approve")]
        assert "1 of 2 decided · " in desk.screen() and cursor(desk) == review
        await desk.press("u")
        assert await desk.decided(review) == [] and "decided · " not in desk.screen()


async def test_what_others_decided_is_theirs(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.other.reviews.decide(await desk.other.reviews.get(desk.ids[MAIL]), {0: Answer(DecisionKind.APPROVE)})
        assert "undo" not in await desk.seen("✓ approved by bob")
        await desk.press("u")
        assert "nothing of yours to take back" in desk.notices() and await desk.decided(desk.ids[MAIL]) == APPROVED


async def test_an_edit_taken_back_is_still_in_the_editor(console: Console) -> None:
    async with console(grace_s=60) as desk:
        edited = '{"to": "x@example.com", "subject": "s", "body": "b"}'
        await desk.press("e")
        put(desk, "#edit-text", edited)
        await desk.press("ctrl+s", "u")
        await desk.armed()
        await desk.press("e")
        assert json.loads(text(desk, "#edit-text")) == json.loads(edited)


async def test_undo_in_one_pane(console: Console) -> None:
    async with console(size=(80, 24), grace_s=60) as desk:
        await desk.press("enter", "a")
        assert "run_sql" in desk.screen() and COUNTING.search(desk.screen())
        await desk.press("u")
        assert "Dear Ann" in desk.screen() and await state(desk, desk.ids[MAIL]) == "open"


async def test_undo_of_the_last_one_that_waited(console: Console) -> None:
    async with console("empty", grace_s=60) as desk:
        review = await seed.ask(desk.store, desk.project, "mail_assistant", seed.variety()[0][1])
        await desk.armed()
        await desk.press("a")
        assert re.search(r"✓ approved by you at \d\d:\d\d:\d\d", desk.screen()) and "Queue 0" in desk.screen()
        await desk.press("u")
        assert await state(desk, review) == "open" and "Queue 1" in desk.screen()


async def test_a_click_selects_and_a_click_on_a_hint_acts(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.pilot.click(QueueList, offset=(8, 4))
        assert cursor(desk) == desk.ids[SQL]
        await desk.pilot.click(QueueList, offset=(8, 2))
        assert cursor(desk) == desk.ids[MAIL]
        await desk.pilot.click(QueueList, offset=(8, 3))
        assert cursor(desk) == desk.ids[SQL]
        await desk.armed()
        await click_hint(desk, "approve")
        assert await desk.decided(desk.ids[SQL]) == APPROVED
        await click_hint(desk, "undo")
        assert await state(desk, desk.ids[SQL]) == "open" and cursor(desk) == desk.ids[SQL]


async def click_hint(desk: Desk, command: str) -> None:
    """Click a command's key in the last row."""
    label = next(c.label for c in COMMANDS if c.id == command)
    row = desk.screen().split("\n")[-1]
    await desk.pilot.click(KeyBar, offset=(row.index(f" {label} ") + 2, 0))
    await desk.settle()
