"""A decision, as it is stored."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

import pytest

from hitl_tui.errors import Storage
from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind, ReviewState
from tests.support.empty_database import open_store
from tests.support.harness import approve
from tests.ui.homes import seed


async def test_decide_when_a_worker_submits_at_once_returns_decided(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"

    def submit() -> None:
        """Submit the review as a worker that hears the doorbell does, before `decide` goes on."""
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE reviews SET state = 'submitted' WHERE state = 'decided'")

    async with open_store(path) as store:
        ann = Inbox(store, "ann", ring=submit)
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.mail("ann@example.com"))
        review = await ann.reviews.get(await seed.add_waiting_run(store, await seed.add_project(store), "mail_assistant", pause))
        assert await ann.reviews.decide(review, {0: approve()}) is ReviewState.DECIDED
        assert (await ann.reviews.get(review.row.id)).row.state is ReviewState.SUBMITTED


async def test_decide_tells_the_worker_before_the_disk_and_returns_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, happened, sync = tmp_path / "hitl.db", list[str](), os.fdatasync

    def ring() -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            happened.append(f"worker reads {db.execute('SELECT state FROM reviews').fetchone()[0]}")

    def stored(descriptor: int) -> None:
        assert os.fstat(descriptor).st_ino == path.with_name("hitl.db-wal").stat().st_ino
        sync(descriptor)
        happened.append("on the disk")

    monkeypatch.setattr(os, "fdatasync", stored)
    async with open_store(path) as store:
        ann = Inbox(store, "ann", ring=ring)
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.mail("ann@example.com"))
        review = await ann.reviews.get(await seed.add_waiting_run(store, await seed.add_project(store), "mail_assistant", pause))
        await ann.reviews.decide(review, {0: approve()})
        assert happened == ["worker reads decided", "on the disk"]
        async with store.transaction() as db:  # what a worker stores later waits for the disk in its commit
            assert db.row("PRAGMA synchronous") == (2,)


async def test_decide_when_the_disk_fails_after_the_commit_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    async with open_store(tmp_path / "hitl.db") as store:
        ann = Inbox(store, "ann")
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.mail("ann@example.com"))
        review = await ann.reviews.get(await seed.add_waiting_run(store, await seed.add_project(store), "mail_assistant", pause))
        with pytest.raises(Storage, match=r"hitl\.db was written, but the disk may not have stored it: Input/output error"):
            await ann.reviews.decide(review, {0: approve()})
        async with store.transaction() as db:
            assert db.row("PRAGMA synchronous") == (2,)
