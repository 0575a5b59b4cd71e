"""Code that does not stop (in a thread, the event loop or C) when cancelled or over its time limit, without harm to other runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from hitl_tui.model import Run, RunOptions, RunState
from hitl_tui.store import Store, agents, runs
from hitl_tui.supervisor import Supervisor
from tests.support.harness import PROJECTS, TIMEOUT_S, Reviewer, SandboxFactory, approve, open_reviewer
from tests.support.tiers import sampled

STOPS_NOT = {"hang": "endless", "busy": "busy", "waits": "waits", "hang_async": "stubborn"}
"""Agents whose code does not stop when told to, by what they do first. The event loop lives on."""
GOES_ON = "cancelling: its code has not stopped yet"
LATE = (
    "it worked for longer than its limit of {} s; ctrl+r or `hitl-tui retry r{}` lets it go on from its checkpoint with as much time again"
)
STEPS = ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of the project in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("trouble")) as reviewer:
        yield reviewer


async def worker_ids(who: Reviewer) -> set[str]:
    return {worker.id for worker in await who.inbox.agents.workers()}


async def until_replaced(who: Reviewer, before: set[str]) -> None:
    """Wait until workers other than these are registered."""
    until = time.monotonic() + TIMEOUT_S
    while not (now := await worker_ids(who)) or now & before:
        assert time.monotonic() < until, "the worker was never replaced"
        await asyncio.sleep(0.05)


async def until_doing(who: Reviewer, run: Run, activity: str) -> Run:
    """Wait until the run has this activity, and return it."""
    until = time.monotonic() + TIMEOUT_S
    while (now := await who.inbox.runs.get(run.id)).activity != activity:
        assert now.state is RunState.RUNNING and time.monotonic() < until, f"run r{run.id} is {now.state}: {now.activity!r}"
        await asyncio.sleep(0.02)
    return now


def names(who: Reviewer, run: Run) -> list[str]:
    return [line["did"] for line in who.effects(run)]


# Threads, and async code that ignores cancellation


@pytest.mark.slow
async def test_cancel_of_code_that_does_not_stop_replaces_the_worker_only(fresh_reviewer: Reviewer) -> None:
    stuck = {agent: await fresh_reviewer.launch(agent, given={}) for agent in STOPS_NOT}
    worker = fresh_reviewer.sandbox.start()
    for agent, did in STOPS_NOT.items():
        await fresh_reviewer.until_effect(stuck[agent], did)
    others = await fresh_reviewer.inbox.runs.launch("steps", given={"seconds": 1.0}, count=2)
    for other in others:
        await fresh_reviewer.until_effect(other, "one begins")
    before, niceness = await worker_ids(fresh_reviewer), psutil.Process(worker.pid).nice()
    for run in stuck.values():
        await fresh_reviewer.inbox.runs.cancel(run.id)
    for run in stuck.values():
        now = await until_doing(fresh_reviewer, run, GOES_ON)
        assert (now.state, now.cancelling) == (RunState.RUNNING, True), "it is not over before its code is"
    for run in stuck.values():
        await fresh_reviewer.wait(run, RunState.CANCELLED)
    await until_replaced(fresh_reviewer, before)
    assert not psutil.pid_exists(fresh_reviewer.effects(stuck["waits"])[0]["child"]), "what an agent has started ends too"
    for other in others:
        assert (await fresh_reviewer.result_of(other))["log"] == ["one", "two", "three"]
        assert names(fresh_reviewer, other) == STEPS, "each step was done once"
        assert (await fresh_reviewer.inbox.runs.get(other.id)).crashes == 0
    [now_known] = await fresh_reviewer.inbox.agents.workers()
    assert now_known.pid == worker.pid and psutil.Process(worker.pid).nice() == niceness
    assert [names(fresh_reviewer, stuck[agent])[0] for agent in STOPS_NOT] == list(STOPS_NOT.values())


async def test_cancel_of_code_that_stops_keeps_the_worker(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("slow", given={"seconds": 1.8})
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "slow_sync begins")
    before = await worker_ids(fresh_reviewer)
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await fresh_reviewer.wait(run, RunState.CANCELLED)
    assert names(fresh_reviewer, run) == ["slow_sync begins", "slow_sync ends"], "it is cancelled when its code has stopped, and not before"
    await fresh_reviewer.result_of(await fresh_reviewer.launch("steps", given={}))
    assert await worker_ids(fresh_reviewer) == before


@pytest.mark.slow
async def test_worker_until_idle_exits_after_it_was_replaced(fresh_reviewer: Reviewer) -> None:
    run, later = await fresh_reviewer.launch("hang", given={}), await fresh_reviewer.launch("steps", given={}, thread="t")
    worker = fresh_reviewer.sandbox.start("--until-idle", "--concurrency", "1")
    await fresh_reviewer.until_effect(run, "endless")
    await fresh_reviewer.inbox.runs.cancel(run.id)
    assert await asyncio.to_thread(worker.wait) == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.CANCELLED
    await fresh_reviewer.result_of(later)
    assert await fresh_reviewer.inbox.agents.workers() == []


async def test_stopped_worker_finishes_pending_cancels(fresh_reviewer: Reviewer) -> None:
    run, other = await fresh_reviewer.launch("hang", given={}), await fresh_reviewer.launch("hang", given={})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "endless")
    await fresh_reviewer.until_effect(other, "endless")
    await fresh_reviewer.inbox.runs.cancel(run.id)
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait) == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.CANCELLED
    now = await fresh_reviewer.inbox.runs.get(other.id)
    assert (now.state, now.crashes) == (RunState.QUEUED, 0)


# Time limits


@pytest.mark.slow
async def test_run_over_its_time_limit_fails_and_can_be_retried(fresh_reviewer: Reviewer) -> None:
    fresh_reviewer.sandbox.home.config.write_text("time_limit_s = 2.5\n")
    limited = [await fresh_reviewer.launch(agent, given={}, options=RunOptions(time_limit_s=1.0)) for agent in STOPS_NOT]
    listens = await fresh_reviewer.launch("steps", given={"seconds": 60.0}, options=RunOptions(time_limit_s=6.0))
    by_default = await fresh_reviewer.launch("hang", given={})
    unlimited = await fresh_reviewer.launch("steps", given={"seconds": 1.5}, options=RunOptions(time_limit_s=0.0))
    fresh_reviewer.sandbox.start()
    for run in limited:
        assert (await fresh_reviewer.wait(run, RunState.FAILED)).error == LATE.format("1", run.id)
    assert (await fresh_reviewer.wait(listens, RunState.FAILED)).error == LATE.format("6", listens.id)
    assert (await fresh_reviewer.wait(by_default, RunState.FAILED)).error == LATE.format("2.5", by_default.id)
    assert (await fresh_reviewer.result_of(unlimited))["log"] == ["one", "two", "three"]
    await fresh_reviewer.inbox.runs.retry(listens.id)
    assert (await fresh_reviewer.wait(listens, RunState.QUEUED, RunState.RUNNING)).error in ("", LATE.format("6", listens.id))
    await fresh_reviewer.wait(listens, RunState.FAILED)
    assert names(fresh_reviewer, listens) == ["one begins", "one begins"], "it had as much time again"


@pytest.mark.slow
async def test_time_limit_does_not_count_waiting_for_people(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})], options=RunOptions(time_limit_s=8.0))
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    await asyncio.sleep(8.5)  # longer than the limit
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.result_of(run)


@pytest.mark.slow
async def test_time_limit_reached_while_an_answer_runs_marks_it_may_have_run(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("per_call", [("slow", {"seconds": 60.0})], options=RunOptions(time_limit_s=10.0))
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    await fresh_reviewer.decide(review, approve())
    failed = await fresh_reviewer.wait(run, RunState.FAILED)
    assert failed.error == LATE.format("10", run.id)
    row = (await fresh_reviewer.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run failed while this was being applied; it may have run")
    await fresh_reviewer.inbox.runs.retry(run.id)
    assert (await fresh_reviewer.open_review(run)).actions[0].name == "slow", "a person is asked again"


@pytest.mark.slow
async def test_time_limit_does_not_count_time_without_a_worker(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("steps", given={"seconds": 1.0}, options=RunOptions(time_limit_s=30.0))
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "one begins")
    worker.kill()
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.database)) as db, db:
        db.execute("UPDATE runs SET leased_at = leased_at - 30000")
        db.execute("UPDATE workers SET beat_at = beat_at - 30000")
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.result_of(run)


# A blocked event loop


@pytest.mark.slow
@pytest.mark.parametrize("by", ["cancel", "limit"])
async def test_blocked_event_loop_is_tolerated_until_a_run_must_end(fresh_reviewer: Reviewer, by: str) -> None:
    limit = RunOptions(time_limit_s=25.0 if by == "limit" else None)
    other = await fresh_reviewer.launch("steps", given={"seconds": 0.3})
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(other, "two begins")
    blocks = await fresh_reviewer.launch("blocks", given={}, options=limit)
    await fresh_reviewer.until_effect(blocks, "blocks")
    before = await worker_ids(fresh_reviewer)
    await asyncio.sleep(6.5)
    assert await worker_ids(fresh_reviewer) == before, "an agent may compute for long"
    if by == "cancel":
        await fresh_reviewer.inbox.runs.cancel(blocks.id)
    ended = await fresh_reviewer.wait(blocks, RunState.CANCELLED if by == "cancel" else RunState.FAILED, timeout_s=150)
    assert ended.error == ("" if by == "cancel" else LATE.format("25", blocks.id))
    assert (await fresh_reviewer.result_of(other))["log"] == ["one", "two", "three"]
    assert names(fresh_reviewer, other)[:2] == STEPS[:2] and names(fresh_reviewer, other).count("one begins") == 1
    assert (await fresh_reviewer.inbox.runs.get(other.id)).crashes == 0
    assert not await worker_ids(fresh_reviewer) & before
    assert names(fresh_reviewer, blocks) == ["blocks"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raises", "ignores", "hangs"])
async def test_cancel_ends_a_run_that_has_broken_the_loop(fresh_reviewer: Reviewer, how: str) -> None:
    fresh_reviewer.sandbox.start()
    run = await fresh_reviewer.launch("breaks", given={"text": how})
    await fresh_reviewer.until_effect(run, "broken")
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await fresh_reviewer.wait(run, RunState.CANCELLED, timeout_s=150)  # another process imports LangGraph first
    assert (await fresh_reviewer.result_of(await fresh_reviewer.launch("steps", given={})))["log"] == ["one", "two", "three"]


@pytest.mark.slow
async def test_blocked_event_loop_holds_no_database_lock(tmp_path: Path) -> None:
    def blocked() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "hitl.db", timeout=0)) as other, other:
            other.execute("INSERT INTO projects (target, label, seen_at) VALUES ('other', 'o', 0)")

    async with Store.open(tmp_path / "hitl.db") as store:
        await runs.insert(store, [runs.NewRun(None, "a", "t", "title", {})])
        asyncio.get_running_loop().call_soon(blocked)  # whatever another task does at the next turn of the loop
        await runs.insert(store, [runs.NewRun(None, "a", f"t{n}", "title", {}) for n in range(50)])
        await asyncio.sleep(0)
        assert len(await store.all("SELECT 1 FROM projects")) == 1
        assert len(await runs.ids(store)) == 51


# The GIL held in C: only another process can see it


@pytest.mark.slow
@pytest.mark.parametrize("by", ["cancel", "limit"])
async def test_console_replaces_a_worker_whose_watchdog_is_stuck(
    new_sandbox: SandboxFactory, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, died = new_sandbox("trouble"), list[str]()
    monkeypatch.setenv("HITL_TEST_JOURNAL", str(sandbox.journal))
    async with open_reviewer(sandbox) as who:
        supervisor = Supervisor(str(PROJECTS / "trouble"), "trouble", sandbox.home.path, 8, lambda: None, died.append)
        running = asyncio.ensure_future(supervisor.run())
        try:
            other = await who.launch("steps", given={"seconds": 0.4})
            await who.until_effect(other, "two begins")
            holds = await who.launch("holds", given={}, options=RunOptions(time_limit_s=15.0 if by == "limit" else None))
            await who.until_effect(holds, "holds")
            [before] = await who.inbox.agents.workers()
            if by == "cancel":
                await who.inbox.runs.cancel(holds.id)
            ended = await who.wait(holds, RunState.CANCELLED if by == "cancel" else RunState.FAILED, timeout_s=150)
            assert ended.error == ("" if by == "cancel" else LATE.format("15", holds.id))
            assert (await who.result_of(other))["log"] == ["one", "two", "three"]
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


@pytest.mark.slow
async def test_cancel_of_a_queued_or_waiting_run_is_immediate(fresh_reviewer: Reviewer) -> None:
    queued = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    await fresh_reviewer.inbox.runs.cancel(queued.id)
    await cancelled_once(fresh_reviewer, queued)
    waiting = await fresh_reviewer.launch("batched", [("send", {"to": "b"})])
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(waiting)
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.inbox.runs.cancel(waiting.id)
    await cancelled_once(fresh_reviewer, waiting)
    row = (await fresh_reviewer.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("stale", "the run is cancelled")
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert fresh_reviewer.effects(queued) == fresh_reviewer.effects(waiting) == []


@pytest.mark.slow
@pytest.mark.parametrize("when", sampled(["while it runs", "after its worker was killed", "while its worker is dead"]))
async def test_cancel_while_an_answer_runs_says_it_may_have_run(fresh_reviewer: Reviewer, when: str) -> None:
    run = await fresh_reviewer.launch("per_call", [("slow", {"seconds": 60.0})])
    worker = fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.until_effect(run, "slow begins")
    if when == "while its worker is dead":
        worker.kill()
    await fresh_reviewer.inbox.runs.cancel(run.id)
    if when == "after its worker was killed":
        worker.kill()
    if when != "while it runs":
        assert fresh_reviewer.sandbox.run_until_idle() == 0
    await cancelled_once(fresh_reviewer, run)
    row = (await fresh_reviewer.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run was cancelled while this was being applied; it may have run")
    assert names(fresh_reviewer, run) == ["slow begins"]


@pytest.mark.slow
async def test_cancel_of_a_run_requeued_during_resume_says_it_may_have_run(fresh_reviewer: Reviewer) -> None:
    """Its worker died, and another has requeued the run but not started it yet."""
    run = await fresh_reviewer.launch("per_call", [("slow", {"seconds": 60.0})])
    worker = fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.until_effect(run, "slow begins")
    worker.kill()
    [dead] = await fresh_reviewer.inbox.agents.workers()
    assert await runs.recover(fresh_reviewer.store, dead.id) == [run.id]
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await cancelled_once(fresh_reviewer, run)
    row = (await fresh_reviewer.inbox.reviews.get(review.row.id)).row
    assert (row.state, row.note) == ("failed", "the run was cancelled while this was being applied; it may have run")


@pytest.mark.slow
async def test_crash_during_a_cancel_is_not_counted_for_other_runs(fresh_reviewer: Reviewer) -> None:
    stuck, other = await fresh_reviewer.launch("hang", given={}), await fresh_reviewer.launch("steps", given={"seconds": 60.0})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(stuck, "endless")
    await fresh_reviewer.until_effect(other, "one begins")
    worker.send(signal.SIGSTOP)
    await fresh_reviewer.inbox.runs.cancel(stuck.id)
    worker.kill()
    for dead in await agents.list_workers(fresh_reviewer.store):
        await runs.recover(fresh_reviewer.store, dead[0].id)
    await cancelled_once(fresh_reviewer, stuck)
    now = await fresh_reviewer.inbox.runs.get(other.id)
    assert (now.state, now.crashes, now.resuming) == (RunState.QUEUED, 0, True)


# A suspect runs alone


@pytest.mark.slow
async def test_run_suspected_of_crashes_gets_its_turn_under_load(fresh_reviewer: Reviewer) -> None:
    suspect = await fresh_reviewer.launch("steps", given={})
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.database)) as db, db:
        db.execute("UPDATE runs SET crashes = 1 WHERE id = ?", (suspect.id,))
    load = [await fresh_reviewer.launch("steps", given={"seconds": 0.2 + n % 3 * 0.1}) for n in range(4)]
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.database)) as db, db:
        db.execute("UPDATE runs SET id = id + 1000 WHERE id = ?", (suspect.id,))  # the load is older: it comes first
    fresh_reviewer.sandbox.start("--concurrency", "2")
    until = time.monotonic() + TIMEOUT_S
    while (await fresh_reviewer.inbox.runs.get(suspect.id + 1000)).state is not RunState.DONE:
        assert time.monotonic() < until, "it starves"
        counts = await fresh_reviewer.inbox.runs.counts()
        if counts.get(RunState.QUEUED, 0) < 4:
            load += await fresh_reviewer.inbox.runs.launch("steps", given={"seconds": 0.2 + len(load) % 3 * 0.1}, count=2)
        await asyncio.sleep(0.05)
    for run in load:
        await fresh_reviewer.result_of(run)
