"""Imports at run time, asked of real processes; the import contracts in pyproject.toml check the source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click import Context, Group

from hitl_tui.cli import SECTIONS, main

LANGGRAPH = ("langgraph", "langchain", "langchain_core")
TEXTUAL = ("textual",)


def imported_by(statement: str, packages: tuple[str, ...]) -> list[str]:
    """Return which of the packages a fresh process has imported after the statement."""
    script = f"import sys; {statement}; print(*[p for p in {packages!r} if p in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", ["hitl_tui.ui.app", "hitl_tui.console", "hitl_tui.inbox", "hitl_tui.store", "hitl_tui.supervisor"])
def test_reviewer_side_imports_no_langgraph(module: str) -> None:
    assert imported_by(f"import {module}", LANGGRAPH) == []


@pytest.mark.parametrize("module", ["hitl_tui.worker.process", "hitl_tui.agents.local_source", "hitl_tui.inbox", "hitl_tui.cli.output"])
def test_agent_side_imports_no_textual(module: str) -> None:
    assert imported_by(f"import {module}", TEXTUAL) == []


def test_command_line_imports_neither_until_needed() -> None:
    heavy = (*LANGGRAPH, *TEXTUAL, "aiosqlite", "asyncio", "jsonschema")
    assert imported_by("import hitl_tui.cli", heavy) == []


def test_command_list_imports_no_command_and_matches_their_help() -> None:
    run = "from hitl_tui.cli import main; main(['--help'], standalone_mode=False)"
    assert imported_by(run, (*LANGGRAPH, *TEXTUAL, "asyncio", "hitl_tui.cli.output"))[-1] == "shell."
    listed = {name: sentence for commands in SECTIONS.values() for name, (_, sentence) in commands.items()}
    called = {name: main.resolve_command(Context(main), [name])[1] for name in main.commands}
    assert {name: command.get_short_help_str(1000) for name, command in called.items() if command} == listed
    assert all(isinstance(command, Group) or command.callback for command in called.values() if command)


def test_command_imports_no_textual_and_no_langgraph(tmp_path: Path) -> None:
    run = f"from hitl_tui.cli import main; main(['queue', '--home', {str(tmp_path)!r}], standalone_mode=False)"
    assert imported_by(run, (*LANGGRAPH, *TEXTUAL)) == ["no", "open", "reviews"]


def test_running_worker_imports_no_textual(tmp_path: Path) -> None:
    """The worker loads a real project and idles; since it ends by os._exit, a hook inside reports its modules."""
    script = (
        "import os, sys; from hitl_tui.cli import main; real = os._exit\n"
        f"def leave(code): print('textual' in sys.modules, 'langgraph' in sys.modules, file=sys.__stdout__, flush=True); real(code)\n"
        f"os._exit = leave; main(['worker', '--until-idle', '--home', {str(tmp_path)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
