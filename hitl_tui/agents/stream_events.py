"""Turns LangGraph's stream into trace events, which are only for people to read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage

from hitl_tui import canonical_json
from hitl_tui.agents.messages import shown_text, thinking_of
from hitl_tui.agents.source import StreamEvent
from hitl_tui.model import Json

Part = tuple[tuple[str, ...], str, Any]
"""What LangGraph streams: namespace, mode, chunk."""

TEXT_LIMIT = 20_000
"""Characters of one text in the trace; a review's conversation has more, the checkpoint all."""


class EventReader:
    """Turns the parts of one stream into events. Accumulates messages that stream in chunks, and times tasks."""

    def __init__(self) -> None:
        self._text: dict[str, str] = {}
        self._started: dict[str, float] = {}

    def read(self, part: Part) -> Iterator[StreamEvent]:
        """The events in one streamed part; often none."""
        namespace, mode, chunk = part
        path = tuple(name.partition(":")[0] for name in namespace)
        match mode:
            case "tasks":
                yield self._task(chunk, path)
            case "updates":
                for node, update in chunk.items():
                    for message in _messages(update):
                        yield from self._message(message, node, path)
            case "messages":
                yield from self._chunk(chunk[0], chunk[1], path)
            case "custom":
                yield StreamEvent("custom", {"value": _cut(canonical_json.as_json(chunk))}, path=path)

    def _task(self, task: Mapping[str, Any], path: tuple[str, ...]) -> StreamEvent:
        if "input" in task:
            self._started[task["id"]] = time.monotonic()
            return StreamEvent("start", {"task": task["id"]}, task["name"], path)
        body: dict[str, Any] = {"task": task["id"]}
        started = self._started.pop(task["id"], None)
        if started is not None:
            body["ms"] = round((time.monotonic() - started) * 1000)
        if task.get("error"):
            body["error"] = _text(str(task["error"]))
        if task.get("interrupts"):
            body["paused"] = True
        return StreamEvent("end", body, task["name"], path)

    def _message(self, message: BaseMessage, node: str, path: tuple[str, ...]) -> Iterator[StreamEvent]:
        key = message.id or ""
        if isinstance(message, ToolMessage):
            body = {"name": message.name or "", "text": _text(shown_text(message)), "failed": message.status == "error"}
            yield StreamEvent("result", body, node, path, key)
        elif isinstance(message, AIMessage):
            text = "\n\n".join(filter(None, [thinking_of(message), shown_text(message)]))
            has_streamed = self._text.pop(key, None) is not None
            if text or has_streamed:
                body = {"text": _text(text), "id": message.id, "model": message.response_metadata.get("model_name", "")}
                yield StreamEvent("message", body, node, path, key)
            for number, call in enumerate(message.tool_calls):
                body = {"name": str(call["name"]), "args": _cut(canonical_json.as_json(call["args"]))}
                yield StreamEvent("call", body, node, path, key and f"{key}:call:{number}")

    def _chunk(self, message: Any, metadata: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[StreamEvent]:
        if not isinstance(message, AIMessageChunk) or not message.id:
            return
        before, text = self._text.get(message.id, ""), shown_text(message)
        if not text or len(before) > TEXT_LIMIT:
            return  # what is beyond the limit is counted once the message is whole
        self._text[message.id] = before + text
        body = {"text": _text(before + text), "id": message.id, "streaming": True}
        yield StreamEvent("message", body, str(metadata.get("langgraph_node", "")), path, message.id, partial=True)


def _messages(update: Any) -> Iterator[BaseMessage]:
    """The messages in one node's update: a dict of channels, a list of such, or anything else."""
    if isinstance(update, list | tuple):
        for item in update:
            yield from _messages(item)
    elif isinstance(update, Mapping):
        found = update.get("messages")
        listed = found if isinstance(found, list) else [found]
        yield from (m for m in listed if isinstance(m, BaseMessage))
    elif isinstance(update, BaseMessage):
        yield update


def _text(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}\n… {len(text) - TEXT_LIMIT} more characters"


def _cut(value: Json) -> Json:
    text = canonical_json.dumps(value)
    return value if len(text) <= TEXT_LIMIT else _text(text)
