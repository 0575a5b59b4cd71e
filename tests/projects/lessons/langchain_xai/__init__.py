"""Stands in for a provider's package, so that `init_chat_model("xai:…")` gives a model that works offline."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class ChatXAI(BaseChatModel):
    """Rewords an instruction; answers with markup about `loud`, and fails to connect about `down`."""

    model: str

    @property
    def _llm_type(self) -> str:
        return "offline"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        asked = str(messages[-1].text)
        if "down" in asked:
            raise ConnectionError("no route to host")
        said = "# **Sign!**" if "loud" in asked else 'Always end the `text` of a mail with " Kim".'
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])
