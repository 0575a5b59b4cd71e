"""Nested interrupts: the node, path and agent of a question, and delivery of each answer to it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from hitl_tui.model import PauseKind, RunOptions, RunState
from tests.support.harness import Reviewer, approve, reject, respond, tool_results


def told(height: int) -> dict[str, Any]:
    return {"text": f"down {height}"}


# One to three levels


@pytest.mark.slow
@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("how", ["node", "called"])
async def test_question_in_nested_subgraph_nodes_is_asked(pauses: Reviewer, how: str, height: int) -> None:
    run = await pauses.launch(f"{how}{height}", given=told(height))
    review = await pauses.open_review(run)
    assert (review.row.kind, review.node) == (PauseKind.QUESTION, "ask")
    assert review.path == tuple(f"level{level}" for level in range(height, 0, -1))
    context = await pauses.inbox.reviews.context(review.row.id)
    assert context.state["level"] == 0, "the state of the graph that asks"
    await pauses.decide(review, respond("very"))
    assert (await pauses.result_of(run))["answer"] == "very"
    assert [d for d in pauses.effects(run) if d["did"] == "asked"] == [{"did": "asked", "level": 0, "answer": "very"}]


@pytest.mark.slow
@pytest.mark.parametrize("height", [1, 2, 3])
async def test_question_in_nested_tools_is_asked(pauses: Reviewer, height: int) -> None:
    script = "down"
    for _ in range(height):
        script = json.dumps([[["delegate", {"text": script}]]])
    run = await pauses.launch(f"tool{height}", text=script)
    review = await pauses.open_review(run)
    assert (review.row.kind, review.node) == (PauseKind.QUESTION, "ask")
    assert review.path == (("tools",), ("tools", "agent1", "tools"), ("tools", "agent2", "tools", "agent1", "tools"))[height - 1]
    context = await pauses.inbox.reviews.context(review.row.id)
    assert context.state["text"] == "down"
    await pauses.decide(review, respond("very"))
    state = await pauses.result_of(run)
    assert "very" in tool_results(state)["delegate"][0]
    assert len([d for d in pauses.effects(run) if d["did"] == "asked"]) == 1


@pytest.mark.parametrize("agent", ["gate_node2", "gate_called2", "gate_tool1", "gate_after2"])
async def test_gate_in_a_subgraph_and_the_question_behind_it_are_two_reviews(pauses: Reviewer, agent: str) -> None:
    """The gate and the question behind it are separate: neither is passed with the other."""
    if agent == "gate_tool1":
        run = await pauses.launch(agent, [("delegate", {"text": "down"})])
    else:
        run = await pauses.launch(agent, given=told(2))
    path = ("tools",) if agent == "gate_tool1" else ("level2", "level1")
    steps = ["question", "gate"] if agent == "gate_after2" else ["gate", "question"]
    for step in steps:
        review = await pauses.open_review(run)
        node = "after" if agent == "gate_after2" and step == "gate" else "ask"
        assert (review.row.kind, review.node, review.path) == (
            PauseKind.GATE if step == "gate" else PauseKind.QUESTION, node, path,
        )  # fmt: skip
        assert "after" not in [d["did"] for d in pauses.effects(run)]
        await pauses.decide(review, approve() if step == "gate" else respond("very"))
    await pauses.result_of(run)
    assert [d["did"] for d in pauses.effects(run)] == ["asked", "after"]


async def test_gate_beside_a_question_is_announced(pauses: Reviewer) -> None:
    """LangGraph passes the gate with the answer (CONTRACT 1.3), so the reviewer must know."""
    run = await pauses.launch("gate_beside", given={"text": "hi"})
    review = await pauses.open_review(run)
    assert review.row.note == "inner › fill waits at a gate beside this, and LangGraph runs it as soon as this is answered"
    assert [d["did"] for d in pauses.effects(run)] == ["dig"]
    await pauses.decide(review, respond("yes"))
    await pauses.result_of(run)
    assert [d["did"] for d in pauses.effects(run)] == ["dig", "fill"]


# Side by side


@pytest.mark.parametrize("order", list(itertools.permutations(["red", "green", "blue"])), ids="-".join)
async def test_equal_questions_of_parallel_nodes_are_answered_separately(pauses: Reviewer, order: tuple[str, ...]) -> None:
    run = await pauses.launch("three_beside", given={})
    first = {review.node: review for review in await pauses.open_reviews(run, 3)}
    seen = {review.interrupt for review in first.values()}
    for name in order:
        await pauses.decide(first[name], respond(f"{name} 1"))
        await pauses.until_applied(first[name])
        now = {review.node: review for review in await pauses.open_reviews(run, 3)}
        assert now[name].interrupt not in seen, "a second question, though its words are the same"
        seen.add(now[name].interrupt)
    second = {review.node: review for review in await pauses.open_reviews(run, 3)}
    for name in reversed(order):
        await pauses.decide(second[name], respond(f"{name} 2"))
    said = (await pauses.result_of(run))["said"]
    assert sorted(said) == sorted([name, f"{name} 1", f"{name} 2"] for name in order)
    assert sorted(d["did"] for d in pauses.effects(run)) == sorted(order), "each ran to its end once"
    assert await pauses.review_states(run) == ["applied"] * 6


async def test_parallel_tasks_of_an_entrypoint_are_asked_one_at_a_time(pauses: Reviewer) -> None:
    """They run in parallel, but LangGraph shows one question at a time."""
    run = await pauses.launch("functional", given={"text": "ink paper glue"})
    for word in ("ink", "paper", "glue"):
        review = await pauses.open_review(run)
        assert (review.node, review.value) == ("functional", f"is {word} good?")
        await pauses.decide(review, respond(f"{word} is"))
        await pauses.until_applied(review)
    last = await pauses.open_review(run)
    assert last.node == "functional"
    await pauses.decide(last, respond(value=False))
    assert await pauses.result_of(run) == {"found": ["ink=ink is", "paper=paper is", "glue=glue is"], "final": False}
    did = [d["did"] for d in pauses.effects(run)]
    assert did.count("gather") == 1
    assert sorted(d["what"] for d in pauses.effects(run) if d["did"] == "checked") == ["glue", "ink", "paper"], (
        "what ended is not run again"
    )


# Classic ToolNode: all calls in one task


@pytest.mark.parametrize("agent", ["classic", "classic_inside", "classic_hidden"])
async def test_tool_node_that_may_mix_up_answers_is_announced(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [("confirm", {"what": "a"}), ("look", {"path": "p"}), ("confirm", {"what": "b"})])
    review = await pauses.open_review(run)
    note = review.row.note
    assert note.startswith("one of 3 calls that tools runs in one task asks this; LangGraph may hand your answer to another of them")
    assert all(name in note for name in ("confirm a", "look p", "confirm b")), note
    await pauses.inbox.runs.cancel(run.id)


@pytest.mark.parametrize("agent", ["classic", "classic_inside", "classic_hidden"])
async def test_tool_node_with_one_call_has_no_warning(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [("confirm", {"what": "a"})], [("look", {"path": "p"})])
    review = await pauses.open_review(run)
    assert review.row.note == ""
    assert review.actions[0].description == ("" if agent == "classic_hidden" else "asked while confirm runs")
    await pauses.decide(review, respond("sure"))
    assert tool_results(await pauses.result_of(run))["confirm"] == ["a: sure"]


async def test_tool_node_with_one_task_per_call_has_no_warning(pauses: Reviewer) -> None:
    run = await pauses.launch("fanned_out", [("confirm", {"what": "a"}), ("look", {"path": "p"}), ("confirm", {"what": "b"})])
    reviews = await pauses.open_reviews(run, 2)
    assert {review.row.note for review in reviews} == {""}
    assert {review.actions[0].description for review in reviews} == {""}, "of several tools nobody can tell which asks"
    for review in reversed(reviews):
        await pauses.decide(review, respond(f"for {review.value['question']}"))
        await pauses.until_applied(review)
    assert tool_results(await pauses.result_of(run))["confirm"] == ["a: for really a?", "b: for really b?"]
    assert [d for d in pauses.effects(run) if d["did"] == "look"] == [{"did": "look", "path": "p"}]


# Gates of one run


@pytest.mark.parametrize(
    ("options", "stops"),
    [
        (RunOptions(gates_before=("publish",)), ["publish"]),
        (RunOptions(gates_after=("draft",)), ["publish"]),
        (RunOptions(gates_before=("draft",), gates_after=("publish",)), ["draft", "tidy"]),
        (RunOptions(gates_before=("*",)), ["draft", "publish", "tidy"]),
        (RunOptions(gates_after=("*",)), ["publish", "tidy"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else f"{value.gates_before} {value.gates_after}",
)
async def test_gates_given_at_launch_are_asked(pauses: Reviewer, options: RunOptions, stops: list[str]) -> None:
    run = await pauses.launch("three_steps", given={"text": "hi"}, options=options)
    for node in stops:
        review = await pauses.open_review(run)
        assert (review.row.kind, review.node) == (PauseKind.GATE, node)
        await pauses.decide(review, approve())
    assert (await pauses.result_of(run))["seen"] == ["draft", "publish", "tidy"]
    assert [d["did"] for d in pauses.effects(run)] == ["draft", "publish", "tidy"]
    await pauses.result_of(await pauses.launch("three_steps", given={"text": "hi"}))


async def test_gates_given_at_launch_add_to_the_graphs_own(pauses: Reviewer) -> None:
    run = await pauses.launch("gate_before", given={"text": "hi"}, options=RunOptions(gates_before=("tidy",)))
    for node in ("publish", "tidy"):
        review = await pauses.open_review(run)
        assert review.node == node
        await pauses.decide(review, approve())
    await pauses.result_of(run)


async def test_retry_at_a_gate_given_at_launch_does_not_pass_it(pauses: Reviewer) -> None:
    run = await pauses.launch("three_steps", given={"text": "hi"}, options=RunOptions(gates_before=("tidy",)))
    await pauses.open_review(run)
    await pauses.inbox.runs.cancel(run.id)
    await pauses.wait(run, RunState.CANCELLED)
    await pauses.inbox.runs.retry(run.id)
    again = await pauses.open_review(run)
    assert (again.node, [d["did"] for d in pauses.effects(run)]) == ("tidy", ["draft", "publish"])
    await pauses.decide(again, approve())
    await pauses.result_of(run)


async def test_tool_gate_given_at_launch_asks_for_each_call(pauses: Reviewer) -> None:
    calls = [("send", {"to": "a"}), ("send", {"to": "b"})]
    run = await pauses.launch("plain_agent", calls, options=RunOptions(gates_before=("tools",)))
    review = await pauses.open_review(run)
    assert review.row.kind is PauseKind.TOOL_GATE
    await pauses.decide(review, approve(), reject("no"))
    await pauses.result_of(run)
    assert [d["to"] for d in pauses.effects(run)] == ["a"]


async def test_gate_given_at_launch_for_an_unknown_node_fails_the_run(pauses: Reviewer) -> None:
    run = await pauses.launch("three_steps", given={"text": "hi"}, options=RunOptions(gates_after=("publsh",)))
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error == "the graph has no node publsh to stop at; its nodes are draft, publish, tidy"
    assert failed.traceback == ""
    assert pauses.effects(run) == []
