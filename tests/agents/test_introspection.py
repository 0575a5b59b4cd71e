"""What is read of a graph when it is opened: whatever fails in the user's code is left out, and the graph still runs."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from hitl_tui.agents import introspection
from hitl_tui.errors import Refused
from hitl_tui.model import UNCHECKED_SCHEMA, Json

pytestmark = pytest.mark.slow


class Odd:
    """A type of which pydantic knows no schema."""


class OddState(TypedDict):
    odd: Odd
    number: int


class Moody(BaseTool):
    name: str = "moody"
    description: str = "A tool whose schema cannot be read."

    @property
    def tool_call_schema(self) -> Any:
        raise RuntimeError("not today")

    def _run(self) -> str:
        return "done"


@tool
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


def graph_of(state: type, *tools: Any) -> Any:
    builder: Any = StateGraph(state)
    builder.add_node("tools", ToolNode(tools) if tools else lambda given: given)
    builder.add_edge(START, "tools")
    return builder.compile()


def test_tool_without_a_readable_schema_is_listed_without_one() -> None:
    found = introspection.inspect_graph(graph_of(MessagesState, Moody(), pay))
    assert found.tools["moody"] is None
    assert found.tools["pay"] == {
        "title": "pay", "description": "Pay an amount.", "type": "object", "required": ["amount"],
        "properties": {"amount": {"title": "Amount", "type": "integer"}},
    }  # fmt: skip


def test_tool_whose_function_is_none_of_pythons_is_listed() -> None:
    sized = StructuredTool.from_function(abs, name="sized", description="The size.", args_schema=pay.args_schema)
    assert introspection.inspect_graph(graph_of(MessagesState, sized)).tools.keys() == {"sized"}


class Undrawable(Pregel[Any, Any, Any, Any]):
    """A graph whose structure cannot be read."""

    def get_graph(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def get_subgraphs(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("not today")


def test_graph_that_cannot_be_drawn_has_its_nodes_and_no_edges() -> None:
    plain = graph_of(MessagesState, pay)
    odd = Undrawable(nodes=plain.nodes, channels=plain.channels, input_channels="__start__", output_channels=plain.output_channels)
    found = introspection.inspect_graph(odd)
    assert (set(found.nodes), found.edges, set(found.subgraphs), set(found.tool_nodes)) == ({"tools"}, (), set(), {"tools"})


def test_input_of_types_without_a_schema_is_named_and_unchecked() -> None:
    schema: Any = introspection.input_schema(graph_of(OddState))
    assert schema["properties"]["number"] == {"type": "integer"} and schema["properties"]["odd"] == {}
    assert schema[UNCHECKED_SCHEMA] is True
    state: Any = introspection.state_schema(graph_of(OddState))
    assert state["properties"] == {"odd": {}, "number": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (None, None), ([], None), ({"type": "string"}, "hi"), ({"properties": {"ask": {"type": "string"}}}, {"ask": "hi"}),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}, None),
        ({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}, {"b": "hi"}),
        ({"properties": {"a": True}}, None), ({"properties": {"a": True, "b": {"type": "string"}}, "required": ["b"]}, {"b": "hi"}),
        ({"properties": {"messages": {}, "a": {}}}, {"messages": [{"role": "user", "content": "hi"}]}),
        ({"properties": {"messages": {}, "a": {}}, "required": ["a"]}, None),
    ],
)  # fmt: skip
def test_sentence_is_given_where_the_schema_takes_one(schema: Json, given: Json) -> None:
    assert introspection.text_input(schema, "hi") == given
    assert introspection.takes_text(schema) is (given is not None)


def test_gate_at_a_node_that_is_not_there_is_refused() -> None:
    found = introspection.inspect_graph(graph_of(MessagesState, pay))
    assert found.gated([], []) is found and found.gated(["*"], []).own_before == ("tools",)
    with pytest.raises(Refused, match="no node agent to stop at"):
        found.gated([], ["agent"])
