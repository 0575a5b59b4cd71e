"""Homes of every released version open with all their rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from hitl_tui.filter_language import Filter
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, ReviewState
from hitl_tui.store import Store, audit, history, migrations
from hitl_tui.store.statistics import period_counts

HOMES = sorted((Path(__file__).parent / "homes").glob("*.sql"))


def restored(home: Path, path: Path) -> Path:
    """Restore a database from its dump."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(home.read_text("utf-8"))
    return path


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.stem)
async def test_home_of_a_released_version_opens_and_works(tmp_path: Path, home: Path) -> None:
    path = restored(home, tmp_path / "hitl.db")
    assert audit.verify(path).problem == ""  # also before the new version opens it
    async with Store.open(path) as store:
        assert await store.one("PRAGMA user_version") == (len(migrations.STEPS),)
        assert audit.verify(path).problem == ""
        assert [(row.actor, row.kind, row.in_force) for row in await history.search(store, Filter())] == [
            ("Åsa", "reject", False),
            ("Åsa", "approve", True),
        ]
        assert {name: one.rates.total for name, one in (await period_counts(store)).reviewers.items()} == {"Åsa": 1}
        ann, bob = Inbox(store, "ann"), Inbox(store, "åsa")
        refused, endorsed = [row for row in await ann.reviews.pending(10) if row.state is ReviewState.OPEN]
        assert (refused.decided, endorsed.decided) == ("", "1 of 2 approvals, by ann")
        await bob.reviews.decide(await bob.reviews.get(endorsed.id), {0: Answer(DecisionKind.APPROVE)})
        assert (await ann.reviews.get(endorsed.id)).row.decided == "approved with ann by åsa"
        assert audit.verify(path).problem == ""


def test_every_schema_version_has_a_stored_home() -> None:
    assert len(HOMES) >= len(migrations.STEPS)


async def test_released_schema_is_never_edited(tmp_path: Path) -> None:
    """A released schema plus the steps appended since equals the schema of a new home."""
    schema = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'history_text_%' ORDER BY 1, 2"
    async with Store.open(restored(HOMES[0], tmp_path / "old.db")) as old, Store.open(tmp_path / "new.db") as new:
        assert await old.all(schema) == await new.all(schema)
