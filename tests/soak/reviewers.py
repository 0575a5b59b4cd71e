"""Reviewers of a soak: processes without a screen, the command line, and a real console in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import psutil

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review, call_id
from tests.soak.answers import answer
from tests.soak.intent_log import IntentLog
from tests.support import set_clock
from tests.support.harness import ForkServer, Sandbox
from tests.support.tmux import Tmux, tmux

ROOT = Path(__file__).parents[2]
KEYS = (
    "a",
    "a",
    "a",
    "a",
    "j",
    "k",
    "g",
    "G",
    "u",
    "r",
    "1",
    "Escape",
    "Right",
    "Left",
    "F2",
    "F1",
    "F1",
    "d",
    "o",
    "o",
    "Enter",
    "Escape",
)
"""Keys pressed at random; none that quits, starts runs or opens a text field."""


class Person:
    """A reviewer process."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._process = process
        self.name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Kill it without warning, as a power cut would."""
        self._process.kill()
        self._process.wait()


class Terminal:
    """A console in its own terminal, with the worker it starts."""

    def __init__(self, screen: Tmux, close: contextlib.ExitStack) -> None:
        self.screen = screen
        self._close = close

    def processes(self) -> tuple[int | None, list[int]]:
        """Return the pid of the console, and those of its workers."""
        shell = int(self.screen.run("list-panes", "-F", "#{pane_pid}"))
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(shell).children(recursive=True):
                if "console" in child.cmdline():
                    return child.pid, [grandchild.pid for grandchild in child.children()]
        return None, []

    def close(self) -> None:
        """End the terminal and everything in it."""
        self._close.close()


class Reviewers:
    """All reviewers of a soak."""

    def __init__(self, sandbox: Sandbox, fork_server: ForkServer, seed: int) -> None:
        self._sandbox = sandbox
        self._fork_server = fork_server
        self._seed = seed
        self._numbers = itertools.count()
        self.intent_logs = sandbox.folder / "intent_logs"
        self.intent_logs.mkdir()
        self.people: list[Person] = []
        self.terminal: Terminal | None = None
        self.faults: list[str] = []
        self.boss: Inbox
        """Somebody who may release runs."""

    @property
    def _clock_of_all(self) -> dict[str, str]:
        """Environment variables with which a process follows the sandbox's clock, and its child processes too."""
        return {set_clock.VARIABLE: self._sandbox.env[set_clock.VARIABLE], "PYTHONPATH": f"{set_clock.SITE}:{ROOT}"}

    def start_reviewer(self, name: str) -> None:
        """Start a reviewer process; each start of a name has its own intent log."""
        number = next(self._numbers)
        args = [str(self._sandbox.home.path), str(self.intent_logs / f"{name}-{number}"), name, f"{name} {number} {self._seed}"]
        with (self._sandbox.folder / "reviewers.err").open("ab") as err:
            command = [sys.executable, "-m", "tests.soak.reviewer", *args]
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=err, start_new_session=True, env={**os.environ, **self._clock_of_all}
            )
        self.people.append(Person(process, name))

    def open_terminal(self) -> None:
        """Start a console on the soak's agents."""
        close = contextlib.ExitStack()
        journal = [f"HITL_TEST_JOURNAL={self._sandbox.journal}", *(f"{name}={value}" for name, value in self._clock_of_all.items())]
        hitl = str(Path(sys.executable).with_name("hitl-tui"))
        command = ["env", *journal, hitl, "console", "--home", str(self._sandbox.home.path), "--reviewer", "con", self._sandbox.target]
        self.terminal = Terminal(close.enter_context(tmux(command)), close)

    async def press_keys(self) -> None:
        """Press random keys in the console until cancelled."""
        random = Random(f"keys {self._seed}")
        while True:
            if self.terminal:
                with contextlib.suppress(subprocess.CalledProcessError):  # it is being replaced
                    await asyncio.to_thread(self.terminal.screen.keys, random.choice(KEYS))
            await asyncio.sleep(random.uniform(0.05, 0.25))

    async def type_commands(self, inbox: Inbox) -> None:
        """Decide by command line until cancelled; some commands are killed while they run."""
        random, intent_log = Random(f"commands {self._seed}"), IntentLog(self.intent_logs / "commands")
        while True:
            await asyncio.sleep(random.uniform(0.3, 1.2))
            ids = list(await inbox.reviews.open_ids())[:10]
            if ids:
                await self._command(random, intent_log, await inbox.reviews.get(random.choice(ids)))

    async def _command(self, random: Random, intent_log: IntentLog, review: Review) -> None:
        action = random.choice(review.actions)
        said, number = answer(random, review, action), review.row.id
        grace, undoing = random.choice((("0", False), ("0", False), ("1s", False), ("2s", True)))
        about = {"review": number, "run": review.row.run, "actor": "cli", "mark": review.row.note}
        slots = {action.slot: {"kind": said.kind, "args": said.args, "message": said.message}}
        intent_log.note("decide", "try", slots=slots, **about)
        args = [call_id(number, action.slot), said.kind.value, "--digest", action.digest, "--grace", grace, *_told(said)]
        code, error = await self._run(random, ["decide", *args])
        intent_log.note("decide", {0: "done", 1: "lost"}.get(code, "killed"), slots=slots, why=error, **about)
        if code == 0 and undoing:
            code, error = await self._run(random, ["undo", str(number)])
            intent_log.note("undo", {0: "done", 1: "lost"}.get(code, "killed"), why=error, **about)

    async def _run(self, random: Random, args: list[str]) -> tuple[int, str]:
        """Run a command. Returns its exit code and error message."""
        name = f"command{next(self._numbers)}"
        all_args = [*args, "--home", str(self._sandbox.home.path), "--reviewer", "cli"]
        process = self._fork_server.fork(all_args, self._sandbox.env, self._sandbox.folder, name)
        if random.random() < 0.1:
            await asyncio.sleep(random.uniform(0.0, 0.2))
            process.send(signal.SIGKILL)
        code = await asyncio.to_thread(process.wait)
        file = self._sandbox.folder / f"{name}.err"
        error = file.read_text() if file.exists() else ""
        if code not in (0, 1, -signal.SIGKILL) or "Traceback" in error:
            self.faults.append(f"`hitl-tui {' '.join(args)}` ended with {code}: {error}")
        return code, error.removeprefix("hitl-tui: ").strip()

    def close(self) -> None:
        """End all reviewers."""
        for person in self.people:
            person.kill()
        self.people.clear()
        if self.terminal:
            self.terminal.close()
            self.terminal = None

    def complaints(self) -> list[str]:
        """Return errors of the reviewers themselves."""
        path = self._sandbox.folder / "reviewers.err"
        text = path.read_text() if path.exists() else ""
        return [*self.faults, *([f"a reviewer broke down:\n{text}"] if "Traceback" in text else [])]


def _told(said: Answer) -> list[str]:
    if said.kind in (DecisionKind.EDIT, DecisionKind.RESPOND) and said.message is None:
        return ["--args", json.dumps(said.args)]
    return ["--message", said.message] if said.message is not None else []
