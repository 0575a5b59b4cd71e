"""Reads what a LangGraph server says of a thread or a graph as LangGraph's own objects, so that the rest of `agents/` reads both alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.types import Interrupt, PregelTask, StateSnapshot
from langgraph_sdk.errors import NotFoundError
from pydantic import ValidationError

from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.server_connection import ServerConnection
from hitl_tui.agents.stream_events import Part

MESSAGES: dict[str, type[BaseMessage]] = {
    "ai": AIMessage,
    "AIMessageChunk": AIMessageChunk,
    "chat": ChatMessage,
    "function": FunctionMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "tool": ToolMessage,
}
STREAM_MODES = {"messages": "messages", "tasks": "tasks", "updates": "updates", "custom": "custom"}
ENDS = ("__start__", "__end__")
ANY_DECISION: dict[str, Any] = {
    "description": "the server does not say which decisions it takes",
    "discriminator": {"propertyName": "type", "mapping": dict.fromkeys(("approve", "edit", "reject", "respond"), "")},
}
"""Stands for the schema of a tool call's answer where the server leaves it out. A decision that the graph does not take is refused there
before it is stored, and the call is asked again."""


async def read_state(connection: ServerConnection, thread: str, schemas: Mapping[str, Any] = {}, subgraphs: bool = True) -> StateSnapshot:
    """The newest checkpoint of a thread, without an id if there is no such thread.

    Raises:
        ServerProblem: the server cannot be used now.
    """
    async with connection.talking() as client:
        try:
            found: Any = await client.threads.get_state(thread, subgraphs=subgraphs)
        except NotFoundError:
            found = {"values": {}, "next": [], "tasks": [], "interrupts": [], "checkpoint": {"thread_id": thread}}
        with connection.reading():
            return snapshot_of(found, schemas)


async def read_questions(connection: ServerConnection, thread: str, schemas: Mapping[str, Any] = {}) -> dict[str, Interrupt]:
    """What a thread asks, by the interrupts' ids, as its row says: reading its state takes several times as long.

    Only a thread that rests and asks something is told so; empty for all others, whose state tells more. The row is as true as the state:
    whatever changes what is asked makes the thread busy first, and it rests again only with a new row.

    Raises:
        ServerProblem: the server cannot be used now.
    """
    async with connection.talking() as client:
        try:
            row = await client.threads.get(thread)
        except NotFoundError:
            return {}
        with connection.reading():
            if row["status"] != "interrupted":
                return {}
            return {
                one["id"]: _interrupt(one, schemas) for asked in (row.get("interrupts") or {}).values() for one in asked if one.get("id")
            }


def snapshot_of(state: Mapping[str, Any], schemas: Mapping[str, Any] = {}) -> StateSnapshot:
    """The snapshot in an answer to `GET /threads/…/state`. `schemas`: of answers, by interrupt id, where a server leaves them out."""
    tasks = tuple(_task(task, schemas) for task in state["tasks"])
    checkpoint, parent = state.get("checkpoint") or {}, state.get("parent_checkpoint")
    listed = state.get("interrupts")
    pending = [_interrupt(one, schemas) for one in listed] if listed is not None else [i for task in tasks for i in task.interrupts]
    return StateSnapshot(
        values=with_messages(state["values"]),
        next=tuple(state["next"] or ()),
        config={"configurable": dict(checkpoint)},
        metadata=dict(state.get("metadata") or {}),  # type: ignore[arg-type]  # as the server has it
        created_at=state.get("created_at"),
        parent_config={"configurable": dict(parent)} if parent else None,
        tasks=tasks,
        interrupts=tuple(pending),
    )


def _task(task: Mapping[str, Any], schemas: Mapping[str, Any]) -> PregelTask:
    inner, checkpoint = task.get("state"), task.get("checkpoint")
    return PregelTask(
        id=task["id"],
        name=task["name"],
        path=tuple(task.get("path") or ()),
        error=Exception(_error_text(task["error"])) if task.get("error") else None,
        interrupts=tuple(_interrupt(one, schemas) for one in task["interrupts"]),
        state=snapshot_of(inner, schemas) if inner else {"configurable": dict(checkpoint)} if checkpoint else None,
        result=with_messages(task.get("result")),
    )


def _error_text(error: Any) -> str:
    if isinstance(error, Mapping):
        return ": ".join(str(error[part]) for part in ("error", "message") if error.get(part))
    return str(error)


def _interrupt(one: Mapping[str, Any], schemas: Mapping[str, Any]) -> Interrupt:
    schema = one.get("response_schema") or schemas.get(one["id"])
    if schema is None and isinstance(one["value"], Mapping) and one["value"].get("type") == "tool_approval":
        schema = ANY_DECISION
    return Interrupt(one["value"], id=one["id"], response_schema=schema)


def schemas_in(event: str, data: Any) -> dict[str, Any]:
    """Schemas of answers in an event of a stream, by interrupt id: some servers have them nowhere else."""
    if not isinstance(data, Mapping):
        return {}
    raised = data.get("interrupts") if event.startswith("tasks") else data.get("__interrupt__")
    listed = raised if isinstance(raised, list) else []
    return {
        one["id"]: one["response_schema"] for one in listed if isinstance(one, Mapping) and one.get("id") and one.get("response_schema")
    }


def with_messages(values: Any) -> Any:
    """A state, or a node's update of it, with LangChain's messages in place of their JSON."""
    if isinstance(values, list):
        return [with_messages(value) for value in values]
    if not isinstance(values, Mapping):
        return values
    if is_message(values):
        return message_of(values)
    if (found := values.get("messages")) is None:
        return values
    return {**values, "messages": [message_of(one) for one in found] if isinstance(found, list) else message_of(found)}


def is_message(value: Any) -> bool:
    """Whether this is the JSON of a message."""
    return isinstance(value, Mapping) and value.get("type") in MESSAGES and "content" in value


def message_of(value: Any) -> Any:
    """The message whose JSON this is; the value itself if it is none."""
    if not is_message(value):
        return value
    try:
        return MESSAGES[value["type"]].model_validate(value)
    except ValidationError:
        return value


def part_of(event: str, data: Any) -> Part | None:
    """What LangGraph streamed, from an event of the server's stream; None for events about the stream itself."""
    mode, *namespace = event.split("|")
    if mode == "messages" and isinstance(data, list) and len(data) == 2 and isinstance(data[1], Mapping):
        return tuple(namespace), mode, (message_of(data[0]), data[1])
    if mode == "updates" and isinstance(data, Mapping):
        return tuple(namespace), mode, {node: with_messages(update) for node, update in data.items()}
    if mode == "tasks" and isinstance(data, Mapping) and "id" in data and "name" in data:
        error = data.get("error")
        return tuple(namespace), mode, {**data, "error": _error_text(error)} if error else data
    if mode == "custom":
        return tuple(namespace), mode, data
    return None


def graph_info_of(graph: Mapping[str, Any], inside: Mapping[str, Any]) -> GraphInfo:
    """What a server tells of a graph: the drawing of its own nodes, and the one with those of its subgraphs.

    Schemas of tools are not told, and of subgraphs only those that are nodes.
    """
    nodes = {str(node["id"]): node.get("metadata") or {} for node in graph["nodes"] if node["id"] not in ENDS}
    inner = {str(node["id"]): node.get("metadata") or {} for node in inside["nodes"] if ":" in str(node["id"])}
    tools = [str(name) for metadata in (*nodes.values(), *inner.values()) for name in metadata.get("__tools") or ()]
    return GraphInfo(
        tools=dict.fromkeys(tools),
        nodes=frozenset(nodes),
        tool_nodes=frozenset(name for name, metadata in nodes.items() if "__tools" in metadata),
        inner_tool_nodes=frozenset(tuple(name.split(":")) for name, metadata in inner.items() if "__tools" in metadata),
        gates_before=_gated(nodes, "before"),
        gates_after=_gated(nodes, "after"),
        subgraphs=frozenset(name.partition(":")[0] for name in inner),
        gates_inside=any("__interrupt" in metadata for metadata in inner.values()),
        edges=tuple((str(edge["source"]), str(edge["target"])) for edge in graph["edges"]),
    )


def conditional_nodes(graph: Mapping[str, Any]) -> frozenset[str]:
    """Nodes after which a condition decides what is next."""
    return frozenset(str(edge["source"]) for edge in graph["edges"] if edge.get("conditional"))


def _gated(nodes: Mapping[str, Mapping[str, Any]], when: str) -> frozenset[str]:
    return frozenset(name for name, metadata in nodes.items() if when in str(metadata.get("__interrupt", "")).split(","))


def as_json(values: Any) -> Any:
    """A state update as a server takes it: messages as JSON, and `Overwrite` in the form that LangGraph reads from JSON."""
    if isinstance(values, BaseMessage):
        return values.model_dump(mode="json")
    if isinstance(values, Mapping):
        return {key: as_json(value) for key, value in values.items()}
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return [as_json(value) for value in values]
    return values
