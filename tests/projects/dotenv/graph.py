import os
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    text: str
    by: str


_graph = StateGraph(State)
_graph.add_node("say", lambda state: {"by": os.environ["DOTENV_WORD"]})
_graph.add_edge(START, "say")
graph: Any = _graph.compile()
