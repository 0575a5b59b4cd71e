"""The steward's tools. Reading is safe by construction, so only `execute` needs approval.

A mistake in a statement becomes a tool message, whether the model or a reviewer wrote it.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException, tool

from hitl_tui.patterns import PreviewTable, preview
from shared.workdir import decision_key, seeded, working_folder

SEED = Path(__file__).with_name("seed.sql")
READS = ("SELECT", "WITH", "VALUES", "EXPLAIN", "PRAGMA")
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "CREATE", "ALTER", "DROP")
CHANGES_ROWS = re.compile(r"\b(UPDATE|DELETE|INSERT|REPLACE)\b", re.IGNORECASE)
RETURNING = re.compile(r"\bRETURNING\b", re.IGNORECASE)
MOST_ROWS = 200
SECONDS = 10.0


@tool
def list_tables(runtime: ToolRuntime) -> str:
    """List the tables with their columns and the number of rows."""
    with _connection(runtime.config, "ro") as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return "\n".join(_table_line(db, name) for name in names if not name.startswith("_"))


@tool
def query(sql: str, runtime: ToolRuntime) -> str:
    """Read from the database with one SELECT statement. It cannot change anything."""
    _check_first_word(sql, READS, "query only reads; use execute to write")
    with _connection(runtime.config, "ro") as db:
        cursor = db.execute(sql)
        rows = cursor.fetchmany(MOST_ROWS + 1)
        columns = [column[0] for column in cursor.description or ()]
    lines = [" | ".join(map(str, row)) for row in rows[:MOST_ROWS]]
    more = [f"(more than {MOST_ROWS} rows; add a LIMIT or count them)"] if len(rows) > MOST_ROWS else []
    return "\n".join([" | ".join(columns), *lines, *more])


@tool
def execute(sql: str, runtime: ToolRuntime) -> str:
    """Change the database with one INSERT, UPDATE or DELETE statement, in a transaction of its own."""
    _check_first_word(sql, WRITES, "execute only writes; use query to read")
    with _connection(runtime.config, "rw") as db:
        key = decision_key(runtime.config, runtime.tool_call_id)
        return _count(db, sql) if key is None else _execute_once(db, sql, key)


TOOLS: list[BaseTool] = [list_tables, query, execute]
for sql_tool in TOOLS:
    sql_tool.handle_tool_error = True  # a ToolException becomes a tool message with status "error"


def preview_rows(args: dict[str, Any], config: RunnableConfig) -> PreviewTable | str:
    """Show the rows that a statement would change, in a transaction that is rolled back."""
    sql = str(args.get("sql", "")).rstrip().rstrip(";")
    _check_first_word(sql, WRITES, "execute only writes")
    with _connection(config, "rw", end="ROLLBACK") as db:
        if RETURNING.search(sql) or not CHANGES_ROWS.search(sql):
            return f"{_count(db, sql)} It does not say which."
        cursor = db.execute(f"{sql}\nRETURNING *")
        rows = cursor.fetchall()
        columns = [column[0] for column in cursor.description or ()]
    note = f"{len(rows)} row{'' if len(rows) == 1 else 's'} would be {_done_by(sql)}; as {_shown_as(sql)}:"
    return PreviewTable(columns, rows, note)


preview(execute, preview_rows)


def _done_by(sql: str) -> str:
    found = CHANGES_ROWS.search(sql)
    return {"UPDATE": "changed", "DELETE": "deleted"}.get(found[1].upper() if found else "", "added")


def _shown_as(sql: str) -> str:
    return {"changed": "they would be", "deleted": "they are", "added": "they would be"}[_done_by(sql)]


def _execute_once(db: sqlite3.Connection, sql: str, key: str) -> str:
    """Commit the key with the change, so that a second run with the same approval finds both or neither."""
    db.execute("CREATE TABLE IF NOT EXISTS _applied (key TEXT PRIMARY KEY, result TEXT NOT NULL)")
    if earlier := db.execute("SELECT result FROM _applied WHERE key = ?", (key,)).fetchone():
        return f"Already done for this approval, not repeated: {earlier[0]}"
    result = _count(db, sql)
    db.execute("INSERT INTO _applied (key, result) VALUES (?, ?)", (key, result))
    return result


def _count(db: sqlite3.Connection, sql: str) -> str:
    cursor = db.execute(sql)
    cursor.fetchall()  # with a RETURNING clause, rowcount is only right after the rows were read
    rows = max(cursor.rowcount, 0)
    return f"{rows} row{'' if rows == 1 else 's'} changed."


@contextmanager
def _connection(config: RunnableConfig, mode: str, end: str = "COMMIT") -> Iterator[sqlite3.Connection]:
    path = seeded(working_folder(config) / "database", _create) / "customers.db"
    # BEGIN IMMEDIATE takes the write lock at once, so that parallel calls wait instead of failing.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=SECONDS, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.set_progress_handler(_too_long(time.monotonic() + SECONDS), 10_000)
        try:
            db.execute("BEGIN" if mode == "ro" else "BEGIN IMMEDIATE")
            yield db
            db.execute(end)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # for a second statement, Python 3.11 raises a Warning
            raise ToolException(f"The statement failed and nothing was changed: {error}.") from error


def _too_long(deadline: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > deadline


def _create(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "customers.db")) as db:
        db.executescript(SEED.read_text(encoding="utf-8"))


def _table_line(db: sqlite3.Connection, table: str) -> str:
    name = '"' + table.replace('"', '""') + '"'
    columns = ", ".join(column for (column,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)))
    (rows,) = db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()
    return f"{table} ({columns}): {rows} rows"


def _check_first_word(sql: str, allowed: tuple[str, ...], advice: str) -> None:
    # ATTACH, VACUUM INTO, BEGIN and the like would reach past this database or this transaction.
    bare = re.sub(r"^(\s|--[^\n]*(\n|$)|/\*.*?\*/)*", "", sql, flags=re.DOTALL)
    word = (re.match(r"[A-Za-z]*", bare) or [""])[0].upper()
    if word not in allowed:
        raise ToolException(f"{word or 'An empty statement'} is not allowed here: {advice}.")
