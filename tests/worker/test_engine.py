"""The worker process: agents that misbehave, workers that die, several of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from hitl_tui.errors import Stale
from hitl_tui.home import Home
from hitl_tui.model import ReviewState, RunState
from hitl_tui.worker import output_capture
from hitl_tui.worker.executor import ParallelRuns
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, edit, open_reviewer
from tests.support.tiers import sampled


@pytest.fixture
async def trouble(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("trouble")) as reviewer:
        yield reviewer


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of the same project in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("trouble")) as reviewer:
        yield reviewer


# Agents that misbehave, in a worker that lives on


@pytest.mark.parametrize(("agent", "said"), [("gone", "it called sys.exit(enough)"), ("gone_async", "it called sys.exit(5)")])
async def test_sys_exit_in_an_agent_fails_only_its_run(trouble: Reviewer, agent: str, said: str) -> None:
    run = await trouble.launch(agent, given={})
    assert (await trouble.wait(run, RunState.FAILED)).error == said
    assert (await trouble.result_of(await trouble.launch("steps", given={})))["log"] == ["one", "two", "three"]


BEYOND_EXCEPTIONS = (
    "PanicException", "Unprintable", "Untraceable", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError",
    "BaseExceptionGroup", "StopIteration", "StopAsyncIteration", "GraphDrained", "GraphBubbleUp", "UnknownInterruptError",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("agent", sampled(["raises", "raises_inside"]))
async def test_base_exception_of_a_node_fails_its_run_and_is_not_repeated(trouble: Reviewer, agent: str) -> None:
    texts = [f"{where} {kind}" for where in ("sync", "async") for kind in BEYOND_EXCEPTIONS]
    runs = {text: await trouble.launch(agent, given={"text": text}) for text in texts}
    for text, run in runs.items():
        failed = await trouble.wait(run, RunState.FAILED)
        told = {"Unprintable": "no words", "SystemExit": "sys.exit"}.get(text.split()[1], text.split()[1])
        assert told in f"{failed.error}{failed.traceback}", text
    assert {text: len(trouble.effects(run)) for text, run in runs.items()} == dict.fromkeys(texts, 1)


@pytest.mark.slow
async def test_base_exception_around_a_node_fails_its_run_and_is_not_repeated(trouble: Reviewer) -> None:
    kinds = [kind for kind in BEYOND_EXCEPTIONS if not kind.startswith("Stop")]
    texts = [f"{where} {kind}" for where in ("reducer", "edge") for kind in kinds]
    runs = [await trouble.launch("raises_around", given={"text": text}) for text in texts]
    made = [await trouble.launch("raises_made", given={"text": ""}) for _ in range(3)]
    for text, run in zip(texts, runs, strict=True):
        await trouble.wait(run, RunState.FAILED)
        assert (text, len(trouble.effects(run))) == (text, 1)
    assert {(await trouble.wait(run, RunState.FAILED)).error for run in made} == {"PanicException: no graph"}


async def test_base_exception_of_an_approved_tool_fails_its_run_once(trouble: Reviewer) -> None:
    calls = [(tool, {"kind": kind}) for tool in ("act", "act_async") for kind in BEYOND_EXCEPTIONS]
    runs = [await trouble.launch("raising_tools", [call]) for call in calls]
    for run in runs:
        await trouble.decide(await trouble.open_review(run), approve())
    for call, run in zip(calls, runs, strict=True):
        failed = await trouble.wait(run)
        assert (call, failed.state, len(trouble.effects(run))) == (call, RunState.FAILED, 1)


@pytest.mark.slow
async def test_agent_that_cancels_all_tasks_is_failed_and_the_others_go_on(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    runs = [await fresh_reviewer.launch("steps", given={}), await fresh_reviewer.launch("cancels", given={})]
    for _ in range(5):  # a supervisor starts the worker again
        sandbox.run_until_idle()
    others, culprit = await fresh_reviewer.inbox.runs.get(runs[0].id), await fresh_reviewer.inbox.runs.get(runs[1].id)
    assert (others.state, culprit.state) == (RunState.DONE, RunState.FAILED)
    assert len(fresh_reviewer.effects(runs[1])) <= 2


async def test_agent_neither_reaches_the_terminal_nor_outlives_the_worker(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    run = await fresh_reviewer.launch("impolite", given={})
    assert sandbox.run_until_idle() == 0
    assert "\x1b" not in sandbox.worker_stderr() + (sandbox.folder / "worker.out").read_text()
    assert "⟨U+001B⟩]0;owned⟨U+0007⟩past the log" in sandbox.worker_stderr()
    assert "\x1b]0;owned" in (sandbox.home.logs / "worker.log").read_text()
    assert sandbox.home.run_log(run.id).stat().st_mode & 0o077 == 0
    (effect,) = fresh_reviewer.effects(run)
    assert not psutil.pid_exists(effect["child"])
    assert sandbox.home.open_to_others() == []


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["forks", "forks_async"])
async def test_forked_copy_of_a_worker_does_nothing_twice(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(run)
    did = fresh_reviewer.effects(run)
    assert [effect["did"] for effect in did].count("after") == 1
    assert not any(psutil.pid_exists(effect["pid"]) for effect in did if effect["did"] == "forked")


async def test_retry_of_a_failed_run_continues_where_it_failed(trouble: Reviewer) -> None:
    run = await trouble.launch("flaky", given={"text": "flag"})
    failed = await trouble.wait(run, RunState.FAILED)
    assert failed.error == "ConnectionError: the line is \\ud800 dead"
    assert 'raise ConnectionError("the line' in failed.traceback
    with pytest.raises(Stale, match="failed already"):
        await trouble.inbox.runs.cancel(run.id)
    await trouble.inbox.runs.retry(run.id)
    assert (await trouble.result_of(run))["log"] == ["before", "second time"]
    assert len([d for d in trouble.effects(run) if d["did"] == "before begins"]) == 1
    with pytest.raises(Stale, match="done"):
        await trouble.inbox.runs.retry(run.id)


@pytest.mark.slow
async def test_cancel_when_an_agent_never_returns_ends_its_run_only(trouble: Reviewer) -> None:
    run = await trouble.launch("hang", given={})
    await trouble.until_effect(run, "endless")
    await trouble.result_of(await trouble.launch("steps", given={}))
    await trouble.inbox.runs.cancel(run.id)
    await trouble.wait(run, RunState.CANCELLED)
    with pytest.raises(Stale, match="cancelled already"):
        await trouble.inbox.runs.cancel(run.id)


async def test_agent_output_goes_to_a_log_of_bounded_size(trouble: Reviewer) -> None:
    run = await trouble.launch("noise", given={})
    await trouble.result_of(run)
    log = trouble.sandbox.home.run_log(run.id)
    assert 5_000_000 <= log.stat().st_size < 5_001_000
    assert log.read_text().endswith("[this run printed more than is kept here]\n")
    assert (trouble.sandbox.folder / "worker.out").read_text() == ""


def test_workers_own_log_is_emptied_only_when_it_is_too_long(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.logs.mkdir()
    log = home.logs / "worker.log"
    log.write_text("a warning")
    output_capture.trim(home)
    assert log.read_text() == "a warning"
    os.truncate(log, output_capture.WORKER_LOG_BYTES + 1)
    output_capture.trim(home)
    assert log.read_bytes() == b""


async def test_agent_that_reads_stdin_gets_end_of_file(trouble: Reviewer) -> None:
    run = await trouble.launch("reader", given={})
    assert (await trouble.wait(run, RunState.FAILED)).error.startswith("its code calls input(), and a worker has no keyboard")


@pytest.mark.slow
async def test_state_that_cannot_be_stored_fails_the_run_with_a_message(pauses: Reviewer) -> None:
    run = await pauses.launch("unstorable", given={"text": "x"})
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error.startswith("its state holds something that cannot be stored: TypeError: Type is not msgpack serializable")


async def test_input_that_the_graph_refuses_fails_the_run(trouble: Reviewer) -> None:
    run = await trouble.launch("talk", given={"messages": [{"role": "nobody", "content": 5}]})
    assert (await trouble.wait(run, RunState.FAILED)).error
    run = await trouble.launch("steps", given={"text": 2**70})
    assert "64-bit" in (await trouble.wait(run, RunState.FAILED)).error


# Threads, queues, limits


async def test_second_run_of_a_thread_waits_and_continues_the_conversation(trouble: Reviewer) -> None:
    first = await trouble.launch("batched", [("send", {"to": "a"})])
    review = await trouble.open_review(first)
    second = await trouble.launch("batched", [("send", {"to": "b"})], thread=first.thread)
    await asyncio.sleep(0.3)
    assert (await trouble.inbox.runs.get(second.id)).state is RunState.QUEUED
    await trouble.decide(review, approve())
    await trouble.result_of(first)
    again = await trouble.open_review(second)
    assert len((await trouble.inbox.reviews.context(again.row.id)).conversation) == 6
    await trouble.decide(again, approve())
    await trouble.result_of(second)
    assert [d["to"] for d in trouble.effects(first)] == ["a", "b"]


async def test_run_that_waits_for_its_thread_can_be_cancelled(trouble: Reviewer) -> None:
    first = await trouble.launch("steps", given={"seconds": 0.2})
    second = await trouble.launch("steps", given={}, thread=first.thread)
    await trouble.wait(first, RunState.RUNNING)
    await trouble.inbox.runs.cancel(second.id)
    await trouble.wait(second, RunState.CANCELLED)
    await trouble.result_of(first)


@pytest.mark.parametrize(
    ("running", "busy", "machine_busy", "limits"),
    [
        (64, 0.1, 0.1, [16, 32, 64, 64]),  # all wait
        (64, 0.7, 0.1, [8, 8, 8, 8]),  # they also compute
        (64, 0.1, 0.9, [8, 8, 8, 8]),  # other programs compute
        (5, 0.1, 0.1, [8, 8, 8, 8]),  # there is room
    ],
)
def test_parallel_runs_become_more_while_all_wait(running: int, busy: float, machine_busy: float, limits: list[int]) -> None:
    parallel = ParallelRuns()
    found = []
    for _ in limits:
        parallel.adapt(running, busy, machine_busy)
        found.append(parallel.limit)
    assert found == limits


def test_parallel_runs_become_fewer_while_they_compute() -> None:
    adapting, fixed = ParallelRuns(), ParallelRuns(20)
    for parallel in (adapting, fixed):
        for busy in (0.1, 0.1, 1.0, 1.0, 1.0):
            parallel.adapt(64, busy, 0.1)
    assert (adapting.limit, fixed.limit) == (8, 20)


async def test_concurrency_option_limits_parallel_runs(fresh_reviewer: Reviewer) -> None:
    runs = await fresh_reviewer.inbox.runs.launch("steps", given={"seconds": 0.05}, count=6)
    assert fresh_reviewer.sandbox.run_until_idle("--concurrency", "2") == 0
    lines = fresh_reviewer.sandbox.journal.read_text().splitlines()
    going: set[str] = set()
    most = 0
    for line in lines:
        thread = line.partition(",")[0]
        (going.add if "one begins" in line else going.discard if "three ends" in line else len)(thread)
        most = max(most, len(going))
    assert most == 2
    assert {(await fresh_reviewer.inbox.runs.get(run.id)).state for run in runs} == {RunState.DONE}


async def test_two_workers_run_each_run_once(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    sandbox.start()
    sandbox.start()
    await fresh_reviewer.until_workers(2)
    runs = await fresh_reviewer.inbox.runs.launch("batched", text='[[["send", {"to": "x"}]]]', count=30)
    for run in runs:
        await fresh_reviewer.decide(await fresh_reviewer.open_review(run), approve())
    for run in runs:
        await fresh_reviewer.result_of(run)
        assert len(fresh_reviewer.effects(run)) == 1
        assert await fresh_reviewer.review_states(run) == ["applied"]


def test_several_workers_can_start_at_once_on_a_new_home(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    workers = [sandbox.start("--until-idle") for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4, sandbox.worker_stderr()


# Workers that stop and die


ENDLESS = """
import pathlib, time
pathlib.Path(__file__).with_suffix(".loads").touch()
while True:
    time.sleep(0.05)
"""


def test_worker_stopped_while_it_loads_its_agents_ends_with_a_sentence(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    file = sandbox.folder / "endless.py"
    file.write_text(ENDLESS)
    sandbox.target = f"{file}:graph"
    worker = sandbox.start()
    while not file.with_suffix(".loads").exists():
        assert worker.poll() is None, sandbox.worker_stderr()
        time.sleep(0.02)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert "worker of endless.py: stopped before its agents were loaded" in sandbox.worker_stderr()


@pytest.mark.slow
async def test_stopped_worker_requeues_its_runs(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("steps", given={"seconds": 0.5})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "one begins")
    worker.send(signal.SIGTERM)
    assert worker.wait(20) == 0
    now = await fresh_reviewer.inbox.runs.get(run.id)
    assert (now.state, now.resuming, now.crashes) == (RunState.QUEUED, True, 0)
    assert fresh_reviewer.effects(run)[-1]["did"] == "one ends", "it stops at a step's boundary"
    assert await fresh_reviewer.inbox.agents.workers() == []
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["log"] == ["one", "two", "three"]
    assert len([d for d in fresh_reviewer.effects(run) if d["did"] == "one begins"]) == 1


@pytest.mark.slow
async def test_worker_stops_when_an_agent_does_not(fresh_reviewer: Reviewer) -> None:
    sync, stubborn = await fresh_reviewer.launch("hang", given={}), await fresh_reviewer.launch("hang_async", given={})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(sync, "endless")
    await fresh_reviewer.until_effect(stubborn, "stubborn")
    worker.send(signal.SIGTERM)
    assert worker.wait(12) == 0
    for run in (sync, stubborn):
        assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.QUEUED


@pytest.mark.slow
async def test_run_of_a_killed_worker_continues_from_its_checkpoint(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("steps", given={"seconds": 0.4})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "two begins")
    await asyncio.sleep(0.15)  # checkpoints are written behind the run
    worker.kill()
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.RUNNING
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["log"] == ["one", "two", "three"]
    assert [d["did"] for d in fresh_reviewer.effects(run) if d["did"].endswith("begins")] == [
        "one begins",
        "two begins",
        "two begins",
        "three begins",
    ]


@pytest.mark.slow
async def test_run_killed_inside_a_subgraph_continues_without_a_review(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("inner", given={"seconds": 0.4})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "two begins")
    await asyncio.sleep(0.15)  # checkpoints are written behind the run
    worker.kill()
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.DONE, "no gate is anywhere in this graph, so nobody is asked"
    assert len([d for d in fresh_reviewer.effects(run) if d["did"] == "one begins"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "killed_in", "gate"), [("steps_to_gate", "two", "three"), ("steps_from_gate", "one", "two")])
async def test_recovery_after_a_crash_never_passes_a_gate(fresh_reviewer: Reviewer, agent: str, killed_in: str, gate: str) -> None:
    run = await fresh_reviewer.launch(agent, given={"seconds": 0.4})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, f"{killed_in} begins")
    await asyncio.sleep(0.15)
    worker.kill()
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    assert review.node == gate
    assert not [d for d in fresh_reviewer.effects(run) if d["did"] == f"{gate} begins"]
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.result_of(run)


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "gate"), [("steps_to_gate", "three"), ("steps_from_gate", "two")])
async def test_worker_killed_after_a_gate_asks_again(fresh_reviewer: Reviewer, agent: str, gate: str) -> None:
    run = await fresh_reviewer.launch(agent, given={"seconds": 0.4})
    worker = fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.until_effect(run, f"{gate} begins")
    worker.kill()
    fresh_reviewer.sandbox.start()
    again = await fresh_reviewer.open_review(run)
    assert (again.row.id, again.node) == (review.row.id, gate)
    assert "may have run once" in again.row.note
    await fresh_reviewer.decide(again, approve())
    assert (await fresh_reviewer.result_of(run))["log"] == ["one", "two", "three"]


@pytest.mark.slow
async def test_decision_made_without_a_worker_is_applied_by_the_next(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), edit(to="b"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(run)
    assert [d["to"] for d in fresh_reviewer.effects(run)] == ["b"]


async def test_run_is_tried_again_after_one_worker_death_and_fails_after_two(fresh_reviewer: Reviewer) -> None:
    once, twice = await fresh_reviewer.inbox.runs.launch("steps", given={}, count=2)
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.database, isolation_level=None)) as other:
        other.executemany("UPDATE runs SET crashes = ? WHERE id = ?", [(1, once.id), (2, twice.id)])
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(once)
    failed = await fresh_reviewer.inbox.runs.get(twice.id)
    assert (failed.state, failed.error) == (RunState.FAILED, "the worker died 2 times while this run was going")
    assert fresh_reviewer.effects(twice) == []


@pytest.mark.slow
async def test_run_that_kills_its_worker_twice_fails_and_others_finish(fresh_reviewer: Reviewer) -> None:
    others = await fresh_reviewer.inbox.runs.launch("steps", given={"seconds": 0.3}, count=2)
    dead = await fresh_reviewer.launch("dead", given={})
    for _ in range(2):
        worker = fresh_reviewer.sandbox.start("--until-idle")
        assert await asyncio.to_thread(worker.wait, 30) == 7
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    failed = await fresh_reviewer.inbox.runs.get(dead.id)
    assert (failed.state, failed.error) == (RunState.FAILED, "the worker died 2 times while this run was going")
    for run in others:
        await fresh_reviewer.result_of(run)
    assert len(fresh_reviewer.effects(dead)) == 2
    await fresh_reviewer.inbox.runs.retry(dead.id)
    assert await asyncio.to_thread(fresh_reviewer.sandbox.start().wait, 30) == 7


@pytest.mark.slow
async def test_cancel_when_the_worker_dies_is_done_by_the_next(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("hang", given={})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "endless")
    worker.send(signal.SIGSTOP)
    await fresh_reviewer.inbox.runs.cancel(run.id)
    worker.kill()
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.CANCELLED


@pytest.mark.slow
async def test_worker_when_the_database_is_locked_waits(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("steps", given={"seconds": 0.5})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "one begins")
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(13)
        other.execute("ROLLBACK")
    assert (await fresh_reviewer.result_of(run))["log"] == ["one", "two", "three"]
    beats = [(await fresh_reviewer.inbox.agents.workers())[0].beat_at]
    await asyncio.sleep(2.5)
    assert (await fresh_reviewer.inbox.agents.workers())[0].beat_at > beats[0], "the heart still beats"
    assert worker.poll() is None


def switch(sandbox: Sandbox, on: bool) -> None:
    """Make the factory of `toggled` work or raise."""
    off = Path(f"{sandbox.journal}.off")
    if on:
        off.unlink()
    else:
        off.touch()


@pytest.mark.slow
async def test_decision_when_the_agent_no_longer_loads_is_kept(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("toggled", text='[[["send", {"to": "a"}]]]')
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), approve())
    switch(fresh_reviewer.sandbox, on=False)
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    now = await fresh_reviewer.inbox.runs.get(run.id)
    assert now.state is RunState.WAITING
    switch(fresh_reviewer.sandbox, on=True)
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(run)
    assert len(fresh_reviewer.effects(run)) == 1


async def test_factory_that_raises_while_the_worker_runs_fails_the_run(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("toggled", text='[[["send", {"to": "a"}]]]')
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    switch(fresh_reviewer.sandbox, on=False)
    await fresh_reviewer.decide(review, approve())
    assert (await fresh_reviewer.wait(run, RunState.FAILED)).error == "RuntimeError: switched off"
    switch(fresh_reviewer.sandbox, on=True)
    await fresh_reviewer.inbox.runs.retry(run.id)
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), approve())
    await fresh_reviewer.result_of(run)


@pytest.mark.slow
async def test_until_idle_leaves_runs_that_wait_for_people(fresh_reviewer: Reviewer) -> None:
    first = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    second = await fresh_reviewer.launch("batched", [("send", {"to": "b"})], thread=first.thread)
    unknown = await fresh_reviewer.launch("nobody", text="x")
    began = time.monotonic()
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert time.monotonic() - began < 15
    assert (await fresh_reviewer.inbox.runs.get(second.id)).state is RunState.QUEUED
    assert f"run r{unknown.id} still waits for an agent nobody" in fresh_reviewer.sandbox.worker_stderr()
    await fresh_reviewer.decide(await fresh_reviewer.open_review(first), approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.open_review(second)


@pytest.mark.slow
async def test_decision_when_the_thread_was_resumed_elsewhere_is_stale(fresh_reviewer: Reviewer) -> None:
    """Another program resumes the thread: the decision is not applied to the new question."""
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.checkpoints)) as db, db:
        db.execute("DELETE FROM writes WHERE channel = '__interrupt__'")
    await fresh_reviewer.decide(review, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.inbox.reviews.get(review.row.id)).row.state in (ReviewState.STALE, ReviewState.OPEN)
    assert fresh_reviewer.effects(run) == []
