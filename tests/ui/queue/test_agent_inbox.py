"""A request of the agent-inbox schema in the console: words and room that fit it."""

from __future__ import annotations

import pytest

from hitl_tui.agents.interrupt_payloads import normalise
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed

MAIL = "\n".join(["# Mail from Ann", "", *(f"Line {number} of what she wrote." for number in range(1, 9))])
REQUEST = {
    "action_request": {"action": "Question", "args": {}},
    "config": {"allow_ignore": True, "allow_respond": True, "allow_edit": False, "allow_accept": False},
    "description": MAIL,
}


@pytest.mark.slow
async def test_request_without_arguments_leaves_its_description_the_room(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        kind, actions = normalise([REQUEST], "triage", {}, None)
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(kind, *actions, value=[REQUEST]))
        await console.until_keys_accepted()
        await console.press("enter")
        await console.until_shown("no arguments", "Line 1 of what", "Line 8 of what", "r ignore", "m respond")
        await console.press("m")
        shown = await console.until_shown("It sends the agent this text: the graph decides what it does with it.")
        assert "does not run" not in shown
        await console.press(*"later", "enter")
        assert await console.decisions_of(review) == [(0, "respond", "null", "later")]
