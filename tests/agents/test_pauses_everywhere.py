"""One body of tests for pauses and decisions, on every engine: this machine, `langgraph dev`, and langhost in two processes.

What is special about an engine is tested elsewhere. Runs of a test go on at the same time, because a server's queue takes a while.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Answer, Call, DecisionKind, Lesson, PauseKind, Review, ReviewState, Run, RunOptions, RunState, TakeoverPlan
from tests.support.harness import (
    PROJECTS,
    ForkServer,
    Reviewer,
    Sandbox,
    approve,
    edit,
    open_reviewer,
    reject,
    respond,
    tool_results,
)
from tests.support.servers import PROJECT, REQUIREMENTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE_S = 150.0
"""Seconds that a wait may take: a server and its databases share the machine with other tests."""
LETTER = ("send", {"to": "bob", "body": "hello"})
AGENTS = ("batched", "per_call", "react", "gated_agent")
POLICY = """
spot_check = 0
[agents.frontend]
frontend_tools = ["pick_*"]
[agents.replaced]
frontend_tools = ["pick_*"]
[[rule]]
name = "no letters to eve"
tool = "send"
when = 'args.to == "eve@example.com"'
outcome = "deny"
[[rule]]
name = "letters to the archive"
tool = "send"
when = 'args.to == "archive@example.com"'
outcome = "auto"
[[rule]]
name = "letters that cannot wait"
tool = "send"
when = 'args.to == "soon@example.com"'
outcome = "ask"
deadline = "1s"
then = "reject"
"""
EXACT: dict[str, Any] = {
    "text": 'Grüße, 世界 🎉 \n\ttab "quoted" \\ back\\slash \r\n \x1b[31m end ',
    "empty": "",
    "big": 2**63 - 1,
    "float": 0.1,
    "tiny": 5e-324,
    "nested": {"a": [1, [2, [{"b": None}]], True, False], "": []},
}


@pytest.fixture(scope="module", params=["local", *REQUIREMENTS])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def sandbox(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer
) -> Iterator[Sandbox]:
    """A home whose worker runs the project, or follows the server that does."""
    server = {"local": None, "dev": "dev_server", "langhost": "langhost"}[engine]
    found = request.getfixturevalue(server) if server else None
    made = Sandbox(tmp_path_factory.mktemp(f"home-{engine}"), found.url if found else str(PROJECTS / PROJECT), fork_server)
    made.journal = found.journal if found else made.journal
    (made.home.path / "policy.toml").write_text(POLICY)
    made.start()
    yield made
    made.kill_workers()


@pytest.fixture
async def ann(sandbox: Sandbox) -> AsyncIterator[Reviewer]:
    async with open_reviewer(sandbox) as reviewer:
        reviewer.timeout_s = PATIENCE_S
        await until_agents(reviewer)
        yield reviewer


async def until_agents(reviewer: Reviewer) -> None:
    """Wait until the worker has listed the agents: text is refused for one that is not known yet."""
    until = time.monotonic() + PATIENCE_S
    while not any(agent.name == "batched" and agent.takes_text for agent in await reviewer.inbox.agents.all()):
        assert time.monotonic() < until, reviewer.sandbox.worker_stderr()
        await asyncio.sleep(0.1)


def did(reviewer: Reviewer, run: Run) -> list[tuple[str, Any]]:
    """What the run's tools and nodes did, without order."""
    return sorted((one["did"], one.get("to") or one.get("path")) for one in reviewer.effects(run))


# Tool calls


@pytest.mark.parametrize("agent", AGENTS)
async def test_tool_call_when_decided_has_that_effect(ann: Reviewer, agent: str) -> None:
    async def case(answer: Answer, ran: list[tuple[str, Any]], result: str) -> None:
        run = await ann.launch(agent, [LETTER])
        review = await ann.open_review(run)
        assert (review.actions[0].name, review.actions[0].args) == LETTER
        assert did(ann, run) == []
        assert await ann.decide(review, answer) == ReviewState.DECIDED
        assert result in tool_results(await ann.result_of(run))["send"][0]
        assert did(ann, run) == ran
        assert await ann.review_states(run) == ["applied"]

    await asyncio.gather(
        case(approve(), [("send", "bob")], "sent to bob"),
        case(edit(to="eve", body="", copies=2), [("send", "eve")], "sent to eve"),
        case(reject("too early"), [], "too early"),
        case(respond("bob knows already"), [], "bob knows already"),
    )


@pytest.mark.parametrize("agent", AGENTS)
async def test_mixed_batch_runs_what_was_approved(ann: Reviewer, agent: str) -> None:
    wanted = {"a": approve(), "b": edit(to="b2"), "c": reject("never c"), "d": respond("d was told")}
    run = await ann.launch(agent, [("send", {"to": name}) for name in wanted])
    for review in await ann.open_reviews(run, 4 if agent == "per_call" else 1):
        await ann.decide(review, *(wanted[action.args["to"]] for action in review.actions))
    results = tool_results(await ann.result_of(run))["send"]
    assert did(ann, run) == [("send", "a"), ("send", "b2")]
    assert len(results) == 4
    assert set(await ann.review_states(run)) == {"applied"}


async def test_calls_answered_one_by_one_run_once_each(ann: Reviewer) -> None:
    run = await ann.launch("per_call", [("send", {"to": "a"}), ("send", {"to": "b"}), ("look", {"path": "l"})])
    first, second = await ann.open_reviews(run, 2)
    await ann.decide(second, edit(to="b2"))
    await ann.until_applied(second)
    (left,) = await ann.open_reviews(run)
    assert left.row.id == first.row.id, "the other keeps its review"
    await ann.decide(first, approve())
    await ann.result_of(run)
    assert did(ann, run) == [("look", "l"), ("send", "a"), ("send", "b2")]


async def test_calls_left_of_a_failed_step_are_answered_although_one_with_their_id_has_ended(ann: Reviewer) -> None:
    run = await ann.launch("gated_agent", [("burst", {"text": "bang"}, "same"), ("send", {"to": "a"}, "same")])  # type: ignore[list-item]
    await ann.decide(await ann.open_review(run), approve(), approve())
    await ann.wait(run, RunState.FAILED)
    await ann.inbox.runs.retry(run.id)
    left = await ann.open_review(run)
    assert left.actions[0].name == "burst"
    await ann.decide(left, *(reject("never mind") for _ in left.actions))
    results = tool_results(await ann.result_of(run))
    assert results["burst"] == ["never mind"] and len(results["send"]) == 1
    assert did(ann, run).count(("send", "a")) == 1


async def test_later_turn_shows_the_conversation_so_far(ann: Reviewer) -> None:
    run = await ann.launch("batched", [LETTER], [("send", {"to": "zoe"})])
    await ann.decide(await ann.open_review(run), approve())
    review = await ann.open_review(run)
    context = await ann.inbox.reviews.context(review.row.id)
    assert context.reasoning == "round 2: I need send"
    assert [(one.name, one.result) for one in context.attempts] == [("send", "sent to bob")]
    await ann.decide(review, approve())
    await ann.result_of(run)
    trace = await ann.inbox.runs.trace(run.id)
    assert [event.body["name"] for event in trace if event.kind == "result"] == ["send", "send"]


async def test_edit_arrives_exactly_as_typed(ann: Reviewer) -> None:
    async def case(agent: str) -> None:
        run = await ann.launch(agent, [("store", {"data": 1})])
        await ann.decide(await ann.open_review(run), edit(data=EXACT))
        await ann.result_of(run)
        assert [one["data"] for one in ann.effects(run)] == [EXACT]

    await asyncio.gather(*map(case, AGENTS))


# Static gates


async def test_gates_are_asked_and_passed_in_order(ann: Reviewer) -> None:
    async def case(agent: str, stops: list[str], ran: list[str]) -> None:
        run = await ann.launch(agent, given={"text": "hi"})
        for node in stops:
            review = await ann.open_review(run)
            assert (review.row.kind, review.node) == (PauseKind.GATE, node)
            assert [one["did"] for one in ann.effects(run)] == ran[: ran.index(node)]
            await ann.decide(review, approve())
            await ann.until_applied(review)
        await ann.result_of(run)
        assert [one["did"] for one in ann.effects(run)] == ran

    await asyncio.gather(
        case("gate_before", ["publish"], ["draft", "publish", "tidy"]),
        case("gate_after", ["publish"], ["draft", "publish", "tidy"]),
        case("gate_every", ["draft", "publish"], ["draft", "publish"]),
        case("gate_inside", ["fill"], ["first", "dig", "fill", "last"]),
    )


async def test_gate_that_is_rejected_ends_the_run(ann: Reviewer) -> None:
    async def case(agent: str) -> None:
        run = await ann.launch(agent, given={"text": "hi"})
        review = await ann.open_review(run)
        before = ann.effects(run)
        await ann.decide(review, reject("no"))
        await ann.result_of(run)
        assert ann.effects(run) == before

    await asyncio.gather(*map(case, ("gate_before", "gate_after", "gate_every", "gate_inside")))


# Questions


async def test_any_value_can_be_asked_and_answered(ann: Reviewer) -> None:
    async def case(asked: Any, sent: Any) -> None:
        run = await ann.launch("anything", given={"value": asked})
        review = await ann.open_review(run)
        assert (review.row.kind, review.value) == (PauseKind.QUESTION, asked)
        await ann.decide(review, Answer(DecisionKind.RESPOND, sent))
        await ann.result_of(run)
        assert ann.effects(run) == [{"did": "answered", "answer": sent}]

    values: list[tuple[Any, Any]] = [
        ("go on?", None), (7, ""), (None, 0), (True, {}), ([], []), ({}, EXACT), ({"b": 1, "a": [2]}, {"0" * 32: 1}), ({}, True)
    ]  # fmt: skip
    await asyncio.gather(*(case(asked, sent) for asked, sent in values))


async def test_answer_with_a_schema_is_taken(ann: Reviewer) -> None:
    async def case(schema: str, good: Any) -> None:
        run = await ann.launch("form", given={"value": schema})
        await ann.decide(await ann.open_review(run), Answer(DecisionKind.RESPOND, good))
        assert (await ann.result_of(run))["answer"] == good

    await asyncio.gather(
        case("pydantic", {"street": "Elm", "number": 3}),
        case("typed_dict", {"day": "friday", "people": 2}),
        case("json", {"stars": 5}),
        case("bool", True),
    )


async def test_questions_in_unusual_places_are_answered(ann: Reviewer) -> None:
    async def twice() -> None:
        run = await ann.launch("twice", given={})
        first = await ann.open_review(run)
        await ann.decide(first, respond("one"))
        await ann.until_applied(first)
        await ann.decide(await ann.open_review(run), respond("two"))
        assert (await ann.result_of(run))["answer"] == ["one", "two"]

    async def nested() -> None:
        run = await ann.launch("nested", given={"text": "x"})
        review = await ann.open_review(run)
        assert review.node == "ask"
        await ann.decide(review, respond("here"))
        assert (await ann.result_of(run))["answer"] == "here"

    async def function() -> None:
        run = await ann.launch("function", given={"text": "abc"})
        review = await ann.open_review(run)
        assert review.actions[0].choices == ("yes", "no", 3)
        await ann.decide(review, respond(value=3))
        assert (await ann.result_of(run))["answer"] == 3
        assert [one["did"] for one in ann.effects(run)] == ["prepare", "function"], "the task ran once"

    async def beside() -> None:
        run = await ann.launch("beside", given={"text": "x"})
        await ann.decide(await ann.open_review(run), respond(value=True))
        await ann.result_of(run)
        assert [one["did"] for one in ann.effects(run)] == ["worker"]

    await asyncio.gather(twice(), nested(), function(), beside())


async def test_fanned_out_questions_keep_their_reviews(ann: Reviewer) -> None:
    run = await ann.launch("fan_out", given={"people": ["ann", "bob", "cy"]})
    reviews = {one.value["question"].split()[2]: one for one in await ann.open_reviews(run, 3)}
    await ann.decide(reviews["bob"], respond("b"))
    await ann.until_applied(reviews["bob"])
    assert {one.row.id for one in await ann.open_reviews(run, 2)} == {reviews["ann"].row.id, reviews["cy"].row.id}
    for name in ("cy", "ann"):
        await ann.decide(reviews[name], respond(name[0]))
    assert sorted((await ann.result_of(run))["said"]) == ["ann: a", "bob: b", "cy: c"]
    assert sorted(one["did"] for one in ann.effects(run)) == ["call", "call", "call", "sum up"]


async def test_agent_inbox_questions_follow_each_other(ann: Reviewer) -> None:
    run = await ann.launch("letters", given={"text": "see you", "form": "list"})
    for answer in (edit(to="bob", content="bye"), respond("not on a monday"), reject()):
        review = await ann.open_review(run)
        assert review.row.kind is PauseKind.AGENT_INBOX
        await ann.decide(review, answer)
        await ann.until_applied(review)
    assert (await ann.result_of(run))["outcome"] == [
        "write_mail {'to': 'bob', 'content': 'bye'}",
        "book_meeting must be redone: not on a monday",
        "Question ignored",
    ]


async def test_call_of_a_frontend_tool_gets_its_result_from_a_person(ann: Reviewer) -> None:
    run = await ann.launch("frontend", [("pick_date", {"from": "May"})], [LETTER])
    review = await ann.open_review(run)
    assert (review.row.kind, review.actions[0].args) == (PauseKind.FRONTEND_TOOLS, {"from": "May"})
    await ann.decide(review, respond("2 May"))
    assert tool_results(await ann.result_of(run)) == {"pick_date": ["2 May"], "send": ["sent to bob"]}
    assert [one["did"] for one in ann.effects(run)] == ["talk", "talk", "send", "talk"]


# Launches


async def test_context_and_config_of_a_launch_reach_the_graph(ann: Reviewer) -> None:
    options = RunOptions(config={"configurable": {"carrier": "ship"}, "recursion_limit": 40}, context={"tone": "warm"})
    run = await ann.launch("settings", given={"value": "go on?"}, options=options)
    await ann.decide(await ann.open_review(run), respond("yes"))
    assert (await ann.result_of(run))["answer"] == ["ship", 40, "warm"], "also after it was resumed"


# What the home adds


@pytest.mark.parametrize("agent", ["batched", "gated_agent"])
async def test_rules_and_deadlines_decide_in_place_of_people(ann: Reviewer, agent: str) -> None:
    async def case(to: str, ran: bool, by: str, said: str) -> None:
        run = await ann.launch(agent, [("send", {"to": to})])
        assert said in tool_results(await ann.result_of(run))["send"][0]
        assert did(ann, run) == ([("send", to)] if ran else [])
        (row,) = await ann.inbox.reviews.of_run(run.id)
        assert [one.actor for one in (await ann.inbox.reviews.get(row.id)).decisions.values()] == [by]
        assert row.state is ReviewState.APPLIED

    await asyncio.gather(
        case("eve@example.com", False, "policy:no letters to eve", "no letters to eve"),
        case("archive@example.com", True, "policy:letters to the archive", "sent to archive"),
        case("soon@example.com", False, "timeout:letters that cannot wait", "nobody decided it within 1 s"),
    )


async def test_decisions_are_exported_with_their_conversation(ann: Reviewer, tmp_path: Path) -> None:
    run = await ann.launch("batched", [LETTER, ("send", {"to": "zoe"})])
    await ann.decide(await ann.open_review(run), edit(to="bob", body="hello, bob"), approve())
    await ann.result_of(run)
    options = ("--keep-fast", "--keep-undoable", "--no-masks", "--filter", f"run:r{run.id}")
    await asyncio.to_thread(ann.sandbox.cli, "export", str(tmp_path / "e"), "--format", "dpo", *options)
    (example,) = [json.loads(line) for line in (tmp_path / "e").read_text().splitlines()]
    assert [(one["role"], one["content"]) for one in example["prompt"]] == [("user", run.input["text"])]
    chosen, rejected = [[call["function"]["arguments"] for call in example[side][0]["tool_calls"]] for side in ("chosen", "rejected")]
    assert chosen == [{"to": "bob", "body": "hello, bob"}, {"to": "zoe"}]
    assert rejected == [LETTER[1], {"to": "zoe"}]


async def test_accepted_lesson_is_in_the_store_that_agents_read(ann: Reviewer) -> None:
    for _ in range(2):
        run = await ann.launch("per_call", [("send", {"to": "owl"})])
        await ann.decide(await ann.open_review(run), reject("Owls cannot read."))
        await ann.result_of(run)
    lesson = await until_proposed(ann, "per_call", "owls cannot read")
    assert lesson.text not in await lessons_read_by(ann, "per_call")
    await ann.inbox.lessons.accept(lesson.id)
    await until_read(ann, "per_call", lesson.text, True)
    await ann.inbox.lessons.drop(lesson.id)
    await until_read(ann, "per_call", lesson.text, False)


async def until_proposed(ann: Reviewer, agent: str, text: str) -> Lesson:
    """Wait until a lesson with this text is proposed for an agent."""
    until = time.monotonic() + PATIENCE_S
    while not (found := [one for one in await ann.inbox.lessons.proposed() if one.agent == agent and text in one.text.lower()]):
        assert time.monotonic() < until, await ann.inbox.lessons.find()
        await asyncio.sleep(0.05)
    return found[0]


async def until_read(ann: Reviewer, agent: str, text: str, is_there: bool) -> None:
    """Wait until a graph reads a lesson in the store that it is given, or does not any more: workers write it in between."""
    until = time.monotonic() + PATIENCE_S
    while (text in await lessons_read_by(ann, agent)) is not is_there:
        assert time.monotonic() < until, await ann.inbox.lessons.find()


async def lessons_read_by(ann: Reviewer, agent: str) -> list[str]:
    """The texts that a graph finds as the lessons of an agent."""
    found: list[str] = (await ann.result_of(await ann.launch("taught", given={"value": agent})))["answer"]
    return found


# Takeovers


async def test_handback_with_a_result_replaces_the_tool(ann: Reviewer) -> None:
    async def case(agent: str) -> None:
        run = await ann.launch(agent, [LETTER])
        await ann.open_review(run)
        takeover = await ann.inbox.takeovers.take(run.id)
        (call,) = (await ann.inbox.takeovers.head(run.id)).calls
        await ann.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(results={call.id: "bob was told by phone"}))
        assert tool_results(await ann.result_of(run)) == {"send": ["bob was told by phone"]}
        assert ann.effects(run) == [], "the call never ran"

    await asyncio.gather(*map(case, AGENTS))


async def test_handback_with_a_rewritten_call_asks_before_it_runs(ann: Reviewer) -> None:
    async def case(agent: str) -> None:
        run = await ann.launch(agent, [LETTER])
        await ann.open_review(run)
        takeover = await ann.inbox.takeovers.take(run.id)
        (call,) = (await ann.inbox.takeovers.head(run.id)).calls
        plan = TakeoverPlan(text="I write to zoe.", calls=(Call(call.id, "send", {"to": "zoe"}),))
        await ann.inbox.takeovers.hand_back(takeover.id, plan)
        review = await until_asked(ann, run, {"to": "zoe"})
        assert ann.effects(run) == []
        await ann.decide(review, approve())
        await ann.result_of(run)
        assert did(ann, run) == [("send", "zoe")]

    await asyncio.gather(*map(case, AGENTS))


async def until_asked(ann: Reviewer, run: Run, args: Any) -> Review:
    """Wait until the run asks for a call with these arguments."""
    until = time.monotonic() + PATIENCE_S
    while True:
        for row in await ann.inbox.reviews.of_run(run.id):
            review = await ann.inbox.reviews.get(row.id)
            if row.state is ReviewState.OPEN and review.actions[0].args == args:
                return review
        assert time.monotonic() < until, await ann.inbox.runs.get(run.id)
        await asyncio.sleep(0.05)


# What goes wrong


async def test_poisoned_thread_asks_again_when_retried(ann: Reviewer) -> None:
    run = await ann.launch("fussy", given={})
    review = await ann.open_review(run)
    await ann.decide(review, respond("bad"))
    assert "bad is not good" in (await ann.wait(run, RunState.FAILED)).error
    assert (await ann.inbox.reviews.get(review.row.id)).row.state == ReviewState.FAILED
    await ann.inbox.runs.retry(run.id)
    again = await ann.open_review(run)
    assert again.row.id != review.row.id
    await ann.decide(again, respond("good"))
    assert (await ann.result_of(run))["answer"] == "good"
    assert [one["answer"] for one in ann.effects(run)] == ["bad", "good"]


async def test_tool_that_fails_after_approval_can_be_answered_by_hand(ann: Reviewer) -> None:
    run = await ann.launch("per_call", [("burst", {"text": "no paper"})])
    await ann.decide(await ann.open_review(run), approve())
    assert "no paper" in (await ann.wait(run, RunState.FAILED)).error
    await ann.inbox.runs.retry(run.id)
    await ann.decide(await ann.open_review(run), respond("printed by hand"))
    assert tool_results(await ann.result_of(run))["burst"] == ["printed by hand"]


async def test_cancelled_run_closes_its_reviews_and_can_be_retried(ann: Reviewer) -> None:
    run = await ann.launch("per_call", [("send", {"to": "a"}), ("send", {"to": "b"})])
    await ann.open_reviews(run, 2)
    await ann.inbox.runs.cancel(run.id)
    await ann.wait(run, RunState.CANCELLED)
    assert await ann.review_states(run) == ["stale", "stale"]
    await ann.inbox.runs.retry(run.id)
    for review in await ann.open_reviews(run, 2):
        await ann.decide(review, approve())
    await ann.result_of(run)
    assert did(ann, run) == [("send", "a"), ("send", "b")]


async def test_call_that_a_cancel_interrupted_is_asked_again_when_retried(ann: Reviewer) -> None:
    run = await ann.launch("batched", [("slow", {"seconds": 2.0})])
    await ann.decide(await ann.open_review(run), approve())
    await ann.until_effect(run, "slow begins")
    await ann.inbox.runs.cancel(run.id)
    await ann.wait(run, RunState.CANCELLED)
    await ann.inbox.runs.retry(run.id)
    review = await ann.open_review(run)
    assert "may have run once" in review.row.warning
    await ann.decide(review, edit(seconds=0))
    assert tool_results(await ann.result_of(run))["slow"] == ["slept"]
    assert [one["did"] for one in ann.effects(run)].count("slow begins") == 2
