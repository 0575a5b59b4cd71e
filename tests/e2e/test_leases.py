"""Workers that live and do not answer keep their runs; who has lost a run stores nothing of it any more."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from hitl_tui.errors import Stale
from hitl_tui.model import Run, RunState
from tests.support.harness import TIMEOUT_S, Reviewer, SandboxFactory, Worker, approve, open_reviewer, stop_between_writes, until_logged

SLOW = [("slow", {"seconds": 4.0})]


@pytest.fixture
async def ann(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/pauses in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("pauses")) as reviewer:
        yield reviewer


async def stopped_inside_a_tool(ann: Reviewer) -> tuple[Run, Worker]:
    """A run whose worker is stopped (SIGSTOP) in the middle of an approved tool, long enough ago not to respond any more."""
    worker = ann.sandbox.start()
    run = await ann.launch("batched", SLOW, [("send", {"to": "ann"})])
    await ann.decide(await ann.open_review(run), approve())
    await ann.until_effect(run, "slow begins")
    await asyncio.to_thread(stop_between_writes, ann.sandbox, worker)
    return run, worker


async def silence(ann: Reviewer) -> None:
    """Let a minute pass since the heartbeats of all workers."""
    await ann.store.write("UPDATE workers SET beat_at = beat_at - 60")


@pytest.mark.slow
async def test_worker_that_is_stopped_keeps_its_run_until_it_dies(ann: Reviewer) -> None:
    run, worker = await stopped_inside_a_tool(ann)
    await silence(ann)
    ann.sandbox.start()
    await ann.until_workers(2)
    await asyncio.sleep(0.5)  # the second looks for dead workers at its start
    assert (await ann.inbox.runs.get(run.id)).state is RunState.RUNNING
    assert "not responded for 1 min: `hitl-tui release r1`" in ann.sandbox.cli("runs").stdout
    worker.kill()
    review = await ann.open_review(run)
    assert "may have run once" in review.row.note
    assert review.actions[0].name == "slow"


@pytest.mark.slow
async def test_run_that_a_person_releases_goes_on_elsewhere_and_its_worker_stores_nothing(ann: Reviewer) -> None:
    run, worker = await stopped_inside_a_tool(ann)
    with pytest.raises(Stale, match="a worker that answers"):
        await ann.inbox.runs.release(run.id)
    await silence(ann)
    assert ann.sandbox.cli("release", f"r{run.id}").stdout.startswith(f"run r{run.id} is released")
    ann.sandbox.start()
    asked = await ann.open_review(run)
    assert "may have run once" in asked.row.note
    before = await ann.review_states(run)
    worker.send(signal.SIGCONT)
    await until_logged(ann.sandbox, f"run r{run.id} was released from this worker")
    assert await ann.review_states(run) == before, "what the first worker found out changes nothing"
    await ann.decide(asked, approve())
    second = await ann.open_review(run)
    assert second.actions[0].name == "send"
    await ann.decide(second, approve())
    await ann.wait(run, RunState.DONE)
    assert [effect["did"] for effect in ann.effects(run)].count("send") == 1
    entries = await ann.store.all("SELECT kind, body FROM audit WHERE run = ? ORDER BY seq", (run.id,))
    kinds = [kind for kind, _ in entries]
    asking = next(place for place, (_, body) in enumerate(entries) if "may have run once" in body)
    assert kinds.index("run_released") < asking


async def test_run_that_nobody_drives_cannot_be_released(ann: Reviewer) -> None:
    run = await ann.launch("batched", SLOW)
    with pytest.raises(Stale, match="no worker drives run r1: it is queued"):
        await ann.inbox.runs.release(run.id)


async def test_worker_that_was_taken_for_dead_ends_and_says_so(ann: Reviewer) -> None:
    run, worker = await stopped_inside_a_tool(ann)
    for file in ann.sandbox.home.workers.iterdir():
        file.unlink()
    ann.sandbox.start()
    await ann.open_review(run)
    before = await ann.review_states(run)
    worker.send(signal.SIGCONT)
    assert worker.wait() == 1
    assert "was taken for dead" in ann.sandbox.worker_stderr()
    assert await ann.review_states(run) == before


@pytest.mark.slow
async def test_process_forked_by_an_agent_does_not_keep_its_dead_worker_alive(ann: Reviewer) -> None:
    worker = ann.sandbox.start()
    run = await ann.launch("batched", [("fork", {"seconds": 60.0})])
    await ann.decide(await ann.open_review(run), approve())
    child = (await ann.until_effect(run, "forked"))["pid"]
    try:
        worker.kill()
        ann.sandbox.start()
        assert "may have run once" in (await ann.open_review(run)).row.note
    finally:
        os.kill(child, signal.SIGKILL)


def may_unshare() -> bool:
    """Whether this user may make a PID namespace."""
    tool = shutil.which("unshare")
    return tool is not None and subprocess.run([tool, "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="PID namespaces need root here")
async def test_worker_in_another_pid_namespace_is_seen_alive(ann: Reviewer) -> None:
    sandbox = ann.sandbox
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-P", "-m", "hitl_tui", "worker"]
    command += ["--home", str(sandbox.home.path), "--", sandbox.target]
    inside = await asyncio.create_subprocess_exec(*command, env=sandbox.env, start_new_session=True)
    try:
        await ann.until_workers(1)
        run = await ann.launch("batched", [("slow", {"seconds": 12.0})])
        await ann.decide(await ann.open_review(run), approve())
        await ann.until_effect(run, "slow begins")
        sandbox.start()
        await ann.until_workers(2)
        await ann.wait(run, RunState.DONE, timeout_s=TIMEOUT_S)
        assert [effect["did"] for effect in ann.effects(run)] == ["slow begins", "slow ends"], "once, and not put back"
        assert (await ann.inbox.runs.get(run.id)).crashes == 0
    finally:
        os.killpg(inside.pid, signal.SIGKILL)
        await inside.wait()
