"""Which target runs when none is given: the project of the current folder, else the sample agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_tui.agents import targets
from hitl_tui.console import Workers
from hitl_tui.errors import BadTarget
from hitl_tui.home import Home
from tests.support.harness import PROJECTS, SandboxFactory

DOTENV = PROJECTS / "dotenv"


def workers(home: Path, *given: str) -> Workers:
    found = Workers(given, Home(home), 1)
    found.read_targets()
    return found


def test_console_uses_the_project_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOTENV)
    found = workers(tmp_path)
    assert (found.labels, found.targets, found.problems) == (["dotenv"], [str(DOTENV / "langgraph.json")], [])
    assert found.told == f"the console runs the agents of {DOTENV}/langgraph.json"


def test_console_without_a_project_here_uses_the_sample_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = workers(tmp_path)
    assert found.targets == [targets.SAMPLE]
    assert found.told == "no langgraph.json in this folder: the console runs the sample agents"


def test_given_target_wins_over_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOTENV)
    found = workers(tmp_path, str(PROJECTS / "pauses"))
    assert (found.labels, found.told) == (["pauses"], "")


def test_broken_project_here_is_a_problem_and_a_given_one_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "langgraph.json").write_text("{")
    found = workers(tmp_path)
    told: list[str] = []
    found.start(lambda: None, told.append)
    assert found.alive == 0 and found.labels == [tmp_path.name]
    (problem,) = told
    assert problem.startswith(f"{tmp_path.name} cannot be loaded: {tmp_path}/langgraph.json cannot be read")
    with pytest.raises(BadTarget):
        workers(tmp_path, "langgraph.json")


@pytest.mark.parametrize("command", [["worker", "--until-idle"], ["agents"]], ids=" ".join)
def test_commands_without_a_target_use_the_current_folder(new_sandbox: SandboxFactory, command: list[str]) -> None:
    sandbox = new_sandbox("dotenv")
    (sandbox.folder / "langgraph.json").write_text('{"graphs": {}}')
    assert sandbox.cli_error(*command).startswith(f'{sandbox.folder}/langgraph.json has no "graphs"')
