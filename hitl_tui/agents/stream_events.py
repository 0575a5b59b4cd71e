"""LangGraph's stream as lines of a trace: for the eyes only, nothing is decided by it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage

from hitl_tui import canonical_json
from hitl_tui.agents.messages import text_of, thinking_of
from hitl_tui.agents.thread import Part
from hitl_tui.model import Event, Json

TEXT_LIMIT = 20_000
"""Characters of one text in the trace; the conversation of a review has more, the checkpoint all."""


class Trace:
    """Numbers the lines of one run. A message that is still streaming keeps its number and is written again."""

    def __init__(self, last_seq: int) -> None:
        self._seq = last_seq
        self._streaming: dict[str, tuple[int, str]] = {}
        self._seen: set[str] = set()
        self._began: dict[str, float] = {}
        self.activity: str | None = None
        """What the run does now, where the last part said so."""

    def line(self, kind: str, body: Json, node: str = "", path: tuple[str, ...] = ()) -> Event:
        """A new line."""
        self._seq += 1
        return Event(self._seq, time.time(), kind, node, path, body)

    def lines(self, part: Part) -> Iterator[Event]:
        """What one streamed part says."""
        namespace, mode, chunk = part
        path = tuple(name.partition(":")[0] for name in namespace)
        self.activity = None
        match mode:
            case "tasks":
                yield from self._task(chunk, path)
            case "updates":
                yield from self._updates(chunk, path)
            case "messages":
                yield from self._streamed(chunk[0], chunk[1], path)
            case "custom":
                yield self.line("custom", {"value": _cut(canonical_json.safe(chunk))}, path=path)

    def _task(self, task: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Event]:
        if "input" in task:
            self._began[task["id"]] = time.monotonic()
            self.activity = " › ".join((*path, task["name"]))
            yield self.line("start", {"task": task["id"]}, task["name"], path)
            return
        body: dict[str, Any] = {"task": task["id"]}
        began = self._began.pop(task["id"], None)
        if began is not None:
            body["ms"] = round((time.monotonic() - began) * 1000)
        if task.get("error"):
            body["error"] = _text(str(task["error"]))
        if task.get("interrupts"):
            body["paused"] = True
        yield self.line("end", body, task["name"], path)

    def _updates(self, updates: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Event]:
        for node, update in updates.items():
            for message in _messages(update):
                if message.id is None or message.id not in self._seen:
                    self._seen.add(message.id or "")
                    yield from self._message(message, node, path)

    def _message(self, message: BaseMessage, node: str, path: tuple[str, ...]) -> Iterator[Event]:
        if isinstance(message, ToolMessage):
            body = {"name": message.name or "", "text": _text(text_of(message)), "failed": message.status == "error"}
            yield self.line("result", body, node, path)
        elif isinstance(message, AIMessage):
            yield from self._spoken(message, node, path)

    def _spoken(self, message: AIMessage, node: str, path: tuple[str, ...]) -> Iterator[Event]:
        text = "\n\n".join(filter(None, [thinking_of(message), text_of(message)]))
        streamed = self._streaming.pop(message.id or "", None)
        if text or streamed:
            body = {"text": _text(text), "id": message.id, "model": message.response_metadata.get("model_name", "")}
            yield Event(streamed[0], time.time(), "message", node, path, body) if streamed else self.line("message", body, node, path)
        for call in message.tool_calls:
            yield self.line("call", {"name": str(call["name"]), "args": _cut(canonical_json.safe(call["args"]))}, node, path)

    def _streamed(self, message: Any, metadata: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Event]:
        if not isinstance(message, AIMessageChunk) or not message.id or message.id in self._seen:
            return
        text = text_of(message)
        if not text or len(self._streaming.get(message.id, (0, ""))[1]) > TEXT_LIMIT:
            return  # what is beyond the limit is counted when the message is whole
        node = str(metadata.get("langgraph_node", ""))
        if message.id not in self._streaming:
            self._seq += 1
            self._streaming[message.id] = (self._seq, "")
        seq, before = self._streaming[message.id]
        self._streaming[message.id] = (seq, before + text)
        yield Event(seq, time.time(), "message", node, path, {"text": _text(before + text), "id": message.id, "streaming": True})


def _messages(update: Any) -> Iterator[BaseMessage]:
    """The messages of one node's update: a dict of channels, a list of such, or anything else."""
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
