"""`hitl-tui run`: one run in the foreground, with each pause asked at the prompt."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from hitl_tui.model import ReviewState
from tests.support.harness import Sandbox, SandboxFactory, open_reviewer, rounds

SEND = [("send", {"to": "bob"})]


def in_terminal(sandbox: Sandbox, *args: str, answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run a command in a terminal, and type each answer when its question is shown. Returns the exit code and what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "hitl_tui", *args, "--home", str(sandbox.home.path)]
    shown = ""
    terminal: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    with subprocess.Popen(command, **terminal, preexec_fn=_own_terminal, env=sandbox.env, cwd=sandbox.folder) as process:
        os.close(theirs)
        watchdog = threading.Timer(170, process.kill)
        watchdog.start()
        left = list(answers)
        while piece := _read(ours):
            shown += piece
            if left and re.search(left[0][0], shown.rpartition("\x00")[2]):
                os.write(ours, left.pop(0)[1].encode())
                shown += "\x00"  # what follows is the answer's
        watchdog.cancel()
    os.close(ours)
    return process.returncode, shown.replace("\x00", "").replace("\r\n", "\n")


def _own_terminal() -> None:
    """Make standard input the terminal of this session, so that ctrl+c interrupts it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65_536).decode(errors="replace")
    except OSError:  # no program has it open
        return ""


@pytest.mark.slow
async def test_run_asks_at_the_prompt_and_ends_with_the_run(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    answers = [("send: approve, edit, reject, respond, later\\? $", "x\n"), ("(?s)type one of .*later\\? $", "\n"), ("later\\? $", "app\n")]
    code, shown = in_terminal(sandbox, "run", sandbox.target, "batched", rounds(SEND), answers=answers)
    assert code == 0, shown
    assert "run r1\n" in shown and "\ndone\n" in shown and "type one of approve, edit" in shown
    async with open_reviewer(sandbox) as reviewer:
        assert [d["to"] for d in reviewer.effects(await reviewer.inbox.runs.get(1))] == ["bob"]


@pytest.mark.slow
def test_run_takes_no_line_that_was_typed_before_its_question(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    answers = [("later\\? $", "x\napprove\napprove\n"), ("(?s)type one of .*later\\? $", "later\n")]
    code, shown = in_terminal(sandbox, "run", sandbox.target, "batched", rounds(SEND), answers=answers)
    assert code == 3 and "r1 waits" in shown, shown


@pytest.mark.slow
async def test_run_left_for_later_exits_with_3_and_stays_in_the_queue(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    done = sandbox.cli("run", sandbox.target, "batched", rounds(SEND), code=3)
    assert "run r1 waits; `hitl-tui queue` lists what for" in done.stderr
    async with open_reviewer(sandbox) as reviewer:
        assert [row.state for row in await reviewer.inbox.reviews.pending(5)] == [ReviewState.OPEN]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "options", "code", "said"),
    [
        ('risk = "reversible"\noutcome = "ask"', (), 0, "1#1 send: approved by --approve-all"),
        (
            'risk = "irreversible"\noutcome = "ask"',
            ("--approve-unknown",),
            3,
            "1#1 send is irreversible, which --approve-all does not approve",
        ),
        ("", (), 3, "1#1 send is of unknown risk; add --approve-unknown"),
        ("", ("--approve-unknown",), 0, "1#1 send: approved by --approve-all"),
        ('outcome = "takeover"', ("--approve-unknown",), 3, "1#1 send needs a person to take over: rule 'sending'"),
        ('outcome = "ask"\nreviewers = 2', ("--approve-unknown",), 3, "1#1 send: approved by --approve-all"),
    ],
)
async def test_approve_all_leaves_what_it_must_not_approve(
    new_sandbox: SandboxFactory, rule: str, options: Sequence[str], code: int, said: str
) -> None:
    sandbox = new_sandbox("pauses")
    if rule:
        (sandbox.home.path / "policy.toml").write_text(f'[[rule]]\nname = "sending"\ntool = "send"\n{rule}\n')
    done = sandbox.cli("run", sandbox.target, "batched", rounds(SEND), "--approve-all", *options, code=code)
    assert said in done.stdout + done.stderr
    async with open_reviewer(sandbox) as reviewer:
        assert len(reviewer.effects(await reviewer.inbox.runs.get(1))) == (code == 0)


@pytest.mark.slow
async def test_failed_run_exits_with_1_and_an_unknown_agent_is_refused(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("foreign")
    done = sandbox.cli("run", sandbox.target, "keyboard", "--input", '{"text": "x"}', code=1)
    assert "failed: its code calls input()" in done.stdout
    assert "has no agent nobody" in sandbox.cli("run", sandbox.target, "nobody", "x", code=1).stderr


@pytest.mark.slow
def test_limit_of_a_run_is_not_passed_by_approve_all(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    limit = ("--limit", "count(send) < 1", "--approve-all", "--approve-unknown")
    done = sandbox.cli("run", sandbox.target, "batched", rounds(SEND), *limit, code=3)
    assert "is outside what was asked for: count(send) < 1" in done.stderr, done.stderr


@pytest.mark.slow
def test_usage_errors_of_run_exit_with_2(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    for args in ((), ("text", "--input", "{}"), ("text", "--approve-unknown")):
        sandbox.cli("run", sandbox.target, "batched", *args, code=2)


@pytest.mark.slow
async def test_run_is_edited_answered_and_rejected_at_the_prompt(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    editor = sandbox.folder / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/bob/zoe/ "$1"\n')
    editor.chmod(0o755)
    sandbox.env["EDITOR"] = str(editor)
    asks = "send: approve, edit, reject, respond, later\\? $"
    answers = [
        (asks, "respond\n"), ("answer: $", "\n"),  # an empty answer is none
        (asks, "respond\n"), ("answer: $", "{\"a\": \n"),  # nor is what begins like JSON
        ("(?s)is not JSON.*later\\? $", "respond\n"), ("answer: $", "she has it\n"),
        (asks, "reject\n"), ("reason \\(may be empty\\): $", "not today\n"),
        (asks, "edit\n"),
        (asks, "\x04"),
    ]  # fmt: skip
    code, shown = in_terminal(sandbox, "run", sandbox.target, "batched", rounds(SEND, SEND, SEND, SEND), answers=answers)
    assert code == 3 and "r1 waits" in shown, shown
    async with open_reviewer(sandbox) as reviewer:
        decided = [(await reviewer.inbox.reviews.get(review)).decisions[0].answer for review in (1, 2, 3)]
        assert [(one.kind, one.message, one.args) for one in decided] == [
            ("respond", "she has it", None), ("reject", "not today", None), ("edit", None, {"to": "zoe"}),
        ]  # fmt: skip
        assert [d["to"] for d in reviewer.effects(await reviewer.inbox.runs.get(1))] == ["zoe"]
        assert [row.state for row in await reviewer.inbox.reviews.pending(5)] == [ReviewState.OPEN]


@pytest.mark.slow
def test_interrupted_run_exits_with_130_and_its_review_stays_open(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    code, shown = in_terminal(sandbox, "run", sandbox.target, "batched", rounds(SEND), answers=[("later\\? $", "\x03")])
    assert code == 130, shown
    assert [one["state"] for one in sandbox.cli_json("queue")] == ["open"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_at_all", "graph cannot be loaded: ModuleNotFoundError: No module named 'nothing_at_all'"),
        ("import os; os._exit(3)", "the agents of bad.py cannot be loaded; `hitl-tui agents bad.py:graph` says why"),
    ],
)
def test_run_of_an_agent_that_cannot_be_loaded_is_refused(new_sandbox: SandboxFactory, code: str, said: str) -> None:
    sandbox = new_sandbox("nowhere")
    (sandbox.folder / "bad.py").write_text(code)
    assert said in sandbox.cli_error("run", "bad.py:graph", "graph", "x")
