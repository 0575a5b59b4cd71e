"""Splits SQL into statements: kind, tables, whether rows are chosen. Or says that it cannot. Pure.

sqlglot parses it, which is imported when it is first needed. Which database will read the text is not known, and databases differ in what
is a text or a comment. So several dialects parse it, and where they disagree about the statements, it counts as unparseable.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

LONGEST = 4000
"""Characters of SQL that is parsed: it takes up to a tenth of a millisecond for each."""
MOST_STATEMENTS = 100
DEEPEST = 40
"""Levels of brackets."""
DIFFERENT = "databases read it differently"
DIALECTS = ("", "postgres", "mysql", "sqlite", "tsql")
STARTS = re.compile(
    r"\s*(?:select|insert|update|delete|with|create|drop|alter|truncate|merge|replace|grant|revoke|explain|pragma|copy|vacuum|call)\b",
    re.IGNORECASE,
)
"""How a text begins that may be SQL."""
_TRICKS = (
    (re.compile(r"/\*[!+M]"), "it has a comment that some databases run"),
    (re.compile(r"--(?!\s|$)", re.MULTILINE), "it has a -- that is no comment in some databases"),
    (re.compile(r"/\*(?:(?!\*/).)*/\*", re.DOTALL), "it has a comment within a comment"),
    (
        re.compile(r"[^\S \t\r\n]|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\x00-\x08\x0e-\x1f]"),
        "it holds characters that cannot be seen",
    ),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement."""

    kind: str
    """`select`, `insert`, `update`, `delete`, `merge`, `create`, `drop`, `alter`, `truncate` …, of what is within it the worst."""
    tables: tuple[str, ...]
    """Names as they are written, without quotes, in order."""
    where: bool
    """Whether it has a WHERE that names a column."""
    writes: bool | None
    """Whether it changes data or tables; None if that is not known, as with functions of the database's own."""
    text: str
    """The statement on one line, as it was parsed."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of a text, or why it cannot be split."""

    statements: tuple[Statement, ...] = ()
    problem: str = ""
    """A clause; empty if it was split. Then there are no statements."""


@lru_cache(256)
def parse(text: str) -> Statements:
    """Split SQL into its statements. Never raises; the first call imports the parser, which takes a fraction of a second."""
    if len(text) > LONGEST:
        return Statements(problem=f"it has {len(text):,} characters, and at most {LONGEST:,} are parsed")
    if trick := next((why for pattern, why in _TRICKS if pattern.search(text)), ""):
        return Statements(problem=trick)
    if max(accumulate(map({"(": 1, ")": -1}.get, text, repeat(0)), initial=0)) > DEEPEST:
        return Statements(problem="it is nested too deeply")
    try:
        import sqlglot  # not before the first frame: it takes longer than all else that a call needs
    except ImportError:
        return Statements(problem="sqlglot is not installed")
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it logs each statement that it does not know
    found, texts = list[tuple[Statement, ...]](), list[str]()
    for dialect in DIALECTS:
        try:
            parsed = sqlglot.parse(text, read=dialect or None)
        except (sqlglot.errors.SqlglotError, RecursionError):
            continue
        except Exception:  # noqa: BLE001 - a bug of the parser is no reason to end
            continue
        trees = [one for one in parsed if one is not None and type(one).__name__ != "Semicolon"]
        if not texts:
            texts = [_text(one, dialect) for one in trees]
        if len(trees) != len(texts):
            return Statements(problem=DIFFERENT)
        found.append(tuple(map(_statement, trees, texts)))
    return _agreed(found)


def _agreed(found: Sequence[tuple[Statement, ...]]) -> Statements:
    """What all dialects that can parse it say. One that does not know a statement says nothing of its kind, but of how many there are."""
    known = [one for one in found if one]
    if not known:
        return Statements(problem="it is not SQL that can be parsed")
    if len(known[0]) > MOST_STATEMENTS:
        return Statements(problem=f"it has more than {MOST_STATEMENTS} statements")
    agreed = []
    for versions in zip(*known, strict=True):
        sure = [one for one in versions if one.kind != "other"] or versions[:1]
        if len({(one.kind, tuple(sorted(map(str.lower, one.tables))), one.where) for one in sure}) > 1:
            return Statements(problem=DIFFERENT)
        first = sure[0]
        is_sure = any(one.writes is False for one in sure)
        agreed.append(first if not is_sure or first.writes is False else replace(first, writes=False))
    return Statements(tuple(agreed))


_KINDS = {
    "Insert": "insert", "Update": "update", "Delete": "delete", "Merge": "merge", "Create": "create", "Drop": "drop", "Alter": "alter",
    "AlterTable": "alter", "TruncateTable": "truncate", "Copy": "copy", "Grant": "grant", "Revoke": "revoke", "Set": "set",
    "Pragma": "pragma", "Use": "use", "Command": "other", "LoadData": "load", "Kill": "kill", "Analyze": "analyze", "Attach": "attach",
    "Detach": "detach", "Comment": "comment", "Execute": "other",
}  # fmt: skip
_READS = {"Select": "select", "Union": "select", "Intersect": "select", "Except": "select", "Subquery": "select", "Values": "select",
          "Describe": "describe", "Show": "show", "Transaction": "begin", "Commit": "commit", "Rollback": "rollback"}  # fmt: skip
_WORST = ("other", "drop", "truncate", "delete", "update", "merge", "insert", "alter", "create", "copy", "load", "grant", "revoke")
"""Kinds that count although they stand within another statement, the worst first."""


def _statement(tree: Expr, text: str) -> Statement:
    from sqlglot import expressions as exp

    nodes = list(tree.walk())
    inside = {_KINDS.get(type(node).__name__, "") for node in nodes} - {"", "set", "comment"}
    own = type(tree).__name__
    kind = _KINDS.get(own) or _READS.get(own) or "other"
    kind = next((worst for worst in _WORST if worst in inside), kind)
    if kind == "select" and any(isinstance(node, exp.Into) for node in nodes):
        kind = "create"
    made = {node.alias_or_name.lower() for node in nodes if isinstance(node, exp.CTE)}
    tables = [".".join(part.name for part in node.parts) for node in nodes if isinstance(node, exp.Table) and node.name]
    conditions = [node for node in nodes if isinstance(node, exp.Where)]
    own_functions = any(isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) for node in nodes)
    reads = kind in ("select", "describe", "show", "begin", "commit", "rollback")
    return Statement(
        kind,
        tuple(dict.fromkeys(name for name in tables if name.lower() not in made)),
        any(condition.find(exp.Column) for condition in conditions),
        None if kind == "other" or (reads and own_functions) else not reads,
        text,
    )


def _text(tree: Any, dialect: str) -> str:
    try:
        return re.sub(r"\s+", " ", str(tree.sql(dialect=dialect or None, comments=False)))
    except Exception:  # noqa: BLE001 - what cannot be written back is shown by its name
        return type(tree).__name__.upper()
