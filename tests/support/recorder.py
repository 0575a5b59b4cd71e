"""Pytest plugin that records what each test and fixture costs, and the tables `python -m tests --profile` prints of it.

Enabled by the environment variable HITL_TEST_PROFILE, a folder: every pytest process writes one JSON line per test and per fixture
setup to a file there. CPU seconds are user + system of the whole process tree, so workers started by a test are counted while they run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

FOLDER = "HITL_TEST_PROFILE"
PROCESS_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "tests.fork"})
"""Audit events that mean a new process; `tests.fork` is raised by tests/support for processes forked by the fork server."""
ROWS = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """What one test (setup, call and teardown) or one fixture setup took."""

    kind: Literal["test", "fixture", "process"]
    name: str
    """Node id of a test, name of a fixture."""
    cpu_s: float
    wall_s: float
    processes: int
    """How many processes it started."""


class Recorder:
    """Measures tests and fixture setups, and appends them to a file of this process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{os.getpid()}.jsonl").open("a", buffering=1)
        self._process = psutil.Process()
        self._started = 0
        sys.addaudithook(self._count)

    def _count(self, event: str, _args: tuple[Any, ...]) -> None:
        self._started += event in PROCESS_STARTS

    def _cpu_s(self) -> float:
        """CPU seconds of this process, its ended children and its living descendants, so far."""
        total = sum(self._process.cpu_times()[:4])
        for child in self._process.children(recursive=True):
            try:
                total += sum(child.cpu_times()[:4])
            except psutil.Error:
                continue
        return float(total)

    def _measure(self, kind: Literal["test", "fixture"], name: str) -> Generator[None, Any, Any]:
        cpu, wall, started = self._cpu_s(), time.monotonic(), self._started
        try:
            return (yield)
        finally:
            cost = Cost(kind, name, self._cpu_s() - cpu, time.monotonic() - wall, self._started - started)
            self._file.write(json.dumps(asdict(cost)) + "\n")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._measure("test", item.nodeid))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        return (yield from self._measure("fixture", fixturedef.argname))

    def pytest_sessionfinish(self) -> None:
        cost = Cost("process", str(os.getpid()), self._cpu_s(), time.time() - self._process.create_time(), self._started)
        self._file.write(json.dumps(asdict(cost)) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Record this process, if the environment names a folder."""
    if folder := os.environ.get(FOLDER):
        config.pluginmanager.register(Recorder(Path(folder)))


def report(folder: Path) -> str:
    """The most expensive tests, files and fixtures of the records in the folder, as text."""
    costs = [Cost(**json.loads(line)) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    tests = [cost for cost in costs if cost.kind == "test"]
    parts = [
        _table("tests", ((cost.name, cost) for cost in tests)),
        _table("files", ((cost.name.partition("::")[0], cost) for cost in tests)),
        _table("fixtures", ((cost.name, cost) for cost in costs if cost.kind == "fixture")),
    ]
    processes = [cost for cost in costs if cost.kind == "process"]
    whole = max((cost.cpu_s for cost in processes), default=0.0)  # the first process counts the others, which it started
    parts.append(f"{len(processes)} pytest processes, {whole:.0f} CPU s with everything they started")
    return "\n\n".join(parts)


def _table(title: str, named: Iterable[tuple[str, Cost]]) -> str:
    """The rows with the most CPU time, and a row of totals."""
    rows: dict[str, list[Cost]] = defaultdict(list)
    for name, cost in named:
        rows[name].append(cost)
    sums = {name: (sum(c.cpu_s for c in of), sum(c.wall_s for c in of), sum(c.processes for c in of), len(of)) for name, of in rows.items()}
    ordered = sorted(sums, key=lambda name: -sums[name][0])[:ROWS]
    lines = [f"{title}: {len(rows)}", f"{'CPU s':>8} {'wall s':>8} {'procs':>6} {'count':>6}  name"]
    lines += [f"{s[0]:8.2f} {s[1]:8.2f} {s[2]:6d} {s[3]:6d}  {name}" for name in ordered for s in (sums[name],)]
    totals = [sum(column) for column in zip(*sums.values(), strict=True)] if sums else [0, 0, 0, 0]
    return "\n".join([*lines, f"{totals[0]:8.1f} {totals[1]:8.1f} {totals[2]:6.0f} {totals[3]:6.0f}  all"])
