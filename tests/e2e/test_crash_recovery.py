"""Workers and commands killed at every failpoint from launch to applied decision: nothing is lost, nothing runs twice unasked."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.failpoints import Failpoint
from hitl_tui.model import Answer, Review, ReviewState, Run, RunState
from tests.support.harness import (
    Reviewer,
    SandboxFactory,
    Worker,
    approve,
    edit,
    open_reviewer,
    reject,
    respond,
    rounds,
    tool_results,
)
from tests.support.tiers import sampled

TO = {"to": "ann", "body": "hi", "copies": 1}
MAY = "may have run once"

CALLS = ("batched", "per_call", "react", "gated_agent")
INPUTS: dict[str, Any] = {
    "letters": {"text": "see you", "form": "list"},
    "anything": {"value": "go on?"},
    "twice": {},
    "fan_out": {"people": ["ann", "bob"]},
    "nested": {"text": "deep"},
    "function": {"text": "abc"},
    "gate_before": {"text": "hi"},
    "gate_after": {"text": "hi"},
    "gate_inside": {"text": "hi"},
}
"""Every kind of pause, by the agent that makes it."""
GUARDED = frozenset({"send", "answered", "call", "function", "publish", "fill"})
"""Side effects that need an approval."""


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/pauses in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("pauses")) as reviewer:
        yield reviewer


async def to_the_end(reviewer: Reviewer, run: int, worker: Worker) -> list[Review]:
    """Approve everything and replace dead workers until the run has ended. Returns the decided reviews."""
    decided: list[Review] = []
    for _ in range(4000):
        if worker.poll() is not None:
            worker = reviewer.sandbox.start()
        now = await reviewer.inbox.runs.get(run)
        if now.state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED):
            assert now.state is RunState.DONE, now.error
            return decided
        for row in await reviewer.inbox.reviews.of_run(run):
            if row.state == ReviewState.OPEN:
                review = await reviewer.inbox.reviews.get(row.id)
                decided.append(review)
                await reviewer.decide(review, *(approve() if "approve" in a.allowed else respond("yes") for a in review.actions))
        await asyncio.sleep(0.01)
    raise AssertionError(f"run r{run} is stuck: {await reviewer.inbox.runs.get(run)}")


async def launched(reviewer: Reviewer, agent: str, *calls: tuple[str, dict[str, Any]]) -> Run:
    """Launch a run of an agent with or without a conversation."""
    if agent in CALLS:
        return await reviewer.launch(agent, list(calls) or [("send", TO)])
    return await reviewer.launch(agent, given=INPUTS[agent])


BEFORE_AND_AFTER = (Failpoint.LEASED, Failpoint.RUNNING, Failpoint.INTERRUPTED, Failpoint.OPENED, Failpoint.APPLIED)
IN_THE_GATE = [("batched", Failpoint.RESUMED), ("gate_inside", Failpoint.SUBMITTED)]
"""One agent for each step at which it dies, and for two ways to resume: by id, and past a gate."""
DEATHS = [
    *((agent, Failpoint.SUBMITTED) for agent in (*CALLS, "anything", "gate_inside", "function")),
    *((agent, Failpoint.RESUMED) for agent in (*CALLS, *INPUTS)),
    *((agent, step) for agent in ("batched", "gate_inside") for step in BEFORE_AND_AFTER),
]


@pytest.mark.parametrize(
    ("agent", "step"), sampled([*IN_THE_GATE, *(death for death in DEATHS if death not in IN_THE_GATE)], gate=len(IN_THE_GATE))
)
async def test_kill_at_each_failpoint_loses_nothing_and_repeats_nothing(fresh_reviewer: Reviewer, agent: str, step: Failpoint) -> None:
    run = await launched(fresh_reviewer, agent)
    worker = fresh_reviewer.sandbox.start(kill_at=step)
    decided = await to_the_end(fresh_reviewer, run.id, worker)
    assert worker.wait() == -signal.SIGKILL, "the step was reached"
    marked = [review.row.note for review in decided if MAY in review.row.note]
    if step not in (Failpoint.SUBMITTED, Failpoint.RESUMED):
        assert not marked, "no answer was on its way when the worker died"
    if step is Failpoint.SUBMITTED:
        assert marked, "the ledger says that an answer may have been sent"
    acted = Counter(str(sorted(did.items())) for did in fresh_reviewer.effects(run) if did["did"] in GUARDED)
    assert all(count == 1 or (marked and count == 2) for count in acted.values()), acted
    assert set(await fresh_reviewer.review_states(run)) <= {"applied", "failed", "stale"}


@pytest.mark.parametrize("step", sampled([Failpoint.RESUMED, Failpoint.SUBMITTED, Failpoint.INTERRUPTED, Failpoint.APPLIED], gate=0))
async def test_result_of_a_front_end_tool_is_sent_once_when_the_worker_is_killed(fresh_reviewer: Reviewer, step: Failpoint) -> None:
    sandbox = fresh_reviewer.sandbox
    (sandbox.home.path / "policy.toml").write_text('[agents.frontend]\nfrontend_tools = "pick_date"\n')
    run = await fresh_reviewer.launch("frontend", [("pick_date", {})])
    first = sandbox.start()
    review = await fresh_reviewer.open_review(run)
    first.kill()
    await fresh_reviewer.decide(review, respond("2 May"))
    worker = sandbox.start(kill_at=step)
    assert worker.wait() == -signal.SIGKILL, "the step was reached"
    sandbox.start()
    assert tool_results(await fresh_reviewer.result_of(run)) == {"pick_date": ["2 May"]}
    assert await fresh_reviewer.review_states(run) == ["applied"]


# Inside a tool that somebody approved


SLOW = ("slow", {"seconds": 4.0})


@pytest.mark.slow
async def test_kill_while_a_single_call_runs_asks_again(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("per_call", [SLOW, ("send", {"to": "a"})])
    worker = fresh_reviewer.sandbox.start()
    slow, send = await fresh_reviewer.open_reviews(run, 2)
    await fresh_reviewer.decide(slow, approve())
    await fresh_reviewer.decide(send, approve())
    await fresh_reviewer.until_effect(run, "slow begins")
    await fresh_reviewer.until_effect(run, "send")
    await fresh_reviewer.until_stored(run, results=1)
    worker.kill()
    fresh_reviewer.sandbox.start()
    again = await fresh_reviewer.open_review(run)
    assert again.row.id == slow.row.id
    assert "may have run once" in again.row.note
    assert again.decisions == {}
    await fresh_reviewer.decide(again, respond("it slept already"))
    found = tool_results(await fresh_reviewer.result_of(run))
    assert found == {"slow": ["it slept already"], "send": ["sent to a"]}
    assert [d["did"] for d in fresh_reviewer.effects(run)].count("send") == 1, "what was finished is not asked, and not run, again"
    assert set(await fresh_reviewer.review_states(run)) == {"applied"}


async def killed_in_slow(reviewer: Reviewer, run: Run, *answers: Answer, results: int = 0) -> Review:
    """Decide the open review, kill the worker while `slow` runs, start another, and return the review it opens.

    Args:
        results: calls of the step whose results are stored before the worker is killed.
    """
    worker = reviewer.sandbox.start()
    await reviewer.decide(await reviewer.open_review(run), *answers)
    await reviewer.until_effect(run, "slow begins")
    await reviewer.until_stored(run, results=results)
    worker.kill()
    reviewer.sandbox.start()
    return await reviewer.open_review(run)


async def test_kill_while_a_batch_runs_asks_before_it_runs_again(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [SLOW, ("send", {"to": "a"})])
    again = await killed_in_slow(fresh_reviewer, run, edit(seconds=3), approve(), results=1)
    assert MAY in again.row.note
    assert [(a.name, a.args) for a in again.actions] == [("slow", {"seconds": 3})], (
        "what would run, as it was edited; what has ended is not asked"
    )
    await fresh_reviewer.decide(again, approve())
    await fresh_reviewer.result_of(run)
    assert [d["did"] for d in fresh_reviewer.effects(run)].count("send") == 1
    assert [d["did"] for d in fresh_reviewer.effects(run) if d["did"] != "send"] == ["slow begins", "slow begins", "slow ends"]
    first, second = fresh_reviewer.decision_keys(run, "slow begins")
    assert first == second is not None, "a tool that remembers the decision's id acts once"
    assert await fresh_reviewer.review_states(run) == ["applied", "applied"]


@pytest.mark.slow
@pytest.mark.parametrize("agent", sampled(["batched", "react", "gated_agent"]))
async def test_respond_when_the_call_may_have_run_replaces_its_result(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, [SLOW])
    again = await killed_in_slow(fresh_reviewer, run, approve())
    assert MAY in again.row.note
    await fresh_reviewer.decide(again, respond("it slept already"))
    assert tool_results(await fresh_reviewer.result_of(run)) == {"slow": ["it slept already"]}
    assert [d["did"] for d in fresh_reviewer.effects(run)] == ["slow begins"]


@pytest.mark.parametrize("agent", sampled(["batched", "gated_agent", "react"]))
async def test_reject_and_edit_when_calls_may_have_run_are_applied(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, [("slow", {"seconds": 30}), ("slow", {"seconds": 40})])
    again = await killed_in_slow(fresh_reviewer, run, approve(), edit(seconds=50))
    assert MAY in again.row.note
    assert [a.args for a in again.actions] == [{"seconds": 30}, {"seconds": 50}]
    await fresh_reviewer.decide(again, reject("enough"), edit(seconds=0.1))
    assert sorted(tool_results(await fresh_reviewer.result_of(run))["slow"]) == ["enough", "slept"]
    assert [d["did"] for d in fresh_reviewer.effects(run)].count("slow ends") == 1
    *_, last = fresh_reviewer.decision_keys(run, "slow begins")
    assert last not in fresh_reviewer.decision_keys(run, "slow begins")[:-1], "other arguments are another act"


@pytest.mark.slow
async def test_mixed_decision_when_the_worker_is_killed_keeps_its_rejections(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("react", [SLOW, ("send", {"to": "a"})])
    again = await killed_in_slow(fresh_reviewer, run, approve(), reject("not to a"))
    assert [a.name for a in again.actions] == ["slow", "send"], "whole again, as it was asked"
    await fresh_reviewer.decide(again, approve(), reject("not to a"))
    found = tool_results(await fresh_reviewer.result_of(run))
    assert found == {"slow": ["slept"], "send": ["not to a"]}
    assert not [d for d in fresh_reviewer.effects(run) if d["did"] == "send"], "what was rejected never runs"


@pytest.mark.slow
async def test_kill_long_after_the_approved_call_asks_nobody(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})], [("look", {"path": "p"})])
    worker = fresh_reviewer.sandbox.start(kill_at="running")
    worker.wait()
    decided = await to_the_end(fresh_reviewer, run.id, worker)
    assert len(decided) == 1 and not decided[0].row.note


@pytest.mark.slow
async def test_retry_of_a_run_cancelled_inside_a_call_asks_first(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("slow", {"seconds": 1.8})])
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), approve())
    await fresh_reviewer.until_effect(run, "slow begins")
    await fresh_reviewer.until_stored(run)
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await fresh_reviewer.wait(run, RunState.CANCELLED)
    await fresh_reviewer.inbox.runs.retry(run.id)
    again = await fresh_reviewer.open_review(run)
    assert MAY in again.row.note
    await fresh_reviewer.decide(again, respond("it did"))
    await fresh_reviewer.result_of(run)
    assert [d["did"] for d in fresh_reviewer.effects(run)].count("slow begins") == 1


# A worker that is stopped, and not killed


@pytest.mark.slow
async def test_stopped_worker_leaves_no_call_that_may_have_run(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    worker = fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    worker.send(signal.SIGSTOP)
    await fresh_reviewer.decide(review, approve())
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGCONT)
    worker.wait()
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.result_of(run)
    assert await fresh_reviewer.review_states(run) == ["applied"]
    assert [d["did"] for d in fresh_reviewer.effects(run)] == ["send"]


# The reviewer's side


@pytest.mark.slow
def test_launch_command_when_killed_after_its_commit_leaves_a_queued_run(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    assert sandbox.cli("launch", "anything", "--input", '{"value": 1}', code=-signal.SIGKILL, HITL_TEST_KILL_AT="launched").stdout == ""
    [run] = sandbox.cli_json("runs")
    assert run["state"] == "queued"


@pytest.mark.slow
def test_decide_command_when_killed_after_its_commit_is_applied(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    sandbox.cli("launch", "batched", rounds([("send", TO)]))
    sandbox.run_until_idle()
    sandbox.cli("decide", "1", "approve", code=-signal.SIGKILL, HITL_TEST_KILL_AT="decided")
    assert sandbox.cli_error("decide", "1", "reject").startswith("review 1 is approved by ")
    sandbox.run_until_idle()
    assert sandbox.cli_json("runs")[0]["state"] == "done"
    assert len(sandbox.journal.read_text().splitlines()) == 1


@pytest.mark.slow
async def test_reapproved_calls_that_may_have_run_keep_their_key_unless_edited(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("slow", {"seconds": 3}), ("slow", {"seconds": 4})])
    again = await killed_in_slow(fresh_reviewer, run, approve(), approve())
    await fresh_reviewer.decide(again, edit(seconds=0.2), approve())
    await fresh_reviewer.result_of(run)
    begun = fresh_reviewer.decision_keys(run, "slow begins")
    assert len(begun) == 4
    assert len(set(begun)) == 3, "the approved is the same act as before, the edited another"
    assert [begun.count(key) for key in sorted(set(begun), key=begun.count)] == [1, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("agent", sampled(["batched", "react", "gated_agent"]))
async def test_calls_that_ended_do_not_run_again_after_two_kills(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, [("send", {"to": "a"}), ("slow", {"seconds": 30}), ("slow", {"seconds": 40})])
    again = await killed_in_slow(fresh_reviewer, run, approve(), approve(), approve())
    ended = 3 - len(again.actions)
    answers = [approve()] * (len(again.actions) - 1) + [reject("not that one")]
    await fresh_reviewer.decide(again, *answers)
    begun = len(fresh_reviewer.decision_keys(run, "slow begins"))
    while len(fresh_reviewer.decision_keys(run, "slow begins")) == begun:  # noqa: ASYNC110 - another process makes it true
        await asyncio.sleep(0.02)
    fresh_reviewer.sandbox.workers[-1].kill()
    fresh_reviewer.sandbox.start()
    last = await fresh_reviewer.open_review(run)
    assert MAY in last.row.note
    await fresh_reviewer.decide(last, *(respond("enough") if a.name == "slow" else approve() for a in last.actions))
    await fresh_reviewer.result_of(run)
    assert [d["did"] for d in fresh_reviewer.effects(run)].count("send") == 1 or not ended


@pytest.mark.slow
@pytest.mark.parametrize("agent", sampled(["batched", "per_call", "gated_agent"]))
async def test_kill_while_the_event_loop_is_blocked_asks_a_person(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, [("block", {"seconds": 20})])
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), approve())
    await fresh_reviewer.until_effect(run, "block begins")
    worker.kill()
    fresh_reviewer.sandbox.start()
    again = await fresh_reviewer.open_review(run)
    assert MAY in again.row.note and "block approved" in again.row.note
    assert len(fresh_reviewer.decision_keys(run, "block begins")) == 1, "it does not run again unasked"


@pytest.mark.slow
async def test_repeated_review_after_a_kill_shows_the_earlier_decision(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("react", [SLOW, ("send", {"to": "a"})])
    again = await killed_in_slow(fresh_reviewer, run, edit(seconds=30), reject("not to a"))
    assert 'slow edited to {"seconds": 30}' in again.row.note and "send rejected (not to a)" in again.row.note


@pytest.mark.slow
async def test_rejections_alone_are_resent_after_a_kill_without_asking(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    worker = fresh_reviewer.sandbox.start(kill_at="submitted")
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), reject("no"))
    worker.wait()
    fresh_reviewer.sandbox.start()
    assert "with reason: no" in tool_results(await fresh_reviewer.result_of(run))["send"][0]
    assert await fresh_reviewer.review_states(run) == ["applied"]


@pytest.mark.slow
async def test_call_that_asks_beside_a_rejected_one_is_not_lost(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("soak")) as reviewer:
        run = await reviewer.launch("asks_behind_gate", [("confirm", {"ref": "a", "note": "x"}), ("confirm", {"ref": "b", "note": "y"})])
        reviewer.sandbox.start()
        await reviewer.decide(await reviewer.open_review(run), approve(), reject("not b"))
        question = await reviewer.open_review(run)
        assert question.value["ref"] == "a"
        await reviewer.decide(question, respond("good"))
        assert "confirm" in tool_results(await reviewer.result_of(run))
        assert await reviewer.review_states(run) == ["applied", "applied"]
