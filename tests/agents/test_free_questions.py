"""Free questions: which keys answer them, and what is sent, by their payload and response schema; on real graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.agents.interrupt_payloads import normalise, resume_value
from hitl_tui.errors import Refused
from hitl_tui.free_questions import answer_of, answers_to, choices_of, label_of, questions_of, yes_no
from hitl_tui.model import Answer, DecisionKind, Json, PauseKind
from hitl_tui.validation import schema_problem
from tests.agents.test_interrupt_payloads import DECISIONS, JSON
from tests.support.harness import Reviewer, SandboxFactory, approve, open_reviewer, reject, respond
from tests.support.properties import examples

ANSWER, YES, NO = DecisionKind.RESPOND, DecisionKind.APPROVE, DecisionKind.REJECT


@pytest.fixture
async def asked(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/answers, whose worker the tests of the module share."""
    async with open_reviewer(shared_sandbox("answers")) as reviewer:
        yield reviewer


@pytest.mark.parametrize(
    ("agent", "means", "answer", "result"),
    [
        ("hours", {}, respond("3"), "3 h"),
        ("boolean", {"approve": "answers true", "reject": "answers false"}, approve(), "goes on"),
        ("boolean", {"approve": "answers true", "reject": "answers false"}, reject("not now"), "stops"),
        ("yes_no", {"approve": 'answers "yes"', "reject": 'answers "no"'}, approve(), "deleted"),
        ("yes_no", {"approve": 'answers "yes"', "reject": 'answers "no"'}, reject(), "kept"),
        ("confirm", {"approve": 'answers "Yes"', "reject": 'answers "No"'}, approve(), "published"),
        ("approved", {}, respond(value={"approved": False, "reason": "no"}), "cancelled: no"),
        ("accept", {}, respond(value={"type": "accept"}), "accepted"),
        ("strict", {}, respond(value={"ok": True}), "ok"),
    ],
)
async def test_question_offers_approve_only_with_an_answer_it_takes(
    asked: Reviewer, agent: str, means: dict[str, str], answer: Answer, result: str
) -> None:
    run = await asked.launch(agent, given={})
    review = await asked.open_review(run)
    (action,) = review.actions
    assert (review.row.kind, dict(action.means)) == (PauseKind.QUESTION, means)
    assert set(action.allowed) == {ANSWER, *map(DecisionKind, means)}
    if not means:
        for refused in (approve(), reject()):
            with pytest.raises(Refused, match="takes no yes or no, so it cannot be answered with"):
                await asked.decide(review, refused)
    await asked.decide(review, answer)
    assert (await asked.result_of(run))["answer"] == result


@pytest.mark.parametrize(
    ("agent", "sent", "result"), [("options", "attic", "12 seats"), ("slots", {"day": "friday", "hour": 14}, "friday at 14")]
)
async def test_listed_option_is_sent_as_its_graph_reads_it(asked: Reviewer, agent: str, sent: Json, result: str) -> None:
    run = await asked.launch(agent, given={})
    review = await asked.open_review(run)
    assert answer_of(review.actions[0].choices[1]) == sent
    await asked.decide(review, respond(value=sent))
    assert (await asked.result_of(run))["answer"] == result


@pytest.mark.parametrize(
    ("agent", "said", "result"), [("named", ["Large", "thanks"], "l: thanks"), ("listed", ["blue", "round"], "blue round")]
)
async def test_several_questions_are_answered_as_their_graph_reads_them(asked: Reviewer, agent: str, said: list[str], result: str) -> None:
    run = await asked.launch(agent, given={})
    review = await asked.open_review(run)
    await asked.decide(review, respond(value=answers_to(questions_of(review.value), said)))
    assert (await asked.result_of(run))["answer"] == result


# What is declared

TRUE = {YES: True, NO: False}


@pytest.mark.parametrize(
    ("value", "schema", "sent"),
    [
        ("go on?", None, {}),
        ("go on?", {}, {}),
        ("go on?", {"type": "boolean"}, TRUE),
        ("go on?", {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, TRUE),
        ("go on?", {"$ref": "#/$defs/ok", "$defs": {"ok": {"type": "boolean"}}}, TRUE),
        ("go on?", {"const": True}, {YES: True}),
        ("go on?", {"enum": ["yes", "no", "later"]}, {YES: "yes", NO: "no"}),
        ("go on? (yes/no)", {"type": "integer"}, {}),
        ("go on?", {"type": "object", "properties": {"ok": {"type": "boolean"}}}, {}),
        ("go on? [y/N]", None, {YES: "y", NO: "n"}),
        ("go on? Yes/No", None, {YES: "Yes", NO: "No"}),
        ("reply with 'yes' or 'no'", None, {YES: "yes", NO: "no"}),
        ("yes/no/maybe?", None, {}),
        ("is it true/false?", None, {}),
        ({"question": "go on? (y/n)", "draft": "…"}, None, {YES: "y", NO: "n"}),
        ({"question": "which?", "draft": "yes or no"}, None, {}),
        ({"question": "go on?", "type": "boolean"}, None, TRUE),
        ({"question": "go on?", "response_type": "yes_no"}, None, {YES: "yes", NO: "no"}),
        ({"question": "go on? (yes/no)", "options": ["now", "later"]}, None, {}),
        ({"question": "go on?", "options": ["approve", "reject", "edit"]}, None, {YES: "approve", NO: "reject"}),
        ({"question": "go on?", "options": [True, False]}, None, TRUE),
        ({"question": "go on?", "choices": [{"title": "Do it", "id": "yes"}, {"title": "Stop", "id": "no"}]}, None, {YES: "yes", NO: "no"}),
        ({"question": "go on? (yes/no)", "steps": ["a", "b"]}, None, {YES: "yes", NO: "no"}),
        ({"action_requests": [], "question": "go on? (yes/no)"}, None, {}),
    ],
    ids=str,
)  # fmt: skip
def test_yes_and_no_are_what_the_question_declares(value: Json, schema: Json, sent: dict[DecisionKind, Json]) -> None:
    kind, (action,) = normalise(value, "ask", {}, schema)
    assert kind is PauseKind.QUESTION
    assert set(action.allowed) == {ANSWER, *sent}
    assert {one: resume_value(kind, (action,), {0: Answer(one)}) for one in sent} == sent


@pytest.mark.parametrize(
    ("choice", "label", "sent"),
    [
        ("red", "red", "red"),
        (3, "3", 3),
        ({"label": "Monday", "value": "mon"}, "Monday", "mon"),
        ({"id": 4, "title": "The hall"}, "The hall", 4),
        ({"name": "search", "description": "look it up"}, "search – look it up", "search"),
        ({"title": "Lunch", "start": "12:00"}, 'Lunch {"title": "Lunch", "start": "12:00"}', {"title": "Lunch", "start": "12:00"}),
        ({"day": "monday"}, '{"day": "monday"}', {"day": "monday"}),
        ({"label": "None", "value": None}, 'None {"label": "None", "value": null}', {"label": "None", "value": None}),
    ],
    ids=str,
)  # fmt: skip
def test_choice_shows_its_label_and_sends_its_value(choice: Json, label: str, sent: Json) -> None:
    assert (label_of(choice), answer_of(choice)) == (label, sent)


@pytest.mark.parametrize("key", ["options", "choices", "actions", "slots", "steps"])
def test_list_in_a_payload_is_offered_as_choices(key: str) -> None:
    assert choices_of({"question": "which?", key: ["a", "b"]}) == ("a", "b")
    assert choices_of({"question": "which?", key: ["a", "b"]}, {"type": "integer"}) == (), "its schema refuses them"
    assert choices_of({"question": "which?", key: "a, b"}) == ()


def test_questions_without_choices_are_answered_in_words() -> None:
    assert questions_of({"questions": ["Which colour?", "Which form?"]}) == ()
    assert questions_of({"questions": [{"question": "Which colour?"}]}) == ()


def test_answer_to_several_questions_is_by_key_only_if_every_question_has_one() -> None:
    both = [{"id": "a", "question": "A?", "choices": ["x", "x"]}, {"question": "B?", "choices": [1, 2]}]
    found = questions_of({"questions": both})
    assert [one.labels() for one in found] == [("x", "x (2)"), ("1", "2")]
    assert answers_to(found, ["x (2)", "2"]) == ["x", 2]
    assert answers_to(questions_of({"questions": both[:1]}), ["x"]) == {"a": "x"}
    with pytest.raises(Refused, match=r"B\? has no answer yet"):
        answers_to(found, ["x", ""])


LISTS = st.fixed_dictionaries(
    {"question": st.sampled_from(["which?", "go on? (yes/no)", "go on? [y/n]"])},
    optional={key: st.lists(JSON | st.sampled_from(["yes", "no", True, False]), max_size=3) for key in ("options", "steps", "questions")},
)
SCHEMAS = st.none() | st.sampled_from([{"type": "boolean"}, {"type": "string"}, {"enum": ["yes", "no"]}, {"const": False}]) | DECISIONS


@pytest.mark.slow
@examples(2)
@given(JSON | LISTS, JSON | SCHEMAS)
def test_approve_is_offered_only_if_sending_it_is_declared(value: Any, schema: Any) -> None:
    kind, actions = normalise(value, "ask", {}, schema)
    if kind is not PauseKind.QUESTION:
        return
    (action,) = actions
    declared = yes_no(action.args, action.choices, action.answer_schema)
    for decision in (YES, NO):
        if decision in action.allowed:
            sent = resume_value(kind, actions, {0: Answer(decision)})
            assert sent == declared[decision] and not schema_problem(sent, action.answer_schema)
            assert isinstance(sent, bool | str), "nothing but yes or no, in a form that the question names"
    for choice in action.choices:
        assert not schema_problem(answer_of(choice), action.answer_schema)
        assert label_of(choice) is not None
    questions_of(action.args)
