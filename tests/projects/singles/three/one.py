from typing import Any, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    text: str
    by: str


_graph = StateGraph(State)
_graph.add_node("say", lambda state: {"by": "three/one"})
_graph.add_edge(START, "say")
graph: Any = _graph.compile()
