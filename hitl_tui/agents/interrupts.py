"""Finds a thread's pauses in LangGraph's snapshot: one per pending interrupt, one for a static gate, or one for calls left open at the end.

`interrupt_payloads.py` reads what each asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.constants import END, START
from langgraph.types import PregelTask, StateSnapshot

from hitl_tui import canonical_json
from hitl_tui.agents.confidence_signals import rated
from hitl_tui.agents.interrupt_payloads import ALL, APPROVE, EDIT, REJECT, RESPOND, action, normalise
from hitl_tui.agents.introspection import GraphInfo, is_named_like_tools
from hitl_tui.agents.messages import calls_at_end, context_of, messages_in, state_of, unanswered
from hitl_tui.agents.proposals import cautions, shared_ids, without, without_edit
from hitl_tui.agents.source import END_CALLS, GATE, AgentSettings
from hitl_tui.agents.subgraph_interrupts import SubgraphPlace
from hitl_tui.model import Action, Context, Pause, PauseKind
from hitl_tui.policy import globs

PULL = "__pregel_pull"
"""First part of the path of a task that the graph's edges led to; other tasks come from a `Send`."""

EDITED = "hitl_edited_tool_calls"
"""State key in which LangChain's human-in-the-loop middleware keeps edited calls, by id."""

Leaf = tuple[PregelTask, tuple[str, ...], StateSnapshot]
"""A task that is not a subgraph, the names of the subgraphs around it, and the snapshot that contains it."""


def leaves(snapshot: StateSnapshot, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The innermost tasks of a snapshot, depth first."""
    for task in snapshot.tasks:
        inner = task.state
        if isinstance(inner, StateSnapshot) and inner.tasks:
            yield from leaves(inner, (*path, task.name))
        else:
            yield task, path, snapshot


def at_gate(snapshot: StateSnapshot, graph_info: GraphInfo) -> bool:
    """Whether a thread that nobody saw stop may stand at a static gate. If in doubt, yes: asking twice does no harm."""
    return any(_may_be_gated(task.name, path, graph_info) for task, path, _ in leaves(snapshot))


def _may_be_gated(node: str, path: tuple[str, ...], graph_info: GraphInfo) -> bool:
    if node == START:
        return False  # a subgraph that was stopped before it started
    if path:
        return graph_info.gates_inside or path[0] not in graph_info.subgraphs
    return node in graph_info.gates_before or bool(graph_info.gates_after & set(graph_info.before(node)))


def waiting_calls(snapshot: StateSnapshot) -> tuple[AIMessage | None, list[dict[str, Any]]]:
    """The last message with tool calls, and those of its calls that have not run.

    Where calls share an id, their results do not tell which of them have run. Each is a task of its own then, in the order of the calls:
    `create_agent` sends all calls whose id had no result before the step.
    """
    messages = messages_in(snapshot.values)
    message, calls = unanswered(messages)
    waiting = {task.name for task in snapshot.tasks if task.result is None}
    tasks = [task for task in snapshot.tasks if task.name in waiting]
    ended = [task for task in tasks if task.result is not None]
    if message is None or not ended or not shared_ids(message):
        return message, calls
    now = Counter(one.tool_call_id for task in ended for one in messages_in(task.result) if isinstance(one, ToolMessage))
    after = messages[messages.index(message) + 1 :]
    before = Counter(one.tool_call_id for one in after if isinstance(one, ToolMessage)) - now
    sent = [call for call in message.tool_calls if str(call["id"]) not in before]
    if len(sent) != len(tasks):
        return message, calls
    return message, [dict(call) for call, task in zip(sent, tasks, strict=True) if task.result is None]


def namespace(task: PregelTask, owner: StateSnapshot) -> str:
    """The checkpoint namespace below a task."""
    around = owner.config["configurable"].get("checkpoint_ns")
    return f"{around}|{task.name}:{task.id}" if around else f"{task.name}:{task.id}"


def interrupted(
    snapshot: StateSnapshot, graph_info: GraphInfo, places: Mapping[str, SubgraphPlace], settings: AgentSettings
) -> list[Pause]:
    """One pause for each pending interrupt. `places`: by interrupt id, where it was raised in graphs that the snapshot does not show."""
    pending = {interrupt.id for interrupt in snapshot.interrupts}
    found: dict[str, Pause] = {}
    for task, path, owner in leaves(snapshot):
        for interrupt in task.interrupts:
            if interrupt.id in pending and interrupt.id not in found:
                place = places.get(interrupt.id)
                if place and place.has_answer:
                    continue  # answered; only the task around it does not know yet
                found[interrupt.id] = _pause(interrupt, (task, path, owner), place, graph_info, settings)
    warning = _warn_of_gates_beside(snapshot)
    return [replace(pause, note="; ".join(filter(None, [pause.note, warning]))) for pause in found.values()]


def _warn_of_gates_beside(snapshot: StateSnapshot) -> str:
    """A warning about gates inside subgraphs: LangGraph passes them as soon as an interrupt beside them is answered."""
    held = [
        " › ".join((*path, t.name)) for t, path, _ in leaves(snapshot) if path and not t.interrupts and not t.error and t.result is None
    ]
    return (
        f"{', '.join(dict.fromkeys(held))} waits at a gate beside this, and LangGraph runs it as soon as this is answered" if held else ""
    )


@dataclass(frozen=True, slots=True)
class _Place:
    node: str
    path: tuple[str, ...]
    values: Any


def _place(leaf: Leaf, inside: SubgraphPlace | None) -> _Place:
    task, path, owner = leaf
    if inside is None:
        return _Place(task.name, path, owner.values)
    return _Place(", ".join(inside.nodes) or task.name, inside.path, inside.values)


def _pause(interrupt: Any, leaf: Leaf, inside: SubgraphPlace | None, graph_info: GraphInfo, settings: AgentSettings) -> Pause:
    place = _place(leaf, inside)
    kind, actions = normalise(interrupt.value, place.node, graph_info.tools, interrupt.response_schema)
    messages = messages_in(place.values)
    message, calls = unanswered(messages)
    if kind is PauseKind.TOOL_CALLS:
        actions = _with_call_ids(actions, message, calls)
    if kind is PauseKind.QUESTION and not inside and (tool := _running(leaf, graph_info)):
        actions = tuple(replace(asked, description=f"asked while {tool} runs") for asked in actions)
    value = canonical_json.as_json(interrupt.value)
    error = str(leaf[0].error) if leaf[0].error else ""
    pause = Pause(
        interrupt.id,
        kind,
        place.node,
        place.path,
        value,
        actions,
        _context(place, error, graph_info),
        note=_warn_of_lost_answer(leaf[0], graph_info) or _warn_of_mixed_answers(leaf, inside, graph_info),
        caution=cautions(messages, message, actions, kind),
    )
    return rated(pause, place.values, graph_info, settings)


def _context(place: _Place, error: str, graph_info: GraphInfo) -> Context:
    """The pause's context. The nodes before and after are known only for the outermost graph."""
    neighbours = () if place.path else (graph_info.before(place.node), graph_info.after(place.node))
    return context_of(place.values, error, *neighbours)


def _warn_of_lost_answer(task: PregelTask, graph_info: GraphInfo) -> str:
    """A warning if LangGraph cannot deliver an answer to this task."""
    if task.name not in graph_info.forgetful:
        return ""
    return f"{task.name} was compiled with checkpointer=False: LangGraph cannot bring it an answer by id, and it will ask again"


def _warn_of_mixed_answers(leaf: Leaf, inside: SubgraphPlace | None, graph_info: GraphInfo) -> str:
    """A warning if LangGraph may give the answer to another call: a ToolNode runs several calls in one task (CONTRACT 2.1)."""
    task, path, owner = leaf
    node, calls = task.name, unanswered(messages_in(owner.values))[1]
    if task.path[:1] != (PULL,) or not graph_info.is_tool_node(path, node):
        if inside is None or not inside.pulled or not inside.nodes or not is_named_like_tools(inside.nodes[0]):
            return ""
        node, calls = inside.nodes[0], unanswered(messages_in(inside.values))[1]
    if len(calls) < 2:
        return ""
    names = ", ".join(
        f"{canonical_json.one_line(str(call['name']), 60)} {canonical_json.one_line(canonical_json.as_json(call['args']), 60)}"
        for call in calls
    )
    return (
        f"one of {len(calls)} calls that {node} runs in one task asks this; LangGraph may hand your answer to another of them, "
        f"and runs those that are done again: {names}"
    )


def _running(leaf: Leaf, graph_info: GraphInfo) -> str:
    """The tool that a ToolNode's task runs; empty if the last message does not tell.

    It is shown in the description, and the question keeps its node's name: an answer is no judgement of the call, so it must not count
    towards the tool's autonomy. The name is also part of the digest, which must not depend on how the message's other calls end.
    """
    task, path, owner = leaf
    message, _ = unanswered(messages_in(owner.values))
    if message is None or not graph_info.is_tool_node(path, task.name) or (isinstance(owner.values, Mapping) and owner.values.get(EDITED)):
        return ""
    names = {str(call["name"]) for call in message.tool_calls}
    return names.pop() if len(names) == 1 else ""


def _with_call_ids(actions: Sequence[Action], message: AIMessage | None, calls: Sequence[Any]) -> tuple[Action, ...]:
    """Add tool call ids: a batched request has none, but the last message's calls are in the same order."""
    shared = shared_ids(message)
    left = [(call["name"], canonical_json.as_json(call["args"]), call["id"]) for call in calls]
    found = []
    for asked in actions:
        match = next((c for c in left if c[:2] == (asked.name, asked.args)), None)
        if match:
            left.remove(match)
        call = match[2] if match else None
        allowed = without_edit(asked) if match and (call in shared or not call) else asked.allowed  # an edit is found by the id
        found.append(replace(asked, tool_call=call, allowed=allowed))
    return tuple(found)


def gated(snapshot: StateSnapshot, graph_info: GraphInfo, places: Mapping[str, SubgraphPlace], settings: AgentSettings) -> Pause:
    """The static gate a thread stands at, as one pause: a tool gate with an action per call, or a plain gate.

    `places`: by task id, where graphs stand that the snapshot does not show.
    """
    found = list(leaves(snapshot))
    found = [leaf for leaf in found if leaf[0].result is None] or found
    waiting = [_place(leaf, places.get(leaf[0].id)) for leaf in found]
    nodes, place = list(dict.fromkeys(place.node for place in waiting)), waiting[0]
    checkpoint = found[0][2].config["configurable"]["checkpoint_id"]
    node = ", ".join(nodes)
    message, calls = waiting_calls(snapshot) if place.values is snapshot.values else unanswered(messages_in(place.values))
    if shared := shared_ids(message):
        place = replace(place, values=_apart(place.values, message, calls))
    messages = messages_in(place.values)
    message, _ = unanswered(messages)
    calls = as_edited(calls, place.values)
    tools = len(nodes) == 1 and not place.path and bool(calls) and graph_info.runs_tools(node)
    actions = _gated_calls(calls, graph_info, shared) if tools else (_gate(node, place.values, calls),)
    kind = PauseKind.TOOL_GATE if tools else PauseKind.GATE
    caution = cautions(messages, message if calls else None, actions, kind)
    pause = Pause(f"{GATE}{checkpoint}", kind, node, place.path, {"next": nodes}, actions, _context(place, "", graph_info), caution=caution)
    return rated(pause, place.values, graph_info, settings)


def _apart(values: Any, message: AIMessage | None, calls: Sequence[dict[str, Any]]) -> Any:
    """The state as it is shown: the calls that are left are a message of their own, so that no call shows the result of another."""
    if message is None or not isinstance(values, Mapping) or not 0 < len(calls) < len(message.tool_calls):
        return values
    messages = messages_in(values)
    ended = message.model_copy(update={"content": "", "tool_calls": without(message.tool_calls, calls)})
    left = message.model_copy(update={"tool_calls": list(calls)})
    return {**values, "messages": [*(ended if one is message else one for one in messages), left]}


def at_end(snapshot: StateSnapshot, graph_info: GraphInfo, settings: AgentSettings) -> Pause | None:
    """The tool calls with which an agent ended, as one pause; None if it made no call of a front-end tool, or cannot read a result.

    The message's other calls without a result are asked too: a model goes on only when each of its calls has one.
    """
    message, calls = calls_at_end(messages_in(snapshot.values))
    listed = any(globs.matches(glob, str(call["name"])) for call in calls for glob in settings.frontend_tools)
    if not listed or not graph_info.adds_messages or not all(call["id"] for call in calls):
        return None
    actions = frontend_actions(calls)
    messages, place = messages_in(snapshot.values), _Place("", (), snapshot.values)
    caution = cautions(messages, message, actions, PauseKind.FRONTEND_TOOLS)
    checkpoint, value = snapshot.config["configurable"]["checkpoint_id"], {"calls": [asked.name for asked in actions]}
    pause = Pause(
        f"{END_CALLS}{checkpoint}", PauseKind.FRONTEND_TOOLS, END, (), value, actions, _context(place, "", graph_info), caution=caution
    )
    return rated(pause, snapshot.values, graph_info, settings)


def frontend_actions(calls: Sequence[Any]) -> tuple[Action, ...]:
    """The actions that ask for the results of an agent's last tool calls."""
    means = {"respond": "gives the agent this as the tool's result", "reject": "tells the agent that the call was rejected, and why"}
    about = "no node of the graph runs this call: your answer is its result"
    return tuple(
        action(
            slot, str(call["name"]), canonical_json.as_json(call["args"]), (REJECT, RESPOND), description=about, tool_call=call["id"],
            means=means,
        )
        for slot, call in enumerate(calls)
    )  # fmt: skip


def as_edited(calls: Sequence[Any], values: Any) -> list[dict[str, Any]]:
    """Tool calls as they will run: LangChain's middleware keeps a reviewer's edits beside the message (CONTRACT 1.5)."""
    edited = values.get(EDITED) if isinstance(values, Mapping) else None
    return [{**call, "args": edited[call["id"]]["args"]} if edited and call["id"] in edited else dict(call) for call in calls]


def _gated_calls(calls: Sequence[dict[str, Any]], graph_info: GraphInfo, shared: Collection[str | None]) -> tuple[Action, ...]:
    return tuple(
        action(
            slot,
            str(call["name"]),
            canonical_json.as_json(call["args"]),
            tuple(kind for kind in ALL if kind is not EDIT or call["id"] not in shared),
            args_schema=graph_info.tools.get(call["name"]),
            tool_call=call["id"],
        )
        for slot, call in enumerate(calls)
    )


def _gate(node: str, values: Any, calls: Sequence[dict[str, Any]]) -> Action:
    """The action of a plain gate. It shows the state, and first the tool calls that wait in its messages."""
    state = state_of(values)
    if calls:
        waiting = [{"name": str(call["name"]), "args": canonical_json.as_json(call["args"])} for call in calls]
        state = {"tool calls": waiting, **(state if isinstance(state, dict) else {"state": state})}
    means = {"approve": f"lets {node} run", "reject": "ends the run here"}
    return action(0, node, state, (APPROVE, REJECT), description="a static gate: nothing runs until you say so", means=means)
