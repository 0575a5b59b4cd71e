from typing import TypedDict

from langgraph.graph import START, StateGraph

from .words import WORD


class State(TypedDict):
    text: str


def write(state: State) -> dict[str, str]:
    return {"text": f"{WORD} in {__name__}"}


graph = StateGraph(State).add_node("write", write).add_edge(START, "write").compile()
