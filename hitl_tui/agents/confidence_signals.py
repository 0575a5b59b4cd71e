"""Finds what a graph says about an action: how confident its agent is, and how risky the tool is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage

from hitl_tui import canonical_json
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.messages import messages_in, unanswered
from hitl_tui.agents.source import AgentSettings
from hitl_tui.model import Action, Confidence, Json, Pause, PauseKind, worst
from hitl_tui.policy.confidence import Signals, assess
from hitl_tui.policy.engine import risk_of

MESSAGE_FIELDS = ("content", "additional_kwargs", "response_metadata", "metadata")
"""The fields of a message that are read."""
REWRITTEN = Confidence(note="a person rewrote it in the agent's place")


def rated(pause: Pause, values: Any, graph_info: GraphInfo, settings: AgentSettings) -> Pause:
    """The pause with the confidence and risk of each action. `values` is the state in which it happened."""
    message, calls = unanswered(messages_in(values))
    said = _plain(message or _last_message(values))
    state = _state(values, settings.state_key)
    left = [canonical_json.as_json(call) for call in calls]
    actions = []
    for action in pause.actions:
        call = None if pause.kind.asks_person else _call_of(action, left)
        signals = Signals(_own_value(pause.value, action.slot), _asked(pause, action, call), said, state, settings.state_key)
        sure = REWRITTEN if _is_rewritten(message) else assess(signals, settings.confidence_order)
        actions.append(replace(action, confidence=sure, risk=_risk(pause, action, graph_info)))
    return replace(pause, actions=tuple(actions), confidence=lowest(actions), risk=worst(action.risk for action in actions))


def _is_rewritten(message: AIMessage | None) -> bool:
    """True if a person rewrote the message; the agent's stated confidence then no longer applies."""
    signed = message.additional_kwargs.get("hitl") if message else None
    return isinstance(signed, Mapping) and signed.get("did") == "rewrote"


def lowest(actions: Sequence[Action]) -> float | None:
    """The lowest confidence; None if any is unknown."""
    known = [action.confidence.value for action in actions]
    return None if None in known else min(value for value in known if value is not None)


def _risk(pause: Pause, action: Action, graph_info: GraphInfo) -> str | None:
    """The risk given in the interrupt or declared by the tool; the worse of two."""
    given = _own_value(pause.value, action.slot)
    word = given.get("risk") if isinstance(given, dict) else None
    own = word[:40] if isinstance(word, str) and canonical_json.encodable(word) else None
    declared = [risk_of(metadata) for metadata in graph_info.metadata.get(action.name, ())] if not pause.kind.asks_person else []
    return worst((own, *(declared if None not in declared else ())))


def _own_value(value: Json, slot: int) -> Json:
    """The part of an interrupt's value about one action: agent-inbox sends a list."""
    return value[slot] if isinstance(value, list) and slot < len(value) else value


def _call_of(action: Action, left: list[Json]) -> Json:
    """The tool call in the last message that belongs to this action; it is removed from `left`."""
    with_its_id = [c for c in left if c["id"] == action.tool_call] if action.tool_call else []
    equal = [c for c in with_its_id or left if (c["name"], c["args"]) == (action.name, action.args)]
    match = next(iter(equal or with_its_id), None)
    if match:
        left.remove(match)
    return match


def _asked(pause: Pause, action: Action, call: Json) -> Json:
    if pause.kind.asks_person:
        return None
    request = pause.value["action_requests"][action.slot] if pause.kind is PauseKind.TOOL_CALLS else {}
    return {**request, "name": action.name, "args": action.args, **(call or {})}


def _last_message(values: Any) -> AIMessage | None:
    """The agent's message, if it is the last one: an earlier message says nothing about this action."""
    messages = messages_in(values)
    return messages[-1] if messages and isinstance(messages[-1], AIMessage) else None


def _plain(message: AIMessage | None) -> Json:
    found = {key: getattr(message, key, None) for key in MESSAGE_FIELDS} if message else {}
    return {key: canonical_json.as_json(value) for key, value in found.items() if value} or None


def _state(values: Any, key: str) -> Json:
    found = values.get(key) if isinstance(values, Mapping) else getattr(values, key, None)
    return {key: canonical_json.as_json(found)}
