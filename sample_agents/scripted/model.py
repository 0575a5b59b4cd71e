"""A chat model without a network: a function of the conversation, the script, decides what it replies.

The model has no state of its own, so a thread continues correctly after a restart or when a node runs again. It replaces a real model in
demos and tests, and every message says so in `response_metadata`.
"""

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

MODEL_NAME = "scripted (offline)"
DELAY_S = 0.05
"""Seconds between two streamed words, so that people can watch a run: about the speed of a real model."""

Script = Callable[[Sequence[BaseMessage]], AIMessage]


def chat_model(script: Script) -> BaseChatModel:
    """The model named by `HITL_MODEL=provider:model`, or the offline model that follows `script`."""
    if name := os.environ.get("HITL_MODEL"):
        model: BaseChatModel = init_chat_model(name)
        return model
    return ScriptedChatModel(script=script, delay=float(os.environ.get("HITL_SCRIPTED_DELAY") or DELAY_S))


def tool_call(name: str, **args: Any) -> ToolCall:
    """A tool call without an id; the model assigns one when it replies."""
    return ToolCall(name=name, args=args, id=None, type="tool_call")


class ScriptedChatModel(BaseChatModel):
    """Replies with what `script` returns for the messages of the prompt."""

    script: Script
    delay: float = 0.0
    """Seconds between two streamed words."""
    tool_names: frozenset[str] = frozenset()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        names = frozenset(convert_to_openai_tool(tool)["function"]["name"] for tool in tools)
        return self.model_copy(update={"tool_names": names})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages)):
            yield chunk
            time.sleep(self.delay)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages)):
            yield chunk
            await asyncio.sleep(self.delay)

    def _reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        reply = self.script(messages)
        asked_before = sum(len(message.tool_calls) for message in messages if isinstance(message, AIMessage))
        calls = [_numbered(call, asked_before + place) for place, call in enumerate(reply.tool_calls, start=1)]
        if unknown := {call["name"] for call in calls} - self.tool_names:
            raise ValueError(f"The script calls tools that are not bound: {sorted(unknown)}; bind them.")
        # No message id: LangChain assigns one. A repeated id would replace the earlier message.
        return AIMessage(reply.content, tool_calls=calls, response_metadata={"model_name": MODEL_NAME})


def _numbered(call: ToolCall, number: int) -> ToolCall:
    """The call with its id, else one that is the same for the same conversation; the number tells two equal calls apart."""
    digest = hashlib.sha256(json.dumps([call["name"], call["args"]], sort_keys=True).encode()).hexdigest()
    return ToolCall(name=call["name"], args=call["args"], id=call["id"] or f"call_{number}_{digest[:8]}", type="tool_call")


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """The words, then the tool calls. Only the last chunk has metadata, because merging chunks concatenates strings."""
    for word in re.findall(r"\s*\S+\s*$|\s*\S+", str(message.content)):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    last = AIMessageChunk(content="", tool_call_chunks=calls, response_metadata=message.response_metadata, chunk_position="last")
    yield ChatGenerationChunk(message=last)
