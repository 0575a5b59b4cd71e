"""The worker engine on a source that is neither local nor a server: everything it needs from agents is in `agents.source`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from hitl_tui import doctor
from hitl_tui.home import Home
from hitl_tui.model import ReviewState, RunState, TakeoverPlan, Worker
from hitl_tui.people.file import PeopleFile
from hitl_tui.store import agents
from hitl_tui.store.connection import LeaseReader
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.worker.engine import Engine
from hitl_tui.worker.executor import AgentExecutor, ParallelRuns
from hitl_tui.worker.liveness import HOST, started
from hitl_tui.worker.policy_router import PolicyRouter
from hitl_tui.worker.run_driver import RunDriver
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from hitl_tui.worker.signature_check import SignatureCheck
from hitl_tui.worker.trace_writer import TraceWriter
from tests.support.empty_database import open_store
from tests.support.harness import Reviewer, approve, commits_in, edit, reject
from tests.support.memory_source import Gate, MemorySource, Tool, Work

SEND = Tool("send", {"to": "bob"})
PAY = Tool("pay", {"eur": 5})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


@pytest.fixture
async def ann(home: Home) -> AsyncIterator[Reviewer]:
    async with open_store(home.database) as store:
        yield Reviewer(cast(Any, None), store)


@contextlib.asynccontextmanager
async def working(home: Home, source: MemorySource, pid: int | None = None, age_s: float = 0.0) -> AsyncIterator[asyncio.Future[None]]:
    """A worker of the source in this process; with the `pid` of a dead process, the next worker takes its runs over.

    `age_s`: how much older the worker is than the process that has its pid now.
    """
    async with open_store(home.database) as store, open_store(home.database, "NORMAL") as traces:
        project = await agents.register_project(store, source.label, source.label)
        await agents.replace_agents(store, project, source.agents)
        me = Worker(uuid.uuid4().hex, project, source.label, pid or os.getpid(), started(os.getpid()) - age_s, 8, 0.0, 0)
        await agents.register_worker(store, me, HOST)
        router = PolicyRouter(store, home.path, home.path)
        async with TraceWriter(traces, lambda: None).running() as writer, contextlib.AsyncExitStack() as stack:
            leases = stack.enter_context(LeaseReader.open(home.database))
            check = SignatureCheck(store, TrustedPeople(store, PeopleFile(home.path)), router)
            driver = RunDriver(store, me.id, source, writer, AgentExecutor(), router, leases, check)
            engine = Engine(
                store, me, source, driver, ScheduledJobs(store, project, router.current), lambda: None, 0.0, home, ParallelRuns(8)
            )
            serving = asyncio.ensure_future(engine.serve(until_idle=False))
            try:
                yield serving
            finally:
                engine.stop()
                await asyncio.wait([serving])


def dead_process() -> int:
    """Return the pid of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


async def crash(serving: asyncio.Future[None], source: MemorySource, name: str) -> None:
    """Wait until the worker has crashed at that tool or node."""
    while name in source.cuts:  # noqa: ASYNC110 - the source tells nobody
        await asyncio.sleep(0.01)
    serving.cancel()


async def test_run_pauses_is_approved_and_ends(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [Work("plan"), SEND, PAY]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        review = await ann.open_review(run)
        assert (review.actions[0].name, review.actions[0].args, source.effects) == ("send", {"to": "bob"}, [])
        await ann.decide(review, approve())
        await ann.until_applied(review)
        await ann.decide(await ann.open_review(run), edit(eur=4))
        assert await ann.result_of(run) == {"log": ["plan ran", "send ran", "pay ran"]}
    assert [effect[:2] for effect in source.effects] == [("send", {"to": "bob"}), ("pay", {"eur": 4})]
    assert await ann.review_states(run) == ["applied", "applied"]


async def test_resume_takes_three_transactions_until_its_first_event(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    taken = []
    async with working(home, source):
        for _ in range(3):  # a heartbeat may come in between
            source.began, source.blocks["send"] = asyncio.Event(), asyncio.Event()
            run = await ann.launch("mail", given={})
            review = await ann.open_review(run)
            before = commits_in(home.database)
            await ann.decide(review, approve())
            await source.began.wait()
            taken.append(commits_in(home.database) - before)
            source.blocks["send"].set()
            await ann.result_of(run)
    assert min(taken) == 3, "the decision, `submitted`, and the first event with what the run does now"


async def test_call_runs_after_the_disk_has_stored_that_it_is_submitted(home: Home, ann: Reviewer, monkeypatch: pytest.MonkeyPatch) -> None:
    source, stored, sync = MemorySource({"mail": [SEND]}), list[str](), os.fdatasync

    def synced(descriptor: int) -> None:
        sync(descriptor)
        assert source.effects == []
        with contextlib.closing(sqlite3.connect(home.database)) as db:
            stored.append(db.execute("SELECT state FROM reviews").fetchone()[0])

    async with working(home, source):
        run = await ann.launch("mail", given={})
        review = await ann.open_review(run)
        monkeypatch.setattr(os, "fdatasync", synced)
        await ann.decide(review, approve())
        await ann.result_of(run)
    assert stored == ["decided", "submitted"]
    assert len(source.effects) == 1


async def test_rejected_call_has_no_effect(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        await ann.decide(await ann.open_review(run), reject("not him"))
        assert await ann.result_of(run) == {"log": ["send refused: not him"]}
    assert source.effects == []


@pytest.mark.parametrize(("answer", "log"), [(approve(), ["deploy ran", "report ran"]), (reject(), [])])
async def test_gate_is_passed_or_ends_the_run(home: Home, ann: Reviewer, answer: Any, log: list[str]) -> None:
    source = MemorySource({"ops": [Gate("deploy"), Work("report")]})
    async with working(home, source):
        run = await ann.launch("ops", given={})
        await ann.decide(await ann.open_review(run), answer)
        assert await ann.result_of(run) == {"log": log}


async def test_retry_continues_where_the_run_failed(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [Work("plan"), Work("fetch"), SEND]})
    source.fails["fetch"] = ConnectionError("no route")
    async with working(home, source):
        run = await ann.launch("mail", given={})
        assert (await ann.wait(run, RunState.FAILED)).error == "ConnectionError: no route"
        await ann.inbox.runs.retry(run.id)
        await ann.decide(await ann.open_review(run), approve())
        assert (await ann.result_of(run))["log"] == ["plan ran", "fetch ran", "send ran"]


async def test_cancel_while_code_runs_ends_the_run(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [Work("endless"), SEND]})
    source.blocks["endless"] = asyncio.Event()
    async with working(home, source):
        run = await ann.launch("mail", given={})
        await source.began.wait()
        await ann.inbox.runs.cancel(run.id)
        await ann.wait(run, RunState.CANCELLED)
    assert not source.threads[run.thread].busy


async def test_cancel_while_waiting_ends_the_run(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        await ann.open_review(run)
        await ann.inbox.runs.cancel(run.id)
        await ann.wait(run, RunState.CANCELLED)
    assert (await ann.review_states(run), source.effects) == (["stale"], [])


async def test_stopped_worker_leaves_its_run_to_the_next(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [Work("plan"), Work("fetch"), SEND]})
    source.blocks["plan"] = asyncio.Event()
    async with working(home, source):
        run = await ann.launch("mail", given={})
        await source.began.wait()
        asyncio.get_running_loop().call_later(0.1, source.blocks["plan"].set)
    assert source.threads[run.thread].log == ["plan ran"]
    async with working(home, source):
        await ann.decide(await ann.open_review(run), approve())
        assert (await ann.result_of(run))["log"] == ["plan ran", "fetch ran", "send ran"]


async def test_crash_in_an_approved_call_asks_again(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    source.cuts.add("send")
    async with working(home, source, dead_process()) as serving:
        run = await ann.launch("mail", given={})
        review = await ann.open_review(run)
        await ann.decide(review, approve())
        await crash(serving, source, "send")
    async with working(home, source):
        again = await ann.open_review(run)
        assert again.row.note.startswith("may have run once: the run was cut off") and "before: send approved" in again.row.note
        assert len(source.effects) == 1, "nothing runs a second time before somebody says so"
        await ann.decide(again, approve())
        await ann.result_of(run)
    assert [name for name, _, _ in source.effects] == ["send", "send"]
    keys = {key for _, _, key in source.effects}
    assert len(keys) == 1 and None not in keys, "an idempotent tool sees the same key and acts once"


async def test_crash_in_a_node_without_review_repeats_only_that_node(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [Work("plan"), Work("fetch"), SEND]})
    source.cuts.add("fetch")
    async with working(home, source, dead_process()) as serving:
        run = await ann.launch("mail", given={})
        await crash(serving, source, "fetch")
    async with working(home, source):
        await ann.decide(await ann.open_review(run), approve())
        assert (await ann.result_of(run))["log"] == ["plan ran", "fetch ran", "send ran"]


@pytest.mark.parametrize(
    ("pid", "age_s", "gone"),
    [
        (os.getpid, 0.0, False),
        (os.getpid, 3600.0, True),  # the pid belongs to another process now
        (dead_process, 0.0, True),
    ],
    ids=["alive", "pid-reused", "dead"],
)
async def test_doctor_requeues_runs_when_their_worker_is_dead(
    home: Home, ann: Reviewer, pid: Callable[[], int], age_s: float, gone: bool
) -> None:
    source = MemorySource({"mail": [Work("endless")]})
    source.blocks["endless"] = asyncio.Event()
    async with working(home, source, pid(), age_s):
        await ann.launch("mail", given={})
        await source.began.wait()
        found = await asyncio.to_thread(doctor.check_installation, home, [], lambda _home, _target: "")
    assert gone == any("what it drove is queued: r1" in finding.found for finding in found)


async def test_review_answered_by_another_program_is_stale(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND, PAY]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        review = await ann.open_review(run)
        source.answer_elsewhere(run.thread, approve())
        await ann.decide(review, approve())
        await ann.until_applied(review)
        assert (await ann.open_review(run)).actions[0].name == "pay"
    assert (await ann.review_states(run), len(source.effects)) == (["stale", "open"], 1)


async def test_resume_after_another_program_is_refused_and_nothing_runs_twice(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND, PAY]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        review = await ann.open_review(run)
        source.overtaken.add(run.thread)
        await ann.decide(review, approve())
        await ann.until_applied(review)
        assert (await ann.open_review(run)).actions[0].name == "pay"
    stale = await ann.inbox.reviews.get(review.row.id)
    assert (stale.row.state, stale.row.note) == (ReviewState.STALE, "answered elsewhere or superseded before it could be sent")
    assert [key for _, _, key in source.effects] == ["elsewhere"]


async def test_two_workers_resume_each_decision_once(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    async with working(home, source), working(home, source):
        runs = await ann.inbox.runs.launch("mail", given={}, count=10)
        for run in runs:
            await ann.decide(await ann.open_review(run), approve())
        for run in runs:
            await ann.result_of(run)
    assert len(source.effects) == 10
    assert len({key for _, _, key in source.effects}) == 10


async def test_takeover_answers_for_the_agent(home: Home, ann: Reviewer) -> None:
    source = MemorySource({"mail": [SEND]})
    async with working(home, source):
        run = await ann.launch("mail", given={})
        await ann.open_review(run)
        takeover = await ann.inbox.takeovers.take(run.id)
        await ann.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(answer="done by hand"))
        assert await ann.result_of(run) == {"log": ["done by hand"]}
    assert source.effects == []
