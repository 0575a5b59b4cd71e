"""What becomes of a takeover's plan in a graph of this process: the updates are written by LangGraph itself, and read back."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph, add_messages

from hitl_tui.agents.introspection import inspect_graph
from hitl_tui.agents.takeover_updates import GraphShape, HandbackPosition, leading_nodes, plan_updates
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Json, TakeoverPlan

pytestmark = pytest.mark.slow

CALL = {"name": "pay", "args": {"amount": 5}, "id": "c1", "type": "tool_call"}
THREAD: Any = {"configurable": {"thread_id": "t"}}


class Odd:
    """A type of which pydantic knows no schema."""


class Account(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    total: int
    due: dt.date
    odd: Odd


def fails(state: Any) -> Any:
    raise ConnectionError("the bank does not answer")


def pays(*blocks: Any) -> Any:
    """A node that says something and calls `pay`."""
    return lambda state: {"messages": [AIMessage(list(blocks) or "Paying.", id="m1", tool_calls=[dict(CALL)])]}


def graph_of(state: type, *edges: tuple[str, str], given: type | None = None, **nodes: Any) -> Any:
    builder: Any = StateGraph(state, input_schema=given or state)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for edge in edges or ((START, "agent"), ("agent", "tools"), ("tools", "agent")):
        builder.add_edge(*edge)
    return builder.compile(checkpointer=InMemorySaver())


def failed(graph: Any, given: Any = None) -> HandbackPosition:
    """Where a run stands of which a node failed."""
    with pytest.raises(ConnectionError):
        graph.invoke({"messages": [HumanMessage("pay 5", id="m0")]} if given is None else given, THREAD)
    snapshot, info = graph.get_state(THREAD), inspect_graph(graph)
    checkpoint = graph.checkpointer.get_tuple(THREAD)
    return HandbackPosition(GraphShape.of(graph), info, snapshot, leading_nodes(snapshot, info, checkpoint), (), failed=True)


def applied(graph: Any, place: HandbackPosition, **plan: Any) -> Any:
    """The state after a plan was written."""
    for step in plan_updates(place, TakeoverPlan(**plan), "ann").steps:
        graph.bulk_update_state(THREAD, [step])
    return graph.get_state(THREAD)


def refusal(place: HandbackPosition, **plan: Any) -> str:
    with pytest.raises(Refused) as caught:
        plan_updates(place, TakeoverPlan(**plan), "ann")
    assert caught.value.todo
    return caught.value.happened


def test_new_text_of_a_message_keeps_its_other_blocks_in_their_places() -> None:
    image, use = (
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {"type": "tool_use", "id": "c1", "name": "pay", "input": {}},
    )
    graph = graph_of(MessagesState, agent=pays({"type": "text", "text": "Paying."}, image, use), tools=fails)
    message = applied(graph, failed(graph), text="Wait.").values["messages"][-1]
    assert message.content == [image, {"type": "text", "text": "Wait."}, use]
    assert (message.id, message.tool_calls[0]["id"], message.additional_kwargs["hitl"]) == ("m1", "c1", {"by": "ann", "did": "rewrote"})


def test_plan_about_messages_that_are_not_there_is_refused() -> None:
    graph = graph_of(MessagesState, agent=pays(), tools=fails)
    assert refusal(failed(graph), results={"c9": "paid"}) == "no tool call 'c9' waits for a result any more"
    silent = graph_of(MessagesState, agent=fails, tools=fails)
    for plan in ({"text": "x"}, {"calls": ()}, {"results": {"c1": "x"}}):
        assert refusal(failed(silent), **plan) == "the last message is not the agent's: it cannot be rewritten or answered"

    class Sums(TypedDict):
        total: int

    sums = graph_of(Sums, (START, "add"), ("add", END), add=fails)
    assert refusal(failed(sums, {"total": 1}), guidance="add 2") == "the graph keeps no messages"


def test_result_in_place_of_a_failed_tool_goes_on_with_the_agent() -> None:
    graph = graph_of(MessagesState, agent=pays(), tools=fails)
    found = applied(graph, failed(graph), results={"c1": "paid by hand"})
    assert found.next == ("agent",)
    assert [(type(one), one.text) for one in found.values["messages"][1:]] == [(AIMessage, "Paying."), (ToolMessage, "paid by hand")]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"totl": 1}, "the graph's state has no 'totl' to edit"),
        ({"messages": []}, "the graph's state has no 'messages' to edit"),
        ({"total": "many"}, "the state does not fit the graph: total"),
        ({"due": "soon"}, "the state does not fit the graph: due"),
    ],
)
def test_state_that_the_graph_cannot_hold_is_refused(state: dict[str, Json], said: str) -> None:
    assert refusal(failed(graph_of(Account, agent=pays(), tools=fails)), state=state).startswith(said)


def test_state_is_stored_in_the_types_of_the_graph() -> None:
    graph = graph_of(Account, agent=pays(), tools=fails)
    found = applied(graph, failed(graph), state={"total": 7, "due": "2026-12-01", "odd": {"a": 1}})
    assert found.next == ("tools",)
    assert (found.values["total"], found.values["due"], found.values["odd"]) == (7, dt.date(2026, 12, 1), {"a": 1})


def test_state_after_tools_is_written_as_the_node_that_ran_them() -> None:
    said = iter([pays(), fails])
    graph = graph_of(
        Account, agent=lambda state: next(said)(state), tools=lambda state: {"messages": [ToolMessage("paid", tool_call_id="c1", id="m2")]}
    )
    place = failed(graph)
    assert place.leading == ("tools",)
    found = applied(graph, place, state={"total": 7})
    assert (found.next, found.values["total"], [one.id for one in found.values["messages"]]) == (("agent",), 7, ["m0", "m1", "m2"])


def test_guidance_with_state_that_no_input_has_starts_the_agent_again() -> None:
    graph = graph_of(Account, (START, "agent"), ("agent", END), given=MessagesState, agent=fails)
    found = applied(graph, failed(graph), guidance="pay 7", state={"total": 7})
    assert (found.next, found.values["total"]) == (("agent",), 7)
    graph = graph_of(Account, (START, "agent"), ("agent", "step"), ("step", END), given=MessagesState, agent=pays(), step=fails)
    found = applied(graph, failed(graph), guidance="pay 7", state={"total": 7})
    assert (found.next, found.values["total"]) == (("agent",), 7)
    assert [(type(one), one.text) for one in found.values["messages"][1:]] == [
        (AIMessage, "Paying."),
        (ToolMessage, "ann took over, and has told you what to do instead; this call did not run."),
        (HumanMessage, "pay 7"),
    ]


def test_result_where_no_node_looks_like_tools_is_written_as_the_one_that_waits() -> None:
    edges = [(START, "agent"), ("agent", "step"), ("step", "done"), ("done", END)]
    graph = graph_of(MessagesState, *edges, agent=pays(), step=fails, done=lambda state: {})
    found = applied(graph, failed(graph), results={"c1": "paid by hand"})
    assert (found.next, found.values["messages"][-1].text) == (("done",), "paid by hand")


@pytest.mark.parametrize(
    ("edges", "nodes", "said"),
    [
        ([("agent", "one"), ("agent", "two")], {"one": fails, "two": fails}, "none looks as if it did"),
        (
            [("agent", "check"), ("check", "tools_a"), ("check", "tools_b"), ("tools_a", "agent"), ("tools_b", END)],
            {"check": fails, "tools_a": fails, "tools_b": fails},
            "tools_a, tools_b do",
        ),
    ],
)
def test_result_for_calls_that_no_single_node_runs_is_refused(edges: Any, nodes: Any, said: str) -> None:
    graph = graph_of(MessagesState, (START, "agent"), *edges, agent=pays(), **nodes)
    assert refusal(failed(graph), results={"c1": "paid"}) == f"nobody knows which node of its graph runs these calls: {said}"


def test_state_of_a_server_is_taken_as_json_unless_it_may_be_of_a_class() -> None:
    graph = graph_of(Account, agent=pays(), tools=fails)
    here = failed(graph)
    shape = GraphShape(dict.fromkeys(here.shape.channels), here.shape.input_keys, here.shape.conditional, frozenset({"due"}))
    place = HandbackPosition(shape, here.graph_info, here.snapshot, here.leading, (), failed=True)
    assert refusal(place, state={"due": "2026-12-01"}) == "due may be of a class, and a server takes it only as plain JSON"
    assert applied(graph, place, state={"total": 7}).values["total"] == 7


def test_written_call_is_asked_and_has_an_id_of_its_own() -> None:
    graph = graph_of(MessagesState, agent=pays(), tools=fails)
    place = failed(graph)
    made = plan_updates(place, TakeoverPlan(calls=(Call("c1", "pay", {"amount": 6}), Call("", "pay", {"amount": 1}))), "ann")
    assert [call.args for call in made.unapproved] == [{"amount": 6}, {"amount": 1}]
    assert made.unapproved[0].id == "c1" and made.unapproved[1].id.startswith("call_")
