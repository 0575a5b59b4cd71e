"""Driving the real thing from tests: worker processes on real homes, and a reviewer at the same rows as they."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review, ReviewState, Run, RunState
from hitl_tui.store import Store

PROJECTS = Path(__file__).parents[1] / "projects"
PATIENCE_S = 40.0
OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


def approve() -> Answer:
    return Answer(DecisionKind.APPROVE)


def edit(**args: Any) -> Answer:
    return Answer(DecisionKind.EDIT, args)


def reject(message: str | None = None) -> Answer:
    return Answer(DecisionKind.REJECT, message=message)


def respond(message: str | None = None, value: Any = None) -> Answer:
    return Answer(DecisionKind.RESPOND, value, message)


def rounds(*calls_of_rounds: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """The request that makes the scripted model of tests/projects make these calls, a round at a time."""
    return json.dumps(calls_of_rounds)


class Worker:
    """A worker process, forked off the forge."""

    def __init__(self, pid: int, exits: Path) -> None:
        self.pid = pid
        self._exit = exits / str(pid)

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        return int(self._exit.read_text()) if self._exit.exists() else None

    def wait(self, patience: float = PATIENCE_S) -> int:
        """The exit code."""
        until = time.monotonic() + patience
        while (code := self.poll()) is None:
            assert time.monotonic() < until, f"the worker {self.pid} goes on"
            time.sleep(0.01)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        self.wait()


class Forge:
    """The process whose forks the workers are (tests/support/fork_server.py)."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "tests.support.fork_server"]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
        )

    def fork(self, args: Sequence[str], env: dict[str, str], folder: Path, name: str, cwd: Path | None = None) -> Worker:
        """A process that is `hitl-tui` with these arguments; what it prints goes to files of that name in the folder."""
        assert self._process.stdin and self._process.stdout
        sys.audit("tests.fork")  # counted by tests/support/recorder.py
        files = {"cwd": f"{cwd or folder}", "out": f"{folder}/{name}.out", "err": f"{folder}/{name}.err", "exits": f"{folder}"}
        order = {"args": args, "env": env, **files}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Worker(int(self._process.stdout.readline()), folder)

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


class Place:
    """A home, a target, and the worker processes started there."""

    def __init__(self, folder: Path, target: str, forge: Forge) -> None:
        self._forge = forge
        self.folder = folder
        self.target = target
        self.home = Home(folder / "home").prepare()
        self.journal = folder / "journal"
        self.workers: list[Worker] = []
        self._numbers = itertools.count()
        self.env = {**os.environ, "HITL_TEST_JOURNAL": str(self.journal), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, *options: str, kill_at: str = "") -> Worker:
        """Start a worker, which may be made to die at a step; what it says goes to files beside the home."""
        args = ["worker", "--home", str(self.home.path), *options, "--", self.target]
        self.workers.append(self._forge.fork(args, {**self.env, "HITL_TEST_KILL_AT": kill_at}, self.folder, "worker"))
        return self.workers[-1]

    def run_until_idle(self, *options: str) -> int:
        """Run a worker until nothing is left to do; its exit code."""
        return self.start("--until-idle", *options).wait()

    def end(self) -> None:
        """End every worker that still runs."""
        for worker in self.workers:
            worker.kill()

    def begin(self, *args: str, **env: str) -> tuple[Worker, str]:
        """Start the command line on this home; the process, and the name of the files with what it says."""
        name = f"cli{next(self._numbers)}"
        return self._forge.fork([*args, "--home", str(self.home.path)], {**self.env, **env}, self.folder, name), name

    def cli(self, *args: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on this home, and check its exit code."""
        process, name = self.begin(*args, **env)
        out, err = (self.folder / f"{name}.{end}" for end in ("out", "err"))
        done = subprocess.CompletedProcess(args, process.wait(), out.read_text(), err.read_text())
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *args: str) -> Any:
        """What the command line prints with --json."""
        return json.loads(self.cli(*args, "--json").stdout)

    def refused(self, *args: str, **env: str) -> str:
        """The one sentence with which the command line refuses."""
        done = self.cli(*args, code=1, **env)
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("hitl-tui: "), line
        return line.removeprefix("hitl-tui: ")

    def said(self) -> str:
        """What the workers wrote to stderr."""
        return (self.folder / "worker.err").read_text()


class Reviewer:
    """Somebody at the rows of a place: launches, waits for what happens, decides."""

    def __init__(self, place: Place, store: Store, name: str = "ann") -> None:
        self.place = place
        self.store = store
        self.inbox = Inbox(store, name)

    async def launch(self, agent: str, *calls: Sequence[tuple[str, dict[str, Any]]], **more: Any) -> Run:
        """Launch an agent; one that talks is told by the script which calls to make."""
        if calls:
            more["text"] = rounds(*calls)
        return (await self.inbox.runs.launch(agent, **more))[0]

    async def wait(self, run: Run | int, *states: RunState, patience: float = PATIENCE_S) -> Run:
        """The run, once it is in one of the states; by default once it is over."""
        wanted, number = states or OVER, run if isinstance(run, int) else run.id
        until = time.monotonic() + patience
        while (now := await self.inbox.runs.get(number)).state not in wanted:
            unexpected = now.state in OVER or time.monotonic() > until
            assert not unexpected, f"run r{now.id} of {now.agent} is {now.state}, not {wanted}: {now.error}\n{now.traceback}"
            await asyncio.sleep(0.02)
        return now

    async def done(self, run: Run) -> Any:
        """The state in which the run ended well."""
        return (await self.wait(run, RunState.DONE)).result

    async def asked(self, run: Run, count: int = 1) -> list[Review]:
        """The run's open reviews, once it waits with so many."""
        until = time.monotonic() + PATIENCE_S
        while True:
            await self.wait(run, RunState.WAITING)
            rows = [row for row in await self.inbox.reviews.of_run(run.id) if row.state == ReviewState.OPEN]
            if len(rows) == count:
                return [await self.inbox.reviews.get(row.id) for row in rows]
            assert time.monotonic() < until, f"{len(rows)} reviews are open, not {count}"
            await asyncio.sleep(0.02)

    async def one(self, run: Run) -> Review:
        """The one open review of the run."""
        return (await self.asked(run))[0]

    async def decide(self, review: Review, *answers: Answer) -> ReviewState:
        """Answer all actions of a review, in order."""
        return await self.inbox.reviews.decide(review, dict(zip((a.slot for a in review.actions), answers, strict=True)))

    async def until_workers(self, count: int) -> None:
        """Wait until so many workers are known."""
        until = time.monotonic() + PATIENCE_S
        while len(await self.inbox.agents.workers()) < count:
            assert time.monotonic() < until, "the workers never came"
            await asyncio.sleep(0.02)

    async def applied(self, review: Review) -> None:
        """Wait until the worker has done with a decided review."""
        until = time.monotonic() + PATIENCE_S
        while (await self.inbox.reviews.get(review.row.id)).row.state in ("decided", "submitted"):
            assert time.monotonic() < until, "the decision was never applied"
            await asyncio.sleep(0.02)

    async def states(self, run: Run) -> list[str]:
        """The states of every review the run ever opened."""
        return [row.state.value for row in await self.inbox.reviews.of_run(run.id)]

    def did(self, run: Run) -> list[dict[str, Any]]:
        """The side effects of the run's thread, in order."""
        if not self.place.journal.exists():
            return []
        lines = [json.loads(line) for line in self.place.journal.read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in ("thread", "decision")} for line in lines if line["thread"] == run.thread]

    def keys(self, run: Run, what: str) -> list[str | None]:
        """The `hitl_decision_id` with which each of these side effects of the run's thread happened, in order."""
        lines = [json.loads(line) for line in self.place.journal.read_text().splitlines()]
        return [line["decision"] for line in lines if line["thread"] == run.thread and line["did"] == what]

    async def until_did(self, run: Run, what: str) -> dict[str, Any]:
        """The side effect, once it is there."""
        until = time.monotonic() + PATIENCE_S
        while not (found := [line for line in self.did(run) if line["did"] == what]):
            assert time.monotonic() < until, f"{what} never happened; the run is {await self.inbox.runs.get(run.id)}"
            await asyncio.sleep(0.02)
        return found[-1]


@contextlib.asynccontextmanager
async def reviewer(place: Place, name: str = "ann") -> AsyncIterator[Reviewer]:
    """A reviewer on a connection of their own."""
    async with Store.open(place.home.database) as store:
        yield Reviewer(place, store, name)


def results(state: Any) -> dict[str, list[str]]:
    """Tool results of a finished conversation, by tool."""
    found: dict[str, list[str]] = {}
    for message in state["messages"]:
        if message["role"] == "tool":
            found.setdefault(message["name"], []).append(message["text"])
    return found


async def until_said(place: Place, what: str, patience: float = PATIENCE_S) -> None:
    """Wait until a worker of the place has said that."""
    until = time.monotonic() + patience
    while what not in place.said():
        assert time.monotonic() < until, place.said()
        await asyncio.sleep(0.05)
