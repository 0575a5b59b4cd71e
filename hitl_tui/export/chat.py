"""Converts a review's conversation to chat messages with tool calls, in the shape of OpenAI's API, which TRL reads too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.export.examples import Calls, ExportCase
from hitl_tui.export.trajectories import CallPlace, answered_calls, conversation_before, proposing_message, unasked_calls
from hitl_tui.model import Json, Message

ROLES = {"user": "user", "agent": "assistant", "tool": "tool", "system": "system"}
Chat = list[dict[str, Any]]


def prompt_of(case: ExportCase) -> Chat:
    """Return the conversation before the message that proposed these calls: `[{role, content, tool_calls?, tool_call_id?}]`.

    Calls that people rejected before are left out, and corrected ones are as they ran.
    """
    return chat(*conversation_before(case.review, case.context, case.thread))


def conversation_of(case: ExportCase) -> Chat:
    """Return the whole conversation, unchanged."""
    said = case.context.conversation
    return chat(said, answered_calls(said, case.context.attempts))


def chat(said: Sequence[Message], results: Mapping[int, CallPlace]) -> Chat:
    """Convert messages; each tool result gets the id of the call it answers, by `results` (message index → call)."""
    made: Chat = []
    ids: dict[CallPlace, str] = {}
    count = 0
    for index, message in enumerate(said):
        role = ROLES.get(message.role, "user")
        one: dict[str, Any] = {"role": role, "content": message.text}
        if message.calls:
            for number in range(len(message.calls)):
                count += 1
                ids[index, number] = f"call_{count}"
            one["tool_calls"] = [call(ids[index, number], *made_call) for number, made_call in enumerate(message.calls)]
        if role == "tool":
            place = results.get(index)
            count += place is None
            known = said[place[0]].calls[place[1]][0] if place else ""
            one |= {"tool_call_id": ids[place] if place else f"call_{count}", "name": message.name or known}
        made.append(one)
    return made


def call(id_: str, name: str, args: Json) -> dict[str, Any]:
    """One tool call in OpenAI's shape, except that the arguments are an object."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": args}}


def proposal_message(case: ExportCase, prompt: Chat, calls: Calls) -> dict[str, Any]:
    """Return the agent's message that makes these calls, in the order in which it made them.

    Calls of the same message that needed no approval are included, so that a trainer learns the whole message. They are left out if it is
    unknown whether they needed approval, as when each call is an interrupt of its own.
    """
    turn = proposing_message(case.review, case.context)
    by_place = dict(calls)
    if turn:
        by_place = {turn.places[slot]: one for slot, one in calls.items()} | unasked_calls(turn, case.review, case.context, case.thread)
    count = sum(len(message.get("tool_calls", ())) for message in prompt)
    made = [call(f"call_{count + number}", *by_place[place]) for number, place in enumerate(sorted(by_place), 1)]
    return {"role": "assistant", "content": "", "tool_calls": made}


def tools_of(case: ExportCase) -> list[dict[str, Any]]:
    """Return the known schemas of the review's tools: `[{type, function: {name, description, parameters}}]`."""
    known: dict[str, dict[str, Any]] = {}
    for action in case.review.actions:
        schema = action.args_schema
        if isinstance(schema, dict):
            about = str(schema.get("description", ""))
            known.setdefault(action.name, {"name": action.name, "description": about, "parameters": schema})
    return [{"type": "function", "function": known[name]} for name in sorted(known)]


def with_text_arguments(messages: Chat) -> Chat:
    """Return messages with the arguments of their calls as JSON text, as OpenAI's API expects."""
    made = []
    for message in messages:
        calls = [
            {**one, "function": {**one["function"], "arguments": canonical_json.canonical(one["function"]["arguments"])}}
            for one in message.get("tool_calls", ())
        ]
        made.append({**message, "tool_calls": calls} if calls else message)
    return made
