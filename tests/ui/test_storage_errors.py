"""Rows that cannot be read or written: a sentence on the screen, and the console goes on."""

from __future__ import annotations

import sqlite3

import pytest

from hitl_tui.model import PauseKind
from hitl_tui.store import connection
from tests.ui.conftest import Console
from tests.ui.homes import seed


async def test_a_database_that_is_held_by_another_program(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as desk:
        monkeypatch.setattr(connection, "BUSY_S", 1.5)
        holder = sqlite3.connect(desk.home.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        await desk.pilot.press("a")
        await desk.seen("storing the decision")
        await desk.seen("locked by another program")
        assert "storing the decision" not in desk.screen()
        holder.execute("ROLLBACK")
        holder.close()
        await desk.armed()
        await desk.press("a")
        assert await desk.decided(desk.ids[0]) == [(0, "approve", None, None)]


async def test_a_launch_while_the_database_is_held_keeps_the_text(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console("empty") as desk:
        monkeypatch.setattr(connection, "BUSY_S", 0.1)
        await desk.press("n")
        await desk.seen("New run", "mail_assistant")
        await desk.press(*"tidy up")
        await desk.seen("tidy up")
        holder = sqlite3.connect(desk.home.database, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        await desk.press("enter")
        await desk.seen("is locked by", "tidy up")
        holder.execute("ROLLBACK")
        holder.close()
        await desk.press("enter")
        assert await desk.store.one("SELECT title FROM runs") == ("tidy up",)


async def test_a_table_that_is_gone_and_comes_back(console: Console) -> None:
    async with console() as desk:
        await desk.store.db.execute("ALTER TABLE runs RENAME TO gone")
        await desk.pilot.press("j", "j", "f2")
        await desk.pilot.pause(1.5)
        assert "the database cannot be used: no such table" in desk.screen() and desk.app.is_running
        await desk.pilot.press("f1", "n", "escape")
        await desk.pilot.pause(0.5)
        assert desk.app.is_running
        await desk.store.db.execute("ALTER TABLE gone RENAME TO runs")
        await desk.pilot.pause(1.5)
        await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail("zoe@example.com")))
        await desk.pilot.pause(1.5)
        await desk.settle()
        assert "Queue 10" in desk.screen()
