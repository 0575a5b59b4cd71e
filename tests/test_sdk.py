"""`hitl_tui.patterns` on real graphs: confidence, routing, escalations and drafts, answered by the console or any program."""

from __future__ import annotations

import doctest
import math
from collections.abc import Sequence
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from hitl_tui import patterns
from hitl_tui.agents.interrupt_payloads import normalise, resume_value
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind
from hitl_tui.patterns import Reviewed, arefine, confidence_router, draft, escalate, extract_confidence, refine
from hitl_tui.validation import check
from tests.agents.test_interrupt_payloads import ANSWERS, JSON
from tests.support.properties import examples
from tests.test_import_hygiene import LANGGRAPH, TEXTUAL, imported_by


class State(TypedDict, total=False):
    """State of the graphs in this file."""

    text: Any
    answer: Any


class Thread:
    """One conversation with a graph of one node."""

    def __init__(self, node: Any) -> None:
        builder = StateGraph(State)
        builder.add_node("ask", node)
        builder.add_edge(START, "ask")
        self.graph: Any = builder.compile(checkpointer=InMemorySaver())
        self.config: Any = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}

    def begin(self, **state: Any) -> Any:
        """Start the graph, and return its first question."""
        self.graph.invoke({"text": "", **state}, self.config)
        return self.asked()

    def asked(self) -> Any:
        """Return the pending question."""
        (interrupt,) = self.graph.get_state(self.config).interrupts
        return interrupt.value

    def answer(self, value: Any) -> Any:
        """Answer, and return the state."""
        (interrupt,) = self.graph.get_state(self.config).interrupts
        return self.graph.invoke(Command(resume={interrupt.id: value}), self.config)

    def decide(self, answer: Answer) -> Any:
        """Decide as a reviewer, and return the state."""
        (interrupt,) = self.graph.get_state(self.config).interrupts
        kind, actions = normalise(interrupt.value, "ask", {}, interrupt.response_schema)
        check(kind, actions[0], answer)
        return self.graph.invoke(Command(resume={interrupt.id: resume_value(kind, actions, {0: answer})}), self.config)


def shown(value: Any, schema: Any = None) -> tuple[PauseKind, Action]:
    """Return the kind and the only action of an interrupt value."""
    kind, (action,) = normalise(value, "ask", {}, schema)
    return kind, action


def test_docstring_examples_run() -> None:
    done = doctest.testmod(patterns)
    assert done.attempted >= 5 and not done.failed


def test_patterns_import_without_langgraph_and_textual() -> None:
    assert imported_by("import hitl_tui.patterns", (*LANGGRAPH, *TEXTUAL, "asyncio", "jsonschema")) == []


# Confidence


def calls(*sure: float) -> AIMessage:
    """Return a message with calls that each state a confidence."""
    return AIMessage("", tool_calls=[{"name": "pay", "args": {"confidence": one}, "id": str(n)} for n, one in enumerate(sure)])


@pytest.mark.parametrize(
    ("message", "value", "source"),
    [
        (AIMessage("so. confidence: 0.7"), 0.7, "words"),
        (AIMessage('{"answer": 1, "confidence": 0.7}'), 0.7, "field"),
        (AIMessage("confidence: 0.9", additional_kwargs={"confidence": 0.2}), 0.2, "metadata, words"),
        (calls(0.9, 0.4), 0.4, "field"),
        ({"role": "assistant", "content": "I am 80 % sure"}, 0.8, "words"),
        ({"answer": 1, "confidence": "75 %"}, 0.75, "field"),
        ("confidence: 1.7", None, "words"),
        (calls(0.9, 1.7), None, "field"),
        (HumanMessage("confidence: 1"), None, ""),
        (ToolMessage("confidence: 1", tool_call_id="1"), None, ""),
        ({"role": "user", "content": "confidence: 1"}, None, ""),
        (None, None, ""),
        (object(), None, ""),
        (math.nan, None, ""),
    ],
)
def test_confidence_is_extracted_from_every_message_form(message: Any, value: float | None, source: str) -> None:
    found = extract_confidence(message)
    assert (found.value, found.source) == (value, source)


@examples(2)
@given(JSON)
def test_confidence_of_any_value_is_a_number_or_unknown(message: Any) -> None:
    value = extract_confidence(message).value
    assert value is None or 0 <= value <= 1


@pytest.mark.parametrize("state", [{}, {"messages": []}, {"messages": [HumanMessage("confidence: 1")]}, {"messages": "x"}, None, 5, []])
def test_confidence_router_sends_unknown_to_a_person(state: Any) -> None:
    assert confidence_router(auto=0.0, approve=0.0)(state) == "approve"
    assert confidence_router(unknown="takeover")(state) == "takeover"


@examples(2)
@given(JSON | st.floats(), st.sampled_from(["", "sure"]))
def test_confidence_router_passes_only_values_at_the_threshold(value: Any, key: str) -> None:
    state = {"sure": value, "messages": [value]}
    if confidence_router(auto=0.9, key=key)(state) == "auto":
        said = extract_confidence(value).value if not key or isinstance(value, dict) else None
        assert (said is not None and said >= 0.9) or isinstance(value, int | float | str)
        assert not isinstance(value, bool) and not (isinstance(value, float) and not 0.9 <= value <= 1)


@pytest.mark.parametrize(
    "limits", [{"auto": 1.2}, {"approve": -0.1}, {"auto": math.nan}, {"auto": 0.5, "approve": 0.6}, {"auto": True}, {"auto": "0.9"},
               {"unknown": "auto"}]
)  # fmt: skip
def test_confidence_router_refuses_impossible_thresholds(limits: Any) -> None:
    with pytest.raises(ValueError, match=r"; |cannot go"):
        confidence_router(**limits)


def test_confidence_router_routes_a_graph_and_its_drawing_shows_the_branches() -> None:
    def went(where: str) -> Any:
        return lambda state: {"messages": [AIMessage(where)]}

    def ask(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [AIMessage(state["messages"][-1].text)]}

    builder = StateGraph(MessagesState)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    for way in ("auto", "approve", "takeover"):
        builder.add_node(way, went(way))
        builder.add_edge(way, END)
    builder.add_conditional_edges("ask", confidence_router(auto=0.9, approve=0.6))
    graph: Any = builder.compile()
    assert {edge.target for edge in graph.get_graph().edges if edge.source == "ask"} == {"auto", "approve", "takeover"}
    for said, way in (("confidence: 0.95", "auto"), ("confidence: 0.7", "approve"), ("confidence: 0.2", "takeover"), ("so", "approve")):
        assert graph.invoke({"messages": [("user", said)]})["messages"][-1].text == way


# Escalation


def test_escalate_shows_everything_and_takes_text_or_json() -> None:
    def stuck(state: State) -> State:
        return {"answer": escalate("no such order", to="warehouse", question="Where is it?", context={"order": 9912})}

    for answer, value in ((Answer(DecisionKind.RESPOND, message="in Kiel"), "in Kiel"), (Answer(DecisionKind.RESPOND, args=[1]), [1])):
        thread = Thread(stuck)
        kind, action = shown(thread.begin())
        assert kind is PauseKind.ESCALATION
        assert action.args == {"reason": "no such order", "to": "warehouse", "question": "Where is it?", "context": {"order": 9912}}
        assert action.allowed == (DecisionKind.RESPOND, DecisionKind.REJECT)
        assert thread.decide(answer)["answer"] == value
    thread = Thread(stuck)
    thread.begin()
    assert thread.decide(Answer(DecisionKind.REJECT, message="nobody knows"))["answer"] is None
    thread = Thread(stuck)
    thread.begin()
    assert thread.answer("from any program")["answer"] == "from any program"


def test_escalate_offers_reject_only_when_the_graph_takes_it() -> None:
    assert shown({"type": "escalation", "reason": "by hand"})[1].allowed == (DecisionKind.RESPOND,)
    thread = Thread(lambda state: {"answer": escalate("help", may_decline=False)})
    assert shown(thread.begin())[1].allowed == (DecisionKind.RESPOND,)
    thread = Thread(lambda state: {"answer": escalate("help", response_schema={"type": "string"})})
    assert shown(thread.begin(), {"type": "string"})[1].allowed == (DecisionKind.RESPOND,)
    with pytest.raises(Refused, match="does not fit"):
        thread.decide(Answer(DecisionKind.RESPOND, args=5))


def test_escalate_without_a_reason_raises() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        escalate(" ")


# Drafts


def keep(state: State) -> State:
    """Ask once, and return the result as a list of plain values."""
    return {"answer": plain(draft(state["text"], note="first", instructions="mind the tone", key="letter"))}


def plain(found: Reviewed) -> list[Any]:
    """Return (accepted, draft, note) as a list."""
    return [found.accepted, found.draft, found.note]


@pytest.mark.parametrize(("first", "other"), [("Dear Ann,\nhello", "Dear Bob"), ({"to": "ann"}, {"to": "bob", "cc": []})])
def test_draft_can_be_accepted_edited_or_sent_back(first: Any, other: Any) -> None:
    for answer, expected in (
        (Answer(DecisionKind.APPROVE), [True, first, ""]),
        (Answer(DecisionKind.EDIT, args=other), [True, other, ""]),
        (Answer(DecisionKind.REJECT, message="shorter"), [False, first, "shorter"]),
        (Answer(DecisionKind.REJECT, message="shorter", args=other), [False, other, "shorter"]),
    ):
        thread = Thread(keep)
        kind, action = shown(thread.begin(text=first))
        assert (kind, action.name, action.args, action.description) == (PauseKind.DRAFT, "letter", first, "first\nmind the tone")
        assert thread.decide(answer)["answer"] == expected


def test_draft_answered_by_any_program_is_read_or_asked_again() -> None:
    for value, expected in (
        (True, [True, "hello", ""]),
        ("shorter", [False, "hello", "shorter"]),
        ({"type": "accept"}, [True, "hello", ""]),
        ({"type": "revise", "note": "n", "draft": "d"}, [False, "d", "n"]),
    ):
        thread = Thread(keep)
        thread.begin(text="hello")
        for nonsense in (False, None, 5, "", {"type": "accept", "draft": 5}, {"type": "fly"}, {"type": "revise", "note": []}):
            thread.answer(nonsense)
            assert "neither an acceptance nor a note" in shown(thread.asked())[1].description
        assert thread.answer(value)["answer"] == expected


def test_draft_revision_needs_a_note_and_the_same_type() -> None:
    _, action = shown({"type": "draft", "key": "k", "draft": "t", "answers": ["accept", "revise"]})
    for answer in (
        Answer(DecisionKind.REJECT, args="x"),
        Answer(DecisionKind.REJECT, args="x", message=" "),
        Answer(DecisionKind.REJECT, args={"t": 1}, message="n"),
        Answer(DecisionKind.EDIT, args={"t": 1}),
        Answer(DecisionKind.RESPOND, message="n"),
    ):
        with pytest.raises(Refused):
            check(PauseKind.DRAFT, action, answer)


def to_and_fro(thread: Thread) -> list[str]:
    """Revise three times, accept, and return every version shown."""
    seen = [thread.begin(text="v0")["draft"]]
    for note in ("a", "b", "c"):
        thread.decide(Answer(DecisionKind.REJECT, args=f"{seen[-1]}!", message=note))
        seen.append(thread.asked()["draft"])
    assert thread.decide(Answer(DecisionKind.APPROVE))["answer"] == seen[-1]
    return seen


def test_refine_writes_each_version_once_when_the_node_reruns() -> None:
    written: list[str] = []

    def revise(text: str, note: str) -> str:
        written.append(f"{text}{note}{len(written)}")
        return written[-1]

    def polish(state: State) -> State:
        return {"answer": refine(state["text"], revise)}

    assert to_and_fro(Thread(polish)) == ["v0", "v0!a0", "v0!a0!b1", "v0!a0!b1!c2"]
    assert len(written) == 3


async def test_refine_awaits_an_async_model() -> None:
    written: list[str] = []

    async def revise(text: str, note: str) -> str:
        written.append(f"{text}{note}{len(written)}")
        return written[-1]

    async def polish(state: State) -> State:
        return {"answer": await arefine(state["text"], revise)}

    thread = Thread(polish)
    end = await thread.graph.ainvoke({"text": "v0"}, thread.config)
    for answer in ({"type": "revise", "note": "a"}, {"type": "revise", "note": "b"}, True):
        (interrupt,) = (await thread.graph.aget_state(thread.config)).interrupts
        end = await thread.graph.ainvoke(Command(resume={interrupt.id: answer}), thread.config)
    assert end["answer"] == "v0a0b1"
    assert len(written) == 2


def test_two_drafts_in_one_node_are_refined_separately() -> None:
    def both(state: State) -> State:
        subject = refine("subject", lambda text, note: f"{text} {note}", key="subject")
        return {"answer": [subject, refine("body", lambda text, note: f"{text} {note}", key="body")]}

    thread = Thread(both)
    assert thread.begin()["key"] == "subject"
    thread.decide(Answer(DecisionKind.REJECT, message="1"))
    thread.decide(Answer(DecisionKind.APPROVE))
    assert thread.asked()["key"] == "body"
    thread.decide(Answer(DecisionKind.REJECT, message="2"))
    assert thread.decide(Answer(DecisionKind.EDIT, args="mine"))["answer"] == ["subject 1", "mine"]


@given(st.text(max_size=8) | st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=2), st.lists(ANSWERS, max_size=4))
def test_any_decision_on_a_draft_is_refused_or_applied(first: Any, said: Sequence[Answer]) -> None:
    """No decision that passes the check raises, is asked again, or is applied as another decision."""
    thread = Thread(lambda state: {"answer": plain(draft(state["text"]))})
    _, action = shown(thread.begin(text=first))
    for answer in said:
        try:
            check(PauseKind.DRAFT, action, answer)
        except Refused:
            continue
        found = thread.decide(answer)["answer"]
        assert found[:2] == [answer.kind is not DecisionKind.REJECT, first if answer.args is None else answer.args]
        return


@pytest.mark.parametrize("wrong", [5, None, ["a"]])
def test_draft_with_an_invalid_value_raises(wrong: Any) -> None:
    with pytest.raises(ValueError, match="a draft is a text or a dict"):
        draft(wrong)
    with pytest.raises(ValueError, match="needs a key"):
        draft("text", key="")
