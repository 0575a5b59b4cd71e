"""`hitl-tui service` prints a unit that systemd accepts; consoles leave the agents to a worker that runs as a service."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui import console
from hitl_tui.cli import main
from hitl_tui.console import Workers
from hitl_tui.model import RunState
from hitl_tui.store import agents, runs
from hitl_tui.worker.liveness import served_targets
from tests.support.empty_database import open_store
from tests.support.harness import Sandbox, SandboxFactory
from tests.support.tiers import sampled
from tests.support.tmux import needs_tmux, tmux

HITL = str(Path(sys.executable).with_name("hitl-tui"))
GRAPH = "graph = None\n"


def printed(folder: Path, *options: str) -> str:
    """The unit of a project in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "agent.py").write_text(GRAPH)
    done = CliRunner().invoke(main, ["service", "--home", str(folder / "home"), *options, f"{folder}/agent.py:graph"])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("name", "options"),
    sampled([("plain", ()), ("two words", ("--user",)), ('q"uote$HOME 100%', ()), ("it's \\ here", ("--concurrency", "4"))]),
)
def test_unit_of_a_service_is_accepted_by_systemd(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    unit = printed(tmp_path / name, *options)
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.partition("=")[2])]
    assert words[0] == sys.executable and words[-1] == f"{tmp_path / name}/agent.py:graph" and str(tmp_path / name / "home") in words
    assert ("User=" in unit) is ("--user" not in options)
    if shutil.which("systemd-analyze"):
        file = tmp_path / "hitl-tui.service"
        file.write_text(unit)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
        assert str(file.name) not in done.stderr and done.returncode == 0, done.stderr


def test_unit_of_a_service_with_a_line_break_in_a_path_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a\nExecStartPre=b"
    folder.mkdir()
    (folder / "agent.py").write_text(GRAPH)
    done = CliRunner().invoke(main, ["service", f"{folder}/agent.py:graph"])
    assert done.exit_code == 1 and "cannot be written into a systemd unit" in done.output


@contextlib.contextmanager
def service(sandbox: Sandbox) -> Iterator[None]:
    """A worker that no console owns."""
    worker = sandbox.start()
    yield
    worker.send(signal.SIGTERM)
    worker.wait()


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 40
    while not await is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_console_beside_a_service_starts_a_worker_only_once_that_has_ended(
    new_sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SERVICE_POLL_S", 0.1)
    monkeypatch.setattr(console, "SERVICE_GAP_S", 0.3)
    sandbox, said = new_sandbox("pauses"), list[str]()
    async with open_store(sandbox.home.database) as store:
        workers = Workers([sandbox.target], sandbox.home, 1)
        with service(sandbox):
            await until(lambda: served_targets(store, sandbox.home))
            workers.read_targets()
            await workers.use(store)
            workers.start(lambda: None, said.append)
            await until(lambda: asyncio.sleep(0, workers.served))
            assert workers.alive == 0 and len(await agents.list_workers(store)) == 1
        await until(lambda: asyncio.sleep(0, workers.alive))
        assert not workers.served and "the service that ran the agents of" in said[0]
        await workers.stop()


async def until_served(sandbox: Sandbox) -> None:
    """Wait until the sandbox's worker says that it runs as a service."""
    async with open_store(sandbox.home.database) as store:
        await until(lambda: served_targets(store, sandbox.home))


async def until_waiting(sandbox: Sandbox) -> None:
    """Wait until a run waits for a person: then the worker has loaded its agents, and ends when it is told to."""
    async with open_store(sandbox.home.database) as store:
        await until(lambda: runs.newest(store, 1, [RunState.WAITING]))


@pytest.mark.slow
@needs_tmux
def test_console_that_leaves_does_not_end_the_service(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    worker = sandbox.start()
    asyncio.run(until_served(sandbox))
    with tmux([HITL, "--home", str(sandbox.home.path), sandbox.target]) as screen:
        screen.until("Nothing waits", "● idle")
        screen.press_until("R", "a service runs the agents")
        screen.keys("q")
        screen.until("[exit 0]")
    assert worker.poll() is None
    sandbox.cli("launch", "gate_before", "--input", '{"text": "x"}')
    asyncio.run(until_waiting(sandbox))
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


@pytest.mark.slow
def test_service_of_two_projects_ends_when_one_of_them_has_ended(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    (sandbox.folder / "gone.py").write_text("import os; os._exit(3)")
    process, _ = sandbox.start_cli("worker", sandbox.target, str(sandbox.folder / "gone.py:graph"))
    assert process.wait() == 1
