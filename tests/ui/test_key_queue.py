"""Keys typed faster than the screen: the opening dialog receives them, nothing behind it does."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.widgets import OptionList

from hitl_tui.store import agents
from hitl_tui.ui.dialogs.choice_list import ChoiceList
from hitl_tui.ui.dialogs.escalate import EscalateScreen
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.input_filter import ALONE_S, InputFilter
from hitl_tui.ui.messages import KeyIgnored
from hitl_tui.ui.queue import decision_controller
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.runtime.key_queue import KeyQueueScreen, dialog_shown
from tests.support.fake_clock import Monotonic
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import DELETE, MAIL, go_to


async def burst(console: ConsoleDriver, *keys: str) -> None:
    """Send keys at once, as a terminal does to a program that was busy."""
    for key in keys:
        console.app.post_message(events.Key(key, key if len(key) == 1 else "\r" if key == "enter" else None))
    await asyncio.sleep(0.5)
    await console.settle()


@pytest.mark.slow
async def test_new_run_typed_in_one_burst_is_launched(start_console: StartConsole) -> None:
    async with start_console() as console:
        await burst(console, "n", *"answer Ann", "enter")
        assert await console.store.one("SELECT title FROM runs ORDER BY id DESC LIMIT 1") == ("answer Ann",)
        assert await console.store.one("SELECT count(*) FROM decisions") == (0,)


@pytest.mark.slow
async def test_letters_typed_on_the_agent_list_go_into_the_text(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n")
        assert "the task; enter starts the run" in console.screen_text()
        await console.press("down", "down")
        await burst(console, *"clean up the customers")
        assert console.app.screen.query_one("#text", SendArea).text == "clean up the customers"
        await console.press("enter")
        assert await console.store.one("SELECT agent, title FROM runs") == ("sql_steward", "clean up the customers")


@pytest.mark.slow
async def test_agents_found_while_the_dialog_is_open_are_listed(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.store.db.execute("DELETE FROM agents")
        await console.press("n", *"tidy")
        assert "no agent is known here yet" in console.screen_text()
        await agents.replace_agents(console.store, console.project, seed.AGENTS, "")
        await console.until_shown("mail_assistant")
        while "no agent is known" in console.screen_text():  # the list may be drawn before what stands above
            await console.pilot.pause(0.02)
        await console.press(*" up", "enter")
        assert await console.store.one("SELECT agent, title FROM runs") == ("mail_assistant", "tidy up")


async def test_reject_typed_in_one_burst_rejects_with_the_reason(start_console: StartConsole) -> None:
    async with start_console() as console:
        await burst(console, "r", *"nay a", "enter")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "nay a")]
        assert await console.store.one("SELECT count(*) FROM decisions") == (1,)


async def test_filter_typed_in_one_burst_decides_nothing(start_console: StartConsole) -> None:
    async with start_console() as console:
        await burst(console, "slash", *"planner", "enter")
        assert "3 of 9" in console.screen_text()
        assert await console.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_new_run_key_pressed_twice_opens_one_dialog(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await burst(console, "n", "n")
        assert len(console.app.screen_stack) == 2
        assert console.app.screen.query_one("#text", SendArea).text == "n"


@pytest.mark.slow
async def test_arrows_between_calls_decide_nothing(start_console: StartConsole) -> None:
    async with start_console() as console:
        await go_to(console, DELETE)
        await console.press("h", "l")
        assert await console.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_decision_keys_on_an_empty_queue_do_nothing(start_console: StartConsole) -> None:
    async with start_console("runs", size=(80, 24)) as console:
        await console.press("a", "e", "r")
        assert "read it first" not in console.screen_text() and len(console.app.screen_stack) == 1


async def read(console: ConsoleDriver, *reads: bytes) -> None:
    """Reads of a terminal, a second apart."""
    input_filter = InputFilter()
    for at, data in enumerate(reads):
        for message in (*input_filter.feed(data, float(at)), *input_filter.expire(at + 0.5)):
            console.app.post_message(message)
        await console.settle()


@pytest.mark.parametrize("data", [b"banana", b"ra\r", b"aa", b"jja", b"n\r", b"\x1b[200~a\x1b[201~", b"\x1b[200~x\x1b[201~a"])
async def test_a_read_of_several_keys_without_a_field_does_nothing_and_is_said(start_console: StartConsole, data: bytes) -> None:
    async with start_console() as console:
        await read(console, data)
        assert "ignored:" in await console.until_shown("ignored:")
        assert await console.store.one("SELECT count(*) FROM decisions") == (0,) and len(console.app.screen_stack) == 1
        await read(console, b"a")
        assert await console.store.one("SELECT count(*) FROM decisions") == (1,)


async def test_a_read_of_moving_keys_moves(start_console: StartConsole) -> None:
    async with start_console() as console:
        await read(console, b"jj\x1b[Bk")
        assert console.app.query_one(QueueList).cursor == console.review_ids[2]


async def test_choice_and_enter_in_one_read_choose(start_console: StartConsole) -> None:
    async with start_console() as console:
        await read(console, b"h", b"5\r")
        assert len(console.app.screen_stack) == 1
        assert await console.store.one("SELECT review, until FROM snoozes") == (console.review_ids[0], None)
        await read(console, b"h", b"\x1b[200~5\r\x1b[201~")
        await console.until_shown("ignored: pasted text needs a text field")
        assert await console.store.one("SELECT count(*) FROM snoozes") == (1,)


async def test_held_key_moves_in_a_choice_dialog_and_chooses_nothing(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("h")
        held = InputFilter()
        for number in range(4):
            for message in held.feed(b"j", number / 30):
                console.app.post_message(message)
        await console.settle()
        assert console.app.screen.query_one(ChoiceList).picked == 3
        for number in range(4):
            for message in held.feed(b"\r", 1 + number / 30):
                console.app.post_message(message)
        await console.settle()
        assert await console.store.one("SELECT count(*) FROM snoozes") == (1,)


@pytest.mark.slow
async def test_held_key_moves_in_the_list_of_agents(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n")
        held = InputFilter()
        for number in range(4):
            for message in held.feed(b"j", number / 30):
                console.app.post_message(message)
        await console.settle()
        assert console.app.screen.query_one(OptionList).highlighted != 0


@pytest.mark.slow
async def test_two_enters_in_one_read_start_one_run(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await read(console, b"n", b"\r", b"answer Ann\r\r")
        assert await console.store.one("SELECT count(*), max(title) FROM runs") == (1, "answer Ann")
        await burst(console, "n", "enter", *"again", "enter", "enter")
        assert await console.store.one("SELECT count(*), max(id) FROM runs") == (2, 2)


@pytest.mark.slow
async def test_a_run_submitted_by_two_keys_at_once_is_one(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", *"answer Ann")
        screen = console.app.screen
        await asyncio.gather(screen.run_action("submit"), screen.run_action("submit"))
        await console.settle()
        assert await console.store.one("SELECT count(*), max(title) FROM runs") == (1, "answer Ann")


async def test_a_double_click_on_a_key_presses_it_once(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.until_keys_accepted()
        rows = console.screen_text().splitlines()
        click = b"\x1b[<0;%d;%dM\x1b[<0;%d;%dm" % ((rows[-1].index("approve") + 1, len(rows)) * 2)
        input_filter = InputFilter()
        clicks = [input_filter.feed(click, at) for at in (0.0, 0.2)]  # before the first is handled
        for messages in clicks:
            for message in messages:
                console.app.post_message(message)
            await console.until_keys_accepted()
        assert await console.store.one("SELECT count(*) FROM decisions") == (1,)
        await console.until_keys_accepted()
        await read(console, click)
        assert await console.store.one("SELECT count(*) FROM decisions") == (2,)


ANSWERED = {
    "r": "nay", "m": "yes", "!": "bob", "h": "2h", "slash": "send", "n": "answer Ann",
    "c": "", "p": "", "e": "", "t": "", "w": "again", "P": "",
}  # fmt: skip
"""Keys that open dialogs, and what is typed there."""


@pytest.mark.slow
@pytest.mark.parametrize(("key", "submit"), sampled([(key, submit) for key in ANSWERED for submit in ("enter", "ctrl+s")]))
async def test_every_dialog_answers_once(start_console: StartConsole, key: str, submit: str) -> None:
    async with start_console() as console:
        await console.until_keys_accepted()
        before = await console.store.one("SELECT count(*) FROM audit")
        await console.press(key, *ANSWERED[key])
        await burst(console, *[submit] * 3)
        await console.until_keys_accepted()
        for _ in range(3):
            await console.press("escape")
        kinds = [kind for (kind,) in await console.store.all("SELECT kind FROM audit ORDER BY seq LIMIT -1 OFFSET ?", before)]
        assert len(kinds) == len(set(kinds))


@pytest.mark.slow
async def test_lines_in_one_read_are_text(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await read(console, b"n", b"answer Ann\rthen Bob\r")
        assert await console.store.one("SELECT count(*) FROM runs") == (0,)
        await read(console, b"\r", b"answer Ann\rthen Bob\r", b"\x1b[200~\rand \x1b[31mCarol\x1b[201~", b"\r")
        assert await console.store.one("SELECT input FROM runs") == (r'{"text": "answer Ann\nthen Bob\n\nand Carol"}',)


@pytest.mark.slow
async def test_a_paste_goes_into_the_field_of_a_dialog(start_console: StartConsole) -> None:
    async with start_console() as console:
        await read(console, b"r", b"\x1b[200~nay a\r\x1b[201~")
        assert await console.decisions_of(console.review_ids[MAIL]) == []
        await read(console, b"\r")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "nay a")]


@pytest.mark.slow
async def test_taps_at_three_a_second_each_decide(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console("", grace_s=60) as console:
        await seed.add_many_reviews(console.store, 8)
        await console.until_keys_accepted()
        clock, taps = Monotonic(), InputFilter()
        monkeypatch.setattr(decision_controller, "time", clock)
        begin = clock.now + 1
        for number in range(6):
            at = begin + number / 3
            for clock.now, messages in ((at, taps.feed(b"a", at)), (at + ALONE_S, taps.expire(at + ALONE_S))):
                for message in messages:
                    console.app.post_message(message)
                    await console.settle()
        assert await console.store.one("SELECT count(*) FROM decisions") == (6,)


async def test_keys_for_a_dialog_that_is_not_there_yet_or_not_any_more_do_no_harm(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("exclamation_mark")
        dialog = console.app.screen
        assert isinstance(dialog, EscalateScreen)
        await dialog.query("*").remove()
        assert not dialog.take(events.Key("escape", "\x1b"))
        console.app.post_message(KeyIgnored("it is held"))
        await console.until_shown("it is held")


class NeverShown(KeyQueueScreen[None]):
    """A dialog that the app leaves before it is shown."""

    @property
    def is_shown(self) -> bool:
        return False


async def test_key_for_a_dialog_that_never_comes_does_not_keep_the_console_from_ending(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.app.push_screen(NeverShown())
        waiting = asyncio.ensure_future(dialog_shown(console.app))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        console.app.exit()
        await asyncio.wait_for(waiting, 20)


@pytest.mark.parametrize("key", sampled(["n", "r", "!"]))
async def test_dialog_whose_worker_was_cancelled_closes_without_an_error(start_console: StartConsole, key: str) -> None:
    """The app cancels its workers when it ends, and a key may reach the dialog after that."""
    async with start_console() as console:
        await console.press(key)
        dialog = console.app.screen
        assert isinstance(dialog, KeyQueueScreen)
        console.app.workers.cancel_all()
        dialog.dismiss(None)
        while console.app.screen is dialog:
            await console.pilot.pause(0.02)
        await console.until_shown("Waiting")
