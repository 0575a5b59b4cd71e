"""Agents whose model writes exactly the message that the request asks for: calls with any ids, calls that cannot be read, a cut-off end."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.config import get_config
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from tools import delete, look, send


def is_first(to: str) -> bool:
    """Whether this is the thread's first letter to them."""
    sent = Path(f"{os.environ['HITL_TEST_JOURNAL']}-{get_config()['configurable']['thread_id']}-{to}")
    if sent.exists():
        return False
    sent.touch()
    return True


@tool
async def post(to: str, is_lost: bool = False) -> str:
    """Send a letter, which may be lost the first time; the calls beside it end before that."""
    note("post", to=to)
    if is_lost and is_first(to):
        for _ in range(1000):  # each lets every other task of the loop go on
            await asyncio.sleep(0)
        raise RuntimeError(f"the letter to {to} is lost")
    return f"posted to {to}"


TOOLS = [send, delete, look, post]


class Literal(BaseChatModel):
    """Its first message has the fields that the user's JSON gives; then it sums up."""

    @property
    def _llm_type(self) -> str:
        return "literal"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_reply(messages))])


def _reply(messages: Sequence[BaseMessage]) -> AIMessage:
    asked = max(place for place, one in enumerate(messages) if isinstance(one, HumanMessage))
    rounds = json.loads(str(messages[asked].text))
    done = sum(isinstance(one, AIMessage) for one in messages[asked:])
    if done < len(rounds):
        return AIMessage(**{"content": "", **rounds[done]})
    return AIMessage("results: " + "; ".join(str(one.text) for one in messages[asked:] if isinstance(one, ToolMessage)))


model = Literal()
GATED: dict[str, Any] = {"send": True, "delete": True, "post": True}
batched = create_agent(model, TOOLS, middleware=[HumanInTheLoopMiddleware(GATED)])
per_call = create_agent(model, TOOLS, middleware=[HumanInTheLoopMiddleware(GATED, interrupt_mode="per_call")])
gate = create_agent(model, TOOLS, interrupt_before=["tools"])


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def talk(state: Talk) -> dict[str, Any]:
    return {"messages": [model.invoke(state["messages"])]}


def drop(state: Talk) -> dict[str, Any]:
    """Forget the calls, as a careless tool node does."""
    return {}


def loop(tools: Any) -> StateGraph:
    graph = StateGraph(Talk)
    graph.add_node("talk", talk)
    graph.add_node("tools", tools)
    graph.add_edge(START, "talk")
    graph.add_conditional_edges("talk", tools_condition)
    graph.add_edge("tools", "talk")
    return graph


classic = loop(ToolNode(TOOLS)).compile(interrupt_before=["tools"])
forgetful = loop(drop).compile(interrupt_before=["tools"])
