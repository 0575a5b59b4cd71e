"""Finds values in rows that no reader can read, which a bad disk or another program left, and replaces each with one that says so.

SQLite has no checksums: a byte that changed inside a text is a sound database to it. Only the values that readers parse are looked at here;
whether a text is the one that was written is what `audit verify` says.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.home import database_uri
from hitl_tui.model import ActorKind, Context, DecisionKind, Outcome, PauseKind, RemarkSource, ReviewState, RunState
from hitl_tui.store import audit, damaged_files, migrations, reviews
from hitl_tui.store.connection import UNREADABLE, Transaction

LATEST = 4_102_444_800.0
"""No time in a row is after 2100, as Unix time."""
LIVE = "('open', 'decided', 'submitted')"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that readers parse."""

    table: str
    name: str
    read: Callable[[Any], object]
    """Raises where a reader would."""
    instead: Any
    """Replaces a value that cannot be read; or `KEEP` or `TEXT`."""


KEEP, TEXT = object(), object()
"""`KEEP` keeps the text as a JSON text, `TEXT` as it is, with U+FFFD for what is no UTF-8."""
NOT_READ = ("audit", "changes")
"""The log is never changed, and nobody reads texts of the other."""
LAST_HASH = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"


def _is(kind: type) -> Callable[[Any], object]:
    def read(text: Any) -> object:
        if not isinstance(json.loads(text), kind):
            raise ValueError(f"no {kind.__name__}")
        return None

    return read


def _names(text: Any) -> object:
    return [item + "" for item in json.loads(text)]


def _each(kind: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda text: [kind(item) for item in json.loads(text)]


def _optional(read: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: None if value is None else read(value)


def _columns(table: str, read: Callable[[Any], object], instead: Any, *names: str) -> list[Column]:
    return [Column(table, name, read, instead) for name in names]


COLUMNS = (
    *_columns("runs", RunState, "failed", "state"),
    *_columns("runs", _is(dict), '{"damaged": true, "input": null}', "input"),
    *_columns("runs", _names, "[]", "tags", "gates_before", "gates_after"),
    *_columns("runs", _optional(json.loads), None, "result"),
    *_columns("events", json.loads, KEEP, "body"),
    *_columns("events", _names, "[]", "path"),
    *_columns("reviews", PauseKind, PauseKind.QUESTION.value, "kind"),
    *_columns("reviews", ReviewState, ReviewState.STALE.value, "state"),
    *_columns("reviews", _optional(Outcome), None, "route"),
    *_columns("reviews", ActorKind, ActorKind.PERSON.value, "decided_by_kind"),
    *_columns("reviews", _names, "[]", "path", "decided_with"),
    *_columns("reviews", lambda text: reviews.read_progress(("", "", "person", "[]", 1, 1, text)), "[]", "approvals"),
    *_columns("details", json.loads, KEEP, "value"),
    *_columns("details", lambda text: reviews.read_context(json.loads(text)), canonical_json.dumps(asdict(Context())), "context"),
    *_columns("actions", json.loads, KEEP, "args"),
    *_columns("actions", _each(DecisionKind), "[]", "allowed"),
    *_columns("actions", json.loads, "null", "args_schema", "answer_schema"),
    *_columns("actions", _is(list), "[]", "choices"),
    *_columns("actions", _is(dict), "{}", "means"),
    *_columns("actions", _optional(Outcome), None, "outcome"),
    *_columns("decisions", DecisionKind, DecisionKind.REJECT.value, "kind"),
    *_columns("decisions", ActorKind, ActorKind.PERSON.value, "actor_kind"),
    *_columns("decisions", _optional(json.loads), KEEP, "args", "template"),
    *_columns("endorsements", DecisionKind, DecisionKind.APPROVE.value, "kind"),
    *_columns("endorsements", _optional(json.loads), KEEP, "args", "template"),
    *_columns("escalations", ActorKind, ActorKind.PERSON.value, "actor_kind"),
    *_columns("remarks", RemarkSource, RemarkSource.PREVIEW.value, "source"),
    *_columns("remarks", json.loads, "null", "body"),
    *_columns("feedback", _names, "[]", "tags"),
    *_columns("autonomy", ActorKind, ActorKind.PERSON.value, "actor_kind"),
    *_columns("autonomy", _is(dict), "{}", "evidence"),
    *_columns("lessons", _is(list), "[]", "examples"),
    *_columns("heads", json.loads, "[]", "nodes", "calls"),
    *_columns("heads", _optional(lambda text: reviews.read_context(json.loads(text))), None, "context"),
    *_columns("takeovers", _optional(json.loads), None, "plan", "typed"),
    *_columns("agents", _optional(json.loads), None, "input_schema", "state_schema"),
    *_columns("agents", _is(dict), "{}", "tools"),
)
CHANGED_ACTION = "review {} asked what cannot be read any more: it is closed, and asked again while its run waits"


class _Broken(str):
    """A text that was no UTF-8."""


def problem(path: Path) -> str:
    """What of the schema was changed, or the first value that cannot be read, as a clause; empty without either, or if no file is read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(damaged_files.connect(database_uri(path, "ro"), uri=True, timeout=2)) as db:
        if changed := migrations.changed_schema(db, or_added=False):
            return f"{path} is damaged: {changed}"
        for column, key, _ in _unreadable(db.execute):
            return f"{path} is damaged: {column.table}.{column.name} of row {_told(key)} cannot be read"
        if _broken_head(db.execute):
            return f"{path} is damaged: the last entry of the audit log cannot be read"
    return ""


def repair(db: Transaction, close: Callable[[Transaction, int], object]) -> list[str]:
    """Replace what cannot be read, within a transaction; `close` ends a live review, so that it is asked again. Returns what was done."""
    said, asked = list[str](), set[int]()
    for column, key, value in list(_unreadable(db.execute)):
        instead = json.dumps(str(value)) if column.instead is KEEP else str(value) if column.instead is TEXT else column.instead
        where = " AND ".join(f"{name} = ?" for name in key)
        db.execute(f"UPDATE {column.table} SET {column.name} = ? WHERE {where}", (instead, *key.values()))
        said.append(f"{column.table}.{column.name} of row {_told(key)} could not be read: it was replaced")
        if column.table in ("reviews", "details", "actions"):
            asked.add(int(key["id"] if column.table == "reviews" else key["review"]))
    for review in sorted(asked):
        if db.row(f"SELECT 1 FROM reviews WHERE id = ? AND state IN {LIVE}", (review,)):
            close(db, review)
            said.append(CHANGED_ACTION.format(review))
    if _broken_head(db.execute):
        said.append(_mend_head(db))
    return said


def _unreadable(execute: Callable[[str, Any], sqlite3.Cursor]) -> Iterator[tuple[Column, dict[str, Any], Any]]:
    """Every value that cannot be read, with its row's key."""
    tables = execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", ()).fetchall()
    for table in [name for (name,) in tables if name not in NOT_READ and not name.startswith("history")]:
        described = execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (table,)).fetchall()
        keys = [name for name, _, _, place in sorted(described, key=lambda row: int(row[3])) if place]
        columns = {column.name: column for column in COLUMNS if column.table == table}
        for name, kind, needed, _ in described:
            if kind == "REAL" and (name == "at" or name.endswith("_at")):
                columns[name] = Column(table, name, _time, 0.0 if needed else None)
            elif kind == "TEXT" and name not in keys:
                columns.setdefault(name, Column(table, name, str, TEXT))
        if keys and columns:
            yield from _unreadable_rows(execute, table, keys, list(columns.values()))


def _unreadable_rows(
    execute: Callable[[str, Any], sqlite3.Cursor], table: str, keys: Sequence[str], columns: Sequence[Column]
) -> Iterator[tuple[Column, dict[str, Any], Any]]:
    for row in _marked(execute(f"SELECT {', '.join([*keys, *(column.name for column in columns)])} FROM {table}", ())):
        for column, value in zip(columns, row[len(keys) :], strict=True):
            try:
                if isinstance(value, _Broken):
                    raise ValueError(value)
                column.read(value)
            except UNREADABLE:
                yield column, dict(zip(keys, row, strict=False)), value


def _marked(cursor: sqlite3.Cursor) -> list[Any]:
    """The rows, in which texts that are no UTF-8 are `_Broken`."""
    before = cursor.connection.text_factory
    cursor.connection.text_factory = _text
    try:
        return cursor.fetchall()
    finally:
        cursor.connection.text_factory = before


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _Broken(damaged_files.readable(data))


def _broken_head(execute: Callable[[str, Any], sqlite3.Cursor]) -> bool:
    """Whether the hash is unreadable with which the next entry of the audit log begins."""
    found = _marked(execute(LAST_HASH, ()))
    return bool(found) and (isinstance(found[0][1], _Broken) or not isinstance(found[0][1], str))


def _mend_head(db: Transaction) -> str:
    """Compute the last entry's hash anew: otherwise no entry can follow it. The log itself is never changed but here."""
    (seq, _), before = db.row(LAST_HASH), db.row(f"{LAST_HASH} OFFSET 1")
    row = db.row("SELECT seq, at, kind, actor, actor_kind, run, review, body FROM audit WHERE seq = ?", (seq,))
    (trigger,) = db.row("SELECT sql FROM sqlite_master WHERE name = 'audit_fixed'")
    db.execute("DROP TRIGGER audit_fixed")
    db.execute("UPDATE audit SET hash = ? WHERE seq = ?", (audit.chained(before[1] if before else "", *row), seq))
    db.execute(trigger)
    return f"the hash of audit entry {seq} could not be read: it was computed anew"


def _time(value: Any) -> object:
    if value is not None and not -1.0 <= value <= LATEST:
        raise ValueError(value)
    return None


def _told(key: dict[str, Any]) -> str:
    return ", ".join(str(value) for value in key.values())
