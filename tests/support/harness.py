"""Runs the product in tests: worker processes and the command line on a temporary home, and a reviewer on the same database."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review, ReviewState, Run, RunState
from hitl_tui.store import Store
from tests.support.empty_database import open_store

PROJECTS = Path(__file__).parents[1] / "projects"
TIMEOUT_S = 90.0
ENDED = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


def approve() -> Answer:
    return Answer(DecisionKind.APPROVE)


def edit(**args: Any) -> Answer:
    return Answer(DecisionKind.EDIT, args)


def reject(message: str | None = None) -> Answer:
    return Answer(DecisionKind.REJECT, message=message)


def respond(message: str | None = None, value: Any = None) -> Answer:
    return Answer(DecisionKind.RESPOND, value, message)


def rounds(*turns: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return the request that makes the scripted model of tests/projects call these tools, one group per turn."""
    return json.dumps(turns)


class Worker:
    """A process forked by the fork server: a worker or a command."""

    def __init__(self, pid: int, exits: Path) -> None:
        self.pid = pid
        self._exit = exits / str(pid)

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return int(self._exit.read_text()) if self._exit.exists() else None

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the process to end, and return its exit code."""
        until = time.monotonic() + timeout_s
        while (code := self.poll()) is None:
            assert time.monotonic() < until, f"process {self.pid} still runs"
            time.sleep(0.01)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process without warning, as a power cut would."""
        self.send(signal.SIGKILL)
        self.wait()


@dataclass(frozen=True, slots=True)
class ForkServer:
    """Client of a tests/support/fork_server.py, which forks processes that have LangGraph imported already."""

    address: str
    """Of its Unix socket."""

    def fork(self, args: Sequence[str], env: dict[str, str], folder: Path, name: str, cwd: Path | None = None) -> Worker:
        """Fork a process that runs `hitl-tui` with these arguments. Its output goes to `folder/name.out` and `folder/name.err`."""
        sys.audit("tests.fork")  # counted by tests/support/recorder.py
        files = {"cwd": f"{cwd or folder}", "out": f"{folder}/{name}.out", "err": f"{folder}/{name}.err", "exits": f"{folder}"}
        order = {"args": args, "env": env, **files}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            with connection.makefile("rw") as lines:
                lines.write(json.dumps(order) + "\n")
                lines.flush()
                return Worker(int(lines.readline()), folder)


@contextlib.contextmanager
def running_fork_server() -> Iterator[ForkServer]:
    """Run a fork server; processes that it forked run on when it ends."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="fork-") as folder:
        server = ForkServer(f"{folder}/socket")
        command = [sys.executable, "-P", "-m", "tests.support.fork_server", server.address]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
        )
        try:
            assert process.stdout and process.stdout.readline() == b"listening\n"
            yield server
        finally:
            process.communicate()


class Sandbox:
    """A temporary home, a project of agents (`target`), and the worker processes started on them.

    `journal` is the file in which the tools of tests/projects record their side effects.
    """

    def __init__(self, folder: Path, target: str, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self.folder = folder
        self.target = target
        self.home = Home(folder / "home").prepare()
        self.journal = folder / "journal"
        self.workers: list[Worker] = []
        self._numbers = itertools.count()
        self.env = {**os.environ, "HITL_TEST_JOURNAL": str(self.journal), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, *options: str, kill_at: str = "") -> Worker:
        """Start a worker that logs to `worker.err` beside the home. `kill_at` names a failpoint at which it kills itself."""
        args = ["worker", "--home", str(self.home.path), *options, "--", self.target]
        self.workers.append(self._fork_server.fork(args, {**self.env, "HITL_TEST_KILL_AT": kill_at}, self.folder, "worker"))
        return self.workers[-1]

    def run_until_idle(self, *options: str) -> int:
        """Run a worker until nothing is left to do, and return its exit code."""
        return self.start("--until-idle", *options).wait()

    def kill_workers(self) -> None:
        """Kill every worker that still runs."""
        for worker in self.workers:
            worker.kill()

    def start_cli(self, *args: str, **env: str) -> tuple[Worker, str]:
        """Start a command on this home. Returns the process, and the name of its output files in `folder`."""
        name = f"cli{next(self._numbers)}"
        return self._fork_server.fork([*args, "--home", str(self.home.path)], {**self.env, **env}, self.folder, name), name

    def cli(self, *args: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this home and check its exit code; `None` allows any."""
        process, name = self.start_cli(*args, **env)
        out, err = (self.folder / f"{name}.{end}" for end in ("out", "err"))
        done = subprocess.CompletedProcess(args, process.wait(), out.read_text(), err.read_text())
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def cli_json(self, *args: str) -> Any:
        """Run a command with `--json`, and return the parsed output."""
        return json.loads(self.cli(*args, "--json").stdout)

    def cli_error(self, *args: str, **env: str) -> str:
        """Run a command that must fail, and return its one-line error message."""
        done = self.cli(*args, code=1, **env)
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("hitl-tui: "), line
        return line.removeprefix("hitl-tui: ")

    def worker_stderr(self) -> str:
        """Return what the workers logged to stderr."""
        return (self.folder / "worker.err").read_text()


SandboxFactory = Callable[[str], Sandbox]
"""Makes a sandbox for a project of tests/projects, named by its folder, or for any other target."""


class Reviewer:
    """A reviewer of a sandbox on a database connection of their own: launches runs, waits for reviews, decides."""

    def __init__(self, sandbox: Sandbox, store: Store, name: str = "ann") -> None:
        self.sandbox = sandbox
        self.store = store
        self.inbox = Inbox(store, name)
        self.timeout_s = TIMEOUT_S
        """Seconds that each wait may take."""

    async def launch(self, agent: str, *calls: Sequence[tuple[str, dict[str, Any]]], **more: Any) -> Run:
        """Launch an agent. `calls` are the tool calls its scripted model makes, one group per turn."""
        if calls:
            more["text"] = rounds(*calls)
        return (await self.inbox.runs.launch(agent, **more))[0]

    async def wait(self, run: Run | int, *states: RunState, timeout_s: float = 0.0) -> Run:
        """Wait until the run is in one of the states (default: has ended), and return it."""
        wanted, number = states or ENDED, run if isinstance(run, int) else run.id
        until = time.monotonic() + (timeout_s or self.timeout_s)
        while (now := await self.inbox.runs.get(number)).state not in wanted:
            unexpected = now.state in ENDED or time.monotonic() > until
            assert not unexpected, f"run r{now.id} of {now.agent} is {now.state}, not {wanted}: {now.error}\n{now.traceback}"
            await asyncio.sleep(0.02)
        return now

    async def result_of(self, run: Run) -> Any:
        """Wait until the run is done, and return its final state."""
        return (await self.wait(run, RunState.DONE)).result

    async def open_reviews(self, run: Run, count: int = 1) -> list[Review]:
        """Wait until the run waits with `count` open reviews, and return them."""
        until = time.monotonic() + self.timeout_s
        while True:
            await self.wait(run, RunState.WAITING)
            rows = [row for row in await self.inbox.reviews.of_run(run.id) if row.state == ReviewState.OPEN]
            if len(rows) == count:
                return [await self.inbox.reviews.get(row.id) for row in rows]
            assert time.monotonic() < until, f"{len(rows)} reviews are open, not {count}"
            await asyncio.sleep(0.02)

    async def open_review(self, run: Run) -> Review:
        """Wait until the run waits with one open review, and return it."""
        return (await self.open_reviews(run))[0]

    async def decide(self, review: Review, *answers: Answer) -> ReviewState:
        """Decide a review with one answer per action, in order."""
        return await self.inbox.reviews.decide(review, dict(zip((a.slot for a in review.actions), answers, strict=True)))

    async def until_workers(self, count: int) -> None:
        """Wait until at least `count` workers are registered."""
        until = time.monotonic() + self.timeout_s
        while len(await self.inbox.agents.workers()) < count:
            assert time.monotonic() < until, "the workers never registered"
            await asyncio.sleep(0.02)

    async def until_applied(self, review: Review) -> None:
        """Wait until a worker has applied a decided review."""
        until = time.monotonic() + self.timeout_s
        while (await self.inbox.reviews.get(review.row.id)).row.state in ("decided", "submitted"):
            assert time.monotonic() < until, "the decision was never applied"
            await asyncio.sleep(0.02)

    async def until_state(self, review: Review, state: ReviewState) -> None:
        """Wait until a review is in a state."""
        until = time.monotonic() + self.timeout_s
        while (now := (await self.inbox.reviews.get(review.row.id)).row.state) is not state:
            assert time.monotonic() < until, f"it is {now}"
            await asyncio.sleep(0.02)

    async def review_states(self, run: Run) -> list[str]:
        """Return the states of all reviews of the run, oldest first."""
        return [row.state.value for row in await self.inbox.reviews.of_run(run.id)]

    def effects(self, run: Run) -> list[dict[str, Any]]:
        """Return the side effects that tools recorded for the run, oldest first."""
        if not self.sandbox.journal.exists():
            return []
        lines = [json.loads(line) for line in self.sandbox.journal.read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in ("thread", "decision")} for line in lines if line["thread"] == run.thread]

    async def until_stored(self, run: Run, node: str = "tools", results: int = 0) -> None:
        """Wait until the checkpoint from which `node` runs is stored, with results of so many tasks: LangGraph stores behind the run."""
        until = time.monotonic() + self.timeout_s
        while not _is_stored(self.sandbox.home.checkpoints, run.thread, node, results):
            assert time.monotonic() < until, f"the step of {node} was never stored"
            await asyncio.sleep(0.02)

    def decision_keys(self, run: Run, what: str) -> list[str | None]:
        """Return the `hitl_decision_id` of each side effect `what` of the run, oldest first."""
        lines = [json.loads(line) for line in self.sandbox.journal.read_text().splitlines()]
        return [line["decision"] for line in lines if line["thread"] == run.thread and line["did"] == what]

    async def until_effect(self, run: Run, what: str) -> dict[str, Any]:
        """Wait until the run has the side effect `what`, and return the latest."""
        until = time.monotonic() + self.timeout_s
        while not (found := [line for line in self.effects(run) if line["did"] == what]):
            assert time.monotonic() < until, f"{what} never happened; the run is {await self.inbox.runs.get(run.id)}"
            await asyncio.sleep(0.02)
        return found[-1]


def _is_stored(database: Path, thread: str, node: str, results: int) -> bool:
    """Whether `node` runs from a thread's newest checkpoint, and so many tasks have results there."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer  # takes a second to import, and few tests need it

    newest = "SELECT checkpoint_id, type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' ORDER BY 1 DESC LIMIT 1"
    ended = (
        "SELECT count(DISTINCT task_id) FROM writes WHERE checkpoint_id = ? AND channel NOT IN ('__resume__', '__interrupt__', '__error__')"
    )
    with contextlib.closing(sqlite3.connect(database)) as db:
        if (row := db.execute(newest, (thread,)).fetchone()) is None:
            return False
        (count,) = db.execute(ended, row[:1]).fetchone()
    values = JsonPlusSerializer().loads_typed(row[1:])["channel_values"]
    is_next = f"branch:to:{node}" in values or any(task.node == node for task in values.get("__pregel_tasks", ()))
    return is_next and count >= results


@contextlib.asynccontextmanager
async def open_reviewer(sandbox: Sandbox, name: str = "ann") -> AsyncIterator[Reviewer]:
    """Open a reviewer of the sandbox."""
    async with open_store(sandbox.home.database) as store:
        yield Reviewer(sandbox, store, name)


def tool_results(state: Any) -> dict[str, list[str]]:
    """Return the tool results of a finished conversation, by tool name."""
    found: dict[str, list[str]] = {}
    for message in state["messages"]:
        if message["role"] == "tool":
            found.setdefault(message["name"], []).append(message["text"])
    return found


def commits_in(database: Path) -> int:
    """Count the transactions in a write-ahead log that was not started over: frames that end one say how large the database then is."""
    log = database.with_name(f"{database.name}-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    return sum(any(log[frame + 4 : frame + 8]) for frame in range(32, len(log), 24 + page))


def stop_between_writes(sandbox: Sandbox, worker: Worker) -> None:
    """Stop a worker (SIGSTOP), but not while it holds the write lock of a database: nobody could write then."""
    for _ in range(400):
        worker.send(signal.SIGSTOP)
        with contextlib.suppress(sqlite3.OperationalError):
            for path in (sandbox.home.database, sandbox.home.checkpoints):
                with contextlib.closing(sqlite3.connect(path, timeout=0.3, isolation_level=None)) as db:
                    db.execute("BEGIN IMMEDIATE")
                    db.execute("ROLLBACK")
            return
        worker.send(signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the worker always writes")


async def until_logged(sandbox: Sandbox, what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a worker of the sandbox has logged `what`."""
    until = time.monotonic() + timeout_s
    while what not in sandbox.worker_stderr():
        assert time.monotonic() < until, sandbox.worker_stderr()
        await asyncio.sleep(0.05)
