"""Shell completion: the scripts run in their shells, and values come from the home, which is neither made nor changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from hitl_tui.__main__ import COMPLETING
from hitl_tui.cli import SECTIONS, completion, main
from hitl_tui.home import Home
from hitl_tui.model import Agent, PauseKind
from tests.support.empty_database import open_store
from tests.support.harness import ForkServer
from tests.support.shell import hitl_tui_on_path
from tests.ui.homes import seed

COMMANDS = sorted(name for commands in SECTIONS.values() for name in commands)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with agents, one of them with a name that no shell may see, and an open review of run r1."""

    async def fill(path: Path) -> None:
        async with open_store(path) as store:
            project = await seed.add_project(store, (*seed.AGENTS, Agent("$(touch owned)", 0, "", "", None, True)))
            await seed.add_waiting_run(store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))

    folder = tmp_path_factory.mktemp("home")
    asyncio.run(fill(Home(folder).prepare().database))
    return folder


def completed(line: str, home: Path | None = None) -> list[str]:
    """What is offered for the last word of a command line."""
    *words, last = line.split(" ")
    at = ["--home", str(home)] if home else []
    found = ShellComplete(main, {}, "hitl-tui", COMPLETING).get_completions([*words[:1], *at, *words[1:]] if words else at, last)
    return [item.value if item.type == "plain" else item.type for item in found]


def test_commands_options_and_choices_are_completed() -> None:
    assert completed("") == COMMANDS
    assert completed("la") == ["launch"]
    assert completed("lessons ac") == ["accept"]
    assert completed("decide 1 ") == ["approve", "edit", "reject", "respond"]
    assert {"--json", "--limit", "--filter", "--home", "--reviewer"} <= set(completed("queue --"))
    assert "--describe" not in completed("worker --")
    assert completed("completion ") == list(completion.SHELLS)


def test_targets_and_homes_are_completed_as_paths() -> None:
    assert [completed(line) for line in ("./my", "worker ", "./agent.py:graph ")] == [["file"]] * 3
    assert completed("queue --home ") == ["dir"]


def test_values_come_from_the_home(home: Path) -> None:
    assert completed("launch ma", home) == ["mail_assistant"]
    assert "$(touch owned)" not in completed("launch ", home), "what a shell would run is never put on a command line"
    assert completed("show ", home) == ["1", "r1"]
    assert completed("decide ", home) == completed("claim ", home) == ["1"]
    assert completed("cancel r", home) == ["r1"]
    assert completed("retry ", home) == []
    assert completed("stats --tool send", home) == ["send_email"]


def test_completion_neither_makes_nor_changes_a_home(home: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in home.iterdir())
    assert completed("launch ", tmp_path / "gone") == [] and not (tmp_path / "gone").exists()
    completed("launch ", home)
    assert sorted(path.name for path in home.iterdir()) == before
    (tmp_path / "hitl.db").write_text("no database")
    assert completed("launch ", tmp_path) == []


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_script_completes_in_its_shell(shell: str, home: Path, tmp_path: Path, fork_server: ForkServer) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = CliRunner().invoke(main, ["completion", shell], prog_name="hitl-tui").output
    (tmp_path / "script").write_text(script)
    ask = {
        "bash": 'ask() { COMPREPLY=() COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _hitl_tui_completion hitl-tui; echo "${COMPREPLY[*]}"; }\n'
        f"source {tmp_path}/script; ask hitl-tui la; ask hitl-tui show r",
        "zsh": f"autoload -U compinit; compinit -u -d {tmp_path}/dump; compadd() {{ print -r -- ${{completions}} }}\n"
        "_describe() { print -r -- ${completions_with_descriptions%%:*} }\n"
        f"source {tmp_path}/script; words=(hitl-tui la); CURRENT=2; _hitl_tui_completion; words=(hitl-tui show r); CURRENT=3; "
        "_hitl_tui_completion",
        "fish": f"source {tmp_path}/script; begin; complete -C 'hitl-tui la'; complete -C 'hitl-tui show r'; end "
        "| string replace -r '\\t.*' ''",
    }[shell]
    with hitl_tui_on_path(fork_server, tmp_path, lambda args: args) as env:
        done = subprocess.run([shell, "-c", ask], env={**env, "HITL_TUI_HOME": str(home)}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["launch", "r1"], done.stderr


def test_program_answers_the_shell_and_opens_no_console(home: Path) -> None:
    asked = {COMPLETING: "bash_complete", "COMP_WORDS": "hitl-tui sh", "COMP_CWORD": "1", "HITL_TUI_HOME": str(home)}
    program = str(Path(sys.executable).with_name("hitl-tui"))
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("plain,show\n", "")
    assert completion.COMPLETING == COMPLETING
