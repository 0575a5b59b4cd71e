"""The worker process: agents that misbehave, workers that die, several of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hitl_tui.errors import Stale
from hitl_tui.model import ReviewState, RunState
from tests.conftest import Keep
from tests.support.harness import Place, Reviewer, approve, edit, reviewer

Own = Callable[[str], Place]


@pytest.fixture
async def trouble(keep: Keep) -> AsyncIterator[Reviewer]:
    async with reviewer(keep("trouble")) as someone:
        yield someone


@pytest.fixture
async def alone(own: Own) -> AsyncIterator[Reviewer]:
    """A reviewer of the same project in a home of their own, with no worker yet."""
    async with reviewer(own("trouble")) as someone:
        yield someone


# Agents that misbehave, in a worker that lives on


@pytest.mark.parametrize(("agent", "said"), [("gone", "it called sys.exit(enough)"), ("gone_async", "it called sys.exit(5)")])
async def test_sys_exit_ends_the_run_only(trouble: Reviewer, agent: str, said: str) -> None:
    run = await trouble.launch(agent, given={})
    assert (await trouble.wait(run, RunState.FAILED)).error == said
    assert (await trouble.done(await trouble.launch("steps", given={})))["log"] == ["one", "two", "three"]


async def test_a_failed_run_is_tried_again_from_where_it_failed(trouble: Reviewer) -> None:
    run = await trouble.launch("flaky", given={"text": "flag"})
    failed = await trouble.wait(run, RunState.FAILED)
    assert failed.error == "ConnectionError: the line is \\ud800 dead"
    assert 'raise ConnectionError("the line' in failed.traceback
    with pytest.raises(Stale, match="failed already"):
        await trouble.inbox.runs.cancel(run.id)
    await trouble.inbox.runs.retry(run.id)
    assert (await trouble.done(run))["log"] == ["before", "second time"]
    assert len([d for d in trouble.did(run) if d["did"] == "before begins"]) == 1
    with pytest.raises(Stale, match="done"):
        await trouble.inbox.runs.retry(run.id)


async def test_an_agent_that_never_returns_is_cancelled_and_others_go_on(trouble: Reviewer) -> None:
    run = await trouble.launch("hang", given={})
    await trouble.until_did(run, "endless")
    await trouble.done(await trouble.launch("steps", given={}))
    await trouble.inbox.runs.cancel(run.id)
    await trouble.wait(run, RunState.CANCELLED)
    with pytest.raises(Stale, match="cancelled already"):
        await trouble.inbox.runs.cancel(run.id)


async def test_what_an_agent_prints_goes_to_its_log_within_bounds(trouble: Reviewer) -> None:
    run = await trouble.launch("noise", given={})
    await trouble.done(run)
    log = trouble.place.home.run_log(run.id)
    assert 5_000_000 <= log.stat().st_size < 5_001_000
    assert log.read_text().endswith("[this run printed more than is kept here]\n")
    assert (trouble.place.folder / "worker.out").read_text() == ""


async def test_an_agent_that_reads_input_gets_its_end(trouble: Reviewer) -> None:
    run = await trouble.launch("reader", given={})
    assert (await trouble.wait(run, RunState.FAILED)).error.startswith("EOFError")


async def test_a_state_that_cannot_be_stored_is_a_sentence(pauses: Reviewer) -> None:
    run = await pauses.launch("unstorable", given={"text": "x"})
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error.startswith("its state holds something that cannot be stored: TypeError: Type is not msgpack serializable")


async def test_input_the_graph_refuses(trouble: Reviewer) -> None:
    run = await trouble.launch("talk", given={"messages": [{"role": "nobody", "content": 5}]})
    assert (await trouble.wait(run, RunState.FAILED)).error
    run = await trouble.launch("steps", given={"text": 2**70})
    assert "64-bit" in (await trouble.wait(run, RunState.FAILED)).error


# Threads, queues, limits


async def test_a_second_run_of_a_thread_waits_and_continues_the_conversation(trouble: Reviewer) -> None:
    first = await trouble.launch("batched", [("send", {"to": "a"})])
    review = await trouble.one(first)
    second = await trouble.launch("batched", [("send", {"to": "b"})], thread=first.thread)
    await asyncio.sleep(0.3)
    assert (await trouble.inbox.runs.get(second.id)).state is RunState.QUEUED
    await trouble.decide(review, approve())
    await trouble.done(first)
    again = await trouble.one(second)
    assert len((await trouble.inbox.reviews.context(again.row.id)).conversation) == 6
    await trouble.decide(again, approve())
    await trouble.done(second)
    assert [d["to"] for d in trouble.did(first)] == ["a", "b"]


async def test_a_run_that_waits_for_another_of_its_thread_can_be_cancelled(trouble: Reviewer) -> None:
    first = await trouble.launch("steps", given={"seconds": 0.2})
    second = await trouble.launch("steps", given={}, thread=first.thread)
    await trouble.wait(first, RunState.RUNNING)
    await trouble.inbox.runs.cancel(second.id)
    await trouble.wait(second, RunState.CANCELLED)
    await trouble.done(first)


async def test_concurrency_is_limited(alone: Reviewer) -> None:
    runs = await alone.inbox.runs.launch("steps", given={"seconds": 0.05}, count=6)
    assert alone.place.run_until_idle("--concurrency", "2") == 0
    lines = alone.place.journal.read_text().splitlines()
    going: set[str] = set()
    most = 0
    for line in lines:
        thread = line.partition(",")[0]
        (going.add if "one begins" in line else going.discard if "three ends" in line else len)(thread)
        most = max(most, len(going))
    assert most == 2
    assert {(await alone.inbox.runs.get(run.id)).state for run in runs} == {RunState.DONE}


async def test_two_workers_share_the_work_and_repeat_none(alone: Reviewer) -> None:
    place = alone.place
    place.start()
    place.start()
    await alone.until_workers(2)
    runs = await alone.inbox.runs.launch("batched", text='[[["send", {"to": "x"}]]]', count=30)
    for run in runs:
        await alone.decide(await alone.one(run), approve())
    for run in runs:
        await alone.done(run)
        assert len(alone.did(run)) == 1
        assert await alone.states(run) == ["applied"]


def test_several_workers_start_at_once_on_a_new_home(own: Own) -> None:
    place = own("dotenv")
    workers = [place.start("--until-idle") for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4, place.said()


# Workers that stop and die


async def test_a_stopped_worker_puts_its_runs_back(alone: Reviewer) -> None:
    run = await alone.launch("steps", given={"seconds": 0.5})
    worker = alone.place.start()
    await alone.until_did(run, "one begins")
    worker.send(signal.SIGTERM)
    assert worker.wait(20) == 0
    now = await alone.inbox.runs.get(run.id)
    assert (now.state, now.resuming, now.crashes) == (RunState.QUEUED, True, 0)
    assert alone.did(run)[-1]["did"] == "one ends", "it stops at a step's boundary"
    assert await alone.inbox.agents.workers() == []
    assert alone.place.run_until_idle() == 0
    assert (await alone.done(run))["log"] == ["one", "two", "three"]
    assert len([d for d in alone.did(run) if d["did"] == "one begins"]) == 1


async def test_a_worker_stops_although_an_agent_does_not(alone: Reviewer) -> None:
    sync, stubborn = await alone.launch("hang", given={}), await alone.launch("hang_async", given={})
    worker = alone.place.start()
    await alone.until_did(sync, "endless")
    await alone.until_did(stubborn, "stubborn")
    worker.send(signal.SIGTERM)
    assert worker.wait(12) == 0
    for run in (sync, stubborn):
        assert (await alone.inbox.runs.get(run.id)).state is RunState.QUEUED


async def test_a_killed_workers_run_goes_on_from_its_checkpoint(alone: Reviewer) -> None:
    run = await alone.launch("steps", given={"seconds": 0.4})
    worker = alone.place.start()
    await alone.until_did(run, "two begins")
    await asyncio.sleep(0.15)  # checkpoints are written behind the run
    worker.kill()
    assert (await alone.inbox.runs.get(run.id)).state is RunState.RUNNING
    assert alone.place.run_until_idle() == 0
    assert (await alone.done(run))["log"] == ["one", "two", "three"]
    assert [d["did"] for d in alone.did(run) if d["did"].endswith("begins")] == ["one begins", "two begins", "two begins", "three begins"]


async def test_a_run_killed_inside_a_subgraph_goes_on_unasked(alone: Reviewer) -> None:
    run = await alone.launch("inner", given={"seconds": 0.4})
    worker = alone.place.start()
    await alone.until_did(run, "two begins")
    await asyncio.sleep(0.15)  # checkpoints are written behind the run
    worker.kill()
    assert alone.place.run_until_idle() == 0
    assert (await alone.inbox.runs.get(run.id)).state is RunState.DONE, "no gate is anywhere in this graph, so nobody is asked"
    assert len([d for d in alone.did(run) if d["did"] == "one begins"]) == 1


@pytest.mark.parametrize(("agent", "killed_in", "gate"), [("steps_to_gate", "two", "three"), ("steps_from_gate", "one", "two")])
async def test_recovery_never_passes_a_gate(alone: Reviewer, agent: str, killed_in: str, gate: str) -> None:
    run = await alone.launch(agent, given={"seconds": 0.4})
    worker = alone.place.start()
    await alone.until_did(run, f"{killed_in} begins")
    await asyncio.sleep(0.15)
    worker.kill()
    alone.place.start()
    review = await alone.one(run)
    assert review.node == gate
    assert not [d for d in alone.did(run) if d["did"] == f"{gate} begins"]
    await alone.decide(review, approve())
    await alone.done(run)


@pytest.mark.parametrize(("agent", "gate"), [("steps_to_gate", "three"), ("steps_from_gate", "two")])
async def test_a_worker_killed_behind_a_gate_asks_again(alone: Reviewer, agent: str, gate: str) -> None:
    run = await alone.launch(agent, given={"seconds": 0.4})
    worker = alone.place.start()
    review = await alone.one(run)
    await alone.decide(review, approve())
    await alone.until_did(run, f"{gate} begins")
    worker.kill()
    alone.place.start()
    again = await alone.one(run)
    assert (again.row.id, again.node) == (review.row.id, gate)
    assert "may have run once" in again.row.note
    await alone.decide(again, approve())
    assert (await alone.done(run))["log"] == ["one", "two", "three"]


async def test_a_decision_made_while_no_worker_runs_is_applied_later(alone: Reviewer) -> None:
    run = await alone.launch("batched", [("send", {"to": "a"})])
    assert alone.place.run_until_idle() == 0
    await alone.decide(await alone.one(run), edit(to="b"))
    assert alone.place.run_until_idle() == 0
    await alone.done(run)
    assert [d["to"] for d in alone.did(run)] == ["b"]


async def test_a_run_that_kills_its_worker_twice_fails_and_the_others_finish(alone: Reviewer) -> None:
    others = await alone.inbox.runs.launch("steps", given={"seconds": 0.3}, count=2)
    dead = await alone.launch("dead", given={})
    for _ in range(2):
        worker = alone.place.start("--until-idle")
        assert await asyncio.to_thread(worker.wait, 30) == 7
    assert alone.place.run_until_idle() == 0
    failed = await alone.inbox.runs.get(dead.id)
    assert (failed.state, failed.error) == (RunState.FAILED, "the worker died 2 times while this run was going")
    for run in others:
        await alone.done(run)
    assert len(alone.did(dead)) == 2
    await alone.inbox.runs.retry(dead.id)
    assert await asyncio.to_thread(alone.place.start().wait, 30) == 7


async def test_a_cancel_outlives_the_worker(alone: Reviewer) -> None:
    run = await alone.launch("hang", given={})
    worker = alone.place.start()
    await alone.until_did(run, "endless")
    worker.send(signal.SIGSTOP)
    await alone.inbox.runs.cancel(run.id)
    worker.kill()
    assert alone.place.run_until_idle() == 0
    assert (await alone.inbox.runs.get(run.id)).state is RunState.CANCELLED


@pytest.mark.slow
async def test_a_locked_database_is_waited_for(alone: Reviewer) -> None:
    run = await alone.launch("steps", given={"seconds": 0.5})
    worker = alone.place.start()
    await alone.until_did(run, "one begins")
    with contextlib.closing(sqlite3.connect(alone.place.home.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(13)
        other.execute("ROLLBACK")
    assert (await alone.done(run))["log"] == ["one", "two", "three"]
    beats = [(await alone.inbox.agents.workers())[0].beat_at]
    await asyncio.sleep(2.5)
    assert (await alone.inbox.agents.workers())[0].beat_at > beats[0], "the heart still beats"
    assert worker.poll() is None


def switch(place: Place, on: bool) -> None:
    """Whether the factory of `toggled` works."""
    off = Path(f"{place.journal}.off")
    if on:
        off.unlink()
    else:
        off.touch()


async def test_an_agent_that_is_broken_now_keeps_its_decision(alone: Reviewer) -> None:
    run = await alone.launch("toggled", text='[[["send", {"to": "a"}]]]')
    assert alone.place.run_until_idle() == 0
    await alone.decide(await alone.one(run), approve())
    switch(alone.place, on=False)
    assert alone.place.run_until_idle() == 0
    now = await alone.inbox.runs.get(run.id)
    assert now.state is RunState.WAITING
    switch(alone.place, on=True)
    assert alone.place.run_until_idle() == 0
    await alone.done(run)
    assert len(alone.did(run)) == 1


async def test_a_factory_that_breaks_while_the_worker_runs_fails_the_run(alone: Reviewer) -> None:
    run = await alone.launch("toggled", text='[[["send", {"to": "a"}]]]')
    alone.place.start()
    review = await alone.one(run)
    switch(alone.place, on=False)
    await alone.decide(review, approve())
    assert (await alone.wait(run, RunState.FAILED)).error == "RuntimeError: switched off"
    switch(alone.place, on=True)
    await alone.inbox.runs.retry(run.id)
    await alone.decide(await alone.one(run), approve())
    await alone.done(run)


async def test_until_idle_leaves_what_waits_for_people(alone: Reviewer) -> None:
    first = await alone.launch("batched", [("send", {"to": "a"})])
    second = await alone.launch("batched", [("send", {"to": "b"})], thread=first.thread)
    unknown = await alone.launch("nobody", text="x")
    began = time.monotonic()
    assert alone.place.run_until_idle() == 0
    assert time.monotonic() - began < 15
    assert (await alone.inbox.runs.get(second.id)).state is RunState.QUEUED
    assert f"run r{unknown.id} still waits for an agent nobody" in alone.place.said()
    await alone.decide(await alone.one(first), approve())
    assert alone.place.run_until_idle() == 0
    await alone.one(second)


async def test_what_was_decided_elsewhere_is_stale(alone: Reviewer) -> None:
    """Somebody resumes the thread behind the console's back: the decision is not applied to what is asked now."""
    run = await alone.launch("batched", [("send", {"to": "a"})])
    assert alone.place.run_until_idle() == 0
    review = await alone.one(run)
    with contextlib.closing(sqlite3.connect(alone.place.home.checkpoints)) as db, db:
        db.execute("DELETE FROM writes WHERE channel = '__interrupt__'")
    await alone.decide(review, approve())
    assert alone.place.run_until_idle() == 0
    assert (await alone.inbox.reviews.get(review.row.id)).row.state in (ReviewState.STALE, ReviewState.OPEN)
    assert alone.did(run) == []
