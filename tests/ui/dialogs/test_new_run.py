"""New run: the last agent is remembered, list keys move in the list, and the input schema is a form."""

from __future__ import annotations

import json

import pytest
from textual.widgets import OptionList

from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent
from hitl_tui.store import agents
from hitl_tui.ui.dialogs.form import Form
from hitl_tui.ui.dialogs.text_areas import SendArea
from tests.ui.conftest import StartConsole

STYLE = {
    "type": "object",
    "properties": {"tone": {"type": "string", "default": "friendly"}, "length": {"type": "integer", "default": 1}},
}


@pytest.mark.slow
async def test_agent_launched_last_is_selected_with_the_focus_on_its_task(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "G", "enter", *"tidy", "enter", "n")
        screen = console.app.screen
        assert screen.query_one(OptionList).highlighted == 2 and isinstance(screen.focused, SendArea)
        await console.press(*"just do it", "enter")
        assert await console.store.all("SELECT agent, title FROM runs") == [("sql_steward", "tidy"), ("sql_steward", "just do it")]


@pytest.mark.slow
async def test_agents_that_come_after_the_dialog_get_the_focus(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        known = await console.bob.agents.all()
        await agents.replace_agents(console.store, console.project, ())
        await console.press("n")
        await console.until_shown("no agent is known yet")
        await agents.replace_agents(console.store, console.project, known[:1])
        await console.until_shown(known[0].name)
        await console.settle()
        assert isinstance(console.app.screen.focused, SendArea), "a single agent needs no choice"
        assert not console.app.screen.query_one(OptionList).display, "and no list"
        await console.press(*"tidy")
        assert console.app.screen.query_one("#text", SendArea).text == "tidy"


@pytest.mark.slow
async def test_text_typed_before_the_agents_came_goes_into_the_form(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        known = {agent.name: agent for agent in await console.bob.agents.all()}
        await agents.replace_agents(console.store, console.project, ())
        await console.press("n")
        await console.until_shown("no agent is known yet")
        await console.press(*"bees")
        await agents.replace_agents(console.store, console.project, [known["report_writer"]])
        await console.until_shown("topic")
        await console.settle()
        form = console.app.screen.query_one(Form)
        assert form.texts == ["bees", "", ""] and console.app.screen.focused is form.editor(0)
        await agents.replace_agents(console.store, console.project, [known["mail_assistant"]])
        await console.until_shown("Reads a folder of mail")
        assert "bees" not in console.screen_text(), "it was typed for the other agent"


@pytest.mark.slow
async def test_list_keys_move_in_the_list_of_agents(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j")
        agents = console.app.screen.query_one(OptionList)
        assert agents.highlighted == 1
        await console.press("G")
        assert agents.highlighted == 2
        await console.press("k", "g")
        assert agents.highlighted == 0 and console.app.screen.query_one("#text", SendArea).text == ""


@pytest.mark.slow
async def test_form_sends_only_what_was_entered_with_the_right_types(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j", "enter")
        screen = await console.until_shown("topic *", "pages *", "draft")
        assert "at least 1" in screen
        await console.press(*"bees", "tab", *"3", "ctrl+s")
        ((agent, given),) = await console.store.all("SELECT agent, input FROM runs")
        assert (agent, json.loads(given)) == ("report_writer", {"input": {"topic": "bees", "pages": 3}})


async def test_context_page_starts_a_run_with_an_assistant_and_own_values(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        writer = Agent("writer", console.project, "sample_agents", "Write.", {"type": "string"}, True, context_schema=STYLE)
        await agents.replace_agents(console.store, console.project, [writer])
        await Inbox(console.store, "ann").agents.save_assistant("writer", "formal", {"tone": "formal", "length": 2}, None)
        await console.press("n", *"a poem", "ctrl+o")
        screen = await console.until_shown("assistant to start from", "tone", "length", "default friendly")
        assert "a poem" not in screen
        await console.press("right", "tab", "tab", *"7", "ctrl+s")
        ((given, context),) = await console.store.all("SELECT input, context FROM runs")
        assert (json.loads(given), json.loads(context)) == ({"text": "a poem"}, {"tone": "formal", "length": 7})


@pytest.mark.slow
async def test_agent_without_a_context_takes_limits_beside_its_task(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", *"a poem")
        await console.until_shown("ctrl+o limits")
        await console.press("ctrl+o", *"count(send) <= 2; nothing", "ctrl+s")
        await console.until_shown("names no tool")
        await console.press(*["backspace"] * 9, "ctrl+s")
        ((limits,),) = await console.store.all("SELECT limits FROM runs")
        assert json.loads(limits) == ["count(send) <= 2"]


@pytest.mark.slow
async def test_form_refuses_what_does_not_fit_and_keeps_it(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j", "enter", *"bees", "tab", *"many", "ctrl+s")
        assert "pages is not a whole number" in console.screen_text()
        await console.press("escape", "n", "j")
        assert console.app.screen.query_one(Form).texts == ["bees", "many", ""]
        assert await console.store.one("SELECT count(*) FROM runs") == (0,)
