"""Homes of every released version open with all their rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from hitl_tui.filter_language import Filter
from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent, Answer, DecisionKind, ReviewState
from hitl_tui.store import Store, agents, assistants, audit, autonomy, history, migrations, pauses
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


SHARED_NAME = """
INSERT INTO projects (id, target, label, seen_at) VALUES (8, '/a', 'the shop', 0), (9, '/b', 'the@shop', 0), (10, '/c', 'desk', 0);
INSERT INTO agents (project, name, description, input_schema, takes_text, error, traceback) VALUES
    (8, 'chat', '', 'null', 1, '', ''), (9, 'chat', '', 'null', 1, '', ''), (9, 'solo', '', 'null', 1, '', ''),
    (10, 'chat', '', 'null', 1, '', '');
INSERT INTO pauses (agent, actor, at) VALUES ('chat', 'ann', 1.0);
INSERT INTO assistants (agent, name, context, config, actor, at) VALUES ('chat', 'formal', '{}', NULL, 'ann', 1.0);
INSERT INTO autonomy (agent, tool, was, level, actor, actor_kind, at, why) VALUES ('chat', 'send', 'ask', 'act', 'ann', 'person', 1.0, ''),
    ('solo', 'send', 'ask', 'act', 'ann', 'person', 1.0, '');
"""


async def test_agents_that_shared_a_name_get_one_of_their_own_each(tmp_path: Path) -> None:
    path = restored(Path(__file__).parent / "homes" / "unreleased-6.sql", tmp_path / "hitl.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SHARED_NAME)
    names = ["chat@desk", "chat@the-shop-8", "chat@the-shop-9"]
    async with Store.open(path) as store:
        assert sorted(agent.name for agent in await agents.list_agents(store, "chat")) == names
        assert [pause.agent for pause in pauses.active(store)] == ["chat", *names], "what was paused stays paused"
        assert [one.agent for one in await assistants.find(store)] == ["chat", *names]
        assert (autonomy.levels(store, "chat"), await autonomy.shared_names(store)) == ({}, {"chat"}), "a level of three agents is nobody's"
        assert list(autonomy.levels(store, "solo")) == [("solo", "send")]
        runs_call_it = await agents.replace_agents(store, 8, [Agent("chat", 8, "", "", None, True)])
        assert runs_call_it == {"chat@the-shop-8": "chat", "chat": "chat"}, "a run that waits has the old name"
