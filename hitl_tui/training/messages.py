"""A conversation as chat messages with tool calls, as TRL and OpenAI-style endpoints read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hitl_tui import jsontext
from hitl_tui.model import Json, Message
from hitl_tui.training.cases import Case

ROLES = {"user": "user", "agent": "assistant", "tool": "tool", "system": "system"}
Chat = list[dict[str, Any]]


def prompt_of(case: Case) -> Chat:
    """What was said before the agent proposed these calls: `[{role, content, tool_calls?, tool_call_id?}]`."""
    said = list(case.context.conversation)
    proposed = [name for name, _ in case.proposed]
    for index in range(len(said) - 1, -1, -1):
        if said[index].role == "agent" and [name for name, _ in said[index].calls][-len(proposed) :] == proposed:
            return chat(said[:index])
    return chat(said)


def chat(said: Sequence[Message]) -> Chat:
    """Messages in order; a tool's result answers the oldest open call of its name."""
    made: Chat = []
    waiting: list[tuple[str, str]] = []
    count = 0
    for message in said:
        role = ROLES.get(message.role, "user")
        one: dict[str, Any] = {"role": role, "content": message.text}
        if message.calls:
            calls = []
            for name, args in message.calls:
                count += 1
                calls.append(call(f"call_{count}", name, args))
                waiting.append((f"call_{count}", name))
            one["tool_calls"] = calls
        if role == "tool":
            answered = next((open_ for open_ in waiting if open_[1] == message.name), waiting[0] if waiting else None)
            if answered is None:
                count += 1
                answered = (f"call_{count}", message.name)
            else:
                waiting.remove(answered)
            one |= {"tool_call_id": answered[0], "name": message.name or answered[1]}
        made.append(one)
    return made


def call(id_: str, name: str, args: Json) -> dict[str, Any]:
    """One tool call; the arguments are an object."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": args}}


def proposal(prompt: Chat, calls: Sequence[tuple[str, Any]], text: str = "") -> dict[str, Any]:
    """The agent's message that makes these calls; without any it only speaks."""
    before = sum(len(message.get("tool_calls", ())) for message in prompt)
    made = [call(f"call_{before + number}", name, args) for number, (name, args) in enumerate(calls, 1)]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    return {**message, "tool_calls": made} if made else message


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
            {**one, "function": {**one["function"], "arguments": jsontext.canonical(one["function"]["arguments"])}}
            for one in message.get("tool_calls", ())
        ]
        made.append({**message, "tool_calls": calls} if calls else message)
    return made
