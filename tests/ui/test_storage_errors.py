"""Rows that cannot be read or written: the console reports it and keeps working."""

from __future__ import annotations

import sqlite3

import pytest

from hitl_tui.model import PauseKind
from hitl_tui.store import connection
from hitl_tui.ui.queue.list import QueueList
from tests.support.tiers import sampled
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed


@pytest.mark.slow
async def test_locked_database_is_reported_and_work_continues_after_release(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console() as console:
        monkeypatch.setattr(connection, "BUSY_S", 1.5)
        holder = sqlite3.connect(console.home.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        await console.pilot.press("a")
        await console.until_shown("storing the decision")
        await console.until_shown("locked by another program")
        assert "storing the decision" not in console.screen_text()
        holder.execute("ROLLBACK")
        holder.close()
        await console.until_keys_accepted()
        await console.press("a")
        assert await console.decisions_of(console.review_ids[0]) == [(0, "approve", None, None)]


async def test_launch_while_the_database_is_locked_keeps_the_text(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console("empty") as console:
        monkeypatch.setattr(connection, "BUSY_S", 0.1)
        await console.press("n")
        await console.until_shown("New run", "mail_assistant")
        await console.press(*"tidy up")
        await console.until_shown("tidy up")
        holder = sqlite3.connect(console.home.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        await console.press("enter")
        await console.until_shown("is locked by", "tidy up")
        holder.execute("ROLLBACK")
        holder.close()
        await console.press("enter")
        assert await console.store.one("SELECT title FROM runs") == ("tidy up",)


async def test_missing_table_is_reported_and_work_continues_when_restored(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.store.db.execute("ALTER TABLE runs RENAME TO gone")
        await console.pilot.press("j", "j", "f2")
        await console.pilot.pause(1.5)
        assert "the schema is not the one of its version" in console.screen_text() and console.app.is_running
        await console.pilot.press("f1", "n", "escape")
        await console.pilot.pause(0.5)
        assert console.app.is_running
        await console.store.db.execute("ALTER TABLE gone RENAME TO runs")
        await console.pilot.pause(1.5)
        await seed.add_waiting_run(
            console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail("zoe@example.com"))
        )
        await console.pilot.pause(1.5)
        await console.settle()
        assert "Queue 10" in console.screen_text()


@pytest.mark.parametrize("damage", sampled(["reviews SET decided_with", "actions SET args", "runs SET input"], gate=0))
async def test_damaged_row_is_told_and_all_others_can_be_decided(start_console: StartConsole, damage: str) -> None:
    async with start_console() as console:
        broken, other = console.review_ids[1], console.review_ids[2]
        key = {"reviews": "id", "actions": "review"}.get(damage.split()[0])
        where = f"{key} = {broken}" if key else f"id = (SELECT run FROM reviews WHERE id = {broken})"
        await console.store.db.execute("UPDATE reviews SET note = 'changed'")
        await console.store.db.execute(f"UPDATE {damage} = '[[' WHERE {where}")
        await console.press("j", "f2", "f1")
        if "runs" not in damage:
            await console.until_shown("a part of it cannot be read")
        await console.press("j")
        assert console.app.query_one(QueueList).cursor == other
        await console.until_keys_accepted()
        await console.press("r", *"no", "enter")
        assert await console.decisions_of(other) == [(0, "reject", None, "no")] and console.app.is_running
