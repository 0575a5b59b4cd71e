"""A chat model without a network: a function of the conversation decides what it says.

It keeps no state of its own, so a thread goes on where it stood after a restart or a re-run node. It stands in for a
real model in demos and tests, and every message it writes says so in `response_metadata`.
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

Script = Callable[[Sequence[BaseMessage]], AIMessage]


def chat_model(script: Script) -> BaseChatModel:
    """The model `HITL_MODEL=provider:model` names, or the offline one following `script`."""
    if name := os.environ.get("HITL_MODEL"):
        model: BaseChatModel = init_chat_model(name)
        return model
    return ScriptedChatModel(script=script, delay=float(os.environ.get("HITL_SCRIPTED_DELAY") or 0))


def tool_call(name: str, **args: Any) -> ToolCall:
    """A call as a script writes it; the model numbers it when it speaks."""
    return ToolCall(name=name, args=args, id=None, type="tool_call")


class ScriptedChatModel(BaseChatModel):
    """Says what `script` makes of the messages in the prompt."""

    script: Script
    delay: float = 0.0
    """Seconds between two streamed words, so that a demo looks alive."""
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
        said = self.script(messages)
        asked_before = sum(len(message.tool_calls) for message in messages if isinstance(message, AIMessage))
        calls = [_numbered(call, asked_before + place) for place, call in enumerate(said.tool_calls, start=1)]
        if unknown := {call["name"] for call in calls} - self.tool_names:
            raise ValueError(f"The script calls tools which are not bound: {sorted(unknown)}; bind them.")
        # No message id: LangChain gives each emission one of its own. A repeated id would replace the earlier message.
        return AIMessage(said.content, tool_calls=calls, response_metadata={"model_name": MODEL_NAME})


def _numbered(call: ToolCall, number: int) -> ToolCall:
    """The same conversation gets the same ids; the running number keeps two equal calls apart."""
    digest = hashlib.sha256(json.dumps([call["name"], call["args"]], sort_keys=True).encode()).hexdigest()
    return ToolCall(name=call["name"], args=call["args"], id=f"call_{number}_{digest[:8]}", type="tool_call")


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Word by word, then the tool calls. Metadata stands in the last chunk only: merging joins equal strings."""
    for word in re.findall(r"\s*\S+\s*$|\s*\S+", str(message.content)):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    last = AIMessageChunk(content="", tool_call_chunks=calls, response_metadata=message.response_metadata, chunk_position="last")
    yield ChatGenerationChunk(message=last)
