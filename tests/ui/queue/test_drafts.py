"""Drafts and calls revised back and forth between the console and a real agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from textual.widgets import TextArea

from hitl_tui.inbox import Inbox
from hitl_tui.settings import Settings
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from hitl_tui.ui.widgets.tabs import TabBar
from tests.support.empty_database import open_store
from tests.support.harness import SandboxFactory
from tests.support.sample_run import SAMPLES, SampleRun
from tests.ui.conftest import ConsoleDriver, StartConsole, opens
from tests.ui.homes import seed

Open = Callable[..., contextlib.AbstractAsyncContextManager[ConsoleDriver]]


@pytest.fixture
def at_work(new_sandbox: SandboxFactory) -> Open:
    """A console beside a worker with the sample agents, once a run waits: `async with at_work("writing_room", "write …") as console`."""

    @contextlib.asynccontextmanager
    async def start(agent: str, request: str, size: tuple[int, int] = (120, 36)) -> AsyncIterator[ConsoleDriver]:
        sandbox = new_sandbox(SAMPLES)
        sandbox.start()
        job = SampleRun(sandbox, agent, request)
        review = int((await asyncio.to_thread(job.open_review))["review"])
        async with open_store(sandbox.home.database) as store, open_store(sandbox.home.database) as mine:
            app = HitlApp(opens(Inbox(mine, "ann")), Settings(), NoWorkers(), sandbox.home)
            async with app.run_test(size=size, notifications=True) as pilot:
                console = ConsoleDriver(app, pilot, store, 1, sandbox.home, Inbox(store, "bob"), [review])
                await console.until_keys_accepted()
                yield console

    return start


def area(console: ConsoleDriver, selector: str) -> TextArea:
    """Return a text area of the open dialog."""
    return console.app.screen.query_one(selector, TextArea)


async def asked_again(console: ConsoleDriver) -> int:
    """Wait until the run's next review is under the cursor."""
    for _ in range(400):
        await console.settle()
        shown = console.app.query_one(ReviewPane).review
        if shown and shown.row.id > console.review_ids[-1] and shown.row.state == "open":
            console.review_ids.append(shown.row.id)
            await console.until_keys_accepted()
            return shown.row.id
        await console.pilot.pause(0.05)
        if shown and shown.row.state != "open":
            await console.press("j")
    raise AssertionError(console.screen_text())


@pytest.mark.slow
async def test_draft_can_be_revised_and_an_earlier_version_accepted(at_work: Open) -> None:
    async with at_work("writing_room", "write about the winter lamp") as console:
        screen = await console.until_shown("winter-lamp", "send back", "# A lamp for the dark months", "like a sunset.")
        assert "Versions" not in screen

        await console.press("w")
        await console.press(*"shorter")
        text = area(console, "#field-0")
        text.text = text.text.replace("289 EUR", "279 EUR")
        await console.until_shown("It costs 279 EUR")
        await console.press("enter")
        ((slot, kind, args, message),) = await console.decisions_of(console.review_ids[0])
        assert (slot, kind, message) == (0, "reject", "shorter") and "279 EUR" in str(args)
        assert "↻ sent back by you" in console.screen_text()

        await asked_again(console)
        screen = await console.until_shown("Versions 2")
        assert "version 2 against version 1 as you left it" in screen
        assert console.app.query_one("#tabs", TabBar).chosen == "Versions"
        await console.press("o", "ctrl+d")
        await console.until_shown("sent back by you", ": shorter", "version 1, as it was first proposed")
        await console.press("o")

        await console.until_keys_accepted()
        await console.press("e", "ctrl+o")
        await console.until_shown("version 1, as ann left it")
        assert "like a sunset." in area(console, "#field-0").text and "279 EUR" in area(console, "#field-0").text
        await console.press("ctrl+s")
        ((_, kind, args, _),) = await console.decisions_of(console.review_ids[1])
        assert kind == "edit" and "like a sunset." in str(args) and "279 EUR" in str(args)


@pytest.mark.slow
async def test_call_sent_back_for_revision_is_asked_again(at_work: Open) -> None:
    async with at_work("support_desk", "answer T-103", size=(80, 24)) as console:
        await console.press("enter", "w", "tab", "ctrl+t")
        area(console, "#edit-text").text = '{"order": "9915", "amount": 60, "reason": "charged twice"}'
        area(console, "#note").focus()
        await console.press(*"keep 4.50 for the post", "enter")
        await asked_again(console)
        await console.press("enter")
        await console.until_shown("refund", "60", "Versions 2")
        await console.press("a")
        assert [row[1] for row in await console.decisions_of(console.review_ids[1])] == ["approve"]


@pytest.mark.slow
async def test_revision_note_is_kept_and_checked(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("w", "enter")
        await console.until_shown("a revision needs a note")
        await console.press("ctrl+t")
        area(console, "#edit-text").text = "{nope"
        area(console, "#note").focus()
        await console.press(*"so", "ctrl+s")
        await console.until_shown("is not JSON")
        await console.press("escape")
        assert await console.decisions_of(console.review_ids[0]) == []
        await console.press("w")
        assert (area(console, "#edit-text").text, area(console, "#note").text) == ("{nope", "so")


@pytest.mark.slow
@pytest.mark.parametrize(("position", "why"), [(5, "cannot be sent back"), (6, "cannot be answered with reject")])
async def test_revise_when_nobody_reads_the_note_is_refused(start_console: StartConsole, position: int, why: str) -> None:
    async with start_console() as console:
        await console.press("g", *["j"] * position)
        await console.until_keys_accepted()
        await console.press("w")
        assert why in console.refusals()
        assert len(console.app.screen_stack) == 1


@pytest.mark.slow
async def test_draft_with_invisible_characters_is_edited_as_json(start_console: StartConsole) -> None:
    from hitl_tui.model import DecisionKind, PauseKind

    async with start_console("nothing") as console:
        allowed = (DecisionKind.APPROVE, DecisionKind.EDIT, DecisionKind.REJECT)
        odd = seed.pause(PauseKind.DRAFT, seed.action("note", "pay \u202eevil\u202c a\u200bb\r\nend", allowed=allowed))
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", odd)
        await console.until_shown("note")
        await console.until_keys_accepted()
        await console.press("e")
        assert area(console, "#field-0").text == '"pay \\u202eevil\\u202c a\\u200bb\\r\\nend"'
        await console.press("ctrl+s")
        assert await console.decisions_of(review) == [(0, "edit", '"pay \u202eevil\u202c a\u200bb\\r\\nend"', None)]
