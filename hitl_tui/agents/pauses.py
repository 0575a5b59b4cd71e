"""What a thread waits for, read from its snapshot alone: pending interrupts, or the static gate it stands at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langgraph.types import PregelTask, StateSnapshot

from hitl_tui import jsontext
from hitl_tui.agents.anatomy import Anatomy
from hitl_tui.agents.conversation import context_of, messages_in, state_of, unanswered
from hitl_tui.agents.payloads import ALL, APPROVE, REJECT, action, normalise
from hitl_tui.model import Action, Pause, PauseKind

Leaf = tuple[PregelTask, tuple[str, ...], StateSnapshot]
"""A task that is no subgraph, the names of the subgraphs around it, and the snapshot it stands in."""


def leaves(snapshot: StateSnapshot, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The tasks of a snapshot, depth first, down to where something really waits."""
    for task in snapshot.tasks:
        inner = task.state
        if isinstance(inner, StateSnapshot) and inner.tasks:
            yield from leaves(inner, (*path, task.name))
        else:
            yield task, path, snapshot


def at_gate(snapshot: StateSnapshot, anatomy: Anatomy) -> bool:
    """Whether a thread that nobody saw stop may stand at a static gate. When in doubt it does: asking twice harms nobody."""
    return any(_may_be_gated(task.name, path, anatomy) for task, path, _ in leaves(snapshot))


def _may_be_gated(node: str, path: tuple[str, ...], anatomy: Anatomy) -> bool:
    if path:
        return anatomy.gates_inside or path[0] not in anatomy.subgraphs
    return node in anatomy.gates_before or bool(anatomy.gates_after & set(anatomy.before(node)))


def interrupted(snapshot: StateSnapshot, anatomy: Anatomy, inner_values: dict[str, Any]) -> list[Pause]:
    """One pause for each pending interrupt. `inner_values` has, by task id, the state of subgraphs a snapshot does not show."""
    pending = {interrupt.id for interrupt in snapshot.interrupts}
    found: dict[str, Pause] = {}
    for task, path, owner in leaves(snapshot):
        for interrupt in task.interrupts:
            if interrupt.id in pending and interrupt.id not in found:
                values = inner_values.get(task.id, owner.values)
                found[interrupt.id] = _pause(interrupt, task, path, values, anatomy)
    return list(found.values())


def _pause(interrupt: Any, task: PregelTask, path: tuple[str, ...], values: Any, anatomy: Anatomy) -> Pause:
    kind, actions = normalise(interrupt.value, task.name, anatomy.tools, interrupt.response_schema)
    if kind is PauseKind.TOOL_CALLS:
        actions = _with_call_ids(actions, values)
    value = jsontext.safe(interrupt.value)
    error = str(task.error) if task.error else ""
    return Pause(
        interrupt.id, kind, task.name, path, value, actions,
        context_of(values, error, anatomy.before(task.name), anatomy.after(task.name)),
        _confidence(value), _risk(value),
    )  # fmt: skip


def _with_call_ids(actions: Sequence[Action], values: Any) -> tuple[Action, ...]:
    """A batched request names no tool call; the last message's calls do, in the same order."""
    _, calls = unanswered(messages_in(values))
    left = [(call["name"], jsontext.safe(call["args"]), call["id"]) for call in calls]
    found = []
    for asked in actions:
        match = next((c for c in left if c[:2] == (asked.name, asked.args)), None)
        if match:
            left.remove(match)
        found.append(_with_call(asked, match[2] if match else None))
    return tuple(found)


def _with_call(asked: Action, call: str | None) -> Action:
    return action(
        asked.slot, asked.name, asked.args, asked.allowed, description=asked.description, args_schema=asked.args_schema, tool_call=call
    )


def gated(snapshot: StateSnapshot, anatomy: Anatomy) -> Pause:
    """The static gate a thread stands at, as one pause: a tool gate with an action per call, or a plain gate."""
    found = list(leaves(snapshot))
    nodes = list(dict.fromkeys(task.name for task, _, _ in found))
    _, path, owner = found[0]
    checkpoint = owner.config["configurable"]["checkpoint_id"]
    node = ", ".join(nodes)
    _, calls = unanswered(messages_in(owner.values))
    tools = len(nodes) == 1 and not path and bool(calls) and anatomy.runs_tools(node)
    actions = _gated_calls(calls, anatomy) if tools else (_gate(node, owner.values, calls),)
    kind = PauseKind.TOOL_GATE if tools else PauseKind.GATE
    context = context_of(owner.values, "", anatomy.before(node), anatomy.after(node))
    return Pause(f"gate:{checkpoint}", kind, node, path, {"next": nodes}, actions, context)


def _gated_calls(calls: Sequence[dict[str, Any]], anatomy: Anatomy) -> tuple[Action, ...]:
    return tuple(
        action(slot, str(call["name"]), jsontext.safe(call["args"]), ALL, args_schema=anatomy.tools.get(call["name"]), tool_call=call["id"])
        for slot, call in enumerate(calls)
    )


def _gate(node: str, values: Any, calls: Sequence[dict[str, Any]]) -> Action:
    """A plain gate: what stands there is the state, and before all the tool calls that wait in its messages."""
    state = state_of(values)
    if calls:
        waiting = [{"name": str(call["name"]), "args": jsontext.safe(call["args"])} for call in calls]
        state = {"tool calls": waiting, **(state if isinstance(state, dict) else {"state": state})}
    means = {"approve": f"lets {node} run", "reject": "ends the run here"}
    return action(0, node, state, (APPROVE, REJECT), description="a static gate: nothing runs until you say so", means=means)


def _confidence(value: Any) -> float | None:
    given = value.get("confidence") if isinstance(value, dict) else None
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1 else None


def _risk(value: Any) -> str | None:
    given = value.get("risk") if isinstance(value, dict) else None
    return given[:40] if isinstance(given, str) and jsontext.encodable(given) else None
