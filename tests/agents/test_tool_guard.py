"""A rejection holds even if the graph's `when` no longer asks by the time the answer arrives."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from hitl_tui.agents.tool_guard import ToolGuard
from hitl_tui.errors import Forbidden
from hitl_tui.model import Answer, BlockedCall, Run, RunState
from tests.support.harness import Reviewer, approve, edit, reject, respond

LETTER = ("send", {"to": "bob", "body": "hello"})
SENT = {"did": "send", "to": "bob", "body": "hello", "copies": 1}


def quiet(reviewer: Reviewer, run: Run, on: bool = True) -> None:
    """Switch the agent's `when` off, or on again."""
    file = reviewer.sandbox.journal.with_name(f"quiet-{run.thread}")
    file.touch() if on else file.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["flip_batched", "flip_per_call"])
@pytest.mark.parametrize(
    ("answer", "did"),
    [(reject("no"), "ann rejected it"), (edit(to="eve"), "ann edited it"), (respond("done"), "ann answered in place of it")],
    ids=["reject", "edit", "respond"],
)
async def test_rejected_call_does_not_run_when_the_graph_asks_no_more(pauses: Reviewer, agent: str, answer: Answer, did: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    review = await pauses.open_review(run)
    quiet(pauses, run)
    await pauses.decide(review, answer)
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error.startswith(f"the agent went on to run send as proposed although {did} (review {review.row.id}), and was stopped; ")
    assert failed.traceback == ""
    assert pauses.effects(run) == []
    await pauses.inbox.runs.retry(run.id)
    await pauses.wait(run, RunState.FAILED, RunState.WAITING)
    assert pauses.effects(run) == [], "a retry is stopped as well, or asks"


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["flip_batched", "flip_per_call"])
async def test_approved_call_runs_when_the_graph_asks_no_more(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    review = await pauses.open_review(run)
    quiet(pauses, run)
    await pauses.decide(review, approve())
    await pauses.result_of(run)
    assert pauses.effects(run) == [SENT]


async def test_open_call_does_not_run_while_another_is_resumed(pauses: Reviewer) -> None:
    """Resuming one call reruns the others up to their question; if they no longer ask, they would run."""
    run = await pauses.launch("flip_per_call", [("send", {"to": "a"}), ("send", {"to": "b"})])
    first, second = await pauses.open_reviews(run, 2)
    quiet(pauses, run)
    await pauses.decide(first, approve())
    failed = await pauses.wait(run, RunState.FAILED)
    assert f"although its review waits for a decision (review {second.row.id})" in failed.error
    assert [d["to"] for d in pauses.effects(run)] in ([], ["a"])
    quiet(pauses, run, on=False)
    await pauses.inbox.runs.retry(run.id)
    await pauses.wait(run, RunState.WAITING)
    assert "b" not in [d["to"] for d in pauses.effects(run)]


@pytest.mark.slow
async def test_rejected_call_when_asked_again_and_approved_runs(pauses: Reviewer) -> None:
    run = await pauses.launch("flip_per_call", [LETTER])
    review = await pauses.open_review(run)
    quiet(pauses, run)
    await pauses.decide(review, reject("no"))
    await pauses.wait(run, RunState.FAILED)
    quiet(pauses, run, on=False)
    await pauses.inbox.runs.retry(run.id)
    again = await pauses.open_review(run)
    assert again.actions[0].tool_call == review.actions[0].tool_call
    await pauses.decide(again, approve())
    await pauses.result_of(run)
    assert pauses.effects(run) == [SENT]


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["batched", "per_call", "react", "gated_agent"])
async def test_rejected_call_when_proposed_again_is_a_new_call(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER], [LETTER], [LETTER])
    await pauses.decide(await pauses.open_review(run), reject("not yet"))
    await pauses.decide(await pauses.open_review(run), approve())
    await pauses.decide(await pauses.open_review(run), edit(to="eve"))
    await pauses.result_of(run)
    assert [d["to"] for d in pauses.effects(run)] == ["bob", "eve"]


@pytest.mark.parametrize("agent", ["flip_batched", "flip_per_call"])
async def test_rejected_call_when_proposed_again_may_run_unasked(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER], [LETTER], [LETTER])
    await pauses.decide(await pauses.open_review(run), reject("not yet"))
    second = await pauses.open_review(run)
    quiet(pauses, run)
    await pauses.decide(second, approve())
    await pauses.result_of(run)
    assert pauses.effects(run) == [SENT, SENT]
    assert await pauses.review_states(run) == ["applied", "applied"]


# Which call a ban means

CALL = "call_1"


def start(guard: ToolGuard, call: str, name: str, args: dict[str, Any]) -> None:
    guard.on_tool_start({"name": name}, str(args), run_id=UUID(int=0), inputs=args, tool_call_id=call)


def proposes(guard: ToolGuard, call: str, args: dict[str, Any]) -> None:
    message = AIMessage("", tool_calls=[{"name": "send", "args": args, "id": call, "type": "tool_call"}])
    guard.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message)]]))


def test_rejected_call_is_blocked_by_id_whatever_its_arguments() -> None:
    guard = ToolGuard([BlockedCall(CALL, "send", {"to": "bob"}, None, "ann rejected it", 7)])
    for args in ({"to": "bob"}, {"to": "bob", "at": "noon"}, {}):
        with pytest.raises(Forbidden, match=r"send as proposed although ann rejected it \(review 7\)"):
            start(guard, CALL, "send", args)
    start(guard, "call_2", "send", {"to": "bob"})
    start(guard, CALL, "look", {"to": "bob"})


def test_reused_call_id_with_new_arguments_is_a_new_call() -> None:
    """Some models number the calls of each message from 0."""
    guard = ToolGuard([BlockedCall(CALL, "send", {"to": "bob"}, None, "ann rejected it", 7)])
    proposes(guard, CALL, {"to": "zoe"})
    start(guard, CALL, "send", {"to": "zoe"})
    with pytest.raises(Forbidden):
        start(guard, CALL, "send", {"to": "bob"})


def test_other_call_with_the_id_runs_as_it_was_approved_or_edited() -> None:
    refused = BlockedCall(CALL, "send", {"to": "bob"}, None, "ann rejected it", 7, allowed=({"to": "eve"},), sent=({"to": "eve"},))
    guard = ToolGuard([refused])
    for args in ({"to": "eve"}, {"to": "eve"}, {"to": "eve", "at": "noon"}):
        start(guard, CALL, "send", args)
    for args in ({"to": "bob"}, {"to": "bob", "at": "noon"}, {"to": "zoe"}, {}):
        with pytest.raises(Forbidden):
            start(guard, CALL, "send", args)


def test_equal_call_with_the_id_runs_as_often_as_it_was_approved() -> None:
    guard = ToolGuard([BlockedCall(CALL, "send", {"n": 1}, None, "ann rejected it", 7, sent=({"n": 1}, {"n": True}, {"n": 1}))])
    start(guard, CALL, "send", {"n": 1})
    start(guard, CALL, "send", {"n": 1})
    with pytest.raises(Forbidden):
        start(guard, CALL, "send", {"n": 1})


def test_edited_call_runs_as_edited_with_arguments_added_by_the_graph() -> None:
    guard = ToolGuard([BlockedCall(CALL, "send", {"to": "bob", "body": "x"}, {"to": "eve"}, "ann edited it", 7)])
    for args in ({"to": "eve"}, {"to": "eve", "at": "noon"}, {}):
        start(guard, CALL, "send", args)
    for args in ({"to": "bob", "body": "x"}, {"to": "bob"}, {"to": "bob", "at": "noon"}):
        with pytest.raises(Forbidden):
            start(guard, CALL, "send", args)
