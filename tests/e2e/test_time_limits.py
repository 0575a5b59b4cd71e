"""Code that does not stop: cancelled, over its time, in a thread, in the event loop, or in C; and the others, who go on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from hitl_tui.model import Run, RunOptions, RunState
from hitl_tui.store import Store, agents, runs
from hitl_tui.supervisor import Supervisor
from tests.support.harness import PATIENCE_S, PROJECTS, Place, Reviewer, approve, reviewer
from tests.support.tiers import sampled

Own = Callable[[str], Place]

STOPS_NOT = {"hang": "endless", "busy": "busy", "waits": "waits", "hang_async": "stubborn"}
"""Agents whose code does not stop when told to, by what they do first. The event loop lives on."""
GOES_ON = "cancelling: its code has not stopped yet"
LATE = (
    "it worked for longer than its limit of {} s; ctrl+r or `hitl-tui retry r{}` lets it go on from its checkpoint with as much time again"
)
STEPS = ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


@pytest.fixture
async def alone(own: Own) -> AsyncIterator[Reviewer]:
    """A reviewer of the project in a home of their own, with no worker yet."""
    async with reviewer(own("trouble")) as someone:
        yield someone


async def worker_ids(who: Reviewer) -> set[str]:
    return {worker.id for worker in await who.inbox.agents.workers()}


async def until_replaced(who: Reviewer, before: set[str]) -> None:
    """Wait until other workers are known than those."""
    until = time.monotonic() + PATIENCE_S
    while not (now := await worker_ids(who)) or now & before:
        assert time.monotonic() < until, "the worker was never replaced"
        await asyncio.sleep(0.05)


async def until_doing(who: Reviewer, run: Run, activity: str) -> Run:
    """The run, once it is doing that."""
    until = time.monotonic() + PATIENCE_S
    while (now := await who.inbox.runs.get(run.id)).activity != activity:
        assert now.state is RunState.RUNNING and time.monotonic() < until, f"run r{run.id} is {now.state}: {now.activity!r}"
        await asyncio.sleep(0.02)
    return now


def names(who: Reviewer, run: Run) -> list[str]:
    return [line["did"] for line in who.did(run)]


# Threads, and async code that does not listen


async def test_cancelled_code_that_goes_on_ends_with_its_process_and_the_others_lose_nothing(alone: Reviewer) -> None:
    stuck = {agent: await alone.launch(agent, given={}) for agent in STOPS_NOT}
    worker = alone.place.start()
    for agent, did in STOPS_NOT.items():
        await alone.until_did(stuck[agent], did)
    others = await alone.inbox.runs.launch("steps", given={"seconds": 1.0}, count=2)
    for other in others:
        await alone.until_did(other, "one begins")
    before, niceness = await worker_ids(alone), psutil.Process(worker.pid).nice()
    for run in stuck.values():
        await alone.inbox.runs.cancel(run.id)
    for run in stuck.values():
        now = await until_doing(alone, run, GOES_ON)
        assert (now.state, now.cancelling) == (RunState.RUNNING, True), "it is not over before its code is"
    for run in stuck.values():
        await alone.wait(run, RunState.CANCELLED)
    await until_replaced(alone, before)
    assert not psutil.pid_exists(alone.did(stuck["waits"])[0]["child"]), "what an agent has started ends too"
    for other in others:
        assert (await alone.done(other))["log"] == ["one", "two", "three"]
        assert names(alone, other) == STEPS, "each step was done once"
        assert (await alone.inbox.runs.get(other.id)).crashes == 0
    [now_known] = await alone.inbox.agents.workers()
    assert now_known.pid == worker.pid and psutil.Process(worker.pid).nice() == niceness
    assert [names(alone, stuck[agent])[0] for agent in STOPS_NOT] == list(STOPS_NOT.values())


async def test_cancelled_code_that_stops_by_itself_needs_no_new_process(alone: Reviewer) -> None:
    run = await alone.launch("slow", given={"seconds": 1.2})
    alone.place.start()
    await alone.until_did(run, "slow_sync begins")
    before = await worker_ids(alone)
    await alone.inbox.runs.cancel(run.id)
    await alone.wait(run, RunState.CANCELLED)
    assert names(alone, run) == ["slow_sync begins", "slow_sync ends"], "it is cancelled when its code has stopped, and not before"
    await alone.done(await alone.launch("steps", given={}))
    assert await worker_ids(alone) == before


@pytest.mark.slow
async def test_a_worker_until_idle_still_ends_after_it_was_replaced(alone: Reviewer) -> None:
    run, later = await alone.launch("hang", given={}), await alone.launch("steps", given={}, thread="t")
    worker = alone.place.start("--until-idle", "--concurrency", "1")
    await alone.until_did(run, "endless")
    await alone.inbox.runs.cancel(run.id)
    assert await asyncio.to_thread(worker.wait) == 0
    assert (await alone.inbox.runs.get(run.id)).state is RunState.CANCELLED
    await alone.done(later)
    assert await alone.inbox.agents.workers() == []


async def test_a_worker_that_is_stopped_ends_what_was_to_be_cancelled(alone: Reviewer) -> None:
    run, other = await alone.launch("hang", given={}), await alone.launch("hang", given={})
    worker = alone.place.start()
    await alone.until_did(run, "endless")
    await alone.until_did(other, "endless")
    await alone.inbox.runs.cancel(run.id)
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait) == 0
    assert (await alone.inbox.runs.get(run.id)).state is RunState.CANCELLED
    now = await alone.inbox.runs.get(other.id)
    assert (now.state, now.crashes) == (RunState.QUEUED, 0)


# Time limits


@pytest.mark.slow
async def test_over_its_time_a_run_fails_and_can_go_on(alone: Reviewer) -> None:
    alone.place.home.config.write_text("time_limit_s = 2.5\n")
    limited = [await alone.launch(agent, given={}, options=RunOptions(time_limit_s=1.0)) for agent in STOPS_NOT]
    listens = await alone.launch("steps", given={"seconds": 60.0}, options=RunOptions(time_limit_s=1.0))
    by_default = await alone.launch("hang", given={})
    unlimited = await alone.launch("steps", given={"seconds": 1.5}, options=RunOptions(time_limit_s=0.0))
    alone.place.start()
    for run in (*limited, listens):
        assert (await alone.wait(run, RunState.FAILED)).error == LATE.format("1", run.id)
    assert (await alone.wait(by_default, RunState.FAILED)).error == LATE.format("2.5", by_default.id)
    assert (await alone.done(unlimited))["log"] == ["one", "two", "three"]
    await alone.inbox.runs.retry(listens.id)
    assert (await alone.wait(listens, RunState.QUEUED, RunState.RUNNING)).error in ("", LATE.format("1", listens.id))
    await alone.wait(listens, RunState.FAILED)
    assert names(alone, listens) == ["one begins", "one begins"], "it had as much time again"


async def test_waiting_for_people_takes_no_time(alone: Reviewer) -> None:
    run = await alone.launch("batched", [("send", {"to": "a"})], options=RunOptions(time_limit_s=2.0))
    alone.place.start()
    review = await alone.one(run)
    await asyncio.sleep(2.5)
    await alone.decide(review, approve())
    await alone.done(run)


async def test_an_answer_on_its_way_when_the_time_is_over(alone: Reviewer) -> None:
    run = await alone.launch("per_call", [("slow", {"seconds": 60.0})], options=RunOptions(time_limit_s=3.0))
    alone.place.start()
    review = await alone.one(run)
    await alone.decide(review, approve())
    failed = await alone.wait(run, RunState.FAILED)
    assert failed.error == LATE.format("3", run.id)
    row = (await alone.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run failed while this was being applied; it may have run")
    await alone.inbox.runs.retry(run.id)
    assert (await alone.one(run)).actions[0].name == "slow", "a person is asked again"


@pytest.mark.slow
async def test_a_night_without_a_worker_is_no_work(alone: Reviewer) -> None:
    run = await alone.launch("steps", given={"seconds": 1.0}, options=RunOptions(time_limit_s=30.0))
    worker = alone.place.start()
    await alone.until_did(run, "one begins")
    worker.kill()
    with contextlib.closing(sqlite3.connect(alone.place.home.database)) as db, db:
        db.execute("UPDATE runs SET leased_at = leased_at - 30000")
        db.execute("UPDATE workers SET beat_at = beat_at - 30000")
    alone.place.start()
    await alone.done(run)


# A blocked event loop


@pytest.mark.slow
@pytest.mark.parametrize("by", ["cancel", "limit"])
async def test_a_blocked_loop_is_left_alone_until_a_run_is_to_end(alone: Reviewer, by: str) -> None:
    limit = RunOptions(time_limit_s=9.0 if by == "limit" else None)
    other = await alone.launch("steps", given={"seconds": 0.3})
    alone.place.start()
    await alone.until_did(other, "two begins")
    blocks = await alone.launch("blocks", given={}, options=limit)
    await alone.until_did(blocks, "blocks")
    before = await worker_ids(alone)
    await asyncio.sleep(6.5)
    assert await worker_ids(alone) == before, "an agent may compute for long"
    if by == "cancel":
        await alone.inbox.runs.cancel(blocks.id)
    ended = await alone.wait(blocks, RunState.CANCELLED if by == "cancel" else RunState.FAILED)
    assert ended.error == ("" if by == "cancel" else LATE.format("9", blocks.id))
    assert (await alone.done(other))["log"] == ["one", "two", "three"]
    assert names(alone, other)[:2] == STEPS[:2] and names(alone, other).count("one begins") == 1
    assert (await alone.inbox.runs.get(other.id)).crashes == 0
    assert not await worker_ids(alone) & before
    assert names(alone, blocks) == ["blocks"]


@pytest.mark.slow
async def test_who_blocks_the_loop_keeps_nobody_from_writing(tmp_path: Path) -> None:
    def blocked() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "hitl.db", timeout=0)) as other, other:
            other.execute("INSERT INTO projects (target, label, seen_at) VALUES ('other', 'o', 0)")

    async with Store.open(tmp_path / "hitl.db") as store:
        await runs.insert(store, [(None, "a", "t", "title", {})])
        asyncio.get_running_loop().call_soon(blocked)  # whatever another task does at the next turn of the loop
        await runs.insert(store, [(None, "a", f"t{n}", "title", {}) for n in range(50)])
        await asyncio.sleep(0)
        assert len(await store.all("SELECT 1 FROM projects")) == 1
        assert len(await runs.ids(store)) == 51


# The GIL held in C: only another process can see it


@pytest.mark.slow
@pytest.mark.parametrize("by", ["cancel", "limit"])
async def test_the_console_replaces_a_worker_that_cannot_even_watch_itself(own: Own, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, died = own("trouble"), list[str]()
    monkeypatch.setenv("HITL_TEST_JOURNAL", str(place.journal))
    async with reviewer(place) as who:
        supervisor = Supervisor(str(PROJECTS / "trouble"), "trouble", place.home.path, 8, lambda: None, died.append)
        running = asyncio.ensure_future(supervisor.run())
        try:
            other = await who.launch("steps", given={"seconds": 0.4})
            await who.until_did(other, "two begins")
            holds = await who.launch("holds", given={}, options=RunOptions(time_limit_s=4.0 if by == "limit" else None))
            await who.until_did(holds, "holds")
            [before] = await who.inbox.agents.workers()
            if by == "cancel":
                await who.inbox.runs.cancel(holds.id)
            ended = await who.wait(holds, RunState.CANCELLED if by == "cancel" else RunState.FAILED)
            assert ended.error == ("" if by == "cancel" else LATE.format("4", holds.id))
            assert (await who.done(other))["log"] == ["one", "two", "three"]
            assert names(who, other).count("one begins") == 1
            assert (await who.inbox.runs.get(other.id)).crashes == 0
            [after] = await who.inbox.agents.workers()
            assert after.pid != before.pid
            assert died == ["the worker of trouble is replaced: a run that was to end held it up"]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


# A cancel, wherever the run stands


async def cancelled_once(who: Reviewer, run: Run) -> None:
    now = await who.wait(run, RunState.CANCELLED)
    assert (now.cancelling, now.activity, now.resuming) == (False, "", False)
    assert now.ended_at is not None


async def test_a_cancel_of_what_waits_is_immediate(alone: Reviewer) -> None:
    queued = await alone.launch("batched", [("send", {"to": "a"})])
    await alone.inbox.runs.cancel(queued.id)
    await cancelled_once(alone, queued)
    waiting = await alone.launch("batched", [("send", {"to": "b"})])
    assert alone.place.run_until_idle() == 0
    review = await alone.one(waiting)
    await alone.decide(review, approve())
    await alone.inbox.runs.cancel(waiting.id)
    await cancelled_once(alone, waiting)
    row = (await alone.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("stale", "the run is cancelled")
    assert alone.place.run_until_idle() == 0
    assert alone.did(queued) == alone.did(waiting) == []


@pytest.mark.parametrize("when", sampled(["while it runs", "after its worker was killed", "while its worker is dead"]))
async def test_a_cancel_says_of_an_answer_on_its_way_that_it_may_have_run(alone: Reviewer, when: str) -> None:
    run = await alone.launch("per_call", [("slow", {"seconds": 60.0})])
    worker = alone.place.start()
    review = await alone.one(run)
    await alone.decide(review, approve())
    await alone.until_did(run, "slow begins")
    if when == "while its worker is dead":
        worker.kill()
    await alone.inbox.runs.cancel(run.id)
    if when == "after its worker was killed":
        worker.kill()
    if when != "while it runs":
        assert alone.place.run_until_idle() == 0
    await cancelled_once(alone, run)
    row = (await alone.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run was cancelled while this was being applied; it may have run")
    assert names(alone, run) == ["slow begins"]


@pytest.mark.slow
async def test_a_cancel_of_a_run_put_back_in_mid_resume(alone: Reviewer) -> None:
    """Its worker died and another has put it back, but not taken it up yet."""
    run = await alone.launch("per_call", [("slow", {"seconds": 60.0})])
    worker = alone.place.start()
    review = await alone.one(run)
    await alone.decide(review, approve())
    await alone.until_did(run, "slow begins")
    worker.kill()
    [dead] = await alone.inbox.agents.workers()
    assert await runs.recover(alone.store, dead.id) == [run.id]
    await alone.inbox.runs.cancel(run.id)
    await cancelled_once(alone, run)
    row = (await alone.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run was cancelled while this was being applied; it may have run")


@pytest.mark.slow
async def test_a_death_while_a_run_is_cancelled_is_blamed_on_nobody_else(alone: Reviewer) -> None:
    stuck, other = await alone.launch("hang", given={}), await alone.launch("steps", given={"seconds": 60.0})
    worker = alone.place.start()
    await alone.until_did(stuck, "endless")
    await alone.until_did(other, "one begins")
    worker.send(signal.SIGSTOP)
    await alone.inbox.runs.cancel(stuck.id)
    worker.kill()
    for dead in await agents.list_workers(alone.store):
        await runs.recover(alone.store, dead[0].id)
    await cancelled_once(alone, stuck)
    now = await alone.inbox.runs.get(other.id)
    assert (now.state, now.crashes, now.resuming) == (RunState.QUEUED, 0, True)


# One that must be alone


@pytest.mark.slow
async def test_a_suspect_gets_its_turn_under_steady_load(alone: Reviewer) -> None:
    suspect = await alone.launch("steps", given={})
    with contextlib.closing(sqlite3.connect(alone.place.home.database)) as db, db:
        db.execute("UPDATE runs SET crashes = 1 WHERE id = ?", (suspect.id,))
    load = [await alone.launch("steps", given={"seconds": 0.2 + n % 3 * 0.1}) for n in range(4)]
    with contextlib.closing(sqlite3.connect(alone.place.home.database)) as db, db:
        db.execute("UPDATE runs SET id = id + 1000 WHERE id = ?", (suspect.id,))  # the load is older: it comes first
    alone.place.start("--concurrency", "2")
    until = time.monotonic() + PATIENCE_S
    while (await alone.inbox.runs.get(suspect.id + 1000)).state is not RunState.DONE:
        assert time.monotonic() < until, "it starves"
        counts = await alone.inbox.runs.counts()
        if counts.get(RunState.QUEUED, 0) < 4:
            load += await alone.inbox.runs.launch("steps", given={"seconds": 0.2 + len(load) % 3 * 0.1}, count=2)
        await asyncio.sleep(0.05)
    for run in load:
        await alone.done(run)
