"""Translates a takeover's plan into updates of a graph's state: one recipe for each part of a plan.

All of them use `update_state`, which has traps (CONTRACT 2.3): an update counts as written by a node, whose edges decide what comes next;
it drops pending interrupts and the results of tasks that ended in the same step; and a reducer would add a new value to the old one.
"""

from __future__ import annotations

import contextlib
import operator
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.channels import BinaryOperatorAggregate
from langgraph.channels.base import BaseChannel
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.graph import END, START
from langgraph.pregel import Pregel
from langgraph.types import Command, Overwrite, StateSnapshot, StateUpdate
from pydantic import TypeAdapter, ValidationError

from hitl_tui import canonical_json
from hitl_tui.agents.interrupts import PULL, as_edited, leaves, waiting_calls
from hitl_tui.agents.introspection import GraphInfo, state_channels
from hitl_tui.agents.messages import context_of, messages_in, text_of
from hitl_tui.agents.proposals import shared_ids, without
from hitl_tui.agents.source import is_gate
from hitl_tui.agents.tool_gates import as_proposed, message_of, results, with_calls
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Context, Json, Pause, PauseKind, RunHead, TakeoverPlan

AS_NODE = "hitl_as_node"
"""Metadata key of an update's checkpoint: as which node it was made. LangGraph's own guess looks at nodes that ran."""
TAKEOVER = "hitl_takeover"
"""Metadata key of a takeover's last checkpoint: the takeover's number."""

Steps = list[list[StateUpdate]]
"""Supersteps of updates."""


@dataclass(frozen=True, slots=True)
class GraphShape:
    """What updates need to know of a graph."""

    channels: Mapping[str, BaseChannel[Any, Any, Any] | None]
    """The channels of its state, by key; None where only the key is known. Empty for a graph without named state."""
    input_keys: frozenset[str]
    conditional: frozenset[str]
    """Nodes after which a condition decides what is next."""
    typed: frozenset[str] = frozenset()
    """Keys without a channel whose values may be of a class, which plain JSON would lose."""

    @classmethod
    def of(cls, graph: Pregel[Any, Any, Any, Any]) -> GraphShape:
        """The shape of a graph in this process."""
        channels = state_channels(graph)
        if not channels:
            return cls({}, frozenset(), frozenset())
        builder: Any = graph.builder  # type: ignore[attr-defined]  # a graph with state channels has one
        conditional = frozenset(node for node in graph.nodes if builder.branches.get(node))
        return cls(channels, frozenset(builder.schemas[builder.input_schema]), conditional)


@dataclass(frozen=True, slots=True)
class HandbackPosition:
    """The graph and the thread's state when a run is handed back."""

    shape: GraphShape
    graph_info: GraphInfo
    snapshot: StateSnapshot
    leading: tuple[str, ...]
    """The nodes whose edges led to where the thread stands; empty if a node's own `Command` did."""
    pauses: tuple[Pause, ...]
    failed: bool
    """It failed or was cancelled: its next step starts again, and nothing is asked."""

    @property
    def stands_at_gate(self) -> bool:
        """True if the run waits at a static gate."""
        return any(is_gate(pause.interrupt) for pause in self.pauses)

    @property
    def stands_at_plain_gate(self) -> bool:
        """True if it waits at a static gate in front of a node that runs no tool calls."""
        return any(pause.kind is PauseKind.GATE for pause in self.pauses)

    @property
    def has_ended(self) -> bool:
        """True if the agent has ended with calls of front-end tools, and waits for their results."""
        return any(pause.kind is PauseKind.FRONTEND_TOOLS for pause in self.pauses)


@dataclass(frozen=True, slots=True)
class HandbackUpdates:
    """The updates that carry out a plan."""

    steps: Steps
    unapproved: tuple[Call, ...] = ()
    """Calls that nobody approved in this form: they are asked before they run."""
    at_gate: bool = False
    """The thread still stands at its static gate afterwards."""
    passes_gate: bool = False
    """The person has seen to what the gate is for: the thread goes on from it without another question."""
    node_asks: bool = False
    """The node that runs the tools asks before it runs any of these."""


def head_of(snapshot: StateSnapshot, graph_info: GraphInfo, pauses: Sequence[Pause] = (), error: str = "") -> RunHead:
    """Where a thread stands, for a person who takes it over. The context is left empty if one of its pauses has the same."""
    message = _last_agent_message(messages_in(snapshot.values))
    calls = as_edited(_open_calls(snapshot, message), snapshot.values) if message else []
    error = error or next((str(task.error) for task in snapshot.tasks if task.error), "")
    known = any(not pause.path for pause in pauses)
    return RunHead(
        snapshot.config["configurable"]["checkpoint_id"],
        tuple(dict.fromkeys(snapshot.next)),
        Context() if known else context_of(snapshot.values, error, *_neighbours(snapshot, graph_info)),
        text_of(message) if message else None,
        tuple(Call(str(call["id"]), str(call["name"]), canonical_json.as_json(call["args"])) for call in calls),
    )


def _neighbours(snapshot: StateSnapshot, graph_info: GraphInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    node = snapshot.next[0] if snapshot.next else ""
    return graph_info.before(node), graph_info.after(node)


def plan_updates(place: HandbackPosition, plan: TakeoverPlan, by: str) -> HandbackUpdates:
    """Translate a person's plan into updates of the thread.

    Raises:
        Refused: it cannot be done where the run stands.
    """
    if not place.shape.channels:
        raise Refused("its graph has no state that could be edited", "answer what it asks, or cancel the run")
    return _Recipe(place, plan, by).updates()


class _Recipe:
    """Builds the updates for one plan."""

    def __init__(self, place: HandbackPosition, plan: TakeoverPlan, by: str) -> None:
        self._place = place
        self._plan = plan
        self._by = by
        self._channels = place.shape.channels
        values = place.snapshot.values
        self._before = messages_in(values)
        ended = results(place.snapshot)  # the snapshot's values may contain them, but its checkpoint does not
        self._messages: list[BaseMessage] = [*self._before, *(message for message in ended if message not in self._before)]
        self._is_ahead = bool(ended)
        self._message = _last_agent_message(self._before)
        self._moved_edits: dict[str, Any] = {}
        self._open = [dict(call) for call in _open_calls(place.snapshot, self._message)]
        self._unapproved: list[Call] = []
        self._had_calls = False
        if self._message and {str(call["id"]) for call in self._open} & {one.tool_call_id for one in ended}:
            self._divide(self._message)

    def updates(self) -> HandbackUpdates:
        plan = self._plan
        if (plan.text, plan.calls, plan.answer) != (None, None, None) or plan.results or plan.guidance:
            self._change_messages()
        values = {name: self._stored(name, value) for name, value in plan.state.items()} | self._moved_edits
        is_same = len(self._messages) == len(self._before) and all(map(operator.is_, self._messages, self._before))
        if self._is_ahead or not is_same:
            values["messages"] = _put(self._channels["messages"], self._messages)
        stays, passes = False, False
        if plan.answer is not None:
            steps = self._as_end(values)
        elif self._place.has_ended:
            goes_on = plan.guidance or (plan.results and not self._open)
            steps = self._from_start(values) if goes_on else self._as_end(values)  # what is left of the calls is asked again
        elif self._place.stands_at_plain_gate and not self._inside:
            steps, passes = self._as_leading_nodes(values), True
        elif plan.guidance and (self._had_calls or self._inside or not self._place.failed):
            steps = self._as_new_turn(values)
        elif plan.results and not self._open:
            steps = self._as_tool_node(values)
        else:
            self._require_outermost_graph()
            steps, stays = self._as_leading_nodes(values), True
        return HandbackUpdates(steps, tuple(self._unapproved), stays and self._place.stands_at_gate, passes, self._tools_ask())

    # Messages

    def _change_messages(self) -> None:
        if "messages" not in self._channels:
            raise Refused("the graph keeps no messages", "edit the state, or decide the review")
        plan, self._had_calls = self._plan, bool(self._open)
        rewrites = plan.text is not None or plan.calls is not None
        if self._message is None and (rewrites or plan.results):
            raise Refused("the last message is not the agent's: it cannot be rewritten or answered", "guide the agent instead")
        if self._message is not None and self._had_calls:
            self._message, self._moved_edits = self._replaced(*as_proposed(self._message, self._place.snapshot.values))
            self._open = as_edited(self._open, self._place.snapshot.values)
        if rewrites:
            self._rewrite()
        self._answer_calls()
        if plan.guidance:
            self._close_open_calls("and has told you what to do instead")
            self._messages.append(HumanMessage(plan.guidance, id=_new_id(), name="reviewer", additional_kwargs=self._sign("guided")))
        if plan.answer is not None:
            self._close_open_calls("and has answered in your place")
            self._messages.append(AIMessage(plan.answer, id=_new_id(), additional_kwargs=self._sign("answered")))

    def _rewrite(self) -> None:
        message, plan = self._message, self._plan
        assert message is not None
        if plan.calls is not None:
            mine = {call["id"]: call["args"] for call in self._open}
            self._open = [
                {
                    "name": c.name,
                    "args": canonical_json.restored(c.args, mine[c.id]) if c.id in mine else c.args,
                    "id": c.id if c.id in mine else f"call_{uuid.uuid4().hex}",
                    "type": "tool_call",
                }
                for c in plan.calls
            ]
            self._unapproved = [Call(call["id"], call["name"], canonical_json.as_json(call["args"])) for call in self._open]
            message = with_calls(message, [*(call for call in message.tool_calls if call["id"] not in mine), *self._open])
        if plan.text is not None:
            message = message.model_copy(update={"content": _with_text(message.content, plan.text)})
        signed = {**message.additional_kwargs, **self._sign("rewrote")}
        self._message, _ = self._replaced(message.model_copy(update={"additional_kwargs": signed}), {})

    def _divide(self, message: AIMessage) -> None:
        """Move the calls that have not run into a message of their own: by their ids, a graph would take them for ended."""
        self._replaced(with_calls(message, without(message.tool_calls, self._open)), {})
        self._message = message_of(self._open, self._by)
        self._messages.append(self._message)

    def _answer_calls(self) -> None:
        """Give calls the results that a person wrote.

        Calls that are left over move into a message of their own: a graph asks about and runs all calls of the last message, whether they
        have results or not.
        """
        answered = [call for call in self._open if call["id"] in self._plan.results]  # several, where they share an id
        if lost := self._plan.results.keys() - {call["id"] for call in answered}:
            raise Refused(f"no tool call {min(lost)!r} waits for a result any more", "look at the run again")
        if not answered:
            return
        self._open = [call for call in self._open if call["id"] not in self._plan.results]
        message = self._message
        assert message is not None
        moved = {call["id"] for call in self._open} if not self._closes_calls else set()
        if moved:
            self._message, _ = self._replaced(with_calls(message, [call for call in message.tool_calls if call["id"] not in moved]), {})
        for call in answered:
            text = self._plan.results[call["id"]]
            self._messages.append(
                ToolMessage(text, tool_call_id=call["id"], name=call["name"], id=_new_id(), additional_kwargs=self._sign("answered"))
            )
        self._unapproved = [call for call in self._unapproved if call.id not in self._plan.results]
        if moved:
            self._unapproved = [Call(call["id"], call["name"], canonical_json.as_json(call["args"])) for call in self._open]
            self._messages.append(message_of(self._open, self._by))

    @property
    def _closes_calls(self) -> bool:
        return bool(self._plan.guidance) or self._plan.answer is not None

    def _close_open_calls(self, why: str) -> None:
        """Give every remaining call a result: providers refuse a conversation with calls that have none."""
        for call in self._open:
            text = f"{self._by} took over, {why}; this call did not run."
            made = ToolMessage(text, tool_call_id=call["id"], name=call["name"], id=_new_id(), status="error")
            self._messages.append(made.model_copy(update={"additional_kwargs": self._sign("closed")}))
        self._open, self._unapproved = [], []

    def _replaced(self, message: AIMessage, moved_edits: dict[str, Any]) -> tuple[AIMessage, dict[str, Any]]:
        place = next(index for index, one in enumerate(self._messages) if one is self._message)
        self._messages[place] = message
        return message, moved_edits

    def _sign(self, did: str) -> dict[str, Any]:
        return {"hitl": {"by": self._by, "did": did}}

    # Updates, each written as some node

    def _as_new_turn(self, values: dict[str, Any]) -> Steps:
        """Let the agent read its guidance: after its tools if it had called some, else from the graph's start."""
        if self._had_calls and self._tool_nodes():
            return self._as_tool_node(values)
        return self._from_start(values)

    def _from_start(self, values: dict[str, Any]) -> Steps:
        if values.keys() <= self._input_keys():
            return [[StateUpdate(values, START, None)]]
        return [*self._as_plain_node(values), [StateUpdate({}, START, None)]]

    def _as_end(self, values: dict[str, Any]) -> Steps:
        return [*self._as_plain_node(values), [StateUpdate(None, END, None)]]

    def _as_tool_node(self, values: dict[str, Any]) -> Steps:
        """Write as the node that runs the tools. Ended calls may have changed more than messages: that is written too."""
        node = self._tool_node()
        changes = [
            {k: v for k, v in result.items() if k not in ("messages", *values)} for _, result in self._results() if messages_in(result)
        ]
        return [[StateUpdate(values, node, None), *(StateUpdate(others, node, None) for others in changes if others)]]

    def _results(self) -> list[tuple[str, dict[str, Any]]]:
        """Results of the ended tasks of this step, with their nodes' names."""
        found = [(task.name, task.result) for task in self._place.snapshot.tasks if task.result is not None]
        return [(name, result if isinstance(result, dict) else {}) for name, result in found]

    def _as_leading_nodes(self, values: dict[str, Any]) -> Steps:
        """Write as the nodes that led here, so that the same nodes come next, or those that their edges choose for the new values."""
        if others := [name for name, result in self._results() if result.keys() != {"messages"}]:
            raise Refused(f"{others[0]} has already ended in this step, and would run again", "decide what waits first")
        nodes = self._place.leading
        if not nodes:
            return self._by_goto(values)
        if nodes == (START,) and not values.keys() <= self._input_keys():
            return [*self._as_plain_node(values), [StateUpdate({}, START, None)]]
        return [[StateUpdate(values if number == 0 else None, node, None) for number, node in enumerate(nodes)]]

    def _by_goto(self, values: dict[str, Any]) -> Steps:
        """Go to the same nodes with a `Command`, written as a node that has no edges of its own."""
        place = self._place
        ends = [
            node for node in sorted(place.graph_info.nodes) if not set(place.graph_info.after(node)) - {END} and node in self._plain_nodes()
        ]
        if not ends or any(task.path[0] != PULL for task in place.snapshot.tasks):
            raise Refused("nobody knows which node of its graph led to where it stands", "guide the agent, or answer in its place")
        return [[StateUpdate(Command(update=values, goto=list(place.snapshot.next)), ends[0], None)]]  # type: ignore[arg-type]

    def _as_plain_node(self, values: dict[str, Any]) -> Steps:
        """Write as a node without conditional edges; the update that follows decides where the thread goes."""
        return [[StateUpdate(values, (self._plain_nodes() or sorted(self._place.graph_info.nodes))[0], None)]]

    def _plain_nodes(self) -> list[str]:
        return sorted(self._place.graph_info.nodes - self._place.shape.conditional)

    def _input_keys(self) -> frozenset[str]:
        return self._place.shape.input_keys

    def _tool_nodes(self) -> list[str]:
        found = sorted(filter(self._place.graph_info.runs_tools, self._place.graph_info.nodes))
        return [node for node in found if node in self._place.snapshot.next] or found

    def _tool_node(self) -> str:
        nodes = self._tool_nodes()
        if not nodes and len(waiting := sorted(set(self._place.snapshot.next))) == 1:
            nodes = waiting
        if len(nodes) > 1 and self._lead_to_the_same(nodes):
            nodes = nodes[:1]
        if len(nodes) != 1:
            why = f"{', '.join(nodes)} do" if nodes else "none looks as if it did"
            raise Refused(f"nobody knows which node of its graph runs these calls: {why}", "guide the agent, or answer in its place")
        return nodes[0]

    def _lead_to_the_same(self, nodes: list[str]) -> bool:
        """Whether all of them lead to the same nodes, without conditions."""
        return set(nodes) <= set(self._plain_nodes()) and len({frozenset(self._place.graph_info.after(node)) for node in nodes}) == 1

    def _tools_ask(self) -> bool:
        """Whether the node that runs the tools asks about each call itself, and all unapproved calls are of tools it asked about."""
        asked = {action.name for p in self._place.pauses if p.kind is PauseKind.TOOL_APPROVAL for action in p.actions}
        return {call.name for call in self._unapproved} <= asked

    @property
    def _inside(self) -> tuple[str, ...]:
        """Names of the subgraphs in which the run stands; empty in the outermost graph."""
        below = next((path for task, path, _ in leaves(self._place.snapshot) if path and task.result is None), ())
        return below or next((pause.path for pause in self._place.pauses if pause.path), ())

    def _require_outermost_graph(self) -> None:
        """Refuse inside a subgraph: it would start over if the state around it changed."""
        if self._inside:
            raise Refused(
                f"it stands inside {' › '.join(self._inside)}, which would begin again if the state around it were edited",
                "guide the agent, answer in its place, or decide what it asks",
            )

    # Values

    def _stored(self, name: str, value: Json) -> Any:
        if name not in self._channels or name == "messages":
            raise Refused(f"the graph's state has no {name!r} to edit", f"it has {', '.join(n for n in self._channels if n != 'messages')}")
        channel = self._channels[name]
        if name in self._place.shape.typed:
            raise Refused(f"{name} may be of a class, and a server takes it only as plain JSON", "guide the agent, or answer in its place")
        if channel is None:
            return canonical_json.restored(value, self._original(name))
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(channel.ValueType)
        except Exception:  # noqa: BLE001 - pydantic has no schema for some types: the value is stored as it is
            return _put(channel, canonical_json.restored(value, self._original(name)))
        try:
            return _put(channel, _typed(adapter, value, self._original(name)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (name, *first["loc"])))
            raise Refused(f"the state does not fit the graph: {where}: {first['msg']}", "correct it") from None

    def _original(self, name: str) -> Any:
        values = self._place.snapshot.values
        return values.get(name) if isinstance(values, Mapping) else getattr(values, name, None)


def _typed(adapter: TypeAdapter[Any], value: Json, original: Any) -> Any:
    """A person's new value of a key in its type. Parts that are as they were in the original are those very objects.

    Raises:
        ValidationError: it does not fit the type.
    """
    edited = canonical_json.restored(value, original)
    with contextlib.suppress(ValidationError):
        return adapter.validate_python(edited, strict=True)
    try:
        return adapter.validate_json(canonical_json.dumps(value), strict=True)
    except ValidationError:
        if edited == value:
            raise
        return adapter.validate_python(edited)  # new parts as JSON beside objects that JSON does not have


def leading_nodes(snapshot: StateSnapshot, graph_info: GraphInfo, checkpoint: CheckpointTuple) -> tuple[str, ...]:
    """The nodes whose edges led to where a thread stands: those that ran last, or as which the last update was written.

    A node called by a `Send` leaves no trace; then the edges tell, together with a tool's result as the last message. Empty if no edge led
    there, but a node's own `Command`.
    """
    wanted = set(snapshot.next)
    metadata: Mapping[str, Any] = checkpoint.metadata
    named = metadata.get(AS_NODE) if metadata.get("source") == "update" else None
    if named and wanted & set(graph_info.after(named)):
        return (named,)
    if node := node_of_results(snapshot, graph_info):
        return (node,)
    seen = checkpoint.checkpoint["versions_seen"]
    known = {START, *graph_info.nodes}
    newest = {node: max(map(str, versions.values())) for node, versions in seen.items() if versions and node in known}
    leading = {node: version for node, version in newest.items() if wanted & set(graph_info.after(node))}
    last = max(leading.values(), default="")
    return tuple(sorted(node for node, version in leading.items() if version == last))


def node_of_results(snapshot: StateSnapshot, graph_info: GraphInfo) -> str:
    """The node that ran tools right before, if the last message is a tool's result and only one node can have led here; else empty."""
    messages, wanted = messages_in(snapshot.values), set(snapshot.next)
    if not messages or not isinstance(messages[-1], ToolMessage):
        return ""
    tools = [node for node in sorted(graph_info.nodes) if graph_info.runs_tools(node) and wanted & set(graph_info.after(node))]
    return tools[0] if len(tools) == 1 else ""


def _put(channel: BaseChannel[Any, Any, Any] | None, value: Any) -> Any:
    return Overwrite(value) if isinstance(channel, BinaryOperatorAggregate | DeltaChannel) else value


def _last_agent_message(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The agent's message at the end of a conversation, tool results aside; None if somebody else spoke last."""
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            return message if isinstance(message, AIMessage) else None
    return None


def _open_calls(snapshot: StateSnapshot, message: AIMessage | None) -> list[Any]:
    if message and shared_ids(message):
        return waiting_calls(snapshot)[1]
    found = [*messages_in(snapshot.values), *results(snapshot)]
    done = {one.tool_call_id for one in found if isinstance(one, ToolMessage)}
    return [call for call in message.tool_calls if call["id"] not in done] if message else []


def _with_text(content: Any, text: str) -> Any:
    """A message's content with another text; other blocks of the provider stay."""
    if not isinstance(content, list):
        return text
    others = [block for block in content if isinstance(block, dict) and block.get("type") != "text"]
    before = [block for block in others if block.get("type") != "tool_use"]
    return [*before, {"type": "text", "text": text}, *(block for block in others if block.get("type") == "tool_use")]


def _new_id() -> str:
    return str(uuid.uuid4())
