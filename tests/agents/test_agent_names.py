"""Agents of several projects that have the same name there: each has one of its own in the home, with runs and rules of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Facts
from hitl_tui.policy.engine import judge
from hitl_tui.policy.parser import parse
from tests.support.harness import Sandbox, SandboxFactory

GRAPH = """
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    shop: str
    answer: str


def ask(state: State) -> State:
    return {{"answer": interrupt("Open?"), "shop": "{shop}"}}


graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()
"""


def project(folder: Path, shop: str) -> str:
    folder.mkdir(parents=True)
    (folder / "graph.py").write_text(GRAPH.format(shop=shop))
    (folder / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"agent": "./graph.py:graph"}}')
    return str(folder)


def shop_of(sandbox: Sandbox, run: str) -> Any:
    return sandbox.cli_json("show", run)["result"]["shop"]


def test_rules_name_an_agent_by_its_name_here_or_by_that_of_its_graph() -> None:
    policy = parse(
        """
[[rule]]
name = "one"
agent = "desk@b"
tool = "send"
outcome = "deny"

[[rule]]
name = "all"
agent = "desk"
outcome = "ask"
when = 'agent == "desk"'
"""
    )
    named = {agent: judge(Facts(agent, "send"), policy, 0.0).rule for agent in ("desk", "desk@a", "desk@b", "desk2", "x@desk")}
    assert named == {"desk": "all", "desk@a": "all", "desk@b": "one", "desk2": "thresholds", "x@desk": "thresholds"}


@pytest.mark.slow
def test_agents_of_one_name_are_told_apart_everywhere(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    north, south = [project(tmp_path / where / "shop", where) for where in ("north", "south")]
    sandbox = new_sandbox(north)
    sandbox.cli("agents", north)
    assert [agent["agent"] for agent in sandbox.cli_json("agents", south)] == ["agent", "agent@shop"]
    sandbox.cli("pause", "agent")
    sandbox.cli("launch", "agent", "--input", "{}")
    sandbox.cli("launch", "agent@shop", "--input", "{}")
    sandbox.run_until_idle()
    sandbox.target = south
    sandbox.run_until_idle()
    assert [row["agent"] for row in sandbox.cli_json("queue")] == ["agent@shop"], "only the other is paused"
    sandbox.cli("resume", "agent")
    sandbox.target = north
    sandbox.run_until_idle()
    assert sorted(row["agent"] for row in sandbox.cli_json("queue")) == ["agent", "agent@shop"]
    for review in (1, 2):
        sandbox.cli("decide", str(review), "respond", "--message", "yes")
    for target in (north, south):
        sandbox.target = target
        sandbox.run_until_idle()
    assert (shop_of(sandbox, "r1"), shop_of(sandbox, "r2")) == ("north", "south")
    done = sandbox.cli("run", south, "agent", "--input", "{}", code=3)
    assert "agent@shop" in done.stdout


@pytest.mark.slow
def test_project_that_was_moved_goes_on_under_its_names(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "shop", tmp_path / "new" / "shop"
    sandbox = new_sandbox(project(old, "moved"))
    sandbox.cli("launch", "agent", "--input", "{}")
    sandbox.run_until_idle()
    assert "is still there" in sandbox.cli_error("moved", str(old), str(old))
    new.parent.mkdir()
    old.rename(new)
    sandbox.target = str(new)
    said = sandbox.cli("agents", str(new)).stderr
    assert f"hitl-tui moved {old}/langgraph.json {new}/langgraph.json" in said
    assert "is now" in sandbox.cli("moved", str(old), str(new)).stdout
    done = sandbox.cli("agents", str(new))
    assert done.stdout.split()[0] == "agent" and "is gone" not in done.stderr
    sandbox.cli("decide", "1", "respond", "--message", "yes")
    sandbox.run_until_idle()
    assert shop_of(sandbox, "r1") == "moved"
    assert "no project" in sandbox.cli_error("moved", str(old), str(new))
