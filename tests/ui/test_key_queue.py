"""Keys that come faster than the screen: what opens a dialog gets them, and nothing behind it hears them."""

from __future__ import annotations

import asyncio

from textual import events

from hitl_tui.store import agents
from hitl_tui.ui.dialogs.text_areas import SendArea
from tests.ui.conftest import Console, Desk
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import DELETE, MAIL, go_to


async def burst(desk: Desk, *keys: str) -> None:
    """Keys in one go, as a terminal delivers them to a program that was busy."""
    for key in keys:
        desk.app.post_message(events.Key(key, key if len(key) == 1 else "\r" if key == "enter" else None))
    await asyncio.sleep(0.5)
    await desk.settle()


async def test_new_run_in_one_burst(console: Console) -> None:
    async with console() as desk:
        await burst(desk, "n", *"answer Ann", "enter")
        assert await desk.store.one("SELECT title FROM runs ORDER BY id DESC LIMIT 1") == ("answer Ann",)
        assert await desk.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_letters_over_the_list_of_agents_go_into_the_text(console: Console) -> None:
    async with console("empty") as desk:
        await desk.press("n")
        assert "the task; enter starts the run" in desk.screen()
        await desk.press("down", "down")
        await burst(desk, *"clean up the customers")
        assert desk.app.screen.query_one("#text", SendArea).text == "clean up the customers"
        await desk.press("enter")
        assert await desk.store.one("SELECT agent, title FROM runs") == ("sql_steward", "clean up the customers")


async def test_agents_appear_while_the_dialog_is_open(console: Console) -> None:
    async with console("empty") as desk:
        await desk.store.db.execute("DELETE FROM agents")
        await desk.press("n", *"tidy")
        assert "no agent is known yet" in desk.screen()
        await agents.replace_agents(desk.store, desk.project, seed.AGENTS, "")
        await desk.seen("mail_assistant")
        assert "no agent is known" not in desk.screen()
        await desk.press(*" up", "enter")
        assert await desk.store.one("SELECT agent, title FROM runs") == ("mail_assistant", "tidy up")


async def test_reject_in_one_burst(console: Console) -> None:
    async with console() as desk:
        await burst(desk, "r", *"nay a", "enter")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "reject", None, "nay a")]
        assert await desk.store.one("SELECT count(*) FROM decisions") == (1,)


async def test_filter_in_one_burst_decides_nothing(console: Console) -> None:
    async with console() as desk:
        await burst(desk, "slash", *"planner", "enter")
        assert "3 of 9" in desk.screen()
        assert await desk.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_two_new_runs_are_not_opened_by_two_keys(console: Console) -> None:
    async with console("empty") as desk:
        await burst(desk, "n", "n")
        assert len(desk.app.screen_stack) == 2
        assert desk.app.screen.query_one("#text", SendArea).text == "n"


async def test_arrows_only_turn_the_calls(console: Console) -> None:
    async with console() as desk:
        await go_to(desk, DELETE)
        await desk.press("h", "l")
        assert await desk.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_decision_keys_on_an_empty_queue_say_nothing(console: Console) -> None:
    async with console("runs", size=(80, 24)) as desk:
        await desk.press("a", "e", "r")
        assert "read it first" not in desk.screen() and len(desk.app.screen_stack) == 1
