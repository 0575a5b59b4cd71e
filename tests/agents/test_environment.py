"""Agents run in the Python environment of their project, with LangGraph and everything compiled from there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from hitl_tui.agents.environment import CARRIED, Environment, environment_of
from hitl_tui.agents.rpds_fallback import HashTrieMap, HashTrieSet, List
from hitl_tui.agents.targets import parse_local
from hitl_tui.errors import BadTarget
from tests.support.harness import PROJECTS, Sandbox, SandboxFactory
from tests.support.interpreters import interpreter, make_environment

GRAPH = """
import sys
from typing import Annotated, TypedDict

import langgraph.pregel
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    amount: int
    python: list[int]
    langgraph: str


def ask(state: State) -> State:
    amount = interrupt("How much?", response_schema={"type": "integer", "minimum": 1})
    return {"amount": amount, "python": list(sys.version_info[:2]), "langgraph": langgraph.pregel.__file__}


graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()
"""
OPTIONAL = ("_distutils_hack", "_virtualenv", "numpy", "filetype")
"""What LangGraph's dependencies import where it is installed."""
ROOTS = """
import json, sys
import hitl_tui.cli.worker, hitl_tui.worker.process, jsonschema
found = [name for name, module in sys.modules.items() if "site-packages" in (getattr(module, "__file__", "") or "")]
print(json.dumps(sorted({name.partition(".")[0] for name in found})))
"""


def environment(version: tuple[int, ...] = (3, 12, 1), langgraph: str = "1.2.22") -> Environment:
    return Environment(Path("/p/.venv/bin/python"), version, Path("/p/.venv"), langgraph)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (environment(), ""),
        (environment(langgraph="2.0"), ""),
        (environment((3, 10, 13)), "is Python 3.10.13, and hitl-tui needs 3.11 or newer"),
        (environment(langgraph=""), "has no langgraph; install it there"),
        (environment(langgraph="1.2.19"), "has langgraph 1.2.19, and hitl-tui needs 1.2.20 or newer"),
        (environment(langgraph="0.6.11rc1"), "has langgraph 0.6.11rc1, and hitl-tui needs 1.2.20 or newer"),
    ],
)
def test_environment_that_is_too_old_says_what_it_needs(found: Environment, problem: str) -> None:
    assert found.problem == problem


def test_project_without_an_environment_uses_that_of_hitl_tui(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "dotenv", tmp_path, dirs_exist_ok=True)
    assert environment_of(parse_local(str(tmp_path))) == (None, "")
    (tmp_path / "uv.lock").touch()
    assert environment_of(parse_local(str(tmp_path))) == (
        None,
        "uv.lock is there and no .venv: the agents run in hitl-tui's own environment",
    )
    assert environment_of(parse_local(str(tmp_path)), sys.executable) == (None, "")


def test_python_that_does_not_exist_or_run_is_refused(tmp_path: Path) -> None:
    target = parse_local(str(PROJECTS / "dotenv"))
    with pytest.raises(BadTarget, match="there is no Python at /nowhere"):
        environment_of(target, "/nowhere")
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o700)
    with pytest.raises(BadTarget, match="python does not run: "):
        environment_of(target, str(broken))


@pytest.mark.slow
def test_environment_without_langgraph_is_left_alone(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "dotenv", tmp_path, dirs_exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    assert environment_of(parse_local(str(tmp_path))) == (None, ".venv has no langgraph: the agents run in hitl-tui's own environment")


@pytest.mark.slow
def test_worker_imports_nothing_but_langgraph_and_what_is_carried() -> None:
    done = subprocess.run([sys.executable, "-c", ROOTS], capture_output=True, text=True, check=True)
    dists = metadata.packages_distributions()
    known, left = set[str](), ["langgraph"]
    while left:  # LangGraph's dependencies, and theirs
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        for line in metadata.requires(name) or ():
            wanted = Requirement(line)
            if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
                left.append(wanted.name.lower())
    names = {name.lower().replace("_", "-") for name in known}
    carried = {name.partition(".")[0] for name in CARRIED}
    others = [
        root
        for root in json.loads(done.stdout)
        if root not in carried and not any(dist.lower().replace("_", "-") in names for dist in dists.get(root, [root]))
    ]
    assert set(others) <= {"rpds", *OPTIONAL}, "rpds has a stand-in"


def test_rpds_fallback_changes_collections_by_copies() -> None:
    one = HashTrieMap({"a": 1})
    assert dict(one.insert("b", 2).update({"a": 3}).remove("b")) == {"a": 3} and dict(one) == {"a": 1}
    assert HashTrieMap.convert(one) is one and dict(HashTrieMap.convert({"x": 1})) == {"x": 1}
    assert set(HashTrieSet("ab").insert("c").discard("z").remove("a").update("d")) == {"b", "c", "d"}
    names = List().push_front("b").push_front("a")
    assert (list(names), names.first, list(names.rest), len(names.drop_first())) == (["a", "b"], "a", ["b"], 1)
    assert (len(one), len(HashTrieSet("ab")), "a" in HashTrieSet("ab"), "z" in HashTrieSet("ab")) == (1, 2, True, False)
    assert len({HashTrieMap(a=1), HashTrieMap({"a": 1}), HashTrieSet("a"), HashTrieSet("a"), List("a"), List("a")}) == 3
    assert List("ab") != List("a") and List("a") != ["a"]
    for missing in (lambda: one.remove("z"), lambda: HashTrieSet().remove("z"), lambda: List().drop_first()):
        with pytest.raises(LookupError):
            missing()


ROWS: list[tuple[str, dict[str, Any], list[str], Any]] = [
    ("flat", {"text": "go"}, [], "relative in flatagent.graph"),
    ("context_defaults", {"text": "go"}, [], "Defaults nobody"),
    ("context_required", {"text": "go"}, ["--context", '{"user": "ann"}'], "Required ann"),
    ("context_typed_dict", {"text": "go"}, ["--context", '{"user": "ann"}'], "dict ann"),
    ("context_pydantic", {"text": "go"}, [], "Model nobody"),
    ("three_keys", {"topic": "cats"}, [], ["on cats"]),
    ("private_state", {"topic": "cats"}, [], ["cats one", "cats two"]),
    ("pydantic_input", {"item": "pens"}, [], "1 pens"),
    ("default_config", {"text": "go"}, [], "model default"),
    ("server_runtime", {"text": "go"}, [], "threads.create_run None True"),
    ("search", {"text": "is my pet a dog?"}, [], "the cat sleeps"),
]
"""Rows of tests/projects/foreign: agent, input, options of the launch, and what its author meant as the end."""
KEYS = ("text", "item", "drafts", "sections")


def ends_of_foreign_runs(sandbox: Sandbox, python: Path) -> dict[str, Any]:
    """Run each of the rows in another interpreter. Returns the end of each, by agent."""
    target = str(PROJECTS / "foreign")
    sandbox.cli("agents", "--python", str(python), target, code=None)  # one of its graphs is JavaScript
    for agent, given, options, _ in ROWS:
        sandbox.cli("launch", agent, "--input", json.dumps(given), *options)
    worker = ["worker", "--home", str(sandbox.home.path), "--until-idle", "--python", str(python), "--", target]
    subprocess.run([sys.executable, "-P", "-m", "hitl_tui", *worker], check=True, env=sandbox.env)
    ends = {}
    for run in sandbox.cli_json("runs"):
        if run["agent"] in {agent for agent, *_ in ROWS}:
            found = sandbox.cli_json("show", run["run"])
            assert found["state"] == "done", found["traceback"]
            end = next(found["result"][key] for key in KEYS if key in found["result"])
            ends[run["agent"]] = sorted(end) if isinstance(end, list) else end
    return ends


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_agents_run_in_the_environment_of_their_project(new_sandbox: SandboxFactory, version: str) -> None:
    python = interpreter(version)
    sandbox = new_sandbox("dotenv")
    project = sandbox.folder / "project"
    project.mkdir()
    (project / "graph.py").write_text(GRAPH)
    (project / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"asking": "./graph.py:graph"}}')
    own = make_environment(project / ".venv", python, f"langgraph=={metadata.version('langgraph')}")
    command = [sys.executable, "-P", "-m", "hitl_tui", "worker", "--home", str(sandbox.home.path), "--until-idle", "--", str(project)]
    sandbox.cli("launch", "asking", "--input", "{}")
    subprocess.run(command, check=True, env=sandbox.env)
    assert "0 is less than the minimum of 1" in sandbox.cli_error("decide", "1", "respond", "--args", "0")
    sandbox.cli("decide", "1", "respond", "--args", "7")
    subprocess.run(command, check=True, env=sandbox.env)
    found = sandbox.cli_json("show", "r1")
    assert found["state"] == "done", found["traceback"]
    assert (found["result"]["amount"], found["result"]["python"]) == (7, [int(part) for part in version.split(".")])
    assert found["result"]["langgraph"].startswith(f"{project.resolve()}/.venv/")
    if version == "3.12":
        assert ends_of_foreign_runs(sandbox, own) == {agent: end for agent, _, _, end in ROWS}
