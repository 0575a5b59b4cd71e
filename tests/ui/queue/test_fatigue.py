"""Warnings for reviewers who approve too fast, and results of attention checks."""

from __future__ import annotations

import asyncio

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind
from hitl_tui.oversight.statistics import Pace, Reader, Times
from hitl_tui.settings import Settings
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.reject import RejectScreen
from hitl_tui.ui.queue import fatigue_guard
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.review import pane
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.support import attention_checks
from tests.support.empty_database import open_store
from tests.support.harness import SandboxFactory
from tests.support.sample_run import SAMPLES, SampleRun
from tests.ui.conftest import ConsoleDriver, StartConsole, opens
from tests.ui.homes import seed


async def ask(console: ConsoleDriver, lines: int = 1, risk: str = "irreversible", count: int = 1) -> list[int]:
    """Add open reviews of mails with this many lines."""
    body = "\n".join(f"line {number} of what is to be read before it is sent" for number in range(lines))
    what = seed.action("send_email", {"to": "ann@example.com", "body": body})
    found = [
        await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, what, risk=risk))
        for _ in range(count)
    ]
    await show(console, found[0])
    return found


async def told(console: ConsoleDriver, text: str) -> None:
    """Wait for a notification with this text."""
    for _ in range(100):
        if text in console.notifications():
            return
        await console.pilot.pause(0.05)
    raise AssertionError(console.notifications())


async def show(console: ConsoleDriver, review: int) -> None:
    """Put the cursor on a review, and wait until decision keys work."""
    await console.settle()
    console.app.query_one(QueueView).go_to(review)
    await console.until_keys_accepted()


async def read_and_approve(console: ConsoleDriver, review: int) -> None:
    """Press approve until every page has been on the screen, and once more."""
    for _ in range(20):
        await console.press("a")
        if await console.decisions_of(review):
            return
        await console.until_keys_accepted()
    raise AssertionError(console.screen_text())


@pytest.mark.slow
async def test_fast_reviewer_is_warned_once_and_must_read_irreversible_calls(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console("nothing") as console:
        await attention_checks.approve_mails(console.store, console.project, 4, viewed_ms=100)
        (quick,) = await ask(console, 1, "reversible")
        await console.press("a")
        await told(console, "5 of your last 5 decisions were faster than they can be read; take your time")
        assert [row[1] for row in await console.decisions_of(quick)] == ["approve"]

        monkeypatch.setattr(pane, "reading_time_s", lambda words: 600.0)
        (short,) = await ask(console)
        await console.press("a")
        assert (
            await console.decisions_of(short) == []
            and "more first: your last approvals were fast, and this call is irreversible" in console.notifications()
        )
        await console.press("r")
        assert isinstance(console.app.screen, RejectScreen)  # everything else works as before
        await console.press("escape")
        monkeypatch.setattr(pane, "reading_time_s", lambda words: 0.1)
        await console.until_keys_accepted()
        await console.pilot.pause(1.1)  # approving waits a second after a key that opened a dialog
        await console.press("a")
        assert [row[1] for row in await console.decisions_of(short)] == ["approve"]
        assert console.notifications().count("take your time") <= 1


async def test_fast_approvals_hold_up_the_next_irreversible_call_at_once(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pane, "reading_time_s", lambda words: 60.0)
    async with start_console("nothing") as console:
        found = await ask(console, 1, "reversible", count=5)
        last = await seed.add_waiting_run(
            console.store,
            console.project,
            "mail_assistant",
            seed.pause(PauseKind.TOOL_CALLS, seed.action("delete_mail", {"id": "4712"}), risk="irreversible"),
        )
        for review in found:
            await console.press("a")
            assert await console.decisions_of(review)
            await console.until_keys_accepted()
        await console.press("a")
        assert (
            await console.decisions_of(last) == []
            and "more first: your last approvals were fast, and this call is irreversible" in console.notifications()
        )
        reader = await Inbox(console.store, "ann").insights.pace()
        assert reader is not None and reader.pace.streak == 5 and reader.seen == 1.0


@pytest.mark.slow
async def test_fatigue_row_of_the_readme_happens_as_printed(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox(SAMPLES)
    sandbox.start()
    first = int((await asyncio.to_thread(SampleRun(sandbox, "mail_assistant", "answer all mails").open_review))["review"])
    async with open_store(sandbox.home.database) as store, open_store(sandbox.home.database) as mine:
        app = HitlApp(opens(Inbox(mine, "ann")), Settings(), NoWorkers(), sandbox.home)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            console = ConsoleDriver(app, pilot, store, 1, sandbox.home, Inbox(store, "bob"))
            await console.until_keys_accepted()
            for count in range(1, 6):
                await console.press("a")
                assert len(await console.decisions_of(first)) == count
                await pilot.pause(0.3)
            await told(console, "the last 5 approvals took")
            run = SampleRun(sandbox, "mail_assistant", "delete the newsletter")
            deletion = int((await asyncio.to_thread(run.open_review))["review"])
            await show(console, deletion)
            await console.press("a")
            assert await console.decisions_of(deletion) == []
            await told(console, "more first: your last approvals were fast, and this call is irreversible")
            await console.press("f4", "j", "j")
            await console.until_shown("you approved 5 calls in a row faster than anyone can read")


@pytest.mark.slow
async def test_careful_reviewer_is_never_delayed(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pane, "reading_time_s", lambda words: 0.1)
    async with start_console("nothing") as console:
        await attention_checks.approve_mails(console.store, console.project, 2)
        (first, second) = await ask(console, 60, count=2)
        for review in (first, second):
            await read_and_approve(console, review)
            await console.pilot.pause(fatigue_guard.SOON_S + 0.1)
            await console.until_keys_accepted()
        assert not console.notifications()


def test_fatigue_notice_shows_its_figures() -> None:
    reader = Reader("ann", Pace(20, 9, 5), Times(1.0, 2.0), 1.0, 0.9, 0, 0)
    told = "the last 5 approvals took 1.2 s each, and reading takes 3 s at least; take your time"
    assert fatigue_guard.told(reader, [(9.0, 3.0), *[(1.2, 3.0)] * 5]) == told
    assert (
        fatigue_guard.told(reader, [(0.4, 1.0)] * 2)
        == "the last 2 approvals took 0.4 s each, and reading takes 1.0 s at least; take your time"
    )
    assert fatigue_guard.told(reader, []) == "9 of your last 20 decisions were faster than they can be read; take your time"


@pytest.mark.slow
async def test_attention_check_result_is_shown_at_once(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        for keys, said in ((("a",), "you missed it"), (("t",), "you caught it"), (("!", *"bob", "enter", "enter"), "you caught it")):
            check = await attention_checks.add_attention_check(console.store, console.project)
            await show(console, check.row.id)
            assert "attention" not in console.screen_text().lower()
            await console.press(*keys)
            assert "it would never have run" in await console.until_shown("Attention check", said, "What was wrong:")
            await console.press("a", "enter")  # a key that was meant for the next review decides nothing here
            assert len(console.app.screen_stack) == 1
        assert (await console.store.one("SELECT count(*), sum(caught) FROM attention_checks")) == (3, 2)
        assert (await console.store.one("SELECT count(*) FROM reviews WHERE state = 'open'")) == (0,)
