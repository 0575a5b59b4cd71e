"""New run: the last agent is remembered, list keys move in the list, and the input schema is a form."""

from __future__ import annotations

import json

import pytest
from textual.widgets import OptionList

from hitl_tui.ui.dialogs.form import Form
from hitl_tui.ui.dialogs.text_areas import SendArea
from tests.ui.conftest import StartConsole


@pytest.mark.slow
async def test_agent_launched_last_is_selected_with_the_focus_on_its_task(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "G", "enter", *"tidy", "enter", "n")
        screen = console.app.screen
        assert screen.query_one(OptionList).highlighted == 2 and isinstance(screen.focused, SendArea)
        await console.press(*"just do it", "enter")
        assert await console.store.all("SELECT agent, title FROM runs") == [("sql_steward", "tidy"), ("sql_steward", "just do it")]


async def test_list_keys_move_in_the_list_of_agents(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j")
        agents = console.app.screen.query_one(OptionList)
        assert agents.highlighted == 1
        await console.press("G")
        assert agents.highlighted == 2
        await console.press("k", "g")
        assert agents.highlighted == 0 and console.app.screen.query_one("#text", SendArea).text == ""


async def test_form_sends_only_what_was_entered_with_the_right_types(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j", "enter")
        screen = await console.until_shown("topic *", "pages *", "draft")
        assert "at least 1" in screen
        await console.press(*"bees", "tab", *"3", "ctrl+s")
        ((agent, given),) = await console.store.all("SELECT agent, input FROM runs")
        assert (agent, json.loads(given)) == ("report_writer", {"input": {"topic": "bees", "pages": 3}})


@pytest.mark.slow
async def test_form_refuses_what_does_not_fit_and_keeps_it(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j", "enter", *"bees", "tab", *"many", "ctrl+s")
        assert "pages is not a whole number" in console.screen_text()
        await console.press("escape", "n", "j")
        assert console.app.screen.query_one(Form).texts == ["bees", "many", ""]
        assert await console.store.one("SELECT count(*) FROM runs") == (0,)
