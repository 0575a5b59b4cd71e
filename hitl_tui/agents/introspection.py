"""Reads a graph's structure once, when it is opened: schemas, tools, gates, and edges."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin

from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.tools import BaseTool
from langgraph.channels import BinaryOperatorAggregate, DeltaChannel, EphemeralValue, UntrackedValue
from langgraph.channels.base import BaseChannel
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel
from pydantic import TypeAdapter
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import UNCHECKED_SCHEMA, Json, Run, worst
from hitl_tui.policy.engine import risk_of

ANY_MESSAGES = {
    "title": "Messages",
    "type": ["array", "object", "string"],
    "examples": [[{"role": "user", "content": ""}]],
}
"""LangGraph takes messages in many forms (pairs, dicts, strings) that its own JSON Schema does not describe."""

QUALIFIERS = (Required, NotRequired, ReadOnly)
"""What may stand around the type of a TypedDict's key."""


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """What reviews need to know about a graph."""

    tools: Mapping[str, Json] = field(default_factory=dict)
    """JSON Schema of the arguments, by tool name."""
    metadata: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    """LangChain's `metadata` of each tool with that name; MCP's annotations are in it too."""
    nodes: frozenset[str] = frozenset()
    tool_nodes: frozenset[str] = frozenset()
    inner_tool_nodes: frozenset[tuple[str, ...]] = frozenset()
    """Tool nodes in subgraphs: the names of the subgraphs around it, then its own."""
    gates_before: frozenset[str] = frozenset()
    gates_after: frozenset[str] = frozenset()
    subgraphs: frozenset[str] = frozenset()
    """Nodes that are, or call, a subgraph that could be inspected."""
    gates_inside: bool = False
    """Some of those subgraphs have gates of their own."""
    edges: tuple[tuple[str, str], ...] = ()
    forgetful: frozenset[str] = frozenset()
    """Subgraph nodes compiled with `checkpointer=False`: their interrupts get a new id each time (CONTRACT 3)."""
    adds_messages: bool = False
    """The messages of an input are added to those of the state."""
    own_before: tuple[str, ...] | None = None
    """A run's own gates, with the compiled ones, which LangGraph would otherwise drop. None: the compiled ones alone."""
    own_after: tuple[str, ...] | None = None

    def described_tools(self) -> dict[str, Json]:
        """The tools' schemas, each with the worst risk that tools of that name declare, as `x-risk`."""
        risks = {name: worst(risk for one in found if (risk := risk_of(one))) for name, found in self.metadata.items()}
        return {
            name: {**schema, "x-risk": risks[name]} if isinstance(schema, dict) and risks.get(name) else schema
            for name, schema in self.tools.items()
        }

    def gated(self, before: Sequence[str], after: Sequence[str]) -> GraphInfo:
        """The same graph with additional gates before and after nodes; `*` means all nodes.

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
        """Nodes that have an edge to this one."""
        return tuple(dict.fromkeys(a for a, b in self.edges if b == node))

    def after(self, node: str) -> tuple[str, ...]:
        """Nodes to which this one has an edge."""
        return tuple(dict.fromkeys(b for a, b in self.edges if a == node))

    def is_tool_node(self, path: tuple[str, ...], node: str) -> bool:
        """Whether the node is a ToolNode."""
        return (*path, node) in self.inner_tool_nodes if path else node in self.tool_nodes

    def runs_tools(self, node: str) -> bool:
        """Whether the node runs the tool calls of the last message.

        It does if it is a ToolNode, or, in a graph without any, if it is named like one and leads to no other such node: a node that only
        reviews calls in front of it does not count, because what is refused there would still run.
        """
        if self.tool_nodes:
            return node in self.tool_nodes
        return is_named_like_tools(node) and not any(map(is_named_like_tools, self.after(node)))


def inspect_graph(graph: Pregel[Any, Any, Any, Any]) -> GraphInfo:
    """Inspect a graph. Never raises: what cannot be read is left out."""
    found = _tool_nodes(graph)
    inner = {(*place.split("|"), name): node for place, sub in _subgraphs(graph) for name, node in _tool_nodes(sub).items()}
    named = [item for node in (*found.values(), *inner.values()) for item in node.tools_by_name.items()]
    named += _tools_behind([tool for _, tool in named], {id(graph)})
    metadata: dict[str, tuple[Json, ...]] = {}
    for name, tool in named:
        metadata[name] = (*metadata.get(name, ()), canonical_json.as_json(tool.metadata))
    return GraphInfo(
        _schemas(named),
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
        _adds_messages(graph),
    )


def _adds_messages(graph: Pregel[Any, Any, Any, Any]) -> bool:
    builder = getattr(graph, "builder", None)
    takes = builder is not None and "messages" in builder.schemas[builder.input_schema]
    return takes and isinstance(state_channels(graph).get("messages"), BinaryOperatorAggregate | DeltaChannel)


def _forgets(step: Any) -> bool:
    return isinstance(step, Pregel) and step.checkpointer is False


def is_named_like_tools(node: str) -> bool:
    """Whether a node's name suggests that it runs tools."""
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


def _tools_behind(tools: Sequence[BaseTool], known: set[int]) -> list[tuple[str, BaseTool]]:
    """The tools of agents that these tools call, such as the sub-agents of deepagents' `task`, by name. `known` are ids of graphs seen."""
    found: list[tuple[str, BaseTool]] = []
    for graph in [graph for tool in tools for graph in _called_graphs(tool) if id(graph) not in known]:
        known.add(id(graph))
        within = [node for each in (graph, *(sub for _, sub in _subgraphs(graph))) for node in _tool_nodes(each).values()]
        named = [item for node in within for item in node.tools_by_name.items()]
        found += [*named, *_tools_behind([tool for _, tool in named], known)]
    return found


def _called_graphs(tool: BaseTool) -> list[Pregel[Any, Any, Any, Any]]:
    """The graphs that a tool's function refers to."""
    found = []
    for function in filter(None, (getattr(tool, "func", None), getattr(tool, "coroutine", None))):
        try:
            names = inspect.getclosurevars(function)
        except (TypeError, ValueError):  # no function of Python's
            continue
        for value in (*names.nonlocals.values(), *names.globals.values()):
            held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
            found += [one for one in map(_unbound, held) if isinstance(one, Pregel)]
    return found


def _unbound(value: Any) -> Any:
    """The runnable below its bound configuration."""
    return _unbound(value.bound) if isinstance(value, RunnableBindingBase) else value


def _schemas(tools: Sequence[tuple[str, BaseTool]]) -> dict[str, Json]:
    """JSON Schema by name; None where tools of one name take different arguments, as a pause does not tell them apart."""
    found: dict[str, Json] = {}
    for name, tool in tools:
        schema = _schema(tool)
        found[name] = None if name in found and found[name] != schema else schema
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
    """JSON Schema of the declared input.

    LangGraph demands no key of a TypedDict and checks none of its types, so the schema of one only describes (`UNCHECKED_SCHEMA`).
    """
    builder = getattr(graph, "builder", None)
    declared = builder.input_schema if builder is not None else None
    if is_typeddict(declared):
        channels = state_channels(graph)
        schema = _described({name: hint for name, hint in _hints(declared).items() if name in channels})
    elif dataclasses.is_dataclass(declared) and (shape := _shape(declared)):
        schema = shape
    else:
        schema = _input_of_langgraph(graph)
    return with_any_messages(schema)


def with_any_messages(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of an input that takes messages in each form that LangGraph takes."""
    properties = schema.get("properties", {})
    if "messages" not in properties:
        return schema
    lenient = {**schema, "properties": {**properties, "messages": ANY_MESSAGES}}
    if '"#/$defs/' not in str({k: v for k, v in lenient.items() if k != "$defs"}).replace("'", '"'):
        lenient.pop("$defs", None)
    return lenient


def _input_of_langgraph(graph: Pregel[Any, Any, Any, Any]) -> dict[str, Any]:
    """LangGraph's own schema of the input; if it has none, one with the names of the graph's channels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return graph.get_input_jsonschema()
    except Exception:  # noqa: BLE001 - pydantic refuses some state types; the graph still runs
        names = [graph.input_channels] if isinstance(graph.input_channels, str) else list(graph.input_channels)
        start = [c for c in graph.channels if not c.startswith(("__", "branch:"))] if names == ["__start__"] else names
        return {"type": "object", "properties": {name: {} for name in start}, UNCHECKED_SCHEMA: True}


def context_schema(graph: Pregel[Any, Any, Any, Any]) -> Json:
    """JSON Schema of the context that runs of a graph are given; None if it declares none."""
    declared = graph.context_schema
    if declared is None:
        return None
    return _described(_hints(declared)) if is_typeddict(declared) else _shape(declared) or {"type": "object"}


class EmptyContext(dict[str, Any]):
    """A context without values, which LangGraph would replace by None if it were false."""

    def __bool__(self) -> bool:
        return True


def default_context(graph: Pregel[Any, Any, Any, Any]) -> EmptyContext | None:
    """The context of a run that was given none: empty, so that the schema's defaults apply; None if they do not suffice.

    LangGraph fills defaults in only where it is given a context.
    """
    declared = graph.context_schema
    if declared is None:
        return None
    if not is_typeddict(declared):
        try:
            declared()
        except Exception:  # noqa: BLE001 - the class is the user's: a required field is missing, or a validator refuses
            return None
    return EmptyContext()


def _described(hints: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of a TypedDict that describes its keys and demands nothing."""
    properties: dict[str, Json] = {}
    definitions: dict[str, Json] = {}
    for name, hint in hints.items():
        shape = _shape(hint)
        definitions |= shape.pop("$defs", {})
        properties[name] = shape
    return {"type": "object", "properties": properties, UNCHECKED_SCHEMA: True, **({"$defs": definitions} if definitions else {})}


def _hints(declared: Any) -> dict[str, Any]:
    """The annotations of a TypedDict, without what says whether a key is required."""
    try:
        hints = get_type_hints(declared, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are user code: names that do not exist, calls that fail
        hints = dict(getattr(declared, "__annotations__", {}))
    return {name: _unqualified(hint) for name, hint in hints.items()}


def _unqualified(hint: Any) -> Any:
    return _unqualified(get_args(hint)[0]) if get_origin(hint) in QUALIFIERS else hint


def state_schema(graph: Pregel[Any, Any, Any, Any]) -> Json:
    """JSON Schema of a graph's state; keys without a readable type take anything. None for a graph without named state."""
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
    """The channels of a graph's state, by key; empty for a graph without named state, such as those of the functional API."""
    builder = getattr(graph, "builder", None)
    named = builder.channels if builder is not None else {}
    return {
        name: channel
        for name, channel in named.items()
        if isinstance(channel, BaseChannel) and not isinstance(channel, EphemeralValue | UntrackedValue) and not name.startswith("__")
    }


def _shape(hint: Any) -> dict[str, Any]:
    """JSON Schema of a type; of one that pydantic does not know, such as a TypedDict of Python 3.11, only what kind of value it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TypeAdapter(hint).json_schema()
    except Exception:  # noqa: BLE001 - pydantic knows no schema of some types
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        kind = get_origin(bare) or bare
        return {"type": "object"} if is_typeddict(kind) or kind is dict else {"type": "array"} if kind in (list, tuple, set) else {}


def takes_text(schema: Json) -> bool:
    """Whether one sentence is enough input."""
    return text_input(schema, "") is not None


def input_of(run: Run, schema: Json) -> Json:
    """The input with which a run's graph starts. `schema` is the graph's, None if it is not known.

    Raises:
        Refused: it was launched with plain text, and the graph takes none.
    """
    if "text" not in run.input:
        return run.input["input"]
    given = text_input(schema, run.input["text"])
    if given is None:
        raise Refused(f"{run.agent} takes no plain text", "launch it with --input JSON")
    return given


def text_input(schema: Json, text: str) -> Json:
    """A sentence as input of a graph with this schema; None if it takes none."""
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties", {})
    if "messages" in properties and not set(schema.get("required", [])) - {"messages"}:
        return {"messages": [{"role": "user", "content": text}]}
    if schema.get("type") == "string":
        return text
    strings = [name for name, shape in properties.items() if isinstance(shape, dict) and shape.get("type") == "string"]
    needed = schema.get("required", [])
    if len(properties) == 1 and strings:
        return {strings[0]: text}
    if len(needed) == 1 and needed[0] in strings:
        return {needed[0]: text}
    return None
