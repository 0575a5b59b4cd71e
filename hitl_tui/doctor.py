"""The checks and repairs of `hitl-tui doctor`: versions, home, policies, databases, stuck rows, and whether each target loads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from hitl_tui import __version__, canonical_json, notify
from hitl_tui.agents import checkpoint_reader
from hitl_tui.agents.environment import environment_of
from hitl_tui.agents.targets import SAMPLE, ServerTarget, Target, or_default, parse
from hitl_tui.errors import Damaged, HitlError
from hitl_tui.home import Home
from hitl_tui.model import Agent
from hitl_tui.people.file import PeopleFile
from hitl_tui.policy.loader import ACCEPT, NOT_ACCEPTED, digest_of, policy_paths, read_policy, read_text
from hitl_tui.settings import read_settings
from hitl_tui.store import Store, agents, damaged_files, migrations, people_log, policy_log
from hitl_tui.store.maintenance import integrity, recover, repair
from hitl_tui.worker.liveness import is_gone

PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "langchain", "langchain-core", "textual", "aiosqlite")
DATABASES = ("hitl.db", "checkpoints.db", "memory.db")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    good: bool
    found: str

    def as_dict(self) -> dict[str, object]:
        """As JSON, for `--json`."""
        return asdict(self)


def check_installation(home: Home, targets: Sequence[str], load: Callable[[Home, str], str], repairs: bool = False) -> list[Finding]:
    """Run every check. Without targets and without `repairs` nothing is written, and no home is made.

    Args:
        home: the home.
        targets: the targets to load.
        load: loads a target in a separate process, and returns the error; empty if there is none.
        repairs: whether to repair what can be repaired.
    """
    findings = _versions()
    try:
        if not targets and not home.path.exists():
            return [*findings, Finding("home", True, f"{home.path}: none yet; it is created when first needed"), _default_target()]
        if targets or repairs:
            home.prepare()
        findings.append(usable := _usable(home))
        if not usable.good:
            return findings
        read_settings(home)
        findings.append(Finding("config.toml", True, "read" if home.config.exists() else "none; the defaults apply"))
    except HitlError as error:
        return [*findings, Finding("home", False, str(error))]
    findings.append(_privacy(home))
    findings += _policies(home, targets)
    files = [_repaired_file(home.path / name) for name in DATABASES] if repairs else []
    databases = [*(_database(home, name) for name in DATABASES), *_order(home)]
    rows = _rows(home, repairs, [one.found for found in files for one in found if one.good]) if databases[0].good else []
    repaired = [finding for found in files for finding in found] + rows
    if repairs and not repaired:
        repaired.append(Finding("repair", True, "nothing to repair"))
    findings += [*databases, *repaired]
    if not targets:
        findings.append(_default_target())
    for target in targets:
        findings += _target(home, target, load)
    return findings


def _usable(home: Home) -> Finding:
    if not home.path.is_dir():
        return Finding("home", False, f"{home.path} is no folder; choose another with --home DIR")
    if not os.access(home.path, os.W_OK | os.X_OK):
        return Finding("home", False, f"{home.path} cannot be written; change its permissions, or choose another with --home DIR")
    return Finding("home", True, str(home.path))


def _default_target() -> Finding:
    """The checks of the default target. Parses it, and loads no graph."""
    (target,) = or_default(())
    try:
        parsed = parse(target)
    except HitlError as error:
        return Finding("agents", False, str(error))
    return Finding("agents", True, f"{parsed.label}: `hitl-tui doctor {target if parsed.label != SAMPLE else 'TARGET'}` loads them")


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
        return Finding(name, True, "none yet; it is created when first needed")
    problem = integrity.problem(path)
    return Finding(name, not problem, problem or f"sound, {path.stat().st_size // 1024} kB")


def _order(home: Home) -> list[Finding]:
    """Threads whose checkpoints are out of order. They work, and LangGraph's own programs do not see their last steps."""
    found = checkpoint_reader.threads_out_of_order(home.checkpoints)
    if not found:
        return []
    told = f"{', '.join(found[:5])}{' and others' if len(found) > 5 else ''}"
    return [Finding("order", True, f"checkpoints out of order, because the clock was set back; they are read as they were written: {told}")]


def _privacy(home: Home) -> Finding:
    found = home.open_to_others()
    if not found:
        return Finding("privacy", True, "only you can read the home")
    if found != [home.path]:
        return Finding("privacy", False, f"other users can read {', '.join(map(str, found[:5]))}; `chmod go=` them")
    whose = "it has no database yet" if not home.database.exists() else "it holds what is not hitl-tui's"
    return Finding("privacy", True, f"other users can enter {home.path}, which is left as it is: {whose}; the files in it are private")


def _policies(home: Home, targets: Sequence[str]) -> list[Finding]:
    """Check the policies in force, and their notification channels."""
    roots: list[Path | None] = [None]
    with contextlib.suppress(HitlError):  # a default target that cannot be used is a finding of its own
        roots += [parsed.root for target in targets or or_default(()) if isinstance(parsed := parse(target), Target)]
    found = (next((path for path in policy_paths(home.path, root) if path.exists()), None) for root in roots)
    people = PeopleFile(home.path).now()
    findings = []
    if people.people.is_checked:
        told = people.people.problem or f"{len(people.people.persons)} people"
        findings.append(Finding("people.toml", not people.people.problem, told))
    if _change_waits(home):
        findings.append(Finding("people.toml", False, f"{people_log.WAITS}; {people_log.ACCEPT}"))
    for path in dict.fromkeys(filter(None, found)):
        try:
            policy = read_policy(path, people.people)
        except HitlError as error:
            findings.append(Finding("policy", False, str(error)))
            continue
        is_accepted = path.parent == home.path or _is_accepted(home, path)
        findings.append(Finding("policy", True, str(path) if is_accepted else f"{path} is not in force: {NOT_ACCEPTED}; {ACCEPT}"))
        findings += [Finding("notifications", False, f"{what}; {todo}") for _, what, todo in notify.problems(policy.notify)]
    return findings


def _change_waits(home: Home) -> bool:
    """Whether people.toml was changed and nobody has signed that. Only reads."""
    if not home.database.exists():
        return False
    try:
        with integrity.reading(home.database) as db:
            return people_log.change_waits(db, PeopleFile(home.path))
    except (sqlite3.Error, ValueError, KeyError):  # the check of the database, or `audit verify`, says what is wrong
        return False


def _is_accepted(home: Home, path: Path) -> bool:
    """Whether a person has accepted a policy outside of the home as it is. Only reads."""
    digest = digest_of(read_text(path))
    if policy_log.is_packaged(path, digest):
        return True
    if not home.database.exists():
        return False
    try:
        with integrity.reading(home.database) as db:
            found = db.execute(policy_log.ACCEPTED, {"path": canonical_json.storable(str(path))}).fetchall()
    except sqlite3.Error:  # the check of the database says what is wrong
        return False
    return [digest] == [hash_ for (hash_,) in found]


def _repaired_file(path: Path) -> list[Finding]:
    """Repair a database file. A damaged file is kept under another name."""
    if not path.exists():
        return []
    try:
        if path.name == "hitl.db":
            with contextlib.suppress(Damaged):
                migrations.check(path)
        lines = _repair_file(path) if integrity.is_damaged(path) else _finish_log(path)
    except (HitlError, OSError, sqlite3.Error) as error:
        return [Finding("repair", False, str(error))]
    return [Finding("repair", True, line) for line in lines]


def _repair_file(path: Path) -> list[str]:
    with recover.alone(path):
        if integrity.only_indexes(path):
            with contextlib.closing(damaged_files.connect(path)) as db:
                db.execute("REINDEX")
            if not integrity.is_damaged(path):
                return [f"{path.name}: damaged indexes were rebuilt"]
        if path.name == "hitl.db":
            aside, saved = recover.rebuild(path)
            kept = ", ".join(f"{count} {table}" for table, count in saved.items() if count) or "nothing"
            return [f"hitl.db was damaged: it is kept as {aside.name}, and the readable rows are in a new one: {kept}"]
        aside = recover.move_aside(path)
    gone = "runs that need their checkpoint will fail" if path.name == "checkpoints.db" else "agents lose their long-term memory"
    return [f"{path.name} was damaged: it is kept as {aside.name}, and a new one is created when needed; {gone}, unless you restore a copy"]


def _finish_log(path: Path) -> list[str]:
    """Checkpoint a write-ahead log that a killed process left behind."""
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if not size or recover.is_used(path):
        return []
    with contextlib.closing(damaged_files.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return [f"{path.name}: {size // 1024} kB of its write-ahead log were written into it"]


def _rows(home: Home, repairs: bool, before: Sequence[str] = ()) -> list[Finding]:
    """Find or repair stuck rows, and threads that wait without a row in hitl.db. They are found on a copy of it.

    `before` are the lines of repairs of files, which are logged too.
    """
    waiting = checkpoint_reader.waiting_threads(home.checkpoints)
    if not home.database.exists() and not (waiting and repairs):
        said = [f"{len(waiting)} threads wait in checkpoints.db, and there is no hitl.db"] if waiting else []
    else:
        try:
            if repairs:
                said = asyncio.run(_repair_rows(home, home.database, waiting, repairs, before))
            else:
                with _copied(home.database) as copy:
                    said = asyncio.run(_repair_rows(home, copy, waiting, repairs))
        except (HitlError, OSError, sqlite3.Error) as error:
            return [Finding("rows", False, str(error))]
    if repairs:
        return [Finding("repair", True, line) for line in said]
    return [Finding("rows", False, f"{line} (by `hitl-tui doctor --repair`)") for line in said]


@contextlib.contextmanager
def _copied(database: Path) -> Iterator[Path]:
    """A copy of a database as of now, which may be migrated and written; the database itself is only read."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / database.name
        with integrity.reading(database) as source, contextlib.closing(damaged_files.connect(copy)) as target:
            source.backup(target)
        yield copy


async def _repair_rows(
    home: Home, database: Path, waiting: Sequence[tuple[str, str, int]], repairs: bool, before: Sequence[str] = ()
) -> list[str]:
    async with Store.open(database) as store:
        gone = functools.partial(is_gone, home)
        said = await repair.repair_rows(store, gone, await agents.list_workers(store), repairs, before)
        return said + await repair.adopt(store, waiting, repairs) + await repair.rebuild_history(store, repairs)


def _target(home: Home, target: str, load: Callable[[Home, str], str]) -> list[Finding]:
    problem = load(home, target)
    if problem:
        return [Finding(target, False, problem)]
    parsed = parse(target)
    found, warnings = asyncio.run(_loaded(home, parsed.key))
    about = [] if isinstance(parsed, ServerTarget) else _project(parsed, warnings)
    return about + [Finding(f"agent {agent.name}", not agent.error, agent.error or "loads") for agent in found]


def _project(target: Target, warnings: Sequence[str]) -> list[Finding]:
    """The environment of a project, and what of its langgraph.json has no effect, as the process in that environment found."""
    environment, note = environment_of(target)
    where = (
        f"Python {'.'.join(map(str, environment.version))} of {environment.prefix}" if environment else note or "hitl-tui's own environment"
    )
    ignored = [Finding(f"{target.label}: langgraph.json", True, warning) for warning in warnings if warning != note]
    return [Finding(f"{target.label}: environment", True, where), *ignored]


async def _loaded(home: Home, key: str) -> tuple[list[Agent], list[str]]:
    """The agents of a project, and its warnings, as they were loaded last."""
    async with Store.open(home.database) as store:
        return await agents.of_project(store, key), await agents.warnings_of(store, key)
