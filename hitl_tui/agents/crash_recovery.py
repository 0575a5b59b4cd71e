"""After a worker died inside a step: what people had let happen, and may have happened already."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import StateSnapshot

from hitl_tui.agents.interrupts import leaves
from hitl_tui.agents.messages import messages_in
from hitl_tui.model import Action, Answer, DecisionKind, Pause, PauseKind, Sent

CALLS = frozenset({PauseKind.TOOL_CALLS, PauseKind.TOOL_APPROVAL, PauseKind.TOOL_GATE})
"""Pauses whose actions are tool calls of the state's last message, so that their results can be found there."""


def may_repeat(snapshot: StateSnapshot, pending: Collection[str], sent: Sequence[Sent]) -> bool:
    """Whether going on could do again what somebody approved: a step is unfinished, and no result of the approved is to be seen.

    `pending` are the interrupts that wait still.
    """
    if not any(task.result is None and not task.interrupts for task, _, _ in leaves(snapshot)):
        return False
    done = set(_finished(snapshot))
    return any(
        _let_happen(said, action, said.by_slot[action.slot]) and not (said.kind in CALLS and action.tool_call in done)
        for said in sent
        if said.interrupt not in pending
        for action in said.actions
        if action.slot in said.by_slot
    )


def _let_happen(said: Sent, action: Action, answer: Answer) -> bool:
    if said.kind is PauseKind.GATE:
        return False  # its node has finished: else the thread would stand there still
    if said.kind in (PauseKind.QUESTION, PauseKind.MCP_ELICITATION, PauseKind.ESCALATION):
        return answer.kind is not DecisionKind.REJECT
    return answer.kind in (DecisionKind.APPROVE, DecisionKind.EDIT)


def _finished(snapshot: StateSnapshot) -> Iterator[str]:
    """Ids of the tool calls that have a result anywhere in the thread's state."""
    for values in (snapshot.values, *(owner.values for _, _, owner in leaves(snapshot))):
        yield from (m.tool_call_id for m in messages_in(values) if isinstance(m, ToolMessage))


def doubtful(pause: Pause, note: str, key: str | None) -> Pause:
    """The pause, saying that what it lets happen may have happened once."""
    again = {"approve": f"lets {pause.node} run, maybe for the second time", "reject": "ends the run here"}
    actions = pause.actions
    if pause.kind is PauseKind.GATE:
        actions = tuple(replace(a, description=f"the worker died while {pause.node} was running", means=again) for a in actions)
    return replace(pause, note=note, actions=actions, repeats=key)


def lost_refusals(values: Any, said: Sent) -> AIMessage | None:
    """The message from which the refused calls of a mixed decision are missing still: its worker died between the two halves."""
    if said.kind is not PauseKind.TOOL_GATE:
        return None
    refused = {action.tool_call for action in said.actions if said.by_slot[action.slot].kind in (DecisionKind.REJECT, DecisionKind.RESPOND)}
    kept = {action.tool_call for action in said.actions} - refused
    for message in reversed(messages_in(values)):
        calls = {call["id"] for call in message.tool_calls} if isinstance(message, AIMessage) else set()
        if calls & kept:
            return message if isinstance(message, AIMessage) and refused and not calls & refused else None
    return None


def answered(values: Any, said: Sent) -> bool:
    """Whether every call that was let run has its result."""
    done = {m.tool_call_id for m in messages_in(values) if isinstance(m, ToolMessage)}
    let = (a.tool_call for a in said.actions if said.by_slot[a.slot].kind in (DecisionKind.APPROVE, DecisionKind.EDIT))
    return all(call in done for call in let)


def calls_of(said: Sent) -> dict[int, Mapping[str, Any]]:
    """Every call of the gate by slot, with the arguments that were decided, as a message holds them."""
    return {a.slot: {"name": a.name, "args": _args(a, said.by_slot[a.slot]), "id": a.tool_call, "type": "tool_call"} for a in said.actions}


def _args(asked: Action, answer: Answer) -> Any:
    return answer.args if answer.kind is DecisionKind.EDIT else asked.args
