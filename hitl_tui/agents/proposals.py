"""What a reviewer must know about the message that proposed tool calls: it was cut off, some calls cannot be read, calls share an id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage

from hitl_tui import canonical_json
from hitl_tui.model import Action, DecisionKind, PauseKind

CUT_OFF = "the model was cut off: arguments may be incomplete"
_REASON = re.compile(r"(?:finish|stop|done|completion)_?reason", re.IGNORECASE)
"""Keys under which providers say why a model stopped: `finish_reason`, `stopReason`, `done_reason` …"""
_STATUS = re.compile(r"status|incomplete_?details|reason", re.IGNORECASE)
"""Keys that OpenAI's Responses API uses: `status: incomplete`, `incomplete_details: {reason: max_output_tokens}`."""
_CUT = re.compile(r"length|max_?(?:\w+_)?tokens?|incomplete|context_?window|token_?limit|content_?filter|safety|recitation", re.IGNORECASE)
"""Reasons that mean that the model did not come to its own end; chunks that are merged repeat a word."""
DEPTH = 4
LISTED = 3
"""Most calls that cannot be read, and ids, that a warning names."""


def cautions(messages: Sequence[BaseMessage], proposing: AIMessage | None, actions: Sequence[Action], kind: PauseKind) -> str:
    """Warnings about the message that led to a pause, joined; empty for none. `proposing` made calls; else the last message counts."""
    last = messages[-1] if messages and isinstance(messages[-1], AIMessage) else None
    message = proposing or last
    if message is None:
        return ""
    found = [CUT_OFF] if was_cut_off(message) else []
    if message.invalid_tool_calls:
        listed = [canonical_json.one_line(f"{call.get('name')} {call.get('args')}", 80) for call in message.invalid_tool_calls]
        unreadable = ", ".join([*listed[:LISTED], *(["…"] if listed[LISTED:] else [])])
        found.append(f"the message also holds {_counted(message.invalid_tool_calls)} that cannot be read and will not run: {unreadable}")
    return "; ".join([*found, *_about_ids(message, actions, kind)])


def _counted(calls: Sequence[Any]) -> str:
    return "a call" if len(calls) == 1 else f"{len(calls)} calls"


def was_cut_off(message: AIMessage) -> bool:
    """Whether the provider says that the model was stopped before its own end."""
    reasons = [value for key, value in message.additional_kwargs.items() if _REASON.fullmatch(str(key))]  # other keys may hold its own text
    return _says_cut(message.response_metadata, DEPTH) or any(_says_cut(one, DEPTH, named=True) for one in reasons)


def _says_cut(value: Any, depth: int, named: bool = False) -> bool:
    """Whether a value under a telling key (`named`), or anything inside it, says so."""
    if isinstance(value, Mapping) and depth:
        return any(
            _says_cut(part, depth - 1, bool(_REASON.fullmatch(str(key)) or (_STATUS.fullmatch(str(key)) and (named or key != "reason"))))
            for key, part in value.items()
        )
    if isinstance(value, list | tuple) and depth:
        return any(_says_cut(part, depth - 1) for part in value)
    return named and bool(_CUT.search(str(getattr(value, "name", value))))


def shared_ids(message: AIMessage | None) -> set[str | None]:
    """Ids that several calls of a message have: LangGraph keeps results, refusals and edits by id."""
    times = Counter(call["id"] for call in message.tool_calls) if message else Counter()
    return {call for call, count in times.items() if count > 1}


def without_edit(asked: Action) -> tuple[DecisionKind, ...]:
    """The decisions left for a call that shares its id, or has none: the arguments of an edit would go to another call, or be lost."""
    return tuple(kind for kind in asked.allowed if kind is not DecisionKind.EDIT) or asked.allowed


def _about_ids(message: AIMessage, actions: Sequence[Action], kind: PauseKind) -> Iterator[str]:
    for shared in sorted(shared_ids(message), key=str)[:LISTED]:
        name = repr(shared if shared is None else shared[:40])
        asked = [action.number for action in actions if action.tool_call == shared]
        others = sum(call["id"] == shared for call in message.tool_calls) - len(asked)
        if kind is PauseKind.TOOL_APPROVAL and asked:
            yield f"{others + 1} calls of this message share the id {name}; this decides one of them"
        elif kind.has_tool_results and len(asked) > 1:
            listed = f"{', '.join(map(str, asked[:-1]))} and {asked[-1]}"
            yield f"calls {listed} share the id {name}: the graph gives them one answer, and they cannot be edited"
            if others:
                yield f"{others} more with that id, about which nobody is asked, get it too"
        elif kind.has_tool_results and asked:
            told = f"{others} more of its message, about which nobody is asked"
            yield f"call {asked[0]} shares the id {name} with {told}: if it is refused, those do not run either; it cannot be edited"
        elif not asked and kind is PauseKind.GATE:
            yield f"{others} calls share the id {name}"


def open_calls(message: AIMessage, after: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """The calls of a message that have no result among the messages after it.

    Each result is of one call: the first with its id and its tool's name, else the first with its id.
    """
    results = Counter((one.tool_call_id, one.name) for one in after if isinstance(one, ToolMessage))
    left = _without_result(message.tool_calls, results, lambda call: (str(call["id"]), call["name"]))
    of_id = Counter[str]()
    for (id_, _), count in (+results).items():
        of_id[id_] += count
    return [dict(call) for call in _without_result(left, of_id, lambda call: str(call["id"]))]


def _without_result(calls: Iterable[ToolCall], results: Counter[Any], key: Callable[[ToolCall], Any]) -> list[ToolCall]:
    """The calls that are left when each result is given to the first call with its key. `results` keeps what was given to none."""
    left = []
    for call in calls:
        results[key(call)] -= 1
        if results[key(call)] < 0:
            left.append(call)
    return left


def without(calls: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The calls that are not among these others. Of equal calls, as many are left out as the others hold."""
    left = list(calls)
    for call in others:
        left.remove(call)
    return left


def completed_calls(messages: Sequence[BaseMessage]) -> frozenset[str]:
    """Ids of the calls that have their results: of those with the same id, all of the newest message that has it."""
    waiting: dict[str, int] = {}
    for message in messages:
        if isinstance(message, AIMessage):
            waiting |= Counter(str(call["id"]) for call in message.tool_calls)
        elif isinstance(message, ToolMessage):
            waiting[message.tool_call_id] = waiting.get(message.tool_call_id, 0) - 1
    return frozenset(call for call, left in waiting.items() if left <= 0)


def left_out_calls(messages: Sequence[BaseMessage], is_over: bool) -> frozenset[str]:
    """Ids of calls with fewer results than calls, although the agent went on after them (or `is_over`): not all of those ran."""
    found: dict[str, bool] = {}
    for place, message in enumerate(messages):
        if isinstance(message, AIMessage) and message.tool_calls:
            after = messages[place + 1 :]
            end = next((n for n, one in enumerate(after) if isinstance(one, AIMessage)), None)
            missing = {str(call["id"]) for call in open_calls(message, after[:end])} if end is not None or is_over else set()
            found |= {str(call["id"]): str(call["id"]) in missing for call in message.tool_calls}
    return frozenset(call for call, is_missing in found.items() if is_missing)
