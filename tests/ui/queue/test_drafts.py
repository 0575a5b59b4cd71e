"""A draft, and a call, that go to and fro between a person at the screen and a real agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from textual.widgets import TextArea

from hitl_tui.inbox import Inbox
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from hitl_tui.ui.widgets.tabs import TabBar
from tests.support.harness import Place
from tests.support.sample_run import SAMPLES, Job
from tests.ui.conftest import Console, Desk, opened
from tests.ui.homes import seed

Open = Callable[..., contextlib.AbstractAsyncContextManager[Desk]]


@pytest.fixture
def at_work(own: Callable[[str], Place]) -> Open:
    """A console beside a worker with the sample agents, once a run waits: `async with at_work("writing_room", "write …") as desk`."""

    @contextlib.asynccontextmanager
    async def start(agent: str, request: str, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Desk]:
        place = own(SAMPLES)
        place.start()
        job = Job(place, agent, request)
        review = int((await asyncio.to_thread(job.asked))["review"])
        async with Store.open(place.home.database) as store, Store.open(place.home.database) as mine:
            app = HitlApp(opened(Inbox(mine, "ann")), Settings(), NoWorkers(), place.home)
            async with app.run_test(size=size, notifications=True) as pilot:
                desk = Desk(app, pilot, store, 1, place.home, Inbox(store, "bob"), [review])
                await desk.armed()
                yield desk

    return start


def area(desk: Desk, selector: str) -> TextArea:
    """A text area of the open dialog."""
    return desk.app.screen.query_one(selector, TextArea)


async def asked_again(desk: Desk) -> int:
    """The next review of the run, under the cursor."""
    for _ in range(400):
        await desk.settle()
        shown = desk.app.query_one(ReviewPane).review
        if shown and shown.row.id > desk.ids[-1] and shown.row.state == "open":
            desk.ids.append(shown.row.id)
            await desk.armed()
            return shown.row.id
        await desk.pilot.pause(0.05)
        if shown and shown.row.state != "open":
            await desk.press("j")
    raise AssertionError(desk.screen())


async def test_a_draft_goes_to_and_fro_and_a_version_is_accepted(at_work: Open) -> None:
    async with at_work("writing_room", "write about the winter lamp") as desk:
        screen = await desk.seen("winter-lamp", "another pass")
        assert "# A lamp for the dark months" in screen and "like a sunset." in screen
        assert "Versions" not in screen

        await desk.press("w")
        await desk.press(*"shorter")
        text = area(desk, "#draft-text")
        text.text = text.text.replace("289 EUR", "279 EUR")
        await desk.seen("It costs 279 EUR")
        await desk.press("enter")
        ((slot, kind, args, message),) = await desk.decided(desk.ids[0])
        assert (slot, kind, message) == (0, "reject", "shorter") and "279 EUR" in str(args)
        assert "↻ sent back by you" in desk.screen()

        await asked_again(desk)
        screen = await desk.seen("Versions 2")
        assert "version 2 against version 1 as you left it" in screen
        assert desk.app.query_one("#tabs", TabBar).chosen == "Versions"
        await desk.press("o")
        await desk.seen("sent back by you", ": shorter", "version 1, as it was first proposed")
        await desk.press("o")

        await desk.armed()
        await desk.press("e", "ctrl+o")
        await desk.seen("version 1, as ann left it")
        assert "like a sunset." in area(desk, "#draft-text").text and "279 EUR" in area(desk, "#draft-text").text
        await desk.press("ctrl+s")
        ((_, kind, args, _),) = await desk.decided(desk.ids[1])
        assert kind == "edit" and "like a sunset." in str(args) and "279 EUR" in str(args)


async def test_a_call_is_sent_back_and_comes_again(at_work: Open) -> None:
    async with at_work("support_desk", "answer T-103", size=(80, 24)) as desk:
        await desk.press("enter", "w")
        area(desk, "#draft-text").text = '{"order": "9915", "amount": 60, "reason": "charged twice"}'
        await desk.press(*"keep 4.50 for the post", "enter")
        await asked_again(desk)
        await desk.press("enter")
        await desk.seen("refund", "60", "Versions 2")
        await desk.press("a")
        assert [row[1] for row in await desk.decided(desk.ids[1])] == ["approve"]


async def test_what_is_typed_for_another_pass_is_kept_and_checked(console: Console) -> None:
    async with console() as desk:
        await desk.press("w", "enter")
        await desk.seen("another pass needs a note")
        area(desk, "#draft-text").text = "{nope"
        await desk.press(*"so", "ctrl+s")
        await desk.seen("is not JSON")
        await desk.press("escape")
        assert await desk.decided(desk.ids[0]) == []
        await desk.press("w")
        assert (area(desk, "#draft-text").text, area(desk, "#note").text) == ("{nope", "so")


@pytest.mark.parametrize(("place", "why"), [(5, "takes no other pass"), (6, "reject is not allowed here")])
async def test_where_nobody_reads_the_note_there_is_no_other_pass(console: Console, place: int, why: str) -> None:
    async with console() as desk:
        await desk.press("g", *["j"] * place)
        await desk.armed()
        await desk.press("w")
        assert why in desk.notices()
        assert len(desk.app.screen_stack) == 1


async def test_hidden_characters_of_a_draft_are_edited_as_json(console: Console) -> None:
    from hitl_tui.model import DecisionKind, PauseKind

    async with console("nothing") as desk:
        allowed = (DecisionKind.APPROVE, DecisionKind.EDIT, DecisionKind.REJECT)
        odd = seed.pause(PauseKind.DRAFT, seed.action("note", "pay \u202eevil\u202c a\u200bb\r\nend", allowed=allowed))
        review = await seed.ask(desk.store, desk.project, "mail_assistant", odd)
        await desk.seen("note")
        await desk.armed()
        await desk.press("e")
        assert area(desk, "#draft-text").text == '"pay \\u202eevil\\u202c a\\u200bb\\r\\nend"'
        await desk.press("ctrl+s")
        assert await desk.decided(review) == [(0, "edit", '"pay \u202eevil\u202c a\u200bb\\r\\nend"', None)]
