"""A conversation as chat messages with tool calls, as TRL and OpenAI-style endpoints read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.export.examples import Calls, Case
from hitl_tui.export.trajectories import CallPlace, answered_calls, conversation_before, proposing_message, unasked_calls
from hitl_tui.model import Json, Message

ROLES = {"user": "user", "agent": "assistant", "tool": "tool", "system": "system"}
Chat = list[dict[str, Any]]


def prompt_of(case: Case) -> Chat:
    """What was said before the message in which the agent proposed these calls: `[{role, content, tool_calls?, tool_call_id?}]`.

    Nothing of that message is in it, nor any call that people refused before; those that they corrected are as they ran.
    """
    return chat(*conversation_before(case.review, case.context, case.thread))


def conversation_of(case: Case) -> Chat:
    """The conversation as it was."""
    said = case.context.conversation
    return chat(said, answered_calls(said, case.context.attempts))


def chat(said: Sequence[Message], results: Mapping[int, CallPlace]) -> Chat:
    """Messages in order, each tool's result with the id of the call it answers."""
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
    """One tool call; the arguments are an object."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": args}}


def proposal_message(case: Case, prompt: Chat, calls: Calls) -> dict[str, Any]:
    """The agent's message that makes these calls, in the order in which it made them.

    What it called beside them without asking belongs to it too, as it was made: the trainer learns the whole turn. It is left out where
    nobody can know that it went unasked, as where each call is asked about by itself.
    """
    turn = proposing_message(case.review, case.context)
    by_place = dict(calls)
    if turn:
        by_place = {turn.places[slot]: one for slot, one in calls.items()} | unasked_calls(turn, case.review, case.context, case.thread)
    count = sum(len(message.get("tool_calls", ())) for message in prompt)
    made = [call(f"call_{count + number}", *by_place[place]) for number, place in enumerate(sorted(by_place), 1)]
    return {"role": "assistant", "content": "", "tool_calls": made}


def tools_of(case: Case) -> list[dict[str, Any]]:
    """The schemas of the tools that were called, as far as they are known: `[{type, function: {name, description, parameters}}]`."""
    known: dict[str, dict[str, Any]] = {}
    for action in case.review.actions:
        schema = action.args_schema
        if isinstance(schema, dict):
            about = str(schema.get("description", ""))
            known.setdefault(action.name, {"name": action.name, "description": about, "parameters": schema})
    return [{"type": "function", "function": known[name]} for name in sorted(known)]


def with_text_arguments(messages: Chat) -> Chat:
    """The same with arguments as JSON text, as OpenAI-style endpoints want them."""
    made = []
    for message in messages:
        calls = [
            {**one, "function": {**one["function"], "arguments": canonical_json.canonical(one["function"]["arguments"])}}
            for one in message.get("tool_calls", ())
        ]
        made.append({**message, "tool_calls": calls} if calls else message)
    return made
