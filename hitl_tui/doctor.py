"""What `doctor` looks at: versions, paths, the database, and whether each target loads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from hitl_tui import __version__, printing
from hitl_tui.agents.targets import parse
from hitl_tui.errors import HitlError
from hitl_tui.model import Agent
from hitl_tui.settings import Home, read_settings
from hitl_tui.store import Store, agents, health

PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "langchain", "langchain-core", "textual", "aiosqlite")
DATABASES = ("hitl.db", "checkpoints.db", "memory.db")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    found: str

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def examine(home: Home, targets: Sequence[str], load: Callable[[Home, str], str]) -> list[Finding]:
    """Look at everything. `load` loads a target in a process of its own and says what went wrong."""
    findings = _versions()
    try:
        home.prepare()
        findings.append(Finding("home", True, str(home.path)))
        read_settings(home)
        findings.append(Finding("config.toml", True, "read" if home.config.exists() else "none; the defaults apply"))
    except HitlError as error:
        return [*findings, Finding("home", False, str(error))]
    findings += [_database(home, name) for name in DATABASES]
    for target in targets:
        findings += _target(home, target, load)
    return findings


def report(findings: Sequence[Finding]) -> str:
    """The findings for people."""
    return printing.table(("ok" if finding.good else "BAD", finding.what, finding.found) for finding in findings)


def _versions() -> list[Finding]:
    findings = [Finding("hitl-tui", True, __version__), Finding("python", True, sys.version.split()[0])]
    for name in PACKAGES:
        try:
            findings.append(Finding(name, True, metadata.version(name)))
        except metadata.PackageNotFoundError:
            findings.append(Finding(name, False, "is not installed; install hitl-tui again"))
    return findings


def _database(home: Home, name: str) -> Finding:
    path = home.path / name
    if not path.exists():
        return Finding(name, True, "none yet; it is made when first needed")
    problem = health.problem(path)
    return Finding(name, not problem, problem or f"sound, {path.stat().st_size // 1024} kB")


def _target(home: Home, target: str, load: Callable[[Home, str], str]) -> list[Finding]:
    problem = load(home, target)
    if problem:
        return [Finding(target, False, problem)]
    found = asyncio.run(_agents_of(home, parse(target).key))
    return [Finding(f"agent {agent.name}", not agent.error, agent.error or "loads") for agent in found]


async def _agents_of(home: Home, key: str) -> list[Agent]:
    async with Store.open(home.database) as store:
        return await agents.of_project(store, key)
