"""Shared fixtures: sandboxes with worker processes; also how tests are distributed over pytest processes."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import properties as properties  # loads the profile before any test is decorated
from tests.support import recorder
from tests.support.harness import PROJECTS, ForkServer, Reviewer, Sandbox, SandboxFactory, open_reviewer, running_fork_server
from tests.support.servers import DevServer, LangHost

FORK_SERVER = pytest.StashKey[ForkServer]()

os.environ.setdefault("HITL_SCRIPTED_DELAY", "0")  # the sample agents stream at the speed of a real model, and tests do not watch


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that share a worker or a server in one pytest process, and start the slowest folders first."""
    for item in items:
        engine = getattr(item, "callspec", None) and item.callspec.params.get("engine")  # type: ignore[attr-defined]
        if engine not in (None, "local"):
            item.add_marker(pytest.mark.xdist_group(engine))
        if "shared_sandbox" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    folders = {"e2e": 0, "worker": 1, "ui": 2}
    items.sort(key=lambda item: folders.get(item.path.relative_to(Path(__file__).parent).parts[0], 3))


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which would walk all of LangChain every time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let all pytest processes use one fork server: importing LangGraph takes it a second. The recorder wants one for each of them."""
    if recorder.FOLDER in os.environ:
        return
    stash = node.config.stash
    if FORK_SERVER not in stash:
        running = ExitStack()
        stash[FORK_SERVER] = running.enter_context(running_fork_server())
        node.config.add_cleanup(running.close)
    node.workerinput["fork_server"] = stash[FORK_SERVER].address


@pytest.fixture(scope="session")
def fork_server(request: pytest.FixtureRequest) -> Iterator[ForkServer]:
    """The server that forks workers and commands."""
    if address := getattr(request.config, "workerinput", {}).get("fork_server"):
        yield ForkServer(address)
    else:
        with running_fork_server() as server:
            yield server


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Iterator[SandboxFactory]:
    """Make or reuse the sandbox of a project, with one worker that all tests of the module share: `shared_sandbox("pauses")`."""
    sandboxes: dict[str, Sandbox] = {}

    def get(project: str) -> Sandbox:
        if project not in sandboxes:
            sandboxes[project] = Sandbox(tmp_path_factory.mktemp(project), str(PROJECTS / project), fork_server)
            sandboxes[project].start()
        return sandboxes[project]

    yield get
    for sandbox in sandboxes.values():
        sandbox.kill_workers()


@pytest.fixture
def new_sandbox(tmp_path: Path, fork_server: ForkServer) -> Iterator[SandboxFactory]:
    """Make a sandbox for one test, without a worker: `new_sandbox("trouble")`. Workers started in it end with the test."""
    sandboxes: list[Sandbox] = []

    def make(project: str) -> Sandbox:
        target = PROJECTS / project
        folder = tmp_path / f"sandbox{len(sandboxes)}"
        folder.mkdir()
        sandboxes.append(Sandbox(folder, str(target) if target.exists() else project, fork_server))
        return sandboxes[-1]

    yield make
    for sandbox in sandboxes:
        sandbox.kill_workers()


@pytest.fixture
async def pauses(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/pauses, whose worker the tests of the module share."""
    async with open_reviewer(shared_sandbox("pauses")) as reviewer:
        yield reviewer


@pytest.fixture(scope="session")
def dev_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """`langgraph dev` on tests/projects/servers, for all tests of this process."""
    with DevServer(tmp_path_factory.mktemp("dev")).running() as server:
        yield server


@pytest.fixture(scope="session")
def langhost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LangHost]:
    """Two processes of langhost on tests/projects/servers, for all tests of this process."""
    with LangHost(tmp_path_factory.mktemp("langhost")).running() as server:
        yield server
