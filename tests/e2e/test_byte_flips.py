"""One byte of a file of the home changed by the disk: every command ends in a sentence, and the repair keeps what is readable."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hitl_tui.store import audit
from tests.support.byte_flips import Flip, complaint, copied, counts, flips, make_home, problems_after, run

FLIPS, SEED = (200, 14) if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else (24, 14)


@pytest.fixture(scope="module")
def closed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("flips") / "home")


def place_of(home: Path, text: bytes, offset: int = 0) -> int:
    """Where the text stands in the database; the first time, in its schema."""
    return (home / "hitl.db").read_bytes().index(text) + offset


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_random_byte_of_a_home_when_changed_ends_in_sentences_and_is_repaired(closed_home: Path, tmp_path: Path, part: int) -> None:
    before = counts(closed_home / "hitl.db")
    for number, flip in enumerate(flips(closed_home, FLIPS, SEED)[part::8]):
        assert problems_after(flip, copied(closed_home, tmp_path / str(number)), before) == [], flip


@pytest.mark.slow
def test_schema_whose_damage_is_no_utf8_ends_in_a_sentence_and_is_repaired(closed_home: Path, tmp_path: Path) -> None:
    home = copied(closed_home, tmp_path / "home")
    Flip("hitl.db", place_of(home, b"CREATE TRIGGER reviews_changed", 14), 7).apply(home)
    done = run(home, "queue")
    assert complaint(done) == ""
    assert "hitl.db is damaged" in done.output and "doctor --repair" in done.output
    assert "12 reviews" in run(home, "doctor", "--repair").output
    assert counts(home / "hitl.db") == {**(before := counts(closed_home / "hitl.db")), "audit": before["audit"] + 1}  # the repair
    assert audit.verify(home / "hitl.db").problem == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "offset", "bit"),
    [
        (b"SQLite format 3", 3, 5),  # the header
        (b"SQLite format 3", 63, 4),  # the version in it
        (b"SQLite format 3", 68, 3),  # the mark of this program
        (b"SQLite format 3", 18, 2),  # the write version: SQLite would only read
        (b"CREATE TABLE reviews", 14, 2),  # another name, and a valid statement
        (b"risk TEXT,  -- what policy", 1, 1),  # another name of a column
        (b"CREATE INDEX reviews_asked", 3, 0),
        (b"seq INTEGER PRIMARY KEY,\n    at REAL", 10, 4),  # a key that SQLite no longer numbers by itself
        (b"indexreviews_once", -5, 0),  # a name that is no text
    ],
)
def test_schema_or_header_when_changed_is_told_and_repaired(closed_home: Path, tmp_path: Path, text: bytes, offset: int, bit: int) -> None:
    home = copied(closed_home, tmp_path / "home")
    assert problems_after(Flip("hitl.db", place_of(home, text, offset), bit), home, counts(closed_home / "hitl.db")) == []
    assert audit.verify(home / "hitl.db").problem == ""


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE actions SET args = CAST(x'7b226122a0' AS TEXT) WHERE review = 8", "actions.args of row 8, 0"),
        pytest.param("UPDATE details SET context = replace(context, 'reasoning', 'reazoning')", "details.context", marks=pytest.mark.slow),
        pytest.param("UPDATE reviews SET kind = 'tool_calmj' WHERE id = 8", "reviews.kind of row 8", marks=pytest.mark.slow),
        pytest.param("UPDATE reviews SET opened_at = 1e200 WHERE id = 8", "reviews.opened_at of row 8", marks=pytest.mark.slow),
        pytest.param("UPDATE runs SET state = 'wait' WHERE id = 8", "runs.state of row 8", marks=pytest.mark.slow),
    ],
)
def test_value_that_nobody_can_read_is_told_and_asked_again(closed_home: Path, tmp_path: Path, sql: str, told: str) -> None:
    home = copied(closed_home, tmp_path / "home")
    with closing(sqlite3.connect(home / "hitl.db", isolation_level=None)) as db:
        db.create_function("chained", 9, lambda *_: "")
        db.execute(sql)
    done = run(home, "show", "8")
    assert complaint(done) == ""
    assert told in run(home, "doctor", "--repair").output
    assert run(home, "queue").exit_code == run(home, "show", "8").exit_code == run(home, "runs").exit_code == 0
    assert counts(home / "hitl.db") == counts(closed_home / "hitl.db") | {"audit": counts(home / "hitl.db")["audit"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hitl.db-wal", "checkpoints.db", "logs/run-1.log"])
def test_log_or_other_file_of_the_home_when_changed_ends_in_sentences(closed_home: Path, tmp_path: Path, name: str) -> None:
    home = copied(closed_home, tmp_path / "home")
    path = home / name
    with closing(sqlite3.connect(home / "hitl.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE runs SET title = title || ' of today'")
        if name.endswith(".db"):
            with closing(sqlite3.connect(path)) as other:
                other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE checkpoints (x); INSERT INTO checkpoints VALUES ('abc');")
        elif not name.endswith("-wal"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("printed by the agent\n")
        left = copied(home, tmp_path / "left")  # as a killed process leaves it
    size = (left / name).stat().st_size
    for number in range(8):
        flip = Flip(name, size * number // 8, 7 if number % 2 else 2)
        copy = copied(left, tmp_path / str(number))
        assert problems_after(flip, copy, counts(closed_home / "hitl.db")) == [], flip
        assert run(copy, "queue").exit_code == 0
