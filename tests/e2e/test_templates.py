"""Projects in the shape of the public templates: each is loaded, started, decided and finished, by commands and on the screen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import PROJECTS, Sandbox, SandboxFactory
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


BOOK = [[["transfer_to_hotel_assistant", {}]], [["book_hotel", {"name": "Astoria"}]]]
WRITE = [[["write_file", {"file_path": "/a.md", "content": "tea"}]]]
ALL = [
    Template("supervisor", [[["transfer_to_secretary", {}]], [["send_letter", {"to": "ann"}]]], "send_letter", ("",), "letter sent to ann"),
    Template("swarm", BOOK, "book_hotel", ("",), "booked Astoria"),
    Template("notebook", {"topic": "cats"}, "three parts about cats", ("yes",), '"approved": true'),
    Template("chat", "hello", "Ready for user input.", ("more", "bye"), "You have said 2 things, the last was: more"),
    Template("mcp", [[["balance", {}], ["pay", {"eur": 3}]]], "pay", ("",), "paid 3 EUR"),
    Template("deep_files", [[["task", {"description": json.dumps(WRITE), "subagent_type": "writer"}]]], "write_file", ("",), "/a.md"),
]


def text_of(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def result_of(sandbox: Sandbox) -> str:
    found = sandbox.cli_json("show", "r1")
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
    sandbox.cli("launch", agent["agent"], *(["--input"] if isinstance(template.given, dict) else []), text_of(template.given))
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
    home, files = tmp_path / "home", tmp_path / "files"
    command = ["env", f"WORKSPACE={files}", HITL, "--home", str(home), "--reviewer", "ann", str(TEMPLATES / template.folder)]
    with tmux(command) as screen:
        screen.until("Nothing waits", "worker ● 0 of", timeout=120)
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
    assert "tea" in workspace_of(template, files)
