"""Questions and gates one to three graphs down: as a node, called in a node, called in a tool."""

import operator
from typing import Annotated, Any, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from script import model


class Level(TypedDict, total=False):
    text: str
    level: int
    answer: Any


def ask(state: Level) -> Level:
    answer = interrupt("how deep?")
    note("asked", level=state["level"], answer=answer)
    return {"answer": answer}


def bottom(**options: Any) -> Any:
    graph = StateGraph(Level)
    graph.add_node("first", lambda state: {"level": 0})
    graph.add_node("ask", ask)
    graph.add_node("after", lambda state: note("after"))
    graph.add_edge(START, "first")
    graph.add_edge("first", "ask")
    graph.add_edge("ask", "after")
    return graph.compile(**options)


def as_node(inner: Any, level: int) -> Any:
    graph = StateGraph(Level)
    graph.add_node(f"level{level}", inner)
    graph.add_edge(START, f"level{level}")
    return graph.compile()


def in_node(inner: Any, level: int) -> Any:
    async def call(state: Level) -> Level:
        found: Level = await inner.ainvoke({"text": state.get("text", ""), "level": level})
        return {"answer": found["answer"]}

    return as_node(call, level)


def in_tool(inner: Any, level: int) -> Any:
    """An agent whose tool calls the graph below, which is an agent too from the second level up."""

    @tool
    async def delegate(text: str) -> str:
        """Let another do it."""
        given = {"messages": [HumanMessage(text)]} if level > 1 else {"text": text, "level": level}
        found = await inner.ainvoke(given)
        return str(found["messages"][-1].text if level > 1 else found["answer"])

    return create_agent(model, [delegate], name=f"agent{level}")


def tower(build: Any, height: int, **options: Any) -> Any:
    graph = bottom(**options)
    for level in range(1, height + 1):
        graph = build(graph, level)
    return graph


node1, node2, node3 = (tower(as_node, height) for height in (1, 2, 3))
called1, called2, called3 = (tower(in_node, height) for height in (1, 2, 3))
tool1, tool2, tool3 = (tower(in_tool, height) for height in (1, 2, 3))
gate_node2 = tower(as_node, 2, interrupt_before=["ask"])
gate_called2 = tower(in_node, 2, interrupt_before=["ask"])
gate_tool1 = tower(in_tool, 1, interrupt_before=["ask"])
gate_after2 = tower(as_node, 2, interrupt_after=["ask"])


class Both(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


def twice(name: str) -> Any:
    """Asks the same question twice, in the same words."""

    def run(state: Both) -> Both:
        answers = [interrupt("yes or no?"), interrupt("yes or no?")]
        note(name, answers=answers)
        return {"said": [[name, *answers]]}

    return run


_beside = StateGraph(Both)
for _name in ("red", "green", "blue"):
    _beside.add_node(_name, twice(_name))
    _beside.add_edge(START, _name)
beside = _beside.compile()


@task
def check(what: str) -> str:
    note("check", what=what)
    answer = interrupt(f"is {what} good?")
    note("checked", what=what, answer=answer)
    return f"{what}={answer}"


@task
def gather(text: str) -> list[str]:
    note("gather")
    return text.split()


@entrypoint()
def functional(given: dict[str, str]) -> dict[str, Any]:
    """Tasks that ask, side by side, and a question after them."""
    words = gather(given["text"]).result()
    checks = [check(word) for word in words]
    found = [one.result() for one in checks]
    final = interrupt(f"send {found}?")
    return {"found": found, "final": final}
