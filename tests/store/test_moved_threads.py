"""Threads that others move on a server, and the runs of this home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.model import MovedThread, Run, RunState
from hitl_tui.store import Store, agents, moved_threads, runs
from tests.support.empty_database import open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "hitl.db") as opened:
        yield opened


async def moved(store: Store, version: str, waits: bool = True, is_known: bool = False, thread: str = "t") -> bool:
    project = await agents.register_project(store, "http://h", "h")
    one = MovedThread(thread, "mail", version, "write bob", waits, is_known)
    return await moved_threads.take_up(store, project, [one])


async def all_runs(store: Store) -> list[Run]:
    return await runs.newest(store, 10)


async def put(store: Store, state: RunState) -> None:
    """Bring the newest run into a state, as a worker does."""
    (newest, *_) = await all_runs(store)
    values = {"state": state, "run": newest.id}
    await store.write("UPDATE runs SET state = :state, resuming = 0, worker = NULL WHERE id = :run", values)


async def test_waiting_thread_of_others_gets_a_run_that_starts_nothing(store: Store) -> None:
    assert await moved(store, "1")
    (run,) = await all_runs(store)
    assert (run.state, run.agent, run.title, run.resuming, run.is_retry) == (RunState.QUEUED, "mail", "write bob", True, False)
    assert not await moved(store, "1") and len(await all_runs(store)) == 1


async def test_thread_that_does_not_wait_gets_none(store: Store) -> None:
    assert not await moved(store, "1", waits=False)
    assert await all_runs(store) == []


@pytest.mark.parametrize("waits", [True, False])
async def test_waiting_run_is_looked_at_again_when_its_thread_moves(store: Store, waits: bool) -> None:
    await moved(store, "1")
    await put(store, RunState.WAITING)
    assert await moved(store, "2", waits=waits)
    (run,) = await all_runs(store)
    assert (run.state, run.resuming, run.is_retry) == (RunState.QUEUED, True, False)


async def test_run_that_a_worker_drives_is_left_alone_until_it_waits(store: Store) -> None:
    await moved(store, "1")
    project = await agents.register_project(store, "http://h", "h")
    assert await runs.lease_next(store, "w", project, ["mail"], alone=True)
    assert not await moved(store, "2")
    assert moved_threads.versions(store, project, ["t", "other"]) == {"t": "1"}, "it is reported again"
    await put(store, RunState.WAITING)
    assert await moved(store, "2")


async def test_version_that_a_worker_has_seen_moves_nothing(store: Store) -> None:
    await moved(store, "1")
    await put(store, RunState.WAITING)
    assert not await moved(store, "2", is_known=True)
    project = await agents.register_project(store, "http://h", "h")
    assert moved_threads.versions(store, project, ["t"]) == {"t": "2"}
    assert moved_threads.waiting(store, project) == ["t"]


@pytest.mark.parametrize("state", [RunState.DONE, RunState.CANCELLED])
async def test_thread_that_waits_anew_after_its_run_was_over_gets_another(store: Store, state: RunState) -> None:
    await moved(store, "1")
    await put(store, state)
    await moved(store, "2", is_known=True)
    assert not await moved(store, "2"), "nothing has happened since"
    assert await moved(store, "3")
    assert [run.state for run in await all_runs(store)] == [RunState.QUEUED, state]


async def test_retry_names_the_lease_under_which_it_may_run_on(store: Store) -> None:
    await moved(store, "1")
    await put(store, RunState.FAILED)
    project = await agents.register_project(store, "http://h", "h")
    (run,) = await all_runs(store)
    assert await runs.requeue(store, run.id, "ann")
    leased = await runs.lease_next(store, "w", project, ["mail"], alone=True)
    assert leased and leased.is_retry
    await runs.release(store, "w")
    again = await runs.lease_next(store, "w2", project, ["mail"], alone=True)
    assert again and not again.is_retry, "its worker may have started it already"
