"""What a graph is made of, read once when it is opened: its input, its tools, its gates, and which node leads where."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.tools import BaseTool
from langgraph.channels import EphemeralValue, UntrackedValue
from langgraph.channels.base import BaseChannel
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel
from pydantic import TypeAdapter

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json

ANY_MESSAGES = {"title": "Messages", "type": ["array", "object", "string"]}
"""LangGraph takes messages in many forms (pairs, dicts, strings) that its own JSON Schema does not describe."""


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """The parts of one graph that reviews need."""

    tools: Mapping[str, Json] = field(default_factory=dict)
    """JSON Schema of the arguments, by tool name."""
    metadata: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    """What each tool of a name says of itself: LangChain's `metadata`, where MCP's annotations are too."""
    nodes: frozenset[str] = frozenset()
    tool_nodes: frozenset[str] = frozenset()
    inner_tool_nodes: frozenset[tuple[str, ...]] = frozenset()
    """The same in subgraphs: the names around it, and its own."""
    gates_before: frozenset[str] = frozenset()
    gates_after: frozenset[str] = frozenset()
    subgraphs: frozenset[str] = frozenset()
    """Nodes that are, or call, a subgraph that could be read."""
    gates_inside: bool = False
    """Whether such a subgraph has gates of its own."""
    edges: tuple[tuple[str, str], ...] = ()
    forgetful: frozenset[str] = frozenset()
    """Nodes that are subgraphs compiled with `checkpointer=False`: what they ask has another id each time (CONTRACT 3)."""
    own_before: tuple[str, ...] | None = None
    """Gates of one run, with those the graph was compiled with: LangGraph takes the former in place of the latter. None: the latter."""
    own_after: tuple[str, ...] | None = None

    def gated(self, before: Sequence[str], after: Sequence[str]) -> GraphInfo:
        """The graph with more gates before and after nodes; `*` stands for all.

        Raises:
            Refused: there is no such node.
        """
        if not before and not after:
            return self
        before_all, after_all = self.gates_before | self._named(before), self.gates_after | self._named(after)
        return replace(
            self,
            gates_before=before_all,
            gates_after=after_all,
            own_before=tuple(sorted(before_all)) if before else None,
            own_after=tuple(sorted(after_all)) if after else None,
        )

    def _named(self, names: Sequence[str]) -> frozenset[str]:
        for name in names:
            if name != "*" and name not in self.nodes:
                raise Refused(f"the graph has no node {name} to stop at", f"its nodes are {', '.join(sorted(self.nodes))}")
        return self.nodes if "*" in names else frozenset(names)

    def before(self, node: str) -> tuple[str, ...]:
        """Nodes with an edge to this one."""
        return tuple(dict.fromkeys(a for a, b in self.edges if b == node))

    def after(self, node: str) -> tuple[str, ...]:
        """Nodes this one has an edge to."""
        return tuple(dict.fromkeys(b for a, b in self.edges if a == node))

    def is_tool_node(self, path: tuple[str, ...], node: str) -> bool:
        """Whether there is a ToolNode."""
        return (*path, node) in self.inner_tool_nodes if path else node in self.tool_nodes

    def runs_tools(self, node: str) -> bool:
        """Whether the node runs the tool calls of the last message: a ToolNode, or in a graph without any a last one that is called so.

        A node for reviewing in front of the one that runs the tools is none: what is refused there would run all the same.
        """
        if self.tool_nodes:
            return node in self.tool_nodes
        return called_so(node) and not any(map(called_so, self.after(node)))


def examine(graph: Pregel[Any, Any, Any, Any]) -> GraphInfo:
    """Read a graph's parts. Never raises: what cannot be read is left out."""
    found = _tool_nodes(graph)
    inner = {(*place.split("|"), name): node for place, sub in _subgraphs(graph) for name, node in _tool_nodes(sub).items()}
    named = [item for node in (*found.values(), *inner.values()) for item in node.tools_by_name.items()]
    metadata: dict[str, tuple[Json, ...]] = {}
    for name, tool in named:
        metadata[name] = (*metadata.get(name, ()), canonical_json.safe(tool.metadata))
    return GraphInfo(
        {name: _schema(tool) for name, tool in named},
        metadata,
        _every_node(graph),
        frozenset(found),
        frozenset(inner),
        _gates(graph, graph.interrupt_before_nodes),
        _gates(graph, graph.interrupt_after_nodes),
        frozenset(name.partition("|")[0] for name, _ in _subgraphs(graph)),
        any(sub.interrupt_before_nodes or sub.interrupt_after_nodes for _, sub in _subgraphs(graph)),
        _edges(graph),
        frozenset(name for name, node in graph.nodes.items() if any(map(_forgets, _steps(node.bound)))),
    )


def _forgets(step: Any) -> bool:
    return isinstance(step, Pregel) and step.checkpointer is False


def called_so(node: str) -> bool:
    """Whether a node's name says that it runs tools."""
    return "tool" in node.lower() or node.lower() in ("act", "action", "actions")


def _gates(graph: Pregel[Any, Any, Any, Any], nodes: Any) -> frozenset[str]:
    return _every_node(graph) if nodes == "*" else frozenset(nodes)


def _every_node(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str]:
    return frozenset(graph.nodes) - {"__start__"}


def _subgraphs(graph: Pregel[Any, Any, Any, Any]) -> list[tuple[str, Any]]:
    try:
        return list(graph.get_subgraphs(recurse=True))
    except Exception:  # noqa: BLE001 - a graph that cannot list its subgraphs still runs
        return []


def _tool_nodes(graph: Pregel[Any, Any, Any, Any]) -> dict[str, ToolNode]:
    found = {}
    for name, node in graph.nodes.items():
        for step in _steps(node.bound):
            if isinstance(step, ToolNode):
                found[name] = step
    return found


def _steps(bound: Runnable[Any, Any]) -> list[Any]:
    return list(bound.steps) if isinstance(bound, RunnableSequence) else [bound]


def _schema(tool: BaseTool) -> Json:
    try:
        shape: Any = tool.tool_call_schema
        return shape if isinstance(shape, dict) else shape.model_json_schema()
    except Exception:  # noqa: BLE001 - a tool without a readable schema is reviewed without one
        return None


def _edges(graph: Pregel[Any, Any, Any, Any]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((edge.source, edge.target) for edge in graph.get_graph().edges)
    except Exception:  # noqa: BLE001 - some graphs cannot be drawn; they still run
        return ()


def input_schema(graph: Pregel[Any, Any, Any, Any]) -> Json:
    """JSON Schema of the input; where LangGraph cannot say (Python 3.11's own TypedDict), the names of its channels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema: dict[str, Any] = graph.get_input_jsonschema()
    except Exception:  # noqa: BLE001 - pydantic refuses some state types; the graph still runs
        names = [graph.input_channels] if isinstance(graph.input_channels, str) else list(graph.input_channels)
        start = [c for c in graph.channels if not c.startswith(("__", "branch:"))] if names == ["__start__"] else names
        schema = {"type": "object", "properties": {name: {} for name in start}}
    properties = schema.get("properties", {})
    if "messages" not in properties:
        return schema
    lenient = {**schema, "properties": {**properties, "messages": ANY_MESSAGES}}
    if '"#/$defs/' not in str({k: v for k, v in lenient.items() if k != "$defs"}).replace("'", '"'):
        lenient.pop("$defs", None)
    return lenient


def state_schema(graph: Pregel[Any, Any, Any, Any]) -> Json:
    """JSON Schema of what the state of a graph holds; what has no readable type takes anything. None for a graph without named state."""
    kept = state_channels(graph)
    if not kept:
        return None
    properties: dict[str, Json] = {}
    definitions: dict[str, Json] = {}
    for name, channel in kept.items():
        shape: dict[str, Any] = {"title": "Messages", "type": "array"} if name == "messages" else _shape(channel.ValueType)
        definitions |= shape.pop("$defs", {})
        properties[name] = shape
    return {"type": "object", "properties": properties, **({"$defs": definitions} if definitions else {})}


def state_channels(graph: Pregel[Any, Any, Any, Any]) -> dict[str, BaseChannel[Any, Any, Any]]:
    """What the state of a graph is kept in, by key; nothing for a graph without named state, as those of the functional API are."""
    builder = getattr(graph, "builder", None)
    named = builder.channels if builder is not None else {}
    return {
        name: channel
        for name, channel in named.items()
        if isinstance(channel, BaseChannel) and not isinstance(channel, EphemeralValue | UntrackedValue) and not name.startswith("__")
    }


def _shape(hint: Any) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TypeAdapter(hint).json_schema()
    except Exception:  # noqa: BLE001 - pydantic knows no schema of some types
        return {}


def takes_text(schema: Json) -> bool:
    """Whether one sentence is input enough."""
    return text_input(schema, "") is not None


def text_input(schema: Json, text: str) -> Json:
    """A sentence as this graph's input; None when it takes none."""
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties", {})
    if "messages" in properties and not set(schema.get("required", [])) - {"messages"}:
        return {"messages": [{"role": "user", "content": text}]}
    if schema.get("type") == "string":
        return text
    strings = [name for name, shape in properties.items() if shape.get("type") == "string"]
    needed = schema.get("required", [])
    if len(properties) == 1 and strings:
        return {strings[0]: text}
    if len(needed) == 1 and needed[0] in strings:
        return {needed[0]: text}
    return None
