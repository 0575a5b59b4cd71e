"""States as public projects declare them: keys that an input leaves out, and private keys that no input has."""

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send
from pydantic import BaseModel, Field


class ThreeKeys(TypedDict):
    topic: str
    drafts: Annotated[list[str], operator.add]
    done: bool


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    user: str
    steps: int


class In(TypedDict):
    topic: Annotated[str, Field(description="what to write about")]


class Whole(In):
    sections: Annotated[list[str], operator.add]
    plan: dict[str, int]


class Section(TypedDict):
    name: str


class Order(BaseModel):
    item: str
    count: int = 1


def draft(state: ThreeKeys) -> dict[str, Any]:
    return {"drafts": [f"on {state['topic']}"], "done": True}


def answer(state: Chat) -> dict[str, Any]:
    return {"messages": [AIMessage(f"{len(state['messages'])} messages for {state.get('user', 'nobody')}")]}


def spread(state: In) -> list[Send]:
    return [Send("section", {"name": f"{state['topic']} {part}"}) for part in ("one", "two")]


def section(state: Section) -> dict[str, list[str]]:
    return {"sections": [state["name"]]}


def pack(state: Order) -> dict[str, str]:
    return {"item": f"{state.count} {state.item}"}


three_keys = StateGraph(ThreeKeys).add_node("draft", draft).add_edge(START, "draft").compile()
chat_with_more = StateGraph(Chat).add_node("answer", answer).add_edge(START, "answer").compile()
private_state = StateGraph(Whole, input_schema=In).add_node("section", section).add_conditional_edges(START, spread, ["section"]).compile()
pydantic_input = StateGraph(Order).add_node("pack", pack).add_edge(START, "pack").compile()
