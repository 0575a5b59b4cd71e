"""Workers whose clock is set while they work: nothing runs twice, no pause is lost, and the threads say what happened."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hitl_tui.agents import checkpoint_reader
from hitl_tui.model import ReviewState, Run, RunState
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, open_reviewer, respond, rounds
from tests.support.set_clock import VARIABLE, SetClock
from tests.support.tiers import sampled

TO = {"to": "ann", "body": "hi", "copies": 1}
SEND = [("send", TO)]
HOUR = 3600.0


@pytest.fixture
def clock(new_sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, SetClock]]:
    """A sandbox of tests/projects/pauses with the clock of its machine, which this process has too."""
    sandbox = new_sandbox("pauses")
    path = sandbox.folder / "clock"
    made = SetClock(path)
    monkeypatch.setattr(time, "time", made.time)
    sandbox.env[VARIABLE] = str(path)
    yield sandbox, made


@pytest.fixture
async def ann(clock: tuple[Sandbox, SetClock]) -> AsyncIterator[Reviewer]:
    async with open_reviewer(clock[0]) as reviewer:
        yield reviewer


async def approve_all(ann: Reviewer, run: Run) -> bool:
    """Decide what a run asks, and wait until a worker has applied it. False if the run has ended."""
    now = await ann.wait(run, RunState.WAITING, RunState.DONE)
    rows = [row for row in await ann.inbox.reviews.of_run(run.id) if row.state == ReviewState.OPEN]
    for review in [await ann.inbox.reviews.get(row.id) for row in rows]:
        await ann.decide(review, *(approve() if "approve" in a.allowed else respond("yes") for a in review.actions))
    for review in [await ann.inbox.reviews.get(row.id) for row in rows]:
        await ann.until_applied(review)
    return now.state is RunState.WAITING


async def to_the_end(ann: Reviewer, run: Run) -> None:
    """Decide whatever the run asks until it is done."""
    while await approve_all(ann, run):
        pass


KINDS: list[tuple[str, Any]] = [
    ("batched", {"text": rounds(SEND, SEND)}),
    ("per_call", {"text": rounds([*SEND, ("delete", {"path": "a"})], SEND)}),
    ("react", {"text": rounds(SEND, SEND)}),
    ("twice", {"given": {}}),
    ("gate_every", {"given": {"text": "hi"}}),
    ("nested", {"given": {"text": "deep"}}),
]
GUARDED = ("send", "delete", "answered", "publish", "fill")


@pytest.mark.parametrize(("agent", "given"), sampled(KINDS, gate=0))
async def test_run_paused_by_a_clock_ahead_runs_everything_once(
    clock: tuple[Sandbox, SetClock], ann: Reviewer, agent: str, given: dict[str, Any]
) -> None:
    sandbox, set_clock = clock
    (run,) = await ann.inbox.runs.launch(agent, **given)
    set_clock.set(60.0)
    assert sandbox.run_until_idle() == 0
    set_clock.set(0.0)
    sandbox.start()
    await to_the_end(ann, run)
    effects = ann.effects(run)
    assert "its last checkpoint is from a clock" in sandbox.worker_stderr()
    assert checkpoint_reader.threads_out_of_order(sandbox.home.checkpoints) == []
    (as_it_should_be,) = await ann.inbox.runs.launch(agent, **given)
    await to_the_end(ann, as_it_should_be)
    assert sorted(map(repr, effects)) == sorted(map(repr, ann.effects(as_it_should_be)))
    sandbox.cli("doctor", "--repair", code=None)
    assert ann.effects(run) == effects
    assert (await ann.inbox.runs.get(run.id)).state is RunState.DONE


def disorder(sandbox: Sandbox, run: Run, kept: int) -> None:
    """Give all checkpoints of a run but the last `kept` ids of an hour later, as a worker of 0.1.0 left them whose clock was set back."""
    with contextlib.closing(sqlite3.connect(sandbox.home.checkpoints)) as db, db:
        known = db.execute("SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' ORDER BY 1", (run.thread,))
        for (old,) in known.fetchall()[:-kept]:
            digits = f"{int(old.replace('-', '')[:12], 16) + (36_000_000_000 >> 12):012x}"
            values = {"old": old, "new": f"{digits[:8]}-{digits[8:]}{old[13:]}", "thread": run.thread}
            for table, column in (("checkpoints", "checkpoint_id"), ("checkpoints", "parent_checkpoint_id"), ("writes", "checkpoint_id")):
                db.execute(f"UPDATE {table} SET {column} = :new WHERE thread_id = :thread AND {column} = :old", values)


@pytest.mark.slow
@pytest.mark.parametrize("kept", sampled([1, 2], gate=1))
async def test_thread_that_is_out_of_order_already_goes_on_where_it_is(clock: tuple[Sandbox, SetClock], ann: Reviewer, kept: int) -> None:
    sandbox, _ = clock
    run = await ann.launch("batched", SEND, [("delete", {"path": "a"})])
    first = sandbox.start()
    await approve_all(ann, run)
    await ann.open_review(run)
    first.kill()
    disorder(sandbox, run, kept)
    assert checkpoint_reader.threads_out_of_order(sandbox.home.checkpoints) == [run.thread]
    assert "out of order" in sandbox.cli("doctor", code=None).stdout
    sandbox.start()
    await to_the_end(ann, run)
    assert [effect["did"] for effect in ann.effects(run)] == ["send", "delete"]
    assert "because the clock was set back" in sandbox.worker_stderr()
    assert checkpoint_reader.threads_out_of_order(sandbox.home.checkpoints) == [], "what was written since comes last"


@pytest.mark.slow
@pytest.mark.parametrize("jumps", [(HOUR, 0.0), (-HOUR, 0.0), (HOUR, -HOUR, HOUR)], ids=str)
async def test_worker_whose_clock_jumps_while_it_works_ends_the_run_once(
    clock: tuple[Sandbox, SetClock], ann: Reviewer, jumps: tuple[float, ...]
) -> None:
    sandbox, set_clock = clock
    sandbox.start()
    run = await ann.launch("batched", *[SEND] * (len(jumps) + 1))
    for jump in jumps:
        await ann.open_review(run)
        set_clock.set(jump)
        await approve_all(ann, run)
    await to_the_end(ann, run)
    assert len(ann.effects(run)) == len(jumps) + 1
