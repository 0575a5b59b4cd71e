"""Projects in the shape of the public templates: each is loaded, started, decided and finished, by commands and on the screen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.home import sample_agents
from tests.support.harness import PROJECTS, Sandbox, SandboxFactory
from tests.support.interpreters import interpreter, make_environment
from tests.support.tmux import Tmux, needs_tmux, tmux

HITL = str(Path(sys.executable).with_name("hitl-tui"))
TEMPLATES = PROJECTS / "templates"


@dataclass(frozen=True)
class Template:
    """A project, the input of a run, what it asks, the answers in order (empty approves), and a text of its last state."""

    folder: str
    given: Any
    asks: str
    answers: tuple[str, ...]
    ends: str
    options: tuple[str, ...] = ()
    """Options of the launch by command."""


SEND = [[["transfer_to_secretary", {}]], [["send_letter", {"to": "ann"}]]]
BOOK = [[["transfer_to_hotel_assistant", {}]], [["book_hotel", {"name": "Astoria"}]]]
WRITE = [[["write_file", {"file_path": "/a.md", "content": "tea"}]]]
DELEGATE = [[["task", {"description": json.dumps(WRITE), "subagent_type": "writer"}]]]
REMEMBER = [[["upsert_memory", {"content": "tea"}]]]
RAIL = '{"configurable": {"carrier": "rail"}}'
WANTED = ("langgraph-supervisor", "langgraph-swarm", "langchain-mcp-adapters", "deepagents")
ALL = [
    Template("supervisor", SEND, "send_letter", ("",), "letter sent to ann"),
    Template("swarm", BOOK, "book_hotel", ("",), "booked Astoria"),
    Template("notebook", {"topic": "cats"}, "three parts about cats", ("yes",), '"approved": true'),
    Template("chat", "hello", "Ready for user input.", ("more", "bye"), "You have said 2 things, the last was: more"),
    Template("mcp", [[["balance", {}], ["pay", {"eur": 3}]]], "pay", ("",), "paid 3 EUR"),
    Template("deep_files", DELEGATE, "write_file", ("",), "/a.md"),
    Template("memory", REMEMBER, "Remember tea?", ("",), "friendly ann: tea 1.0", ("--context", '{"user_id": "ann"}')),
    Template("factory", [[["ship", {"item": "tea"}]]], "ship", ("",), "shipped tea by rail", ("--config", RAIL)),
]
PACKAGES = {
    "team": (SEND, "letter sent to ann"),
    "travel": (BOOK, "booked Astoria"),
    "bank": ([[["balance", {}], ["pay", {"eur": 3}]]], "paid 3 EUR"),
    "reports": (DELEGATE, "/a.md"),
}
"""Agents of tests/projects/packages: what their model does, and a text of the last state."""

ASKING_ROWS = ("foreign", "takeover", "pauses")
ASKED = [
    ("template", ("--input", '{"text": "hi"}')),
    ("keyboard", ("--input", '{"text": "go"}')),
    ("announces", ("pay",)),
    ("frontend", ('[[["pick_date", {"from": "May"}]]]',)),
]
"""Agents of these projects whose runs ask a person, or fail because they would: launched as r1, r2 …"""


def text_of(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def result_of(sandbox: Sandbox, run: str = "r1") -> str:
    found = sandbox.cli_json("show", run)
    assert found["state"] == "done", found
    return json.dumps(found["result"])


def workspace_of(template: Template, folder: Path) -> str:
    """The files of the run, for a template that has some."""
    return " ".join(path.read_text() for path in folder.rglob("*.md")) if template.folder == "deep_files" else "tea"


@pytest.mark.slow
@pytest.mark.parametrize("template", ALL, ids=lambda template: template.folder)
def test_template_runs_by_commands(new_sandbox: SandboxFactory, tmp_path: Path, template: Template) -> None:
    sandbox = new_sandbox(str(TEMPLATES / template.folder))
    sandbox.env["WORKSPACE"] = str(tmp_path / "files")
    (agent,) = sandbox.cli_json("agents", sandbox.target)
    assert not agent["error"]
    given = [*(["--input"] if isinstance(template.given, dict) else []), text_of(template.given)]
    sandbox.cli("launch", agent["agent"], *given, *template.options)
    for number, answer in enumerate(template.answers, 1):
        assert sandbox.run_until_idle() == 0
        assert template.asks in sandbox.cli("show", str(number)).stdout
        sandbox.cli("decide", str(number), *(["respond", "--message", answer] if answer else ["approve"]))
    assert sandbox.run_until_idle() == 0
    assert template.ends in result_of(sandbox)
    assert "tea" in workspace_of(template, tmp_path / "files")


def press(screen: Tmux, key: str, is_done: Callable[[str], bool]) -> None:
    """Press a key until its effect is on the screen: keys right behind others, or after a new review appeared, are ignored."""
    for _ in range(40):
        screen.keys(key)
        for _ in range(20):
            if is_done(screen.screen()):
                return
            time.sleep(0.1)
    raise AssertionError(f"{key} did nothing:\n{screen.screen()}")


@needs_tmux
@pytest.mark.slow
@pytest.mark.parametrize("template", ALL, ids=lambda template: template.folder)
def test_template_runs_on_the_screen(tmp_path: Path, template: Template) -> None:
    files = tmp_path / "files"
    command = ["env", f"WORKSPACE={files}", HITL, "--home", str(tmp_path / "home"), "--reviewer", "ann", str(TEMPLATES / template.folder)]
    run_on_the_screen(command, template)
    assert "tea" in workspace_of(template, files)


def run_on_the_screen(command: list[str], template: Template) -> None:
    """Start the template's run in a new console, answer what it asks, and wait for its end."""
    with tmux(command) as screen:
        screen.until("Nothing waits", "worker ● idle", timeout=120)
        screen.keys("n")
        screen.until("New run", *(["topic", "ctrl+s start"] if isinstance(template.given, dict) else ["enter start"]))
        given = template.given["topic"] if isinstance(template.given, dict) else text_of(template.given)
        screen.type(given)
        screen.until(given[-8:])
        press(screen, "C-s" if isinstance(template.given, dict) else "Enter", lambda shown: "New run" not in shown)
        for answer in template.answers:
            screen.until(template.asks)
            if not answer:
                press(screen, "a", lambda shown: "approved by you" in shown)
                continue
            press(screen, "m", lambda shown: "Respond to" in shown)
            screen.type(answer)
            screen.until(answer)
            press(screen, "Enter", lambda shown: "Respond to" not in shown)
        screen.keys("F2")
        screen.until("done", timeout=60)
        screen.keys("q")
        screen.until("[exit 0]")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that uses the packages themselves, with an environment of its own, as after a clone and an install."""
    project = tmp_path_factory.mktemp("packages") / "project"
    shutil.copytree(PROJECTS / "packages", project)
    shutil.copy(PROJECTS / "pauses" / "script.py", project)
    shutil.copytree(sample_agents() / "scripted", project / "scripted")
    make_environment(project / ".venv", interpreter("3.12"), "langgraph", "langchain", *WANTED)
    return project


def in_its_environment(sandbox: Sandbox, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command that loads the agents, for as long as a first start of them takes, when Python compiles all packages."""
    command = [HITL, args[0], "--home", str(sandbox.home.path), *args[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=sandbox.env)


@pytest.mark.slow
def test_packages_of_pypi_run_by_commands_on_the_python_of_their_project(new_sandbox: SandboxFactory, packages: Path) -> None:
    sandbox = new_sandbox(str(packages))
    del sandbox.env["PYTHONDONTWRITEBYTECODE"]
    listed = in_its_environment(sandbox, "agents", str(packages))
    assert "broken" not in listed.stdout and "python_version" not in listed.stderr
    found = json.loads(in_its_environment(sandbox, "doctor", "--json", str(packages)).stdout)
    about = [one["found"] for one in found if one["what"].startswith("project: ")]
    assert about == [f"Python {about[0].split()[1]} of {packages.resolve()}/.venv", "there is no env file .env"]
    assert about[0].startswith("Python 3.12.")
    runs = {agent: f"r{number}" for number, agent in enumerate(PACKAGES, 1)}
    for agent, (given, _) in PACKAGES.items():
        sandbox.cli("launch", agent, text_of(given))
    in_its_environment(sandbox, "worker", "--until-idle", str(packages))
    waiting = sandbox.cli_json("queue")
    assert sorted(row["agent"] for row in waiting) == sorted(PACKAGES)
    for row in waiting:
        sandbox.cli("decide", str(row["review"]), "approve")
    in_its_environment(sandbox, "worker", "--until-idle", str(packages))
    assert {agent: ends in result_of(sandbox, runs[agent]) for agent, (_, ends) in PACKAGES.items()} == dict.fromkeys(PACKAGES, True)
    assert (packages / "files" / "a.md").read_text() == "tea"


@pytest.mark.slow
def test_rows_that_ask_a_person_end_as_meant_on_another_python(new_sandbox: SandboxFactory, packages: Path) -> None:
    sandbox = new_sandbox("foreign")
    del sandbox.env["PYTHONDONTWRITEBYTECODE"]
    (sandbox.home.path / "policy.toml").write_text('[agents.frontend]\nfrontend_tools = ["pick_*"]\n')
    worker = ["worker", "--until-idle", "--python", str(packages / ".venv"), *(str(PROJECTS / name) for name in ASKING_ROWS)]
    for agent, given in ASKED:
        sandbox.cli("launch", agent, *given)
    in_its_environment(sandbox, *worker)
    reviews = {row["agent"]: str(row["review"]) for row in sandbox.cli_json("queue")}
    sandbox.cli("decide", reviews["template"], "respond", "--message", "yes")
    sandbox.cli("decide", reviews["frontend"], "respond", "--message", "2 May")
    sandbox.cli("take-over", "r3")
    sandbox.cli("hand-back", "r3", "--plan", '{"results": {"t1": "paid in cash"}}')
    in_its_environment(sandbox, *worker)
    assert "yes by its dotted name in myagent.graph" in result_of(sandbox, "r1")
    assert sandbox.cli_json("show", "r2")["error"].startswith("its code calls input(), and a worker has no keyboard")
    assert "paid in cash" in result_of(sandbox, "r3") and '"last": "paid in cash"' in sandbox.journal.read_text()
    assert "done: pick_date=2 May" in result_of(sandbox, "r4")


@needs_tmux
@pytest.mark.slow
def test_package_of_pypi_runs_on_the_screen(tmp_path: Path, packages: Path) -> None:
    (template,) = [template for template in ALL if template.folder == "supervisor"]
    run_on_the_screen([HITL, "--home", str(tmp_path / "home"), "--reviewer", "ann", f"{packages}/team.py:app"], template)
