"""LangChain messages in the form people read, and what they say about an agent: its reasoning, and its tool calls so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from hitl_tui import canonical_json, media
from hitl_tui.agents.proposals import open_calls
from hitl_tui.model import Attempt, Context, Json, Message

ROLES = {"human": "user", "ai": "agent", "AIMessageChunk": "agent"}
UNREADABLE = "(cannot be read)"
"""Stands behind the name of a call whose arguments are not JSON: LangChain keeps such calls apart, and they do not run."""
RESULT_LIMIT = 200_000
"""Characters of one tool result stored with a review; the checkpoint has all of it."""


def messages_in(values: Any) -> list[BaseMessage]:
    """The messages in a state of any type; empty if it has none."""
    found = values.get("messages") if isinstance(values, Mapping) else getattr(values, "messages", None)
    return [m for m in found if isinstance(m, BaseMessage)] if isinstance(found, Sequence) else []


def text_of(message: BaseMessage) -> str:
    """The text of a message, without its reasoning and tool-use blocks."""
    return _joined(message, "text", "text")


def shown_text(message: BaseMessage) -> str:
    """The text of a message, with a label such as `[image, png, 3 kB]` in the place of each image and file."""
    content = message.content
    if isinstance(content, str):
        return content
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") == "text":
            parts.append(str(block.get("text", "")))
        elif label := media.block_label(block):
            parts.append(label)
    return "\n".join(parts)


def media_in(message: BaseMessage) -> int:
    """How many images and files a message holds."""
    content = message.content
    return 0 if isinstance(content, str) else sum(bool(media.block_label(one)) for one in content if not isinstance(one, str))


def thinking_of(message: BaseMessage) -> str:
    """The reasoning a provider returned beside the text."""
    return _joined(message, "reasoning", "reasoning", "thinking", "thinking")


def _joined(message: BaseMessage, *kinds: str) -> str:
    content = message.content
    if isinstance(content, str):
        return content if kinds[0] == "text" else ""
    pairs = dict(zip(kinds[::2], kinds[1::2], strict=True))
    parts = []
    for block in content:
        if isinstance(block, str):
            parts += [block] if kinds[0] == "text" else []
        elif key := pairs.get(str(block.get("type"))):
            parts.append(str(block.get(key, "")))
    return "\n".join(parts)


def read(message: BaseMessage) -> Message:
    """A message in the console's own form."""
    calls = tuple((str(call["name"]), canonical_json.as_json(call["args"])) for call in getattr(message, "tool_calls", []))
    calls += tuple((f"{call['name']} {UNREADABLE}", str(call["args"] or "")) for call in getattr(message, "invalid_tool_calls", []))
    failed = isinstance(message, ToolMessage) and message.status == "error"
    text = shown_text(message)[:RESULT_LIMIT]
    return Message(ROLES.get(message.type, message.type), text, message.name or "", calls, failed, media_in(message))


def unanswered(messages: Sequence[BaseMessage]) -> tuple[AIMessage | None, list[dict[str, Any]]]:
    """The last message with tool calls, and those of its calls that have no result."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, HumanMessage):
            break
        if isinstance(message, AIMessage) and message.tool_calls:
            return message, open_calls(message, messages[index + 1 :])
    return None, []


def calls_at_end(messages: Sequence[BaseMessage]) -> tuple[AIMessage | None, list[dict[str, Any]]]:
    """The agent's last message, and those of its calls that have no result, if nobody spoke after it."""
    message, calls = unanswered(messages)
    is_last = message is next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)
    return (message, calls) if is_last else (None, [])


def attempts(messages: Sequence[BaseMessage]) -> tuple[Attempt, ...]:
    """Every tool call that has a result, in order."""
    results: dict[str, list[ToolMessage]] = {}
    for one in messages:
        if isinstance(one, ToolMessage):
            results.setdefault(one.tool_call_id, []).append(one)
    made = []
    for message in messages:
        for call in getattr(message, "tool_calls", []):
            if left := results.get(str(call["id"])):
                result = left.pop(0)
                text = shown_text(result)[:RESULT_LIMIT]
                made.append(Attempt(str(call["name"]), canonical_json.as_json(call["args"]), text, result.status == "error"))
    return tuple(made)


def context_of(values: Any, error: str = "", before: Sequence[str] = (), after: Sequence[str] = ()) -> Context:
    """A pause's context, from the state in which it happened."""
    messages = messages_in(values)
    spoken = next((m for m in reversed(messages) if isinstance(m, AIMessage)), None)
    last = messages[-1] if messages else None
    if not error and isinstance(last, ToolMessage) and last.status == "error":
        error = text_of(last)[:2000]
    return Context(
        conversation=tuple(read(m) for m in messages),
        reasoning="\n\n".join(filter(None, [thinking_of(spoken), shown_text(spoken)])) if spoken else "",
        attempts=attempts(messages),
        error=error,
        state=state_of(values),
        before=tuple(before),
        after=tuple(after),
        model=_model(spoken),
    )


def state_of(values: Any) -> Json:
    """The state without its messages, as JSON."""
    plain = (
        canonical_json.as_json(values)
        if not isinstance(values, Mapping)
        else {k: canonical_json.as_json(v) for k, v in values.items() if k != "messages"}
    )
    if isinstance(plain, dict) and not isinstance(values, Mapping):
        plain.pop("messages", None)
    return plain


def result_of(values: Any) -> Json:
    """A finished run's state as JSON, its messages in the console's own form."""
    messages = messages_in(values)
    state = state_of(values)
    if not messages or not isinstance(state, dict):
        return state
    return {"messages": [read(message).as_json() for message in messages], **state}


def _model(message: AIMessage | None) -> str:
    said = message.response_metadata if message else {}
    return str(said.get("model_name") or said.get("model") or "")
