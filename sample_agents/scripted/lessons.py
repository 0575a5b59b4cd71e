"""How the offline model follows accepted lessons.

A real model understands any sentence. This one only understands the forms below, in which the console words lessons without a model. It
reads them where a real one would: in its system prompt.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolCall

VALUE = r'("(?:[^"\\]|\\.)*"|\[.*\]|\{.*\}|[\w.+-]+)'
FORMS = {
    "end": rf"add {VALUE} at the end of `(?P<arg>[^`]+)`",
    "beginning": rf"add {VALUE} at the beginning of `(?P<arg>[^`]+)`",
    "put": rf"put {VALUE} into `(?P<arg>[^`]+)`",
    "instead": rf"write {VALUE} instead of {VALUE} in `(?P<arg>[^`]+)`",
    "without": rf"do not write {VALUE} in `(?P<arg>[^`]+)`",
    "out": r"leave `(?P<arg>[^`]+)` out",
}


def apply_lessons(messages: Sequence[BaseMessage], reply: AIMessage) -> AIMessage:
    """The reply with its calls changed as the lessons say; a sentence in the text names the changes."""
    prompt = [line for message in messages if isinstance(message, SystemMessage) for line in str(message.text).splitlines()]
    calls = [_followed(prompt, call) for call in reply.tool_calls]
    changed = [
        f"`{name}` of {call['name']}"
        for call, was in zip(calls, reply.tool_calls, strict=True)
        for name in {**was["args"], **call["args"]}
        if call["args"].get(name) != was["args"].get(name)
    ]
    if not changed:
        return reply
    text, found, confidence = str(reply.content).rpartition("\n\nconfidence:")
    note = f"Following the lessons of my reviewers, I changed {', '.join(dict.fromkeys(changed))}."
    return AIMessage(f"{text}\n\n{note}{found}{confidence}" if found else f"{reply.content}\n\n{note}", tool_calls=calls)


def _followed(prompt: Sequence[str], call: ToolCall) -> ToolCall:
    args = dict(call["args"])
    for line in prompt:
        for form, values, name in _lessons(line, call["name"]):
            _follow(form, values, name, args)
    return ToolCall(name=call["name"], args=args, id=call["id"], type="tool_call")


def _lessons(line: str, tool: str) -> Iterator[tuple[str, list[Any], str]]:
    for form, pattern in FORMS.items():
        if found := re.match(rf"- When you call {re.escape(tool)}, {pattern}\.", line):
            yield form, [json.loads(value) for value in found.groups()[:-1]], found["arg"]


def _follow(form: str, values: list[Any], name: str, args: dict[str, Any]) -> None:
    was = args.get(name)
    if form == "put":
        args[name] = values[0]
    elif form == "out":
        args.pop(name, None)
    elif isinstance(was, str) and form == "end" and not was.endswith(values[0]):
        args[name] = was + values[0]
    elif isinstance(was, str) and form == "beginning" and not was.startswith(values[0]):
        args[name] = values[0] + was
    elif isinstance(was, str) and form == "instead":
        args[name] = was.replace(values[1], values[0])
    elif isinstance(was, str) and form == "without":
        args[name] = re.sub(rf" ?{re.escape(values[0])}", "", was)
