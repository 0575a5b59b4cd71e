"""Static gates: compiled in before and after a node, inside a subgraph, and none at all, for those given with a launch."""

import operator
from typing import Annotated, Any, TypedDict

from deeds import passed
from langgraph.graph import START, StateGraph


class Steps(TypedDict, total=False):
    ref: str
    seen: Annotated[list[str], operator.add]


def step(name: str) -> Any:
    def run(state: Steps) -> Steps:
        passed(name)
        return {"seen": [name]}

    return run


def chain(*nodes: tuple[str, Any]) -> StateGraph:
    graph = StateGraph(Steps)
    for before, (name, node) in zip((START, *(name for name, _ in nodes)), nodes, strict=False):
        graph.add_node(name, node)
        graph.add_edge(before, name)
    return graph


def steps(*names: str) -> StateGraph:
    return chain(*((name, step(name)) for name in names))


before = steps("draft", "publish", "tidy").compile(interrupt_before=["publish"])
after = steps("draft", "publish", "tidy").compile(interrupt_after=["draft"])
free = steps("draft", "publish", "tidy").compile()
inside = chain(
    ("first", step("first")), ("inner", steps("dig", "fill").compile(interrupt_before=["fill"])), ("last", step("last"))
).compile()
