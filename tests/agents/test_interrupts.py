"""Every kind of pause, from launch to the graph's end state, for each decision it allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Answer, DecisionKind, PauseKind, Review, ReviewState, RunState
from tests.support.harness import Reviewer, SandboxFactory, approve, edit, open_reviewer, reject, respond, tool_results

EXACT: dict[str, Any] = {
    "text": 'Grüße, 世界 🎉 \n\ttab "quoted" \\ back\\slash \r\n \x00 \x1b[31m end ',
    "empty": "",
    "big": 2**63 - 1,
    "small": -(2**63),
    "beyond a double": 9007199254740993,
    "float": 0.1,
    "whole float": 3.0,
    "tiny": 5e-324,
    "nested": {"a": [1, [2, [{"b": None}]], True, False], "": []},
    "key with ünicode": {"\n": 1},
}
LETTER = ("send", {"to": "bob", "body": "hello"})


def kinds(review: Review) -> set[str]:
    (allowed,) = {frozenset(action.allowed) for action in review.actions}
    return {kind.value for kind in allowed}


# The middleware


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["batched", "per_call", "react", "gated_agent"])
@pytest.mark.parametrize(
    ("answer", "ran", "result"),
    [
        (approve(), [{"did": "send", "to": "bob", "body": "hello", "copies": 1}], "sent to bob"),
        (edit(to="eve", body="", copies=2), [{"did": "send", "to": "eve", "body": "", "copies": 2}], "sent to eve"),
        (reject("too early"), [], "too early"),
        (reject(), [], "reject"),
        (respond("bob knows already"), [], "bob knows already"),
    ],
    ids=["approve", "edit", "reject", "reject without reason", "respond"],
)
async def test_single_call_can_be_approved_edited_rejected_and_answered(
    pauses: Reviewer, agent: str, answer: Answer, ran: list[dict[str, Any]], result: str
) -> None:
    run = await pauses.launch(agent, [LETTER])
    review = await pauses.open_review(run)
    assert (review.actions[0].name, review.actions[0].args) == LETTER
    assert kinds(review) == {"approve", "edit", "reject", "respond"}
    assert pauses.effects(run) == []
    assert await pauses.decide(review, answer) == ReviewState.DECIDED
    state = await pauses.result_of(run)
    assert pauses.effects(run) == ran
    (text,) = tool_results(state)["send"]
    assert result in text
    assert state["messages"][-1]["text"].startswith("done: ")
    assert await pauses.review_states(run) == ["applied"]


async def test_batch_is_decided_call_by_call(pauses: Reviewer) -> None:
    calls = [("send", {"to": n}) for n in ("a", "b", "c", "d")]
    run = await pauses.launch("batched", [*calls[:2], ("look", {"path": "x"}), *calls[2:], ("delete", {"path": "y"})])
    review = await pauses.open_review(run)
    assert review.row.kind is PauseKind.TOOL_CALLS
    assert [a.name for a in review.actions] == ["send"] * 4 + ["delete"]
    assert [a.args for a in review.actions[:4]] == [args for _, args in calls]
    assert len({a.tool_call for a in review.actions}) == 5
    assert review.actions[4].allowed == (DecisionKind.APPROVE, DecisionKind.REJECT)
    assert review.actions[4].description == "Deleting is for ever."
    assert await pauses.inbox.reviews.decide(review, {3: respond("no need")}) == ReviewState.OPEN
    assert await pauses.inbox.reviews.decide(review, {0: approve(), 1: edit(to="b2", body="new")}) == ReviewState.OPEN
    assert await pauses.inbox.reviews.decide(review, {2: approve()}) == ReviewState.OPEN
    assert await pauses.inbox.reviews.decide(review, {2: reject("no")}) == ReviewState.OPEN, "a slot may be decided again"
    assert pauses.effects(run) == []
    assert await pauses.inbox.reviews.decide(review, {4: reject()}) == ReviewState.DECIDED
    found = tool_results(await pauses.result_of(run))
    assert sorted((d["did"], d.get("to")) for d in pauses.effects(run)) == [("look", None), ("send", "a"), ("send", "b2")]
    refused, answered, first, second = found["send"]
    assert refused.endswith("reason: no")
    assert answered == "no need"
    assert {first, second.splitlines()[-1]} == {"sent to a", "sent to b2"}


async def test_parallel_calls_are_decided_one_at_a_time(pauses: Reviewer) -> None:
    run = await pauses.launch(
        "per_call", [("send", {"to": "a"}), ("send", {"to": "b"}), ("delete", {"path": "p"}), ("look", {"path": "l"})]
    )
    first, second, third = await pauses.open_reviews(run, 3)
    assert {first.row.kind, second.row.kind, third.row.kind} == {PauseKind.TOOL_APPROVAL}
    assert kinds(third) == {"approve", "reject"}
    await pauses.decide(second, edit(to="b2"))
    await pauses.until_applied(second)
    left = await pauses.open_reviews(run, 2)
    assert {r.row.id for r in left} == {first.row.id, third.row.id}, "the others keep their reviews"
    await pauses.decide(third, reject("keep it"))
    await pauses.until_applied(third)
    await pauses.decide(first, approve())
    await pauses.result_of(run)
    assert sorted((d["did"], d.get("to")) for d in pauses.effects(run)) == [("look", None), ("send", "a"), ("send", "b2")]
    assert await pauses.review_states(run) == ["applied"] * 3
    trace = await pauses.inbox.runs.trace(run.id)
    shown = [(e.body["name"], e.body["text"]) for e in trace if e.kind == "result"]
    assert len(shown) == len(set(shown)) == 4, f"each result is told once: {shown}"


async def test_calls_of_later_turns_are_asked_in_order(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [LETTER], [("look", {"path": "p"})], [("send", {"to": "zoe"})])
    await pauses.decide(await pauses.open_review(run), approve())
    review = await pauses.open_review(run)
    assert review.actions[0].args == {"to": "zoe"}
    context = await pauses.inbox.reviews.context(review.row.id)
    assert context.reasoning == "round 3: I need send"
    assert [(a.name, a.result) for a in context.attempts] == [("send", "sent to bob"), ("look", "saw p")]
    assert context.conversation[0].role == "user"
    assert context.model == "scripted (offline)"
    await pauses.decide(review, approve())
    await pauses.result_of(run)
    assert [d.get("to") for d in pauses.effects(run)] == ["bob", None, "zoe"]


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["batched", "per_call", "react", "gated_agent"])
async def test_edits_arrive_exactly_as_typed(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [("store", {"data": 1})])
    await pauses.decide(await pauses.open_review(run), edit(data=EXACT))
    await pauses.result_of(run)
    (did,) = pauses.effects(run)
    assert did["data"] == EXACT
    assert isinstance(did["data"]["whole float"], float)


@pytest.mark.parametrize("agent", ["batched", "per_call", "react", "gated_agent"])
async def test_proposals_are_shown_exactly(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [("store", {"data": EXACT})])
    review = await pauses.open_review(run)
    assert review.actions[0].args == {"data": EXACT}
    await pauses.decide(review, approve())
    await pauses.result_of(run)
    assert pauses.effects(run) == [{"did": "store", "data": EXACT}]


@pytest.mark.parametrize("agent", ["batched", "per_call", "react"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(DecisionKind.EDIT),
        Answer(DecisionKind.EDIT, [1]),
        edit(body="no recipient"),
        edit(to=5),
        edit(to="bob", copies="many"),
        respond(),
        respond(value={"json": 1}),
        Answer(DecisionKind.APPROVE, {"to": "eve"}),
        Answer(DecisionKind.RESPOND, message="lone \ud800"),
        edit(to="lone \ud800"),
        edit(to="bob", **{"\udfff": 1}),
        edit(to="bob", copies=2**64),
        edit(to="bob", extra=-(2**63) - 1),
        edit(to="bob", extra=float("nan")),
    ],
    ids=lambda answer: ascii([answer.kind.value, answer.args, answer.message]),
)
async def test_invalid_decisions_are_refused_before_anything_is_stored(pauses: Reviewer, agent: str, answer: Answer) -> None:
    run = await pauses.launch(agent, [LETTER])
    review = await pauses.open_review(run)
    with pytest.raises(Refused):
        await pauses.decide(review, answer)
    again = await pauses.inbox.reviews.get(review.row.id)
    assert (again.row.state, again.decisions) == (ReviewState.OPEN, {})
    await pauses.inbox.runs.cancel(run.id)


async def test_decisions_the_graph_does_not_allow_are_refused(pauses: Reviewer) -> None:
    for agent in ("batched", "per_call"):
        run = await pauses.launch(agent, [("delete", {"path": "x"})])
        review = await pauses.open_review(run)
        for answer in (edit(path="y"), respond("done")):
            with pytest.raises(Refused, match="approve, reject"):
                await pauses.decide(review, answer)
        with pytest.raises(Refused, match="has no call 8"):
            await pauses.inbox.reviews.decide(review, {7: approve()})
        await pauses.decide(review, approve())
        await pauses.result_of(run)
        assert pauses.effects(run) == [{"did": "delete", "path": "x"}]


@pytest.mark.parametrize("agent", ["batched", "per_call", "gated_agent"])
async def test_edit_when_other_arguments_have_no_json_form_leaves_them_exact(pauses: Reviewer, agent: str) -> None:
    odd = [float("inf"), -float("inf"), {"float": "nan"}, 2**63]
    run = await pauses.launch(agent, [("store", {"data": {"odd": odd, "item": "a"}})])
    review = await pauses.open_review(run)
    shown = review.actions[0].args["data"]
    assert shown["odd"][:2] == [{"float": "inf"}, {"float": "-inf"}]
    await pauses.decide(review, edit(data={**shown, "item": "b"}))
    await pauses.result_of(run)
    assert pauses.effects(run) == [{"did": "store", "data": {"odd": odd, "item": "b"}}]


async def test_edit_nested_too_deeply_to_store_is_refused(pauses: Reviewer) -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    run = await pauses.launch("batched", [("store", {"data": 1})])
    with pytest.raises(Refused, match="nested"):
        await pauses.decide(await pauses.open_review(run), edit(data=deep))
    await pauses.inbox.runs.cancel(run.id)


# Static gates


@pytest.mark.parametrize("agent", ["react", "gated_agent"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
async def test_tool_gate_accepts_any_mix_of_decisions(pauses: Reviewer, agent: str, order: int) -> None:
    answers = [("a", approve()), ("b", edit(to="b2")), ("c", reject("never c")), ("d", respond("d was told"))]
    answers = answers[order:] + answers[:order]
    run = await pauses.launch(agent, [("send", {"to": name}) for name, _ in answers], [("look", {"path": "p"})])
    review = await pauses.open_review(run)
    assert review.row.kind is PauseKind.TOOL_GATE
    assert [a.args["to"] for a in review.actions] == [name for name, _ in answers]
    await pauses.decide(review, *(answer for _, answer in answers))
    second = await pauses.open_review(run)
    assert [a.name for a in second.actions] == ["look"], "the gate is there again at its next visit"
    context = await pauses.inbox.reviews.context(second.row.id)
    told = {a.args["to"]: (a.result, a.failed) for a in context.attempts}
    assert told == {"a": ("sent to a", False), "b2": ("sent to b2", False), "c": ("never c", True), "d": ("d was told", False)}
    await pauses.decide(second, approve())
    state = await pauses.result_of(run)
    assert sorted(d["to"] for d in pauses.effects(run) if d["did"] == "send") == ["a", "b2"]
    assert len(tool_results(state)["send"]) == 4
    assert await pauses.review_states(run) == ["applied", "applied"]


@pytest.mark.parametrize("answers", [[reject("no"), respond("never mind")], [approve(), reject("no")], [approve(), approve()]], ids=len)
async def test_second_gate_is_not_passed_with_the_first(pauses: Reviewer, answers: list[Answer]) -> None:
    """The graph has gates before its tools and its model: rejected calls lead to the model's gate, not through it."""
    run = await pauses.launch("react_twice", [("send", {"to": "a"}), ("send", {"to": "b"})])
    gate = await pauses.open_review(run)
    assert (gate.row.kind, gate.node) == (PauseKind.GATE, "talk")
    await pauses.decide(gate, approve())
    await pauses.decide(await pauses.open_review(run), *answers)
    gate = await pauses.open_review(run)
    assert (gate.row.kind, gate.node) == (PauseKind.GATE, "talk")
    await pauses.decide(gate, approve())
    state = await pauses.result_of(run)
    assert len(tool_results(state)["send"]) == 2


@pytest.mark.parametrize(
    ("agent", "stops", "ran"),
    [
        ("gate_before", ["publish"], ["draft", "publish", "tidy"]),
        ("gate_after", ["publish"], ["draft", "publish", "tidy"]),
        ("gate_every", ["draft", "publish"], ["draft", "publish"]),
    ],
)
async def test_gates_before_and_after_nodes_are_asked(pauses: Reviewer, agent: str, stops: list[str], ran: list[str]) -> None:
    run = await pauses.launch(agent, given={"text": "hi"})
    for node in stops:
        review = await pauses.open_review(run)
        assert (review.row.kind, review.node, kinds(review)) == (PauseKind.GATE, node, {"approve", "reject"})
        assert [d["did"] for d in pauses.effects(run)] == ran[: ran.index(node)]
        with pytest.raises(Refused):
            await pauses.decide(review, respond("go"))
        await pauses.decide(review, approve())
    assert (await pauses.result_of(run))["seen"] == ran
    assert [d["did"] for d in pauses.effects(run)] == ran


@pytest.mark.parametrize("agent", ["gate_before", "gate_after", "gate_every", "gate_inside"])
async def test_rejected_gate_ends_the_run(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, given={"text": "hi"})
    review = await pauses.open_review(run)
    before = pauses.effects(run)
    await pauses.decide(review, reject("no"))
    await pauses.result_of(run)
    assert pauses.effects(run) == before


async def test_gate_before_a_reviewing_node_runs_nothing_rejected(pauses: Reviewer) -> None:
    """Rejections written there would not stop the ToolNode behind it, so it is a plain gate that names the calls behind it."""
    run = await pauses.launch("gate_reviewed", [LETTER])
    gate = await pauses.open_review(run)
    assert (gate.row.kind, kinds(gate)) == (PauseKind.GATE, {"approve", "reject"})
    assert gate.actions[0].args["tool calls"] == [{"name": LETTER[0], "args": LETTER[1]}]
    await pauses.decide(gate, reject("NEVER"))
    await pauses.result_of(run)
    assert pauses.effects(run) == []


async def test_gate_in_a_hidden_subgraph_is_not_passed_by_a_retry(pauses: Reviewer) -> None:
    run = await pauses.launch("gate_hidden", [LETTER])
    await pauses.open_review(run)
    await pauses.inbox.runs.cancel(run.id)
    await pauses.inbox.runs.retry(run.id)
    again = await pauses.open_review(run)
    assert pauses.effects(run) == []
    await pauses.decide(again, approve())
    await pauses.result_of(run)
    assert [entry["did"] for entry in pauses.effects(run)] == ["send"]


async def test_gate_inside_a_subgraph_is_asked(pauses: Reviewer) -> None:
    run = await pauses.launch("gate_inside", given={"text": "hi"})
    review = await pauses.open_review(run)
    assert (review.row.kind, review.node, review.path) == (PauseKind.GATE, "fill", ("inner",))
    await pauses.decide(review, approve())
    await pauses.result_of(run)
    assert [d["did"] for d in pauses.effects(run)] == ["first", "dig", "fill", "last"]


# The agent-inbox schema


@pytest.mark.parametrize("form", ["list", "dict", "json"])
async def test_agent_inbox_questions_follow_each_other_in_one_node(pauses: Reviewer, form: str) -> None:
    run = await pauses.launch("letters", given={"text": "see you", "form": form})
    mail = await pauses.open_review(run)
    assert mail.row.kind is PauseKind.AGENT_INBOX
    assert (mail.actions[0].name, mail.actions[0].args) == ("write_mail", {"to": "ann", "content": "see you"})
    assert mail.actions[0].description == "# write_mail\nplease look"
    await pauses.decide(mail, edit(to="bob", content="bye\n\nB."))
    meeting = await pauses.open_review(run)
    assert meeting.actions[0].name == "book_meeting"
    await pauses.decide(meeting, respond("not on a monday"))
    question = await pauses.open_review(run)
    assert kinds(question) == {"reject", "respond"}
    assert question.actions[0].args == "Shall I file this?"
    await pauses.decide(question, reject())
    assert (await pauses.result_of(run))["outcome"] == [
        "write_mail {'to': 'bob', 'content': 'bye\\n\\nB.'}",
        "book_meeting must be redone: not on a monday",
        "Question ignored",
    ]
    assert await pauses.review_states(run) == ["applied"] * 3


async def test_agent_inbox_accept_and_ignore(pauses: Reviewer) -> None:
    run = await pauses.launch("letters", given={"text": "x"})
    await pauses.decide(await pauses.open_review(run), approve())
    await pauses.decide(await pauses.open_review(run), reject("bad day"))
    await pauses.decide(await pauses.open_review(run), respond("yes"))
    assert (await pauses.result_of(run))["outcome"] == [
        "write_mail {'to': 'ann', 'content': 'x'}",
        "book_meeting ignored",
        "Question must be redone: yes",
    ]


async def test_agent_inbox_offers_what_its_config_allows(pauses: Reviewer) -> None:
    config = {"allow_ignore": False, "allow_respond": False, "allow_edit": False, "allow_accept": True}
    run = await pauses.launch("letters", given={"text": "x", "config": config})
    review = await pauses.open_review(run)
    assert kinds(review) == {"approve"}
    for answer in (edit(to="x"), respond("x"), reject("x")):
        with pytest.raises(Refused):
            await pauses.decide(review, answer)
    await pauses.inbox.runs.cancel(run.id)


# Any other value


@pytest.mark.parametrize(
    "value", ["go on?", 7, None, True, [], {}, ["a"], {"question": "well?"}, {"type": "confirm", "text": "well?"}], ids=repr
)
async def test_any_value_can_be_asked(pauses: Reviewer, value: Any) -> None:
    run = await pauses.launch("anything", given={"value": value})
    review = await pauses.open_review(run)
    assert (review.row.kind, review.value, review.actions[0].args) == (PauseKind.QUESTION, value, value)
    assert kinds(review) == {"respond"}, "nothing says that it takes true or false"
    await pauses.decide(review, respond("fine"))
    assert (await pauses.result_of(run))["answer"] == "fine"


@pytest.mark.parametrize("sent", [None, "", 0, {}, [], EXACT, {"0" * 32: 1}, "true", -1.5], ids=repr)
async def test_any_value_can_be_answered(pauses: Reviewer, sent: Any) -> None:
    run = await pauses.launch("anything", given={"value": "?"})
    await pauses.decide(await pauses.open_review(run), Answer(DecisionKind.RESPOND, sent))
    await pauses.result_of(run)
    assert pauses.effects(run) == [{"did": "answered", "answer": sent}]


async def test_answer_with_text_and_json_is_refused(pauses: Reviewer) -> None:
    run = await pauses.launch("anything", given={"value": "?"})
    with pytest.raises(Refused, match="not both"):
        await pauses.decide(await pauses.open_review(run), Answer(DecisionKind.RESPOND, {"a": 1}, "text"))
    await pauses.inbox.runs.cancel(run.id)


async def test_choices_in_a_question_are_offered(pauses: Reviewer) -> None:
    run = await pauses.launch("function", given={"text": "abc"})
    review = await pauses.open_review(run)
    assert review.actions[0].choices == ("yes", "no", 3)
    assert kinds(review) == {"approve", "reject", "respond"}, "yes and no are among the choices"
    await pauses.decide(review, respond(value=3))
    assert (await pauses.result_of(run))["answer"] == 3
    assert [d["did"] for d in pauses.effects(run)] == ["prepare", "function"], "the task ran once"
    run = await pauses.launch("anything", given={"value": {"question": "sure?", "choices": [True, False]}})
    assert kinds(await pauses.open_review(run)) == {"approve", "reject", "respond"}
    await pauses.inbox.runs.cancel(run.id)


@pytest.mark.parametrize(
    ("schema", "bad", "good"),
    [
        ("pydantic", {"street": "Elm", "number": 0}, {"street": "Elm", "number": 3}),
        ("typed_dict", {"day": "sunday", "people": 2}, {"day": "friday", "people": 2}),
        ("json", {"stars": 6}, {"stars": 5}),
        ("bool", "perhaps", True),
    ],
)
async def test_answers_fit_the_response_schema(pauses: Reviewer, schema: str, bad: Any, good: Any) -> None:
    run = await pauses.launch("form", given={"value": schema})
    review = await pauses.open_review(run)
    assert review.actions[0].answer_schema
    assert (DecisionKind.APPROVE in review.actions[0].allowed) is (schema == "bool")
    for answer in (Answer(DecisionKind.RESPOND, bad), respond("words")):
        with pytest.raises(Refused):
            await pauses.decide(review, answer)
    await pauses.decide(review, Answer(DecisionKind.RESPOND, good))
    assert (await pauses.result_of(run))["answer"] == good


async def test_two_questions_in_one_node_are_asked_in_order(pauses: Reviewer) -> None:
    run = await pauses.launch("twice", given={})
    first = await pauses.open_review(run)
    await pauses.decide(first, respond("one"))
    second = await pauses.open_review(run)
    assert second.interrupt != first.interrupt
    await pauses.decide(second, respond("two"))
    assert (await pauses.result_of(run))["answer"] == ["one", "two"]


# Unusual places


async def test_fanned_out_questions_are_decided_one_at_a_time(pauses: Reviewer) -> None:
    run = await pauses.launch("fan_out", given={"people": ["ann", "bob", "cy"]})
    reviews = {r.value["question"].split()[2]: r for r in await pauses.open_reviews(run, 3)}
    await pauses.decide(reviews["bob"], respond("b"))
    await pauses.until_applied(reviews["bob"])
    assert {r.row.id for r in await pauses.open_reviews(run, 2)} == {reviews["ann"].row.id, reviews["cy"].row.id}
    assert [d["person"] for d in pauses.effects(run)] == ["bob"]
    await pauses.decide(reviews["cy"], respond("c"))
    await pauses.until_applied(reviews["cy"])
    await pauses.decide(reviews["ann"], respond("a"))
    assert sorted((await pauses.result_of(run))["said"]) == ["ann: a", "bob: b", "cy: c"]
    assert sorted(d["did"] for d in pauses.effects(run)) == ["call", "call", "call", "sum up"]


async def test_fanned_out_questions_are_decided_together(pauses: Reviewer) -> None:
    run = await pauses.launch("fan_out", given={"people": ["ann", "bob", "cy"]})
    for review in await pauses.open_reviews(run, 3):
        await pauses.decide(review, respond("yes"))
    assert len((await pauses.result_of(run))["said"]) == 3
    assert await pauses.review_states(run) == ["applied"] * 3
    assert len([d for d in pauses.effects(run) if d["did"] == "call"]) == 3


async def test_question_two_subgraphs_down_is_asked(pauses: Reviewer) -> None:
    run = await pauses.launch("nested", given={"text": "x"})
    review = await pauses.open_review(run)
    assert (review.path, review.node) == (("outer", "middle"), "ask")
    await pauses.decide(review, respond("here"))
    assert (await pauses.result_of(run))["answer"] == "here"


async def test_node_that_ran_beside_a_question_does_not_run_again(pauses: Reviewer) -> None:
    run = await pauses.launch("beside", given={"text": "x"})
    await pauses.decide(await pauses.open_review(run), respond(value=True))
    state = await pauses.result_of(run)
    assert (state["answer"], state["log"]) == (True, ["worked"])
    assert pauses.effects(run) == [{"did": "worker"}]


async def test_poisoned_thread_is_asked_again(pauses: Reviewer) -> None:
    run = await pauses.launch("fussy", given={})
    review = await pauses.open_review(run)
    await pauses.decide(review, respond("bad"))
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error == "ValueError: bad is not good"
    assert "ask_and_fail" in failed.traceback
    after = await pauses.inbox.reviews.get(review.row.id)
    assert after.row.state == ReviewState.FAILED
    assert "bad is not good" in after.row.note
    await pauses.inbox.runs.retry(run.id)
    again = await pauses.open_review(run)
    assert (again.row.id, again.interrupt) != (review.row.id, review.interrupt)
    await pauses.decide(again, respond("good"))
    assert (await pauses.result_of(run))["answer"] == "good"
    assert [d["answer"] for d in pauses.effects(run)] == ["bad", "good"]


async def test_thread_poisoned_repeatedly_is_asked_again_each_time(pauses: Reviewer) -> None:
    run = await pauses.launch("fussy", given={})
    for answer in ("bad", "worse", "worst"):
        await pauses.decide(await pauses.open_review(run), respond(answer))
        assert answer in (await pauses.wait(run, RunState.FAILED)).error
        await pauses.inbox.runs.retry(run.id)
    await pauses.decide(await pauses.open_review(run), respond("good"))
    assert (await pauses.result_of(run))["answer"] == "good"
    assert [d["answer"] for d in pauses.effects(run)] == ["bad", "worse", "worst", "good"]
    ids = [(await pauses.inbox.reviews.get(row.id)).interrupt for row in await pauses.inbox.reviews.of_run(run.id)]
    assert len(set(ids)) == 4


async def test_tool_that_fails_after_approval_fails_the_run(pauses: Reviewer) -> None:
    run = await pauses.launch("per_call", [("burst", {"text": "no paper"})])
    await pauses.decide(await pauses.open_review(run), approve())
    failed = await pauses.wait(run, RunState.FAILED)
    assert failed.error == "RuntimeError: no paper"
    await pauses.inbox.runs.retry(run.id)
    again = await pauses.open_review(run)
    await pauses.decide(again, respond("printed by hand"))
    assert tool_results(await pauses.result_of(run))["burst"] == ["printed by hand"]


# Decisions that come too late


async def test_two_reviewers_decide_at_once(pauses: Reviewer) -> None:
    async with open_reviewer(pauses.sandbox, "bob") as bob:
        run = await pauses.launch("batched", [LETTER])
        review = await pauses.open_review(run)
        await bob.decide(review, approve())
        with pytest.raises(Stale, match="approved by bob"):
            await pauses.decide(review, reject("no"))
        await pauses.result_of(run)
        assert len(pauses.effects(run)) == 1
        assert (await pauses.inbox.reviews.get(review.row.id)).decisions[0].actor == "bob"


async def test_cancelled_run_closes_its_reviews(pauses: Reviewer) -> None:
    run = await pauses.launch("per_call", [LETTER, LETTER])
    reviews = await pauses.open_reviews(run, 2)
    await pauses.inbox.runs.cancel(run.id)
    await pauses.wait(run, RunState.CANCELLED)
    assert await pauses.review_states(run) == ["stale", "stale"]
    with pytest.raises(Stale, match="cancelled"):
        await pauses.decide(reviews[0], approve())
    with pytest.raises(Stale):
        await pauses.inbox.runs.cancel(run.id)
    await pauses.inbox.runs.retry(run.id)
    for review in await pauses.open_reviews(run, 2):
        await pauses.decide(review, approve())
    await pauses.result_of(run)
    assert len(pauses.effects(run)) == 2


# Size and odd text


@pytest.mark.slow
async def test_large_arguments_and_long_conversations_are_kept(pauses: Reviewer) -> None:
    body = "line of text\n" * 160_000
    run = await pauses.launch("batched", *[[("look", {"path": str(n)})] for n in range(4)], [("send", {"to": "x", "body": body})])
    review = await pauses.open_review(run)
    assert review.actions[0].args["body"] == body
    assert len(review.row.summary) <= 200
    await pauses.decide(review, edit(to="y", body=body + "!"))
    await pauses.result_of(run)
    assert pauses.effects(run)[-1]["body"] == body + "!"
    history = [{"role": "user", "content": f"message {n}"} for n in range(1000)]
    run = await pauses.launch("batched", given={"messages": [*history, {"role": "user", "content": '[[["send", {"to": "z"}]]]'}]})
    review = await pauses.open_review(run)
    assert len((await pauses.inbox.reviews.context(review.row.id)).conversation) == 1002
    await pauses.decide(review, approve())
    await pauses.result_of(run)


async def test_text_with_lone_surrogates_is_shown_and_kept(pauses: Reviewer) -> None:
    request = '[[["send", {"to": "a\\ud800b"}]]]'
    run = await pauses.launch("batched", given={"messages": [{"role": "user", "content": request}]})
    now = await pauses.wait(run, RunState.WAITING, RunState.FAILED)
    assert now.state in (RunState.WAITING, RunState.FAILED), "a sentence or a review, and the worker lives"
    run = await pauses.launch(
        "anything", given={"value": {"action_request": {"action": "x\ud800", "args": {}}, "config": {"allow_accept": True}}}
    )
    await pauses.wait(run, RunState.WAITING, RunState.FAILED)
    await pauses.decide(await pauses.open_review(await pauses.launch("batched", [LETTER])), approve())


# deepagents


@pytest.fixture
async def deep(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("deep")) as reviewer:
        yield reviewer


@pytest.mark.slow
async def test_deep_agent_and_its_sub_agent_are_asked(deep: Reviewer) -> None:
    cleaner = {"subagent_type": "cleaner", "description": '[[["look", {"path": "p"}], ["delete", {"path": "p"}]]]'}
    run = await deep.launch("deep", [("send", {"to": "a"})], [("look", {"path": "q"}), ("task", cleaner)])
    review = await deep.open_review(run)
    assert (review.actions[0].name, review.actions[0].args) == ("send", {"to": "a"})
    await deep.decide(review, edit(to="b"))
    inner = await deep.open_review(run)
    assert (inner.actions[0].name, inner.actions[0].args) == ("delete", {"path": "p"})
    assert kinds(inner) == {"approve", "reject"}
    context = await deep.inbox.reviews.context(inner.row.id)
    assert context.reasoning == "round 1: I need look, delete", "what the sub-agent said, not the main agent"
    await deep.decide(inner, approve())
    await deep.result_of(run)
    ran = [(d["did"], d.get("to") or d.get("path")) for d in deep.effects(run)]
    assert ran[:2] == [("send", "b"), ("look", "q")]
    assert sorted(ran[2:]) == [("delete", "p"), ("look", "p")]


@pytest.mark.slow
async def test_edit_of_a_sub_agents_call_when_it_breaks_its_tools_schema_is_refused(deep: Reviewer) -> None:
    writer = {"subagent_type": "writer", "description": '[[["mail", {"to": "w", "copies": 1}]]]'}
    run = await deep.launch("deep", [("task", writer)])
    review = await deep.open_review(run)
    with pytest.raises(Refused, match="copies: 'lots' is not of type 'integer'"):
        await deep.decide(review, edit(to="w", copies="lots"))
    await deep.inbox.runs.cancel(run.id)


@pytest.mark.slow
async def test_two_parallel_sub_agents_have_separate_contexts(deep: Reviewer) -> None:
    tasks = [
        ("task", {"subagent_type": "cleaner", "description": '[[["look", {"path": "p"}], ["delete", {"path": "p"}]]]'}),
        ("task", {"subagent_type": "writer", "description": '[[["send", {"to": "w"}]]]'}),
    ]
    run = await deep.launch("deep", tasks)
    reviews = {review.actions[0].name: review for review in await deep.open_reviews(run, 2)}
    for name, agent, reasoning in (("delete", "cleaner", "round 1: I need look, delete"), ("send", "writer", "round 1: I need send")):
        review = reviews[name]
        assert (review.path, review.node) == (("tools", agent), "HumanInTheLoopMiddleware.after_model")
        context = await deep.inbox.reviews.context(review.row.id)
        assert (context.reasoning, context.conversation[-1].calls[-1][0]) == (reasoning, name)
        assert review.actions[0].tool_call, "its message is the sub-agent's"
    await deep.decide(reviews["send"], edit(to="v"))
    await deep.until_applied(reviews["send"])
    assert [review.row.id for review in await deep.open_reviews(run)] == [reviews["delete"].row.id]
    await deep.decide(reviews["delete"], reject("keep it"))
    await deep.result_of(run)
    did = [(d["did"], d.get("to") or d.get("path")) for d in deep.effects(run)]
    assert ("send", "v") in did
    assert not [d for d in did if d[0] == "delete" or d[1] == "w"]
