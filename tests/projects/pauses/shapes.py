"""Questions in unusual places: fanned out, in subgraphs, in a function, beside nodes that do not ask."""

import operator
from typing import Annotated, Any, TypedDict

from diary import note
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt


class Round(TypedDict, total=False):
    people: list[str]
    said: Annotated[list[str], operator.add]


def call_round(state: Round) -> list[Send]:
    return [Send("call", {"person": person}) for person in state["people"]]


def call(state: dict[str, str]) -> Round:
    answer = interrupt({"question": f"what does {state['person']} say?"})
    note("call", person=state["person"], answer=answer)
    return {"said": [f"{state['person']}: {answer}"]}


def sum_up(state: Round) -> Round:
    note("sum up", said=sorted(state["said"]))
    return {}


_fan = StateGraph(Round)
_fan.add_node("call", call)
_fan.add_node("sum_up", sum_up)
_fan.add_conditional_edges(START, call_round, ["call"])
_fan.add_edge("call", "sum_up")
fan_out = _fan.compile()


class Nested(TypedDict, total=False):
    text: str
    answer: Any


def deep_question(state: Nested) -> Nested:
    return {"answer": interrupt({"question": f"deep: {state['text']}"})}


def nest(name: str, inner: Any) -> Any:
    graph = StateGraph(Nested)
    graph.add_node(name, inner)
    graph.add_edge(START, name)
    return graph.compile()


nested = nest("outer", nest("middle", nest("ask", deep_question)))


@task
def prepare(text: str) -> str:
    note("prepare", text=text)
    return text.upper()


@entrypoint()
def function(given: dict[str, str]) -> dict[str, Any]:
    """A functional agent: one task, then a question."""
    ready = prepare(given["text"]).result()
    answer = interrupt({"question": f"is {ready} right?", "options": ["yes", "no", 3]})
    note("function", answer=answer)
    return {"ready": ready, "answer": answer}


class Side(TypedDict, total=False):
    text: str
    answer: Any
    log: Annotated[list[str], operator.add]


def worker(state: Side) -> Side:
    note("worker")
    return {"log": ["worked"]}


def asker(state: Side) -> Side:
    return {"answer": interrupt("go on?")}


_beside = StateGraph(Side)
_beside.add_node("worker", worker)
_beside.add_node("asker", asker)
_beside.add_edge(START, "worker")
_beside.add_edge(START, "asker")
beside = _beside.compile()


def quiet(state: Side) -> None:
    note("quiet")


def unstorable(state: Side) -> Side:
    return {"answer": (line for line in ())}


_lost = StateGraph(Side)
_lost.add_node("unstorable", unstorable)
_lost.add_node("quiet", quiet)
_lost.add_edge(START, "unstorable")
_lost.add_edge("unstorable", "quiet")
lost = _lost.compile()
