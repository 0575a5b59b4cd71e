"""Projects as their authors publish them are loaded and run without changes, as LangGraph's own development server does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.agents.targets import parse_local
from hitl_tui.errors import Refused
from hitl_tui.model import RunOptions, RunState
from tests.support.harness import PROJECTS, Reviewer, SandboxFactory, open_reviewer, respond

TARGET = parse_local(str(PROJECTS / "foreign"))


@pytest.fixture
async def foreign(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("foreign")) as reviewer:
        yield reviewer


async def text_of(reviewer: Reviewer, agent: str, given: Any = None, **options: Any) -> str:
    """The `text` with which a run ends."""
    run = await reviewer.launch(agent, given={"text": "go"} if given is None else given, options=RunOptions(**options))
    return str((await reviewer.result_of(run))["text"])


async def known(reviewer: Reviewer) -> dict[str, Any]:
    await text_of(reviewer, "flat")  # the worker is there
    return {agent.name: agent for agent in await reviewer.inbox.agents.all()}


# Packages


async def test_package_that_imports_its_graph_pauses_and_resumes(foreign: Reviewer) -> None:
    run = await foreign.launch("template", given={"text": "hi"})
    await foreign.decide(await foreign.open_review(run), respond("yes"))
    assert (await foreign.result_of(run))["text"] == "yes by its dotted name in myagent.graph"


async def test_package_without_src_and_with_relative_imports_runs(foreign: Reviewer) -> None:
    assert await text_of(foreign, "flat") == "relative in flatagent.graph"


# Settings of langgraph.json


def test_missing_env_file_is_a_warning_that_names_unset_variables() -> None:
    assert TARGET.warnings[0] == (
        "there is no env file .env; of the variables in .env.example these are not set: HITL_TEST_FOREIGN_KEY, HITL_TEST_FOREIGN_URL"
    )


def test_every_setting_without_effect_is_named_once() -> None:
    named = [warning.partition(":")[0] for warning in TARGET.warnings[1:]]
    assert sorted(named) == [
        "auth", "checkpointer.ttl", "dependancies", "dockerfile_lines", "http.app", "http.configurable_headers", "python_version",
    ]  # fmt: skip


def test_project_without_such_settings_has_no_warnings() -> None:
    assert parse_local(str(PROJECTS / "dotenv")).warnings == ()


@pytest.mark.slow
def test_agents_and_doctor_print_the_settings_without_effect(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("foreign")
    target = str(PROJECTS / "foreign")
    agents, name = sandbox.start_cli("agents", target)
    assert agents.wait() == 0
    said = (sandbox.folder / f"{name}.err").read_text()
    assert "hitl-tui: foreign: there is no env file .env;" in said and "hitl-tui: foreign: auth: nobody logs in here" in said
    doctor, name = sandbox.start_cli("doctor", "--json", target)
    assert doctor.wait() == 1, "the JavaScript graph cannot be loaded"
    found = json.loads((sandbox.folder / f"{name}.out").read_text())
    assert [one["found"] for one in found if one["what"] == "foreign: langgraph.json"] == list(TARGET.warnings)


async def test_javascript_graph_is_listed_with_a_reason(foreign: Reviewer) -> None:
    assert (await known(foreign))["typescript"].error == "it is a JavaScript graph, and only Python graphs run here"


async def test_memory_is_searched_by_meaning_with_the_projects_embeddings(foreign: Reviewer) -> None:
    assert await text_of(foreign, "search", {"text": "who owes money for the refund?"}) == "an invoice is open"
    assert await text_of(foreign, "search", {"text": "is my pet a dog?"}) == "the cat sleeps"


# Contexts and configuration


@pytest.mark.parametrize(
    ("agent", "context", "text"),
    [
        ("context_defaults", None, "Defaults nobody"),
        ("context_defaults", {"user": "ann"}, "Defaults ann"),
        ("context_required", {"user": "ann"}, "Required ann"),
        ("context_typed_dict", None, "dict nobody"),
        ("context_typed_dict", {"user": "ann"}, "dict ann"),
        ("context_pydantic", None, "Model nobody"),
        ("context_pydantic", {"user": "ann"}, "Model ann"),
    ],
)
async def test_nodes_read_the_context_of_their_run(foreign: Reviewer, agent: str, context: Any, text: str) -> None:
    assert await text_of(foreign, agent, context=context) == text


async def test_context_stays_with_the_run_when_it_resumes_and_continues(foreign: Reviewer) -> None:
    options = RunOptions(context={"user": "ann"})
    run = await foreign.launch("context_required", given={"text": "ask"}, options=options)
    await foreign.decide(await foreign.open_review(run), respond("yes"))
    assert (await foreign.result_of(run))["text"] == "Required ann yes"
    assert (await foreign.inbox.runs.get(run.id)).options.context == {"user": "ann"}


async def test_launch_without_a_required_context_is_refused(foreign: Reviewer) -> None:
    await known(foreign)
    with pytest.raises(Refused, match="the context does not fit context_required: 'user' is a required property"):
        await foreign.launch("context_required", given={"text": "go"})
    with pytest.raises(Refused, match="limit: 'many' is not of type 'integer'"):
        await foreign.launch("context_defaults", given={"text": "go"}, options=RunOptions(context={"limit": "many"}))
    with pytest.raises(Refused, match="the context of context_defaults has no usr; it has user, limit"):
        await foreign.launch("context_defaults", given={"text": "go"}, options=RunOptions(context={"usr": "ann"}))
    with pytest.raises(Refused, match="flat takes no context"):
        await foreign.launch("flat", given={"text": "go"}, options=RunOptions(context={"user": "ann"}))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ([], "the config is not an object"),
        ({"model": "small"}, "LangGraph's config has no model that a launch could set"),
        ({"configurable": {"thread_id": "1"}}, "hitl-tui sets thread_id itself"),
        ({"configurable": {"hitl_run": 1}}, "hitl-tui sets hitl_run itself"),
        ({"configurable": "small"}, "configurable and metadata are objects"),
        ({"recursion_limit": True}, "recursion_limit is not a number of steps"),
        ({"tags": "one"}, "tags is not a list of texts"),
    ],
)
async def test_config_that_langgraph_does_not_take_is_refused(foreign: Reviewer, config: Any, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        await foreign.launch("default_config", given={"text": "go"}, options=RunOptions(config=config))


async def test_recursion_limit_of_a_launch_ends_the_run(foreign: Reviewer) -> None:
    run = await foreign.launch("private_state", given={"topic": "cats"}, options=RunOptions(config={"recursion_limit": 1}))
    assert "too many steps" in (await foreign.wait(run, RunState.FAILED)).error


async def test_assistant_gives_a_launch_its_context_and_config(foreign: Reviewer) -> None:
    await known(foreign)
    agents = foreign.inbox.agents
    await agents.save_assistant("default_config", "small", None, {"configurable": {"model": "small", "size": 1}})
    await agents.save_assistant("context_required", "ann", {"user": "ann"}, None)
    run = await foreign.launch("default_config", given={"text": "go"}, assistant="small")
    assert (await foreign.result_of(run))["text"] == "model small"
    over = RunOptions(config={"configurable": {"model": "large"}})
    run = await foreign.launch("default_config", given={"text": "go"}, assistant="small", options=over)
    assert (await foreign.result_of(run))["text"] == "model large"
    assert run.options.config == {"configurable": {"model": "large", "size": 1}}
    run = await foreign.launch("context_required", given={"text": "go"}, assistant="ann")
    assert (await foreign.result_of(run))["text"] == "Required ann"
    with pytest.raises(Refused, match="flat has no assistant ann"):
        await foreign.launch("flat", given={"text": "go"}, assistant="ann")
    await agents.remove_assistant("default_config", "small")
    assert [(one.agent, one.name) for one in await agents.assistants()] == [("context_required", "ann")]


# Inputs


async def test_typed_dict_demands_no_key(foreign: Reviewer) -> None:
    run = await foreign.launch("three_keys", given={"topic": "cats"})
    assert (await foreign.result_of(run))["drafts"] == ["on cats"]


async def test_chat_whose_state_has_more_keys_takes_text_and_continues(foreign: Reviewer) -> None:
    first = await foreign.launch("chat_with_more", text="hello")
    await foreign.result_of(first)
    state = await foreign.result_of(await foreign.inbox.runs.next_message(first.id, "and again"))
    assert [message["text"] for message in state["messages"]] == ["hello", "1 messages for nobody", "and again", "3 messages for nobody"]


async def test_declared_input_has_its_own_keys_with_types_and_descriptions(foreign: Reviewer) -> None:
    agent = (await known(foreign))["private_state"]
    assert agent.input_schema["properties"] == {"topic": {"type": "string", "description": "what to write about"}}
    assert agent.takes_text
    run = await foreign.launch("private_state", text="cats")
    assert sorted((await foreign.result_of(run))["sections"]) == ["cats one", "cats two"]


async def test_typed_dict_has_a_type_for_each_key(foreign: Reviewer) -> None:
    properties = (await known(foreign))["three_keys"].input_schema["properties"]
    assert {name: shape["type"] for name, shape in properties.items()} == {"topic": "string", "drafts": "array", "done": "boolean"}


async def test_pydantic_input_demands_its_required_fields(foreign: Reviewer) -> None:
    await known(foreign)
    with pytest.raises(Refused, match="'item' is a required property"):
        await foreign.launch("pydantic_input", given={"count": 2})
    run = await foreign.launch("pydantic_input", given={"item": "pens"})
    assert (await foreign.result_of(run))["item"] == "1 pens"
    again = await foreign.launch("pydantic_input", given={"count": 3}, thread=run.thread)
    assert (await foreign.result_of(again))["item"] == "3 1 pens"


# Factories and nodes


async def test_factory_gets_the_config_in_spite_of_its_default(foreign: Reviewer) -> None:
    assert await text_of(foreign, "default_config") == "model default"
    assert await text_of(foreign, "default_config", config={"configurable": {"model": "large"}}) == "model large"


async def test_factory_gets_the_runtime_of_langgraphs_server(foreign: Reviewer) -> None:
    assert await text_of(foreign, "server_runtime") == "threads.create_run None True"
    run = await foreign.launch("config_and_runtime", given={"text": "go"})
    assert (await foreign.result_of(run))["text"] == f"threads.create_run in {run.thread}"


@pytest.mark.slow
async def test_node_that_calls_a_server_without_url_fails_with_a_sentence(foreign: Reviewer) -> None:
    run = await foreign.launch("sdk", given={"text": "go"})
    assert "it calls a LangGraph server by langgraph_sdk, and none answers" in (await foreign.wait(run, RunState.FAILED)).error


async def test_node_that_reads_the_keyboard_fails_with_the_way_to_ask(foreign: Reviewer) -> None:
    run = await foreign.launch("keyboard", given={"text": "go"})
    assert (await foreign.wait(run, RunState.FAILED)).error == (
        "its code calls input(), and a worker has no keyboard; ask a person instead: "
        'from langgraph.types import interrupt; answer = interrupt("your question")'
    )
