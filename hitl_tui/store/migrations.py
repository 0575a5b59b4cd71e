"""The schema's versions: to change a table, append a step to `schema/steps/` and to `STEPS` here; released files are never edited."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from hitl_tui.errors import BadHome, Damaged
from hitl_tui.home import database_uri
from hitl_tui.store import damaged_files

SCHEMA = Path(__file__).with_name("schema")
APPLICATION_ID = 0x4849544C
"""Marks a database as one of released hitl-tui (SQLite's `application_id`); development versions wrote none or `0x6869746C`."""
TABLES = (
    "agents", "runs", "reviews", "decisions", "audit", "escalations", "takeovers", "policy", "attention_checks", "history", "statistics",
    "feedback", "autonomy", "lessons",
)  # fmt: skip
"""The files of `schema/tables` in the order in which their tables refer to each other."""


def _baseline() -> str:
    tables = [SCHEMA / "tables" / f"{name}.sql" for name in TABLES]
    return "\n".join(path.read_text("utf-8") for path in (*tables, *sorted((SCHEMA / "triggers").glob("*.sql"))))


def _step(name: str) -> Callable[[], str]:
    return lambda: (SCHEMA / "steps" / f"{name}.sql").read_text("utf-8")


STEPS: tuple[Callable[[], str], ...] = (
    _baseline,
    _step("2_pauses_and_snoozes"),
    _step("3_seen"),
    _step("4_outcomes"),
    _step("5_context"),
    _step("6_clocks_and_leases"),
    _step("7_servers"),
    _step("8_people"),
    _step("9_signatures"),
    _step("10_services_and_presence"),
    _step("11_agent_names"),
    _step("12_run_limits"),
    _step("13_grants"),
    _step("14_remarks"),
    _step("15_hand_backs"),
    _step("16_blind_reviews"),
    _step("17_indexes"),
    _step("18_hand_back_notifications"),
    _step("19_practice"),
    _step("20_judgements"),
)
"""The SQL of each version, read only when a database needs it. New and old databases take the same steps."""


VERSIONS = range(1, len(STEPS) + 1)


def statements(number: int) -> str:
    """The script that brings a database to this version (1 for the baseline), in one transaction."""
    return f"BEGIN IMMEDIATE; {STEPS[number - 1]()}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"


JOURNALS = (1, 2)
"""What SQLite writes as a file's write version: a rollback journal, or a write-ahead log (sqlite.org/fileformat.html, 1.3.3)."""
REPAIR = "end every hitl-tui on it and run `hitl-tui doctor --repair`"
OBJECTS = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


def changed_schema(db: sqlite3.Connection, or_added: bool = True) -> str:
    """The first table, index, view or trigger that this version of the schema has otherwise, as a sentence; empty if none has.

    `or_added`: also one that it does not have, which may do harm, and is no damage.
    """
    found = {(kind, name): _plain(sql) for kind, name, sql in db.execute(OBJECTS).fetchall()}
    wanted = _objects(int(db.execute("PRAGMA user_version").fetchone()[0]))
    for kind, name in sorted(found.keys() | wanted.keys(), key=str):  # damaged names may be bytes
        was, sql = wanted.get((kind, name)), found.get((kind, name))
        if was != sql and (or_added or was is not None):
            how = "is missing" if sql is None else "was added" if was is None else "was changed"
            return f"the {kind} {name} {how}: the schema is not the one of its version"
    return ""


@functools.cache
def _objects(version: int) -> dict[tuple[str, str], str]:
    """What a database of this version consists of."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for number in range(1, min(version, len(STEPS)) + 1):
            db.executescript(statements(number))
        return {(kind, name): _plain(sql) for kind, name, sql in db.execute(OBJECTS)}


def _plain(sql: str | None) -> str:
    """The statement without comments and line breaks."""
    return " ".join(re.sub(r"--[^\n]*", " ", sql or "").split())


def check(path: Path) -> None:
    """Refuse a database that this program must not touch; the file is only read. Damage and new files are found when it is opened.

    Raises:
        BadHome: it was written by a development version before 0.1.0, by a newer version, or by another program.
        Damaged: its header is.
    """
    with contextlib.suppress(OSError):
        found = _marks(path)
        if found is not None:
            _refuse(path, *found)


def _refuse(path: Path, application: int, version: int) -> None:
    if application == APPLICATION_ID and version <= len(STEPS) and (version or not _known_version(path)):
        return
    if known := _known_version(path):
        marks = f"its header has the marks {application:#x} and {version}, and its tables are those of schema {known}"
        raise Damaged(f"{path} is damaged: {marks}", REPAIR)
    if application == APPLICATION_ID:
        raise BadHome(f"{path} was written by a newer hitl-tui (schema {version}; this one knows {len(STEPS)})", "upgrade hitl-tui")
    if version:
        raise BadHome(
            f"{path} was written by a development version of hitl-tui from before 0.1.0, which kept its rows in other tables",
            "choose a new home with --home DIR, or use the version that wrote it; nothing was changed",
        )
    raise BadHome(f"{path} is the database of another program", "choose another home with --home DIR; nothing was changed")


def _known_version(path: Path) -> int:
    """The version whose tables the file has, whatever its header says; 0 if it is none."""
    uri = database_uri(path, "ro") + ("" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1")  # leaves no file behind
    with contextlib.suppress(sqlite3.Error), contextlib.closing(damaged_files.connect(uri, uri=True, timeout=2)) as db:
        found = {(kind, name): _plain(sql) for kind, name, sql in db.execute(OBJECTS).fetchall()}
        return next((number for number in range(len(STEPS), 0, -1) if found == _objects(number)), 0)
    return 0


def _marks(path: Path) -> tuple[int, int] | None:
    """The file's `application_id` and `user_version`; None when there is nothing to refuse yet.

    Read from the header where that is enough: SQLite itself would write files beside a database in WAL mode. While a write-ahead log
    exists, only SQLite may read it: closing the file drops the POSIX locks that this process's other connections hold on it, and they
    would fail with "disk I/O error" or corrupt it (sqlite.org/howtocorrupt.html, 2.2).
    """
    if path.with_name(f"{path.name}-wal").exists():
        return _marks_in_log(path)
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        return None
    if header[18] not in JOURNALS:
        raise Damaged(f"{path} is damaged: its header has the write version {header[18]}, with which SQLite only reads", REPAIR)
    application, version = int.from_bytes(header[68:72]), int.from_bytes(header[60:64])
    return (application, version) if application or version else _marks_in_log(path)


def _marks_in_log(path: Path) -> tuple[int, int] | None:
    """The same as of the last commit, which may only be in the write-ahead log yet."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
        db.execute("BEGIN")  # one moment: another process may be making the database right now
        is_new = not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        application, version = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version"))
        return None if is_new and not (application or version) else (application, version)
    return None
