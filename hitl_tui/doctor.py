"""What `doctor` looks at: versions, paths, the database, and whether each target loads."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from hitl_tui import __version__, printing
from hitl_tui.errors import HitlError
from hitl_tui.settings import Home, read_settings
from hitl_tui.store.migrations import STEPS

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
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as db:
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            schema = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        return Finding(name, False, f"{path} cannot be read: {error}; move it away to start afresh, or restore a copy")
    if verdict != "ok":
        return Finding(name, False, f"{path} is damaged: {verdict}; move it away to start afresh, or restore a copy")
    if name == "hitl.db" and schema > len(STEPS):
        return Finding(name, False, f"{path} was written by a newer hitl-tui (schema {schema}); upgrade hitl-tui")
    return Finding(name, True, f"sound, {path.stat().st_size // 1024} kB" + (f", schema {schema}" if name == "hitl.db" else ""))


def _target(home: Home, target: str, load: Callable[[Home, str], str]) -> list[Finding]:
    from hitl_tui.agents.targets import parse

    problem = load(home, target)
    if problem:
        return [Finding(target, False, problem)]
    key = parse(target).key
    with contextlib.closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT name, agents.error FROM agents JOIN projects ON projects.id = project WHERE target = ? ORDER BY name", (key,)
        ).fetchall()
    return [Finding(f"agent {name}", not error, error or "loads") for name, error in rows]
