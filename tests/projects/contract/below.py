"""Graphs within graphs, by the checkpointer with which the inner one was compiled."""

import operator
from typing import Annotated, Any

from diary import note
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class Outer(TypedDict, total=False):
    answers: Annotated[list[Any], operator.add]


class Inner(Outer, total=False):
    visits: Annotated[int, operator.add]


def count(state: Inner) -> Inner:
    note("count")
    return {"visits": 1}


def ask(state: Inner) -> Inner:
    answer = interrupt(f"visit {state['visits']}?")
    note("answered", answer=answer)
    return {"answers": [answer]}


def inner(**options: Any) -> Any:
    graph = StateGraph(Inner, output_schema=Outer)
    graph.add_node("count", count)
    graph.add_node("ask", ask)
    graph.add_edge(START, "count")
    graph.add_edge("count", "ask")
    return graph.compile(**options)


async def visit(state: Outer, graph: Any, config: Any = None) -> Outer:
    found = await graph.ainvoke({"answers": []}, config)
    return {"answers": found["answers"][-1:]}


def twice_into(graph: Any) -> Any:
    """The inner graph is called two times, one after the other."""

    async def sub(state: Outer) -> Outer:
        return await visit(state, graph)

    outer = StateGraph(Outer)
    outer.add_node("sub", sub)
    outer.add_edge(START, "sub")
    outer.add_conditional_edges("sub", lambda state: END if len(state["answers"]) > 1 else "sub")
    return outer.compile()


kept = twice_into(inner(checkpointer=True))
own_saver = twice_into(inner(checkpointer=InMemorySaver()))
no_saver = twice_into(inner(checkpointer=False))
no_saver_node = StateGraph(Outer).add_node("sub", inner(checkpointer=False)).add_edge(START, "sub").add_edge("sub", END).compile()

ELSEWHERE = inner(checkpointer=InMemorySaver())


async def leave(state: Outer) -> Outer:
    """Asks in another thread, which this graph's thread does not mention."""
    await ELSEWHERE.ainvoke({}, {"configurable": {"thread_id": "elsewhere", "checkpoint_ns": "", "checkpoint_id": None}})
    return {"answers": ["went on"]}


_detached = StateGraph(Outer)
_detached.add_node("leave", leave)
_detached.add_edge(START, "leave")
detached = _detached.compile()
