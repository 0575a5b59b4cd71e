"""New run: the last agent is remembered, list keys move in the list, and the input schema is a form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from textual.widgets import OptionList

from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent, Json
from hitl_tui.store import agents
from hitl_tui.ui.dialogs.form import Form
from hitl_tui.ui.dialogs.new_run import skeleton
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed

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
        await console.until_shown("no agent is known here yet")
        await agents.replace_agents(console.store, console.project, known[:1])
        await console.until_shown(known[0].name)
        await console.until(lambda: isinstance(console.app.screen.focused, SendArea), "a single agent needs no choice")
        assert not console.app.screen.query_one(OptionList).display, "and no list"
        await console.press(*"tidy")
        assert console.app.screen.query_one("#text", SendArea).text == "tidy"


@pytest.mark.slow
async def test_text_typed_before_the_agents_came_goes_into_the_form(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        known = {agent.name: agent for agent in await console.bob.agents.all()}
        await agents.replace_agents(console.store, console.project, ())
        await console.press("n")
        await console.until_shown("no agent is known here yet")
        await console.press(*"bees")
        await agents.replace_agents(console.store, console.project, [known["report_writer"]])
        await console.until(lambda: any(one.editor(0) is console.app.screen.focused for one in console.app.screen.query(Form)), "no form")
        assert console.app.screen.query_one(Form).texts == ["bees", "", ""]
        await agents.replace_agents(console.store, console.project, [known["mail_assistant"]])
        await console.until_shown("New run of mail_assistant")
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


async def test_letters_typed_in_the_list_of_agents_go_into_the_first_field_of_a_form(start_console: StartConsole) -> None:
    async with start_console("empty", size=(80, 24)) as console:
        await console.press("n", "j")
        await console.until_shown("topic *")
        await console.press(*"bees", "tab", *"3", "ctrl+s")
        ((given,),) = await console.store.all("SELECT input FROM runs")
        assert json.loads(given)["input"]["topic"] == "bees"


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


async def test_agent_that_a_worker_serves_is_preselected_and_another_says_so(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        desk = Agent("a_desk", await agents.register_project(console.store, "/srv/desk.py:graph", "desk"), "desk", "Answers.", {}, True)
        await agents.replace_agents(console.store, desk.project, [desk])
        await seed.add_worker(console.store, desk.project)
        await Inbox(console.store, "ann").runs.launch("mail_assistant", text="tidy")
        await console.press("n")
        options = console.app.screen.query_one(OptionList)
        assert str(options.get_option_at_index(options.highlighted or 0).prompt) == "a_desk"
        assert "no worker serves" not in console.screen_text()
        await console.press("j", "enter")
        await console.until_shown("start `hitl-tui worker --home")
        await console.press(*"tidy", "enter")
        await console.until_shown("run r2 is queued: no worker serves")


@pytest.mark.slow
async def test_new_run_while_the_agents_load_says_so_and_becomes_ready(start_console: StartConsole) -> None:
    pool = NoWorkers()
    pool.labels, pool.targets, pool.alive = ("sample_agents",), (seed.TARGET,), 1
    async with start_console("empty", pool=pool) as console:
        known = await console.bob.agents.all()
        await agents.replace_agents(console.store, console.project, ())
        await console.press("n", *"tidy")
        assert "✗" not in await console.until_shown("◌ loading the agents of sample_agents …")
        await console.press("enter")
        await console.until_shown("the agents are still loading; what you type stays")
        await agents.replace_agents(console.store, console.project, known[:1])
        await console.until_shown("New run of mail_assistant")
        assert "◌ loading" not in console.screen_text() and "no worker serves" not in console.screen_text()
        await console.press("enter")
        assert await console.store.all("SELECT title FROM runs") == [("tidy",)]


async def test_enter_starts_a_run_whose_input_is_json(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        raw = Agent("raw", console.project, "sample_agents", "Takes a list.", {"type": "array"}, False)
        await agents.replace_agents(console.store, console.project, [raw])
        await console.press("n")
        await console.until_shown("enter start", "ctrl+j new line")
        await console.press("backspace", "backspace", *"[1,", "ctrl+j", *"2]", "enter")
        assert await console.store.all("SELECT input FROM runs") == [('{"input": [1, 2]}',)]


@pytest.mark.slow
async def test_enter_in_a_form_goes_on_and_from_the_last_field_starts_the_run(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "j", "enter", *"bees", "enter", *"3", "enter", "right")
        assert await console.store.all("SELECT id FROM runs") == []
        await console.press("enter")
        ((given,),) = await console.store.all("SELECT input FROM runs")
        assert json.loads(given)["input"] | {"draft": None} == {"topic": "bees", "pages": 3, "draft": None}


async def test_end_and_home_go_to_the_row_and_then_to_the_whole_line(start_console: StartConsole) -> None:
    async with start_console("empty", size=(80, 24)) as console:
        await console.press("n")
        area = console.app.screen.query_one("#text", SendArea)
        area.focus()
        area.text = "word " * 60
        await console.press("end")
        first = area.cursor_location[1]
        assert 0 < first < 100, "the end of the row"
        await console.press("end", "end")
        assert area.cursor_location == (0, 300)
        await console.press("home")
        assert first < area.cursor_location[1] < 300
        await console.press("home")
        assert area.cursor_location == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 120])
async def test_names_of_agents_that_begin_alike_are_whole(start_console: StartConsole, width: int) -> None:
    names = ["customer_support_escalation_for_invoices_in_europe", "customer_support_escalation_for_invoices_in_asia"]
    async with start_console("empty", size=(width, 24)) as console:
        (known, *_) = await console.bob.agents.all()
        await agents.replace_agents(console.store, console.project, [replace(known, name=name) for name in names])
        await console.press("n")
        await console.until_shown("New run")
        options = console.app.screen.query_one(OptionList)
        await console.until(lambda: options.option_count == 2 and options.size.width > 0, "the agents are not listed")
        rows = console.screen_text().splitlines()
        listed = "".join(row[options.region.x + 2 : options.region.right].strip() for row in rows[options.region.y : options.region.bottom])
        assert sorted(listed.replace("○ ", " ○").replace("○", " ").split()) == sorted(names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/$defs/Task", "$defs": {"Task": {"type": "object", "properties": {"topic": {"type": "string"}}}}}, {"topic": ""}),
        ({"properties": {"pages": {"type": "integer", "minimum": 1}, "note": {}}, "required": ["pages"]}, {"pages": 1}),
        ({"properties": {"tone": {"enum": ["formal", "plain"]}, "size": {"default": 3}, "kind": {"const": "x"}}},
         {"tone": "formal", "size": 3, "kind": "x"}),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, []),
        ({"properties": {"self": {"$ref": "#"}, "odd": 5}}, {"self": {}, "odd": {}}),
        ("no schema", {}),
    ],
)  # fmt: skip
def test_value_to_start_from_is_the_simplest_that_the_schema_describes(schema: Json, expected: Json) -> None:
    assert skeleton(schema) == expected
