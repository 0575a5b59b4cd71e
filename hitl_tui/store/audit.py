"""The hash-chained log of what happened: append an entry, verify the chain offline, export every entry."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_tui import canonical_json
from hitl_tui.errors import BadHome, Refused
from hitl_tui.home import database_uri
from hitl_tui.model import Actor, ActorKind, AuditEntry, Json
from hitl_tui.store import audit_verify, damaged_files, migrations
from hitl_tui.store.errors import fault

if TYPE_CHECKING:
    from hitl_tui.store.connection import Store, Transaction  # which imports `chained`

COLUMNS = "seq, at, kind, actor, actor_kind, run, review, body, hash"
LAST = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
OF_REVIEW = "SELECT seq, at, kind, actor, actor_kind, body, hash FROM audit WHERE review = :review ORDER BY seq"


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Length and last hash of the log at some time. Saved elsewhere, it later shows that nothing was cut off."""

    seq: int
    """0 for an empty log."""
    hash: str

    def __str__(self) -> str:
        return f"{self.seq} {self.hash}".strip()


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of verifying the whole log."""

    head: AuditHead
    """The end of the part that is valid."""
    problem: str = ""
    """What is wrong with the first invalid entry, as a sentence; empty if all are valid."""


def read_head(text: str) -> AuditHead:
    """Parse a head as `audit head` prints it.

    Raises:
        Refused: the text is not one.
    """
    parts = text.split()
    digits = parts[1] if len(parts) == 2 else ""
    if not parts or not parts[0].isascii() or not parts[0].isdigit() or (len(digits) != 64 and parts != ["0"]):
        raise Refused(f"{text.strip()[:100]!r} is no head of the audit", "give what `hitl-tui audit head` printed")
    return AuditHead(int(parts[0]), digits)


@functools.lru_cache(maxsize=1, typed=True)  # the trigger asks for the hash that `note` has just computed
def chained(
    previous: str, seq: int, at: float, kind: str, actor: str, actor_kind: str, run: int | None, review: int | None, body: str
) -> str:
    """Hash of an audit entry: SHA-256 (hex) of the previous entry's hash (empty before the first) and this entry's other columns.

    The columns are hashed as canonical JSON. A trigger checks every new entry with it (`schema/triggers/audit.sql`).
    """
    row = canonical_json.canonical([previous, seq, at, kind, actor, actor_kind, run, review, body])
    return hashlib.sha256(row.encode("utf-8", "surrogatepass")).hexdigest()


def note(
    db: Transaction, at: float, kind: str, by: Actor, body: Mapping[str, Any], run: int | None = None, review: int | None = None
) -> None:
    """Append an entry within a transaction: what happened, at which Unix time, and who did it."""
    text = json.dumps(body, ensure_ascii=True, sort_keys=True)
    last, previous = db.row(LAST) or (0, "")
    entry = (last + 1, float(at), str(kind), by.name, str(by.kind), run, review, text)  # exactly the values that SQLite gives the trigger
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*entry, chained(previous, *entry)))


def note_review(db: Transaction, at: float, kind: str, by: Actor, body: Mapping[str, Any], review: int) -> None:
    """`note` something about a review, with its run."""
    (run,) = db.row("SELECT run FROM reviews WHERE id = ?", (review,))
    note(db, at, kind, by, body, run, review)


async def of_review(store: Store, review: int) -> list[AuditEntry]:
    """A review's entries, oldest first."""
    found = await store.all(OF_REVIEW, {"review": review})
    return [
        AuditEntry(seq, at, kind, actor, ActorKind(actor_kind), _body(body), hash_)
        for seq, at, kind, actor, actor_kind, body, hash_ in found
    ]


def _body(text: Any) -> Json:
    """An entry's body; its text if somebody has made it unreadable."""
    try:
        return json.loads(text)
    except ValueError:
        return str(text)


def home_id(store: Store) -> str:
    """A text that differs between homes and that nobody knows by heart: the hash of the log's first entry. Empty before any.

    Reads at once.
    """
    return next((str(found) for (found,) in store.read_now("SELECT hash FROM audit WHERE seq = 1")), "")


def hash_at(store: Store, seq: int) -> str | None:
    """The hash of the log's entry of a number; None where there is none. Reads at once."""
    return next((str(found) for (found,) in store.read_now("SELECT hash FROM audit WHERE seq = ?", (seq,))), None)


def verify(database: Path, saved: AuditHead | None = None) -> Verified:
    """Verify every hash, compare the tables with the log and the schema with its version, and check an earlier head; writes nothing.

    Raises:
        BadHome: the file cannot be read as a database.
        Storage: the disk is full or broken.
    """
    with reading(database) as db:
        db.execute("BEGIN")  # one state of the database, also if somebody decides meanwhile
        return _verify(db, saved)


def head(database: Path) -> AuditHead:
    """The log's present end.

    Raises:
        BadHome: the file cannot be read as a database.
        Storage: the disk is full or broken.
    """
    with reading(database) as db:
        row = db.execute(LAST).fetchone()
    return AuditHead(int(row[0]), str(row[1])) if row else AuditHead(0, "")


def entries(database: Path) -> Iterator[dict[str, Any]]:
    """Every entry as `{seq, at, kind, actor, actor_kind, run, review, body, hash}`, oldest first; `body` is the text that was hashed.

    Raises:
        BadHome: the file cannot be read as a database.
        Storage: the disk is full or broken.
    """
    names = COLUMNS.split(", ")
    with reading(database) as db:
        for row in db.execute(f"SELECT {COLUMNS} FROM audit ORDER BY seq"):
            yield dict(zip(names, row, strict=True))


def _verify(db: sqlite3.Connection, saved: AuditHead | None) -> Verified:
    good = AuditHead(0, "")
    for row in db.execute(f"SELECT {COLUMNS} FROM audit ORDER BY seq"):
        seq, stored = row[0], row[-1]
        if seq != good.seq + 1:
            return Verified(good, f"entry {good.seq + 1} is missing: after entry {good.seq} comes {seq}")
        if _hash(good.hash, row) != stored:
            return Verified(good, f"entry {seq} is not what was written, or the one before it is not: its hash does not fit")
        good = AuditHead(seq, stored)
        if saved and saved.seq == seq and saved.hash != stored:
            return Verified(good, f"entry {seq} has another hash than the head that was saved: the log was written anew")
    if saved and saved.seq > good.seq:
        return Verified(good, f"the log ends with entry {good.seq}, and had {saved.seq} when the head was saved: its tail was cut off")
    schema = migrations.changed_schema(db)
    try:
        with _migrated(db) as now:
            return Verified(good, audit_verify.found(now) or schema)
    except sqlite3.OperationalError:  # a table or a column is missing
        if not schema:
            raise
        return Verified(good, schema)


@contextlib.contextmanager
def _migrated(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """The database itself, or a copy with the tables of this version where an earlier one wrote it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version >= len(migrations.STEPS):
        yield db
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(sqlite3.connect(Path(folder) / "hitl.db", isolation_level=None)) as copy,
    ):
        copy.text_factory = db.text_factory
        db.backup(copy)
        for number in range(version + 1, len(migrations.STEPS) + 1):
            copy.executescript(migrations.statements(number))
        yield copy


def _hash(previous: str, row: tuple[Any, ...]) -> str:
    try:
        return chained(previous, *row[:-1])
    except (TypeError, ValueError):  # bytes where text was, or a number that is none
        return ""


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """The database for reading alone, also of an earlier version.

    Raises:
        BadHome: the file cannot be read as a database.
        Storage: the disk is full or broken.
    """
    if not database.exists():
        raise BadHome(f"there is no {database}", "choose another home with --home DIR")
    migrations.check(database)
    try:
        with contextlib.closing(damaged_files.connect(database_uri(database, "ro"), uri=True)) as db:
            db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")  # no valid text: its hash will not fit
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():
                raise BadHome(f"{database} has no audit yet", "open it once with hitl-tui")
            yield db
    except sqlite3.Error as error:
        raise fault(database, error) or BadHome(f"{database} cannot be read: {error}", "`hitl-tui doctor` says more") from None
