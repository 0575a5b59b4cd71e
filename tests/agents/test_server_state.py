"""What LangGraph servers answer, read as LangGraph's own objects."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import StateSnapshot

from hitl_tui.agents import interrupts
from hitl_tui.agents.server_state import ANY_DECISION, as_json, conditional_nodes, graph_info_of, part_of, schemas_in, snapshot_of

ASKED = {"id": "5ca5ce51", "value": {"type": "tool_approval", "tool_call_id": "c1", "name": "send", "args": {"to": "bob"}}}
MESSAGES: list[dict[str, Any]] = [
    {"type": "human", "content": "write bob", "id": "1", "additional_kwargs": {}, "response_metadata": {}},
    {"type": "ai", "content": "", "id": "2", "tool_calls": [{"name": "send", "args": {"to": "bob"}, "id": "c1", "type": "tool_call"}]},
    {"type": "tool", "content": "sent", "id": "3", "tool_call_id": "c1", "status": "error"},
]
GRAPH = {
    "nodes": [
        {"id": "__start__"},
        {"id": "model", "metadata": {"__interrupt": "after"}},
        {"id": "tools", "metadata": {"__interrupt": "before,after", "__tools": ["send", "pay"]}},
        {"id": "__end__"},
    ],
    "edges": [{"source": "__start__", "target": "model"}, {"source": "model", "target": "tools", "conditional": True}],
}
INSIDE = {"nodes": [*GRAPH["nodes"], {"id": "inner:dig", "metadata": {"__interrupt": "before"}}], "edges": []}


def state(**changes: Any) -> dict[str, Any]:
    task = {"id": "t1", "name": "tools", "path": ["__pregel_push", 0, False], "error": None, "interrupts": [ASKED], "state": None}
    checkpoint = {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "k1"}
    found = {"values": {"messages": MESSAGES}, "next": ["tools"], "tasks": [task], "created_at": "now", "checkpoint": checkpoint}
    return {**found, "interrupts": [ASKED], "parent_checkpoint": None, "metadata": {"source": "loop"}, **changes}


def test_messages_of_a_state_are_langchains() -> None:
    found = snapshot_of(state()).values["messages"]
    assert [type(message) for message in found] == [HumanMessage, AIMessage, ToolMessage]
    assert (found[1].tool_calls[0]["id"], found[2].status) == ("c1", "error")


@pytest.mark.parametrize(
    "value", [{"type": "human"}, {"type": "ai", "content": {"no": "text"}}, {"type": "unknown", "content": ""}, "text", 3]
)
def test_value_that_is_no_message_stays_as_it_is(value: Any) -> None:
    assert snapshot_of(state(values={"messages": [value]})).values == {"messages": [value]}
    assert snapshot_of(state(values=value)).values == value


def test_subgraph_of_a_task_is_a_snapshot() -> None:
    task = {**state()["tasks"][0], "name": "outer", "interrupts": [], "state": state(), "error": {"error": "KeyError", "message": "'x'"}}
    found = snapshot_of(state(tasks=[task]))
    ((leaf, path, owner),) = interrupts.leaves(found)
    assert (leaf.name, path, str(found.tasks[0].error)) == ("tools", ("outer",), "KeyError: 'x'")
    assert isinstance(owner, StateSnapshot) and owner.config["configurable"]["checkpoint_id"] == "k1"


def test_schema_that_the_server_leaves_out_is_taken_from_the_stream() -> None:
    schema: dict[str, Any] = {"oneOf": []}
    event = {"__interrupt__": [{**ASKED, "response_schema": schema}]}
    assert snapshot_of(state(), schemas_in("updates", event)).interrupts[0].response_schema == schema
    assert snapshot_of(state(), schemas_in("tasks|inner:1", {"interrupts": event["__interrupt__"]})).interrupts[0].response_schema == schema
    assert snapshot_of(state()).interrupts[0].response_schema is ANY_DECISION
    assert snapshot_of(state(interrupts=[{"id": "q", "value": "go on?"}])).interrupts[0].response_schema is None


def test_drawing_tells_gates_tools_and_conditions() -> None:
    info = graph_info_of(GRAPH, INSIDE)
    assert (sorted(info.gates_before), sorted(info.gates_after)) == (["tools"], ["model", "tools"])
    assert (sorted(info.tool_nodes), list(info.tools), sorted(info.subgraphs)) == (["tools"], ["send", "pay"], ["inner"])
    assert info.gates_inside
    assert conditional_nodes(GRAPH) == {"model"}


@pytest.mark.parametrize(
    ("event", "data"),
    [("metadata", {"run_id": "r"}), ("messages", {"no": "pair"}), ("tasks", []), ("updates", None), ("values", {}), ("end", None)],
)
def test_event_that_is_not_for_the_trace_is_left_out(event: str, data: Any) -> None:
    assert part_of(event, data) is None


def test_update_is_written_as_the_server_reads_it() -> None:
    message = AIMessage("hi", id="1")
    assert as_json({"messages": [message], "n": (1, 2)})["n"] == [1, 2]
    assert snapshot_of(state(values=as_json({"messages": [message]}))).values["messages"] == [message]
