"""Calls of front-end tools in the console: a person answers each with its result, and nothing is there to approve."""

from __future__ import annotations

import pytest

from tests.ui.conftest import StartConsole
from tests.ui.homes import seed


async def test_call_of_a_front_end_tool_is_answered_with_its_result(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await seed.add_waiting_run(console.store, console.project, "travel_chat", seed.frontend_pause())
        await console.until_keys_accepted()
        await console.until_shown(
            "front-end tool call", "after its last node", "your answer is its result", "r reject", "m give the result"
        )
        await console.press("a")
        assert "pick_date cannot be answered with approve" in console.refusals()
        await console.press("m")
        await console.until_shown("gives the agent this as the tool's result")
        await console.press(*"12 May", "enter")
        assert await console.decisions_of(review) == [(0, "respond", "null", "12 May")]


@pytest.mark.slow
async def test_each_call_of_the_message_is_answered_or_rejected(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await seed.add_waiting_run(console.store, console.project, "travel_chat", seed.frontend_pause())
        await console.until_keys_accepted()
        await console.press("m", *"12 May", "enter")
        await console.until_shown("pick_seat")
        await console.press("r", *"no seat", "enter")
        assert await console.decisions_of(review) == [(0, "respond", "null", "12 May"), (1, "reject", None, "no seat")]
