"""Everything a langgraph.json or a target may name is loaded unmodified, or listed as broken with a reason."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.agents import targets
from hitl_tui.errors import BadTarget, Refused
from hitl_tui.model import RunState
from tests.support.harness import PROJECTS, Reviewer, SandboxFactory, open_reviewer, respond

ASKING = {
    "compiled": "compiled",
    "builder": "builder",
    "own_saver": "own saver",
    "no_parameters": "no parameters",
    "one_parameter": "thread {thread}",
    "two_parameters": "thread {thread}",
    "with_default": "default",
    "asynchronous": "asynchronous",
    "context": "context",
    "async_context": "async context",
    "environment": "from the manifest",
    "relative": "relative",
    "module": "package",
    "standard_name": "named as a standard module",
    "noisy": "noisy",
}
BROKEN = {
    "import_error": "ImportError: no module named nothing\\ud800",
    "system_exit": "it called sys.exit(no API key)",
    "sequence": "it is a RunnableSequence, not a graph; name a compiled graph, a StateGraph, or a function that makes one",
    "number": "it is a int, not a graph; name a compiled graph, a StateGraph, or a function that makes one",
    "factory_raises": "ValueError: the factory has a bad day",
    "factory_leaves": "it called sys.exit(3)",
    "typed_dict": "it is a class, not a graph; name a compiled graph, a StateGraph, or a function that makes one",
    "factory_empty": "it is a NoneType, not a graph; name a compiled graph, a StateGraph, or a function that makes one",
    "factory_greedy": "wants_much wants 3 arguments; a factory takes at most config and runtime",
    "no_attribute": "kinds.py has no nothing; its graphs are compiled, builder, own_saver, created, function, memory",
    "no_module": f"ModuleNotFoundError: No module named 'gone': it is neither on the project's path nor installed in {sys.prefix}",
    "keyboard": "its code calls input() while it is loaded, and a worker has no keyboard; ask a person within a node: "
    'from langgraph.types import interrupt; answer = interrupt("your question")',
    "unset": "the environment variable HITL_TEST_NO_SUCH_KEY is not set: put it into the project's env file",
}


@pytest.fixture
async def kinds(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("loading")) as reviewer:
        yield reviewer


@pytest.mark.parametrize("agent", ASKING)
async def test_every_kind_of_graph_runs_pauses_and_resumes(kinds: Reviewer, agent: str) -> None:
    run = await kinds.launch(agent, given={"text": "hi"})
    await kinds.decide(await kinds.open_review(run), respond("yes"))
    assert (await kinds.result_of(run))["by"] == ASKING[agent].format(thread=run.thread)


async def test_entrypoint_function_takes_a_string(kinds: Reviewer) -> None:
    run = await kinds.launch("function", text="just text")
    await kinds.decide(await kinds.open_review(run), respond("yes"))
    assert (await kinds.result_of(run)) == {"by": "function"}


async def test_create_agent_takes_a_text(kinds: Reviewer) -> None:
    state = await kinds.result_of(await kinds.launch("created", text="hello"))
    assert [m["text"] for m in state["messages"]] == ["hello", "done: "]


async def test_graph_that_uses_a_store_gets_one(kinds: Reviewer) -> None:
    state = await kinds.result_of(await kinds.launch("memory", given={"text": "kept"}))
    assert (state["seen"], state["by"]) == (["kept"], "kept")


async def test_files_of_one_name_in_several_folders_are_separate_modules(kinds: Reviewer) -> None:
    for agent, by in (("outside1", "one"), ("outside2", "two/one"), ("outside3", "three/one")):
        assert (await kinds.result_of(await kinds.launch(agent, given={"text": "x"})))["by"] == by


async def test_broken_agents_are_listed_with_their_errors(kinds: Reviewer) -> None:
    await kinds.result_of(await kinds.launch("created", text="the worker is there"))
    agents = {agent.name: agent for agent in await kinds.inbox.agents.all()}
    assert {name: agents[name].error for name in BROKEN} == BROKEN
    assert agents["no_file"].error.startswith("there is no file ")
    assert "cannot import name 'graph' from partially initialized module 'broken.circle'" in agents["circle"].error
    assert f'it is in {PROJECTS}/loading/broken, which is not on the path; add that folder to "dependencies"' in agents["beside"].error
    assert {name for name, agent in agents.items() if agent.error} == {*BROKEN, "no_file", "circle", "beside"}
    assert "raises.py" in agents["import_error"].traceback
    with pytest.raises(Refused, match="cannot be loaded: ImportError"):
        await kinds.launch("import_error", text="x")


async def test_input_schemas_of_agents_are_known(kinds: Reviewer) -> None:
    await kinds.result_of(await kinds.launch("created", text="the worker is there"))
    agents = {agent.name: agent for agent in await kinds.inbox.agents.all()}
    assert agents["created"].description == "Made by create_agent."
    assert agents["noisy"].description.startswith("Prints, warns, logs"), "the docstring of a module with one graph"
    assert agents["compiled"].description == "", "a module with several graphs describes none of them"
    assert agents["created"].takes_text
    assert agents["function"].takes_text
    assert not agents["compiled"].takes_text
    assert set(agents["compiled"].input_schema["properties"]) == {"text", "by", "seen"}
    with pytest.raises(Refused, match="takes no plain text"):
        await kinds.launch("compiled", text="x")
    with pytest.raises(Refused, match="does not fit function"):
        await kinds.launch("function", given={"not": "a string"})


@pytest.mark.parametrize(
    ("target", "agent", "given", "by"),
    [
        ("dotenv", "agent", {"text": "x"}, "from the file"),
        (str(PROJECTS / "singles/one.py:graph"), "graph", {"text": "x"}, "one"),
    ],
    ids=["folder with .env", "file"],
)
async def test_targets_of_other_kinds_are_loaded(new_sandbox: SandboxFactory, target: str, agent: str, given: Any, by: str) -> None:
    sandbox = new_sandbox(target)
    async with open_reviewer(sandbox) as reviewer:
        run = await reviewer.launch(agent, given=given)
        assert sandbox.run_until_idle() == 0
        assert (await reviewer.inbox.runs.get(run.id)).state is RunState.DONE
        assert (await reviewer.result_of(run))["by"] == by


@pytest.mark.slow
def test_module_target_is_found_from_the_working_directory(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("two.one:graph")
    shutil.copytree(PROJECTS / "singles", sandbox.folder, dirs_exist_ok=True)
    (agent,) = sandbox.cli_json("agents", "two.one:graph")
    assert (agent["agent"], agent["error"]) == ("graph", None)
    (agent,) = sandbox.cli_json("agents", "nowhere.at_all:graph")[:1]
    assert "No module named" in json.dumps(sandbox.cli_json("agents"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("1" * 5000, "cannot be read"),
        ("[]", 'has no "graphs"'),
        ("{}", 'has no "graphs"'),
        ('{"graphs": {}}', 'has no "graphs"'),
        ('{"graphs": []}', 'has no "graphs"'),
        ('{"graphs": ["./x.py:g"]}', '"graphs" is no table of graphs by name'),
        ('{"graphs": {"a": 5}}', "graph 'a' does not say where it is"),
        ('{"graphs": {"a": "./x.py"}}', "graph 'a' does not say where it is"),
        ('{"graphs": {"a": {"path": ":x"}}}', "graph 'a' does not say where it is"),
        ('{"graphs": {"": "./x.py:g"}}', "has a graph without a name"),
        ('{"graphs": {"a": "./\\u0000.py:x"}}', "cannot be read"),
        ('{"graphs": {"a": "./x.py:g"}, "dependencies": "."}', "not a list of strings"),
        ('{"graphs": {"a": "./x.py:g"}, "dependencies": [{}]}', "not a list of strings"),
        ('{"graphs": {"a": "./x.py:g"}, "env": 5}', "neither a table nor a file's name"),
        ('{"graphs": {"a": "./x.py:g"}, "env": {"A=B": "x"}}', "cannot be an environment variable"),
        ('{"graphs": {"a": "./x.py:g"}, "env": {"A": "\\u0000"}}', "cannot be an environment variable"),
    ],
    ids=lambda text: ascii(text[:50]),
)
def test_malformed_manifest_is_explained(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "langgraph.json").write_text(text)
    with pytest.raises(BadTarget, match=sentence):
        targets.parse(str(tmp_path))


def test_manifest_that_starts_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"a": "x:g"}, "dependencies": [".", "./libs"]}', "utf-8-sig")
    target = targets.parse_local(str(tmp_path))
    assert ([spec.name for spec in target.graphs], target.warnings) == (["a"], ("dependencies: there is no ./libs",))


def test_store_index_without_dimensions_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"a": "x:g"}, "store": {"index": {"embed": "openai:x"}}}')
    (warning,) = targets.parse_local(str(tmp_path)).warnings
    assert warning.startswith("store.index: it needs") and "searched by words only" in warning


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("gone", "there is no gone"),
        ("gone.py:graph", "there is no file gone.py"),
        ("gone.json", "there is no gone.json"),
        ("here.py", "here.py names no graph"),
        ("here.py:", "here.py: names no graph"),
        ("here.py:not a name", "names no graph"),
        ("not-a-module:graph", "names no graph"),
        ("folder", "there is no langgraph.json in"),
        ("", "there is no langgraph.json in"),
        (":", "names no graph"),
        ("x" * 5000, "names no graph"),
        ("x" * 5000 + ".py:graph", "there is no file"),
        ("a\x00b.py:graph", "names no graph"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_invalid_target_is_explained(tmp_path: Path, target: str, sentence: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "here.py").write_text("graph = 5")
    with pytest.raises(BadTarget) as raised:
        targets.parse(target, tmp_path)
    assert len(str(raised.value)) < 6000
