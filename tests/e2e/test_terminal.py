"""The console in a real terminal, with its real worker and the sample agents, from an empty home to a call that ran."""

from __future__ import annotations

import email
import os
import signal
import sqlite3
import subprocess
import sys
import time
from email import policy
from pathlib import Path

import pytest

from tests.support.tmux import Tmux, needs_tmux, tmux

HITL = str(Path(sys.executable).with_name("hitl-tui"))


AGENT = """
from langgraph.graph import END, START, MessagesState, StateGraph

builder = StateGraph(MessagesState)
builder.add_node("only", lambda state: {})
builder.add_edge(START, "only")
builder.add_edge("only", END)
graph = builder.compile()
"""


def start_run(screen: Tmux, request: str) -> None:
    """Start a run of the first agent with a request."""
    screen.keys("n")
    screen.until("New run", "mail_assistant")
    screen.type(request)  # letters go into the text; enter before them could come in one read with them, which is ignored as a paste
    screen.until(request.split()[-1])
    screen.keys("Enter")


def approve(screen: Tmux) -> None:
    """Press `a` until it works: decision keys are ignored for a moment after a new review appears."""
    for _ in range(20):
        screen.keys("a")
        for _ in range(10):
            if "approved by you" in screen.screen():
                return
            time.sleep(0.05)
    raise AssertionError(f"it was never approved:\n{screen.screen()}")


def outbox(home: Path) -> list[email.message.Message]:
    """Return the mails sent by runs of this home."""
    return [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in home.glob("work/*/outbox/new/*")]


def decisions(home: Path) -> list[tuple[str, str]]:
    """Return (kind, actor) of every decision."""
    with sqlite3.connect(home / "hitl.db") as db:
        return db.execute("SELECT kind, actor FROM decisions ORDER BY id").fetchall()


@needs_tmux
def test_console_in_a_terminal_goes_from_an_empty_home_to_a_sent_mail(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with tmux([HITL, "--home", str(home), "--reviewer", "ann"]) as screen:
        screen.until("Nothing waits", "mail_assistant")
        start_run(screen, "send a mail to bob@example.com saying hello, the lamps are ready")
        screen.until("send_mail", "bob@example.com", "scripted")
        assert outbox(home) == []
        approve(screen)
        screen.keys("F2")
        screen.until("done", "bob@example.com")
        [mail] = outbox(home)
        assert mail["To"] == "bob@example.com"
        assert "the lamps are ready" in str(mail)
        assert decisions(home) == [("approve", "ann")]
        screen.keys("q")
        screen.until("[exit 0]")


@pytest.mark.slow
@needs_tmux
def test_decision_can_be_undone_and_made_differently(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text("undo_s = 8\n")
    with tmux([HITL, "--home", str(home), "--reviewer", "ann"]) as screen:
        screen.until("Nothing waits", "mail_assistant")
        start_run(screen, "send a mail to bob@example.com saying hello")
        screen.until("send_mail")
        approve(screen)
        screen.until("u undo")
        screen.keys("u")
        for _ in range(100):
            if "undo" not in screen.screen():
                break
            time.sleep(0.05)
        screen.until("Queue 1", "a approve")
        assert "approved by you" not in screen.screen()
        screen.press_until("r", "does not run")
        screen.type("she is on holiday")
        screen.until("on holiday")
        screen.press_until("Enter", "rejected by you")
        screen.keys("F2")
        screen.until("done", "holiday")
        assert outbox(home) == []
        with sqlite3.connect(home / "hitl.db") as db:
            made = db.execute("SELECT kind, superseded, undone_at IS NOT NULL FROM decisions ORDER BY id").fetchall()
        assert made == [("approve", 1, 1), ("reject", 0, 0)]


@pytest.mark.slow
@needs_tmux
def test_killed_worker_is_reported_and_replaced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with tmux([HITL, "--home", str(home), "--reviewer", "ann"]) as screen:
        screen.until("Nothing waits", "mail_assistant")
        start_run(screen, "send a mail to bob@example.com saying hello")
        screen.until("send_mail")
        with sqlite3.connect(home / "hitl.db") as db:
            [(pid,)] = db.execute("SELECT pid FROM workers").fetchall()
        os.kill(pid, signal.SIGKILL)
        screen.until("SIGKILL")
        approve(screen)
        screen.keys("F2")
        screen.until("done")
        assert len(outbox(home)) == 1


@pytest.mark.slow
@needs_tmux
def test_broken_project_of_the_current_folder_is_told_and_loaded_once_mended(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").write_text("{")
    (tmp_path / "agent.py").write_text(AGENT)
    with tmux(["sh", "-c", f"cd {tmp_path} && exec {HITL} --home {tmp_path}/home"]) as screen:
        screen.until("langgraph.json", "cannot be read", "Nothing waits", "✗ down")
        (tmp_path / "langgraph.json").write_text('{"graphs": {"mended": "./agent.py:graph"}}')
        screen.keys("R")
        screen.until("to start a run of", "mended", "●")


def test_console_without_a_terminal_says_what_to_use(tmp_path: Path) -> None:
    done = subprocess.run([HITL, "--home", str(tmp_path)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr == "hitl-tui: the console needs a terminal; without one, use `hitl-tui queue`, `show` and `decide`\n"


@needs_tmux
def test_unknown_key_in_the_config_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[keys]\naprove = "y"\n')
    with tmux([HITL, "--home", str(tmp_path)]) as screen:
        assert "aprove is not a command" in screen.until("[exit 1]")


@needs_tmux
def test_terminal_that_is_too_small_shows_the_needed_size(tmp_path: Path) -> None:
    with tmux([HITL, "--home", str(tmp_path)], columns=50, rows=12) as screen:
        screen.until("60×16")
        screen.keys("q")
        screen.until("[exit 0]")
