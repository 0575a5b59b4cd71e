"""Property tests: any interrupt payload is read, and any answer is checked."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel, Field, TypeAdapter

from hitl_tui import canonical_json
from hitl_tui.agents.interrupt_payloads import normalise, resume_value, with_exact_args
from hitl_tui.agents.introspection import inspect_graph
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind, digest_of
from hitl_tui.validation import check, schema_problem, storage_problem
from tests.support.properties import examples

ANY_TEXT = st.text(st.characters(codec=None), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
KEYS = ANY_TEXT | st.sampled_from(
    ["action_requests", "review_configs", "action_request", "config", "type", "name", "args", "options", "allowed_decisions", "action",
     "allow_accept", "description", "tool_call_id", "properties", "discriminator", "mapping", "$ref", "enum", "const", "anyOf", "requests",
     "key", "mode", "message", "requested_schema", "url", "tool_name", "draft", "answers", "note", "reason", "to"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["tool_approval", "mcp_elicitation", "form", "url", "approve", "edit", "reject", "respond", "object", "string", "escalation", "draft",
     "accept", "revise", "decline"]
)  # fmt: skip
JSON = st.recursive(LEAVES | WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12)
ANSWERS = st.builds(Answer, st.sampled_from(DecisionKind), JSON, st.none() | ANY_TEXT)


ALLOWED = st.lists(st.sampled_from(["approve", "edit", "reject", "respond"]), min_size=1, max_size=4, unique=True)
ARGS = st.dictionaries(ANY_TEXT, JSON, max_size=3)
FLAGS = st.fixed_dictionaries({word: st.booleans() for word in ("allow_accept", "allow_edit", "allow_ignore", "allow_respond")})
FIELDS = st.sampled_from(
    [{"type": "integer"}, {"type": "string", "maxLength": 3}, {"type": "boolean"}, {"enum": ["a", "b"]}, {"type": "object"}]
)
FORMS = st.builds(
    lambda fields, required: {"type": "object", "properties": fields, "required": sorted(fields)[: required and len(fields)]},
    st.dictionaries(st.sampled_from("abc"), FIELDS, max_size=3),
    st.booleans(),
)
CALLS = st.lists(st.tuples(ANY_TEXT, ARGS, ALLOWED), min_size=1, max_size=3).map(
    lambda calls: {
        "action_requests": [{"name": name, "args": args, "description": "d"} for name, args, _ in calls],
        "review_configs": [{"action_name": name, "allowed_decisions": allowed} for name, _, allowed in calls],
    }
)
APPROVALS = st.builds(
    lambda name, args: {"type": "tool_approval", "tool_call_id": "1", "name": name, "args": args, "description": "d"}, ANY_TEXT, ARGS
)
LETTERS = st.lists(
    st.builds(lambda name, args, flags: {"action_request": {"action": name, "args": args}, "config": flags}, ANY_TEXT, ARGS, FLAGS),
    min_size=1,
    max_size=2,
)
VISITS = st.builds(lambda key: {"key": key, "message": "go", "mode": "url", "url": "https://example.invalid"}, ANY_TEXT)
BLANKS = st.builds(lambda key, form: {"key": key, "message": "fill", "mode": "form", "requested_schema": form}, ANY_TEXT, FORMS)
TYPES = st.fixed_dictionaries({"type": JSON | st.fixed_dictionaries({}, optional={"const": JSON, "enum": JSON})})
MAPPINGS = st.fixed_dictionaries({"mapping": JSON})
DECISIONS = st.fixed_dictionaries({}, optional={"properties": JSON | TYPES, "discriminator": JSON | MAPPINGS})
"""Parts of a payload that say which decisions a call may get, some of them malformed."""
ELICITATIONS = st.lists(VISITS | BLANKS, min_size=1, max_size=3, unique_by=lambda request: request["key"]).map(
    lambda requests: {"type": "mcp_elicitation", "tool_name": "book", "requests": requests}
)
DRAFTS = st.builds(
    lambda key, draft, answers, note: {"type": "draft", "key": key, "draft": draft, "answers": answers, "note": note},
    ANY_TEXT, ANY_TEXT | ARGS, st.lists(st.sampled_from(["accept", "revise"]), min_size=1, unique=True), ANY_TEXT,
)  # fmt: skip
ESCALATIONS = st.builds(
    lambda reason, to, answers: {"type": "escalation", "reason": reason, "to": to, **answers},
    ANY_TEXT, ANY_TEXT, st.fixed_dictionaries({}, optional={"answers": st.lists(st.sampled_from(["respond", "decline"]), unique=True)}),
)  # fmt: skip
SHAPES: st.SearchStrategy[Any] = CALLS | APPROVALS | LETTERS | LETTERS.map(json.dumps) | ELICITATIONS | DRAFTS | ESCALATIONS


@st.composite
def near_misses(draw: st.DrawFn) -> Any:
    """A known payload shape with one part replaced or removed."""
    whole: Any = draw(SHAPES)
    part = whole
    while isinstance(part, dict | list) and part:
        places: list[Any] = list(part) if isinstance(part, dict) else list(range(len(part)))
        place = draw(st.sampled_from(places))
        if draw(st.booleans()) or not isinstance(part[place], dict | list) or not part[place]:
            if draw(st.booleans()):
                del part[place]
            else:
                part[place] = draw(JSON)
            break
        part = part[place]
    return whole


class Odd:
    """A value without a JSON form whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.slow
@examples(2)
@given(JSON | near_misses() | SHAPES, JSON | DECISIONS)
def test_any_payload_becomes_actions_that_can_be_answered(value: Any, schema: Any) -> None:
    _, actions = normalise(value, "node", {}, schema)
    assert [a.slot for a in actions] == list(range(len(actions)))
    for action in actions:
        assert action.allowed
        assert action.digest == digest_of(action.name, action.args)
        assert json.loads(canonical_json.dumps(action.args)) == action.args
        assert len(canonical_json.one_line(action.args)) <= 1000
    canonical_json.dumps(canonical_json.as_json(value)).encode()


@examples(2)
@given(JSON | near_misses() | SHAPES, ANSWERS)
def test_any_answer_is_refused_or_can_be_sent(value: Any, answer: Answer) -> None:
    kind, actions = normalise(value, "node", {})
    try:
        for action in actions:
            check(kind, action, answer)
    except Refused:
        return
    sent = resume_value(kind, actions, {action.slot: answer for action in actions})
    assert not storage_problem(sent)
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    serde = JsonPlusSerializer()
    assert serde.loads_typed(serde.dumps_typed(sent)) == sent


def fitting(kind: DecisionKind, args: Any) -> Answer:
    """Return a complete answer of this kind."""
    return Answer(
        kind,
        args if kind in (DecisionKind.EDIT, DecisionKind.RESPOND) else None,
        "because"
        if kind in (DecisionKind.REJECT, DecisionKind.RESPOND) and not (kind is DecisionKind.RESPOND and args is not None)
        else None,
    )


@given(CALLS, st.data())
def test_decisions_offered_for_a_batch_are_accepted_by_the_middleware(value: Any, data: st.DataObject) -> None:
    kind, actions = normalise(value, "node", {})
    assert kind is PauseKind.TOOL_CALLS
    chosen = [data.draw(st.sampled_from(action.allowed)) for action in actions]
    answers = {a.slot: fitting(one, a.args if one is DecisionKind.EDIT else None) for a, one in zip(actions, chosen, strict=True)}
    try:
        for action in actions:
            check(kind, action, answers[action.slot])
    except Refused as problem:
        assert any(storage_problem(action.args) for action in actions), problem
        return
    decisions = resume_value(kind, actions, answers)["decisions"]
    assert len(decisions) == len(value["action_requests"])
    for decision, request, config in zip(decisions, value["action_requests"], value["review_configs"], strict=True):
        call: Any = {"name": request["name"], "args": request["args"], "id": "1", "type": "tool_call"}
        kept, message = HumanInTheLoopMiddleware._process_decision(decision, call, config)
        assert kept == call
        assert (message is None) is (decision["type"] in ("approve", "edit"))


@given(ELICITATIONS, st.data())
def test_decisions_offered_for_an_elicitation_follow_the_protocol(value: Any, data: st.DataObject) -> None:
    """By the rules of `langchain.mcp.elicitation`: an answer for each key, and content of `MCPFormContent`."""
    content: TypeAdapter[Any] = TypeAdapter(dict[str, str | int | float | bool | list[str] | None] | None)
    kind, actions = normalise(value, "node", {})
    assert kind is PauseKind.MCP_ELICITATION
    answers = {}
    for action in actions:
        chosen = data.draw(st.sampled_from(action.allowed))
        filled = data.draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.sampled_from(["a", "b"]) | st.booleans() | JSON))
        answers[action.slot] = fitting(chosen, filled if chosen is DecisionKind.RESPOND else None)
    try:
        for action in actions:
            check(kind, action, answers[action.slot])
    except Refused:
        assert any(answer.kind is DecisionKind.RESPOND for answer in answers.values()), "what needs no data is never refused"
        return
    responses = resume_value(kind, actions, answers)["responses"]
    assert set(responses) == {request["key"] for request in value["requests"]}
    for request in value["requests"]:
        response = responses[request["key"]]
        assert response["action"] in ("accept", "decline")
        content.validate_python(response.get("content"))
        if response["action"] == "accept":
            assert not schema_problem(response.get("content"), request.get("requested_schema"))


@given(LETTERS)
def test_decisions_offered_for_agent_inbox_follow_its_config(value: Any) -> None:
    kind, actions = normalise(value, "node", {})
    words = {"approve": "accept", "edit": "edit", "reject": "ignore", "respond": "response"}
    if not all(any(request["config"].values()) for request in value):
        assert kind is PauseKind.QUESTION
        return
    assert kind is PauseKind.AGENT_INBOX
    for action, request in zip(actions, value, strict=True):
        allowed = {word.removeprefix("allow_").replace("respond", "response") for word, on in request["config"].items() if on}
        assert {words[one] for one in action.allowed} == allowed


class Slot(BaseModel):
    """Part of the arguments of `plan`."""

    day: Literal["monday", "friday"]
    hours: int = Field(ge=1, le=8)


DID: list[Any] = []


class Model(BaseChatModel):
    """Makes these calls, then says that it is done."""

    calls: list[Any]

    @property
    def _llm_type(self) -> str:
        return "test"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        asked = [ToolCall(name=name, args=args, id=f"call{n}", type="tool_call") for n, (name, args) in enumerate(self.calls)]
        said = AIMessage("done") if any(isinstance(m, AIMessage) for m in messages) else AIMessage("so", tool_calls=asked)
        return ChatResult(generations=[ChatGeneration(message=said)])


@tool
def plan(slots: list[Slot], note: str | None = None, weight: float = 1.0) -> str:
    """Plan some work."""
    DID.append(("plan", [slot.day for slot in slots], note, weight))
    return "planned"


@tool
def count(limit: int, names: dict[str, int]) -> str:
    """Count."""
    DID.append(("count", limit, names))
    return "counted"


SLOTS = st.lists(st.fixed_dictionaries({"day": st.sampled_from(["monday", "friday"]), "hours": st.integers(1, 8)}), max_size=2)
SANE = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
NUMBERS = st.integers(-(2**53), 2**53)
PROPOSED = {
    "plan": st.fixed_dictionaries(
        {"slots": SLOTS}, optional={"note": st.none() | SANE, "weight": st.floats(allow_nan=False, allow_infinity=False)}
    ),
    "count": st.fixed_dictionaries({"limit": NUMBERS, "names": st.dictionaries(SANE, NUMBERS, max_size=2)}),
}
CALL = st.sampled_from(["plan", "count"]).flatmap(lambda name: st.tuples(st.just(name), PROPOSED[name]))


@pytest.mark.slow
@examples(0.3)
@given(st.sampled_from(["batched", "per_call"]), st.lists(CALL, min_size=1, max_size=3), ALLOWED, st.data())
def test_decisions_offered_are_accepted_by_a_real_agent(mode: Any, calls: list[Any], allowed: Any, data: st.DataObject) -> None:
    """Every offered decision that passes the check ends the run, and only approved calls ran, with the approved arguments."""
    gated: Any = {name: {"allowed_decisions": allowed} for name in ("plan", "count")}
    agent = create_agent(
        Model(calls=calls), [plan, count], checkpointer=InMemorySaver(),
        middleware=[HumanInTheLoopMiddleware(interrupt_on=gated, interrupt_mode=mode)],
    )  # fmt: skip
    config: Any = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}
    DID.clear()
    agent.invoke({"messages": [HumanMessage("go")]}, config)
    anatomy, resume, expected = inspect_graph(agent), {}, []
    for interrupt in agent.get_state(config).interrupts:
        kind, actions = normalise(interrupt.value, "node", anatomy.tools, interrupt.response_schema)
        answers = {}
        for action in actions:
            chosen = data.draw(st.sampled_from(action.allowed))
            args = data.draw(PROPOSED[action.name]) if chosen is DecisionKind.EDIT else None
            answers[action.slot] = fitting(chosen, args)
            check(kind, action, answers[action.slot])
            if chosen in (DecisionKind.APPROVE, DecisionKind.EDIT):
                expected.append((action.name, action.args if args is None else args))
        assert {word for action in actions for word in action.allowed} == set(allowed)
        resume[interrupt.id] = resume_value(kind, actions, answers)
    assert DID == []
    end = agent.invoke(Command(resume=resume), config)
    assert end["messages"][-1].text == "done"
    assert sorted(map(repr, DID)) == sorted(repr(_done(name, args)) for name, args in expected)


def _done(name: str, args: Any) -> Any:
    if name == "count":
        return (name, args["limit"], args["names"])
    return (name, [slot["day"] for slot in args["slots"]], args.get("note"), args.get("weight", 1.0))


@given(JSON, JSON)
def test_any_schema_is_checked_without_an_exception(value: Any, schema: Any) -> None:
    assert isinstance(schema_problem(value, schema), str)


@pytest.mark.slow
@given(st.text())
def test_typed_json_is_parsed_or_refused(text: str) -> None:
    try:
        canonical_json.loads(text)
    except Refused as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "value",
    [Odd(), {1: 2}, {None: Odd()}, b"bytes", {1, 2}, (1, (2,)), float("inf"), 10**5000, [10**5000], object, DecisionKind.EDIT],
    ids=lambda value: type(value).__name__,
)
def test_values_without_a_json_form_are_shown(value: Any) -> None:
    kind, (action,) = normalise(value, "node", {})
    assert kind is PauseKind.QUESTION
    assert canonical_json.dumps(action.args)


def test_value_that_contains_itself_is_shown() -> None:
    endless: list[Any] = []
    endless.append(endless)
    _, (action,) = normalise(endless, "node", {})
    assert "nested too deeply" in canonical_json.dumps(action.args)


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


@pytest.mark.slow
@given(st.dictionaries(ANY_TEXT, JSON, min_size=1, max_size=4), st.data())
def test_edit_of_one_argument_leaves_every_other_exactly_as_the_agent_has_it(args: dict[str, Any], data: st.DataObject) -> None:
    shown = canonical_json.as_json(args)
    name = data.draw(st.sampled_from(sorted(shown)))
    edited = {**shown, name: "edited by a person"}
    value = {"type": "tool_approval", "name": "tool", "args": args}
    answer = with_exact_args(PauseKind.TOOL_APPROVAL, value, {0: Answer(DecisionKind.EDIT, edited)})[0]
    assert list(answer.args) == list(args)
    assert all(answer.args[key] is args[key] for key in args if key != name)
    assert answer.args[name] == "edited by a person"


def test_list_with_an_item_removed_and_one_added_keeps_the_others_exactly() -> None:
    nan = float("nan")
    shown = canonical_json.as_json([1, nan, (2, nan), "x"])
    assert canonical_json.restored([shown[1], "new", [3, shown[2][1]]], [1, nan, (2, nan), "x"])[0] is nan
    assert canonical_json.restored(["new", *shown], [1, nan, (2, nan), "x"])[3] == (2, nan)


@pytest.mark.parametrize(
    ("edited", "problem"),
    [
        ({"item": "b", "tags": [{"float": "nan"}], "big": 2**70}, ""),
        ({"item": 1, "tags": [{"float": "nan"}], "big": 2**70}, "item: 1 is not of type 'string'"),
        ({"item": "b", "tags": [{"float": "nan"}, "x"], "big": 2**70}, "'x' is not of type 'number'"),
        ({"item": "b", "tags": [], "big": 2**71}, "more than 64 bits"),
    ],
)
def test_edit_when_other_values_break_the_schema_is_checked_for_its_changes_only(edited: Json, problem: str) -> None:
    numbers = {"type": "array", "items": {"type": "number"}}
    schema = {"type": "object", "properties": {"item": {"type": "string"}, "tags": numbers, "big": {"type": "string"}}}
    args = {"item": "a", "tags": [{"float": "nan"}], "big": 2**70}
    action = Action(0, "tool", args, tuple(DecisionKind), args_schema=schema)
    if not problem:
        check(PauseKind.TOOL_CALLS, action, Answer(DecisionKind.EDIT, edited))
    else:
        with pytest.raises(Refused, match=problem):
            check(PauseKind.TOOL_CALLS, action, Answer(DecisionKind.EDIT, edited))


def test_incomplete_known_shape_offers_no_approve_or_reject() -> None:
    for value in (
        {"action_requests": [{"name": "a", "args": {}}], "review_configs": []},
        {"action_requests": [{"name": "a", "args": {}}], "review_configs": [{"allowed_decisions": ["fly"]}]},
        {"action_request": {"action": "a", "args": {}}, "config": {}},
        {"type": "tool_approval", "name": "a", "args": {}},
        {"type": "draft", "draft": 5, "answers": ["accept"]},
        {"type": "escalation", "reason": 5, "answers": ["respond"]},
    ):
        _, (action,) = normalise(value, "node", {})
        assert action.allowed == (DecisionKind.RESPOND,)
