"""Imports at run time, asked of real processes; the import contracts in pyproject.toml check the source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click import Context, Group

from hitl_tui.cli import SECTIONS, main
from hitl_tui.home import sample_agents
from tests.benchmarks.terminal import terminal

LANGGRAPH = ("langgraph", "langchain", "langchain_core")
TEXTUAL = ("textual",)

AFTER_FIRST_FRAME = (
    "aiosqlite", "sqlite3", "json", "hashlib", "click", "jsonschema", "tomllib", "textual.drivers.web_driver",
    "textual.widgets._text_area", "hitl_tui.agents", "hitl_tui.model", "hitl_tui.inbox", "hitl_tui.store", "hitl_tui.policy",
    "hitl_tui.supervisor", "hitl_tui.ui.queue", "hitl_tui.ui.review", "hitl_tui.ui.dialogs", "hitl_tui.ui.messages",
    "hitl_tui.ui.text.lines", "hitl_tui.ui.web_driver",
)  # fmt: skip
"""What the console imports only once something is on the screen."""
UNTIL_FIRST_FRAME = """
import sys
from pathlib import Path
from hitl_tui.console import Workers
from hitl_tui.errors import HitlError
from hitl_tui.home import Home
from hitl_tui.settings import Settings
from hitl_tui.ui.app import HitlApp

async def open_inbox():
    (home.path / "modules").write_text("\\n".join(sys.modules))
    raise HitlError("seen enough")

home = Home(Path(sys.argv[1]))
HitlApp(open_inbox, Settings(), Workers([sys.argv[2]], home, 1), home).run()
"""
"""Runs the console until it opens its home, which it does after the first frame."""


def imported_by(statement: str, packages: tuple[str, ...]) -> list[str]:
    """Return which of the packages a fresh process has imported after the statement."""
    script = f"import sys; {statement}; print(*[p for p in {packages!r} if p in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_reviewer_side_imports_no_langgraph() -> None:
    assert imported_by("import hitl_tui.ui.app, hitl_tui.console, hitl_tui.inbox, hitl_tui.store, hitl_tui.supervisor", LANGGRAPH) == []


def test_first_frame_waits_for_no_import_of_what_it_does_not_show(tmp_path: Path) -> None:
    with terminal([sys.executable, "-c", UNTIL_FIRST_FRAME, str(tmp_path), str(sample_agents())]) as screen:
        drawn = screen.wait()
    assert b"hitl-tui" in drawn and b"60\xc3\x9716" not in drawn
    imported = set((tmp_path / "modules").read_text().split())
    assert imported & {*AFTER_FIRST_FRAME, *LANGGRAPH} == set()


def test_inbox_and_output_of_commands_import_no_textual() -> None:
    assert imported_by("import hitl_tui.inbox, hitl_tui.cli.output", TEXTUAL) == []


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


@pytest.mark.slow
def test_running_worker_imports_no_textual(tmp_path: Path) -> None:
    """The worker loads a real project and idles; since it ends by os._exit, a hook inside reports its modules."""
    script = (
        "import os, sys; from hitl_tui.cli import main; real = os._exit\n"
        f"def leave(code): print('textual' in sys.modules, 'langgraph' in sys.modules, file=sys.__stdout__, flush=True); real(code)\n"
        f"os._exit = leave; main(['worker', '--until-idle', '--home', {str(tmp_path)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
