"""The filter language on the queue: what fits, what arrives, and slips."""

from __future__ import annotations

from hitl_tui.model import PauseKind
from hitl_tui.ui.queue.list import QueueList
from tests.ui.conftest import Console, Desk
from tests.ui.homes import seed


def shown(desk: Desk) -> int:
    return len(desk.app.query_one(QueueList).order)


async def ask(desk: Desk, agent: str) -> int:
    """Something arrives."""
    made = await seed.ask(desk.store, desk.project, agent, seed.pause(PauseKind.TOOL_CALLS, seed.mail("late@example.com")))
    await desk.settle()
    return made


async def test_what_arrives_is_shown_only_when_it_fits(console: Console) -> None:
    async with console() as desk:
        await desk.press("slash", *"agent:mail* -tool:delete_* ann@example", "enter")
        assert shown(desk) == 1 and "1 of 9" in desk.screen()
        await ask(desk, "planner")
        assert shown(desk) == 1
        await desk.press("slash", *"agent:mail* -tool:delete_*", "enter")
        assert shown(desk) == 2
        late = await ask(desk, "mail_assistant")
        assert shown(desk) == 3
        assert late in desk.app.query_one(QueueList).order


async def test_what_no_longer_fits_stays_where_it_is_and_is_told_as_it_is(console: Console) -> None:
    async with console() as desk:
        await desk.other.reviews.claim(desk.ids[0])
        await desk.press("slash", *"by:bob", "enter")
        assert shown(desk) == 1 and "claimed by bob" in await desk.seen("claimed by bob")
        await desk.other.reviews.release(desk.ids[0])
        await desk.settle()
        assert shown(desk) == 1 and "claimed by bob" not in desk.screen()


async def test_a_slip_is_said_and_nothing_is_lost(console: Console) -> None:
    async with console() as desk:
        await desk.press("slash", *"agnet:mail*", "enter")
        assert "did you mean agent?" in desk.screen() and "agnet:mail*" in desk.screen()
        await desk.press("home", *["right"] * 2, *["delete"] * 2, *"en")
        assert "did you mean" not in desk.screen()
        await desk.press("enter")
        assert shown(desk) == 3


async def test_what_was_decided_a_moment_ago_stays_under_a_filter_that_it_fits(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("a")
        await desk.press("slash", *"agent:mail*", "enter")
        assert desk.ids[0] in desk.app.query_one(QueueList).order
        await desk.press("slash", *["backspace"] * 11, *"planner", "enter")
        assert desk.ids[0] not in desk.app.query_one(QueueList).order
