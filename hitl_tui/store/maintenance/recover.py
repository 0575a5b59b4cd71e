"""Recovers a damaged `hitl.db`: copies what can still be read into a new database, and keeps the old one beside it."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hitl_tui.errors import Refused
from hitl_tui.store import damaged_files, migrations
from hitl_tui.store.maintenance.prune import PRUNED

DMS_BYTE = 128
"""The byte of the `-shm` file on which every process that uses the database holds a lock (SQLite's UNIX_SHM_DMS)."""
GAP = 20_000
"""Row numbers tried one by one between the last row read from the front and the last one read from the back."""
HOPELESS = 300
"""After so many unreadable rows in a row, the interior page above them must be damaged, and reading stops."""
REBUILT = ("changes", "workers", "presence", "cells", "tallies", "beliefs", "lessons_due")
"""Tables that are not copied, because their readers fill them again, like the history."""
HEADER, PAGE = 100, 4096
"""Bytes of the file's header, and of a page in every home."""
SAME_IN_HEADER = ((0, 18), (20, 24), (44, 48), (52, 60), (64, 92))
"""First and last byte of the fields of the header that do not depend on what is in the file."""
SCHEMA_COLUMNS = "type, name, tbl_name, rootpage, sql"
MEND = "UPDATE sqlite_master SET type = :kind, name = :name, tbl_name = :table, sql = :sql WHERE rowid = :rowid"
SIDES = ("-wal", "-shm", "-journal")
FOREIGN_KEY = 'SELECT "from" FROM pragma_foreign_key_list(:table) WHERE id = :number'
LOST_RUNS = """
INSERT INTO runs (id, agent, thread, title, input, state, error, created_at)
SELECT run, min(agent), 'lost:' || run, 'lost', ?, 'failed', 'the run was lost with a damaged hitl.db', min(opened_at)
FROM reviews WHERE run NOT IN (SELECT id FROM runs) GROUP BY run
"""
MARK_CHECKS = """
UPDATE runs SET attention = 1 WHERE id IN (SELECT run FROM reviews WHERE id IN (SELECT review FROM attention_checks))
"""
LOST_CHECKS = """
INSERT INTO attention_checks (review, source, wrong, correct, made_at, last)
SELECT v.id, 0, 'what was wrong with it was lost', 'null', v.opened_at, 0
FROM reviews v JOIN runs r ON r.id = v.run WHERE r.attention AND v.id NOT IN (SELECT review FROM attention_checks)
"""
"""Attention checks whose row is lost stay checks: statistics and training data must not count them."""


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes out of the file during the block.

    Raises:
        Refused: another process uses it.
    """
    shm = path.with_name(path.name + "-shm")
    if not shm.exists():
        yield
        return
    with shm.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, DMS_BYTE)
        except OSError:
            raise Refused(f"{path} is used by a console, a worker or another program", "end it, and repair again") from None
        yield


def is_used(path: Path) -> bool:
    """Whether another process uses the file."""
    try:
        with alone(path):
            return False
    except Refused:
        return True


def move_aside(path: Path) -> Path:
    """Rename the file and its side files to a name with the date. Returns the new path."""
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(aside.with_name(aside.name + side))
    path.rename(aside)
    return aside


def rebuild(path: Path) -> tuple[Path, dict[str, int]]:
    """Replace the database with a new one that has every row that can be read.

    Returns where the old one is now, and the number of saved rows by table.
    """
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with contextlib.closing(damaged_files.connect(new, isolation_level=None)) as db, _mended(path) as copy:
        saved = _fill(copy, db)
    aside = move_aside(path)
    new.rename(path)
    return aside, saved


@contextlib.contextmanager
def _mended(path: Path) -> Iterator[Path]:
    """A copy of the file with the header and the schema that it must have had, so that its rows can be found."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="repair-") as folder:
        copy = Path(folder) / path.name
        for end in ("", "-wal"):
            if (source := path.with_name(path.name + end)).exists():
                shutil.copyfile(source, copy.with_name(copy.name + end))
        _mend_header(copy)
        try:
            _mend_schema(copy)
        except sqlite3.Error:  # the pages of the schema themselves cannot be read
            with contextlib.suppress(sqlite3.Error):
                _replace_schema_pages(copy)
                _mend_schema(copy)
        yield copy


def _replace_schema_pages(path: Path) -> None:
    """Copy the pages of the schema from a new database, where all but a few are the same: then both were made by the same statements."""
    data = bytearray(path.read_bytes())
    for number in reversed(migrations.VERSIONS):
        made = _made(number)
        new, roots = made.serialize(), {root for (root,) in made.execute("SELECT rootpage FROM sqlite_master")}
        pages = [at for at in range(1, len(new) // PAGE) if at + 1 not in roots]
        if sum(new[at * PAGE : (at + 1) * PAGE] == data[at * PAGE : (at + 1) * PAGE] for at in pages) >= len(pages) - 1:
            for at in pages:
                data[at * PAGE : (at + 1) * PAGE] = new[at * PAGE : (at + 1) * PAGE]
            data[HEADER:PAGE] = new[HEADER:PAGE]
            path.write_bytes(data)
            return


def _mend_header(path: Path) -> None:
    """Write the fields of the header that are the same in every home (sqlite.org/fileformat.html, 1.3)."""
    header = bytearray(path.read_bytes()[:HEADER].ljust(HEADER, b"\0"))
    wanted = bytes(_made(len(migrations.STEPS)).serialize()[:HEADER])
    for start, end in SAME_IN_HEADER:
        header[start:end] = wanted[start:end]
    header[18:20] = b"\2\2"  # a write-ahead log
    header[28:32] = (path.stat().st_size // PAGE).to_bytes(4)
    header[92:96] = header[24:28]  # so that the number of pages counts
    header[32:40] = bytes(8)  # no free pages: they are not needed
    with path.open("r+b") as file:
        file.write(header)


def _made(version: int) -> sqlite3.Connection:
    """A new database of this version, in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for number in range(1, version + 1):
        db.executescript(migrations.statements(number))
    return db


def _mend_schema(path: Path) -> None:
    """Write the tables, indexes, views and triggers as their version made them; a damaged one is known by what it resembles."""
    with contextlib.closing(damaged_files.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")  # SQLite then reads a schema that it cannot parse
        found = db.execute(f"SELECT rowid, {SCHEMA_COLUMNS} FROM sqlite_master ORDER BY rowid").fetchall()
        versions = [_made(number).execute(f"SELECT {SCHEMA_COLUMNS} FROM sqlite_master").fetchall() for number in migrations.VERSIONS]
        alike = [len({row[1:4] + row[5:] for row in found} & {row[:3] + row[4:] for row in wanted}) for wanted in versions]
        version = max(migrations.VERSIONS, key=lambda number: alike[number - 1])
        wanted = {row[:2]: row for row in versions[version - 1]}
        known = {row[1:3]: row[0] for row in found}
        lost = [row for row in found if row[1:3] not in wanted]
        roots = sum(wanted[row[1:3]][3] == row[4] for row in found if row[1:3] in wanted)
        for key, (kind, name, table, root, sql) in wanted.items():
            rowid = known.get(key)
            if rowid is None and lost:
                nearest = max(
                    lost, key=lambda row: difflib.SequenceMatcher(None, str(row[1:]), str((kind, name, table, root, sql))).ratio()
                )
                lost.remove(nearest)
                rowid = nearest[0]
            db.execute(MEND, {"kind": kind, "name": name, "table": table, "sql": sql, "rowid": rowid})
            if roots >= len(wanted) - 3:  # the file was made by the same statements as the new one
                db.execute("UPDATE sqlite_master SET rootpage = :root WHERE rowid = :rowid", {"root": root, "rowid": rowid})
        db.execute(f"PRAGMA user_version = {version}")


def _fill(path: Path, db: sqlite3.Connection) -> dict[str, int]:
    with contextlib.closing(damaged_files.connect(path, isolation_level=None)) as old:
        old.text_factory = lambda data: data.decode("utf-8", "replace")
        schema = _schema(old)
        for number in range(1, schema + 1):
            db.executescript(migrations.statements(number))
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")  # the rows are copied as they are: what their triggers did is in them
        db.execute("BEGIN")
        saved = {table: _copy(old, db, table) for table in _tables(db)}
        _keep_numbering(old, db)
        _restore_owners(db)
        for _, sql in triggers:
            db.execute(sql)
        db.execute("COMMIT")
    return saved


def _schema(old: sqlite3.Connection) -> int:
    try:
        found = int(old.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        found = 0
    return found if 0 < found <= len(migrations.STEPS) else len(migrations.STEPS)


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    names = [str(name) for (name,) in found]
    return [name for name in names if name not in REBUILT and not name.startswith("history")]


def _copy(old: sqlite3.Connection, db: sqlite3.Connection, table: str) -> int:
    described = db.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (table,)).fetchall()
    columns = [str(name) for name, _, _ in described]
    kinds = [(str(kind), bool(needed)) for _, kind, needed in described]
    keys = [str(name) for (name,) in db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))]
    listed = ", ".join(columns)
    has_rowid = "WITHOUT ROWID" not in str((db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone() or ("",))[0])
    order = ["rowid"] if has_rowid else keys
    count = 0
    for row in _rows(old, table, listed, order):
        marks = ", ".join("?" * len(columns))
        values = [_fitting(value, *kind) for value, kind in zip(row, kinds, strict=True)]
        count += db.execute(f"INSERT OR IGNORE INTO {table} ({listed}) VALUES ({marks})", values).rowcount
    return count


def _fitting(value: Any, kind: str, is_needed: bool) -> Any:
    """A value of a column of this type; where a damaged row has one of another type, what is left of it."""
    if value is None:
        return ("" if kind == "TEXT" else 0) if is_needed else None
    if kind == "TEXT":
        return damaged_files.readable(value) if isinstance(value, bytes) else value if isinstance(value, str) else str(value)
    if kind in ("INTEGER", "REAL") and not isinstance(value, int | float):
        return 0 if is_needed else None
    return value


def _rows(old: sqlite3.Connection, table: str, listed: str, order: Sequence[str]) -> Iterator[Any]:
    """Every row that can be read: from the front to the first damaged page, from the back to the last one, and in between by number."""
    first = last = None
    width = len(order)
    for row in _until_bad(old, f"SELECT {', '.join(order)}, {listed} FROM {table} ORDER BY {', '.join(order)}"):
        first = row[:width]
        yield row[width:]
    backwards = ", ".join(f"{name} DESC" for name in order)
    for row in _until_bad(old, f"SELECT {', '.join(order)}, {listed} FROM {table} ORDER BY {backwards}"):
        if first is not None and row[:width] <= first:
            return  # the first pass read as far as this: nothing is damaged
        last = row[:width]
        yield row[width:]
    if width > 1 or order != ["rowid"]:
        yield from _by_first_key(old, table, listed, order[0])
        return
    low, high = (first[0] if first else 0), (last[0] if last else (first[0] if first else 0) + GAP)
    try:
        old.execute(f"SELECT {listed} FROM {table} LIMIT 0")
    except sqlite3.Error:
        return  # the schema itself is damaged: no row can be found
    bad = 0
    for number in range(int(low) + 1, min(int(high), int(low) + GAP)):
        try:
            found = old.execute(f"SELECT {listed} FROM {table} WHERE {order[0]} = ?", (number,)).fetchall()
        except sqlite3.Error:
            bad += 1
            if bad == HOPELESS:
                return
            continue
        bad = 0
        yield from found


def _by_first_key(old: sqlite3.Connection, table: str, listed: str, key: str) -> Iterator[Any]:
    """Rows of a table whose key has several columns, read for each row of its owner table."""
    owner = {"run": "runs", "review": "reviews", "project": "projects"}.get(key)
    if owner is None:  # a key that counts nothing: what both passes reached is all that is left
        return
    for (number,) in list(_until_bad(old, f"SELECT id FROM {owner}")):
        yield from _until_bad(old, f"SELECT {listed} FROM {table} WHERE {key} = {int(number)}")


def _until_bad(old: sqlite3.Connection, sql: str) -> Iterator[Any]:
    try:
        cursor = old.execute(sql)
        while (row := cursor.fetchone()) is not None:
            yield row
    except sqlite3.Error:
        return


def _keep_numbering(old: sqlite3.Connection, db: sqlite3.Connection) -> None:
    """Make new rows get numbers that no old row had, including rows that are lost."""
    for name, seq in list(_until_bad(old, "SELECT name, seq FROM sqlite_sequence")):
        values = {"name": name, "seq": seq}
        if not db.execute("UPDATE sqlite_sequence SET seq = max(seq, :seq) WHERE name = :name", values).rowcount:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)", values)


def _restore_owners(db: sqlite3.Connection) -> None:
    """Insert runs for reviews whose run is lost, so that their history stays; delete other rows whose owner is lost."""
    db.execute("UPDATE runs SET project = NULL WHERE project NOT IN (SELECT id FROM projects)")  # any worker with the agent may take it
    db.execute(LOST_RUNS, (PRUNED,))
    db.execute(MARK_CHECKS)
    db.execute(LOST_CHECKS)
    while found := db.execute("PRAGMA foreign_key_check").fetchall():
        for table, rowid, owner, number in found:
            if rowid is not None:
                db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
                continue
            (key,) = db.execute(FOREIGN_KEY, {"table": table, "number": number}).fetchone()
            db.execute(f"DELETE FROM {table} WHERE {key} NOT IN (SELECT rowid FROM {owner})")
