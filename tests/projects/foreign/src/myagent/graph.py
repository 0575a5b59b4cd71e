from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from myagent.settings import WORD


class State(TypedDict):
    text: str


def ask(state: State) -> dict[str, str]:
    return {"text": f"{interrupt('Go on?')} {WORD} in {__name__}"}


graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()
