"""Anything at all may be asked and answered: properties of reading interrupts and of checking answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl_tui import jsontext
from hitl_tui.agents.payloads import normalise, resume_value
from hitl_tui.checks import check, schema_problem, unkeepable
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, digest_of

ANY_TEXT = st.text(st.characters(codec=None), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
KEYS = ANY_TEXT | st.sampled_from(
    ["action_requests", "review_configs", "action_request", "config", "type", "name", "args", "options", "allowed_decisions", "action",
     "allow_accept", "description", "tool_call_id", "properties", "discriminator", "mapping", "$ref", "enum", "const", "anyOf"]
)  # fmt: skip
WORDS = st.sampled_from(["tool_approval", "approve", "edit", "reject", "respond", "object", "string"])
JSON = st.recursive(LEAVES | WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12)
ANSWERS = st.builds(Answer, st.sampled_from(DecisionKind), JSON, st.none() | ANY_TEXT)


class Odd:
    """A value no JSON has, and that does not even want to be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@settings(max_examples=300, deadline=None)
@given(JSON, JSON)
def test_whatever_is_asked_becomes_actions_that_can_be_answered(value: Any, schema: Any) -> None:
    _, actions = normalise(value, "node", {}, schema)
    assert [a.slot for a in actions] == list(range(len(actions)))
    for action in actions:
        assert action.allowed
        assert action.digest == digest_of(action.name, action.args)
        assert json.loads(jsontext.dumps(action.args)) == action.args
        assert len(jsontext.one_line(action.args)) <= 1000
    jsontext.dumps(jsontext.safe(value)).encode()


@settings(max_examples=300, deadline=None)
@given(JSON, ANSWERS)
def test_an_answer_is_refused_or_can_be_sent(value: Any, answer: Answer) -> None:
    kind, actions = normalise(value, "node", {})
    try:
        for action in actions:
            check(kind, action, answer)
    except Refused:
        return
    sent = resume_value(kind, actions, {action.slot: answer for action in actions})
    assert not unkeepable(sent)
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    serde = JsonPlusSerializer()
    assert serde.loads_typed(serde.dumps_typed(sent)) == sent


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_any_schema_at_all_is_no_reason_to_fail(value: Any, schema: Any) -> None:
    assert isinstance(schema_problem(value, schema), str)


@settings(deadline=None)
@given(st.text())
def test_typed_json_is_read_or_refused(text: str) -> None:
    try:
        jsontext.loads(text)
    except Refused as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "value",
    [Odd(), {1: 2}, {None: Odd()}, b"bytes", {1, 2}, (1, (2,)), float("inf"), 10**5000, [10**5000], object, DecisionKind.EDIT],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_no_json_are_shown(value: Any) -> None:
    kind, (action,) = normalise(value, "node", {})
    assert kind is PauseKind.QUESTION
    assert jsontext.dumps(action.args)


def test_a_value_nested_without_end_is_shown() -> None:
    endless: list[Any] = []
    endless.append(endless)
    _, (action,) = normalise(endless, "node", {})
    assert "nested too deeply" in jsontext.dumps(action.args)


@pytest.mark.parametrize(
    ("args", "schema", "fits"),
    [
        ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}}, True),
        ({"a": "1"}, {"type": "object", "properties": {"a": {"type": "integer"}}}, False),
        ({"a": 1}, {"$ref": "https://example.invalid/schema.json"}, True),
        ({"a": 1}, {"type": "nonsense"}, True),
        ({"a": 1}, {"$ref": "#"}, True),
        ({"a": {"b": 1}}, {"$defs": {"B": {"required": ["b"]}}, "properties": {"a": {"$ref": "#/$defs/B"}}}, True),
        ({"a": {}}, {"$defs": {"B": {"required": ["b"]}}, "properties": {"a": {"$ref": "#/$defs/B"}}}, False),
    ],
)
def test_edits_are_checked_against_the_tools_schema(args: Any, schema: Any, fits: bool) -> None:
    action = Action(0, "tool", {}, tuple(DecisionKind), args_schema=schema)
    try:
        check(PauseKind.TOOL_CALLS, action, Answer(DecisionKind.EDIT, args))
    except Refused:
        assert not fits
    else:
        assert fits


def test_half_of_a_known_shape_gets_no_bare_true_or_false() -> None:
    for value in (
        {"action_requests": [{"name": "a", "args": {}}], "review_configs": []},
        {"action_requests": [{"name": "a", "args": {}}], "review_configs": [{"allowed_decisions": ["fly"]}]},
        {"action_request": {"action": "a", "args": {}}, "config": {}},
        {"type": "tool_approval", "name": "a", "args": {}},
    ):
        _, (action,) = normalise(value, "node", {})
        assert action.allowed == (DecisionKind.RESPOND,)
