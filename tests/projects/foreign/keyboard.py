"""Nodes that use what a worker does not have: a keyboard, and a LangGraph server around it."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph_sdk import get_client


class State(TypedDict):
    text: str


def ask(state: State) -> dict[str, str]:
    return {"text": input("Continue? ")}


graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()


async def call_server(state: State) -> dict[str, str]:
    return {"text": str(await get_client().threads.search())}


sdk = StateGraph(State).add_node("call", call_server).add_edge(START, "call").compile()
