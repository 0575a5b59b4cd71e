"""Nodes that ask: one graph for each row of the contract that no other project covers."""

import asyncio
import operator
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic
from diary import note
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import NodeInterrupt
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    people: list[str]
    answer: Any
    log: Annotated[list[Any], operator.add]


def graph_of(*nodes: Any, **options: Any) -> Any:
    """A graph of nodes in a row."""
    graph = StateGraph(State)
    for before, node in zip((START, *(n.__name__ for n in nodes)), nodes, strict=False):
        graph.add_node(node.__name__, node)
        graph.add_edge(before, node.__name__)
    return graph.compile(**options)


def side_by_side(*nodes: Any) -> Any:
    graph = StateGraph(State)
    for node in nodes:
        graph.add_node(node.__name__, node)
        graph.add_edge(START, node.__name__)
    return graph.compile()


def ask(state: State) -> State:
    answer = interrupt("go on?")
    note("answered", answer=answer)
    return {"answer": answer}


gate_and_ask = graph_of(ask, interrupt_before=["ask"])
plain = graph_of(ask)


def publish(state: State) -> State:
    note("published")
    return {}


ask_then_gate = graph_of(ask, publish, interrupt_before=["publish"])


def ask_two(state: State) -> State:
    note("before")
    first = interrupt("first?")
    note("between", first=first)
    second = interrupt("second?")
    note("after", first=first, second=second)
    return {"answer": [first, second]}


two = graph_of(ask_two)


class Address(pydantic.BaseModel):
    street: str


@dataclass
class Booking:
    day: str
    people: int


ODD: dict[str, Any] = {
    "tuple": ("a", 1),
    "model": Address(street="Elm"),
    "dataclass": Booking("friday", 2),
    "set": {"only"},
    "bytes": b"\xff\x00",
    "object": object(),
}


def ask_odd(state: State) -> State:
    return {"answer": interrupt(ODD[state["text"]])}


odd = graph_of(ask_odd)


def ask_form(state: State) -> State:
    booking = interrupt("when?", response_schema=Booking)
    return {"answer": [type(booking).__name__, booking.day, booking.people]}


form = graph_of(ask_form)


def ask_old_style(state: State) -> State:
    if "answer" not in state:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raise NodeInterrupt("no answer can be given here")
    return {}


old_style = graph_of(ask_old_style)


def ask_until_good(state: State) -> State:
    said = []
    while True:
        said.append(interrupt(f"a number, please (after {said})"))
        if isinstance(said[-1], int):
            return {"answer": said}


insists = graph_of(ask_until_good)


def call_each(state: State) -> list[Send]:
    return [Send("call", {"text": person}) for person in state["people"]]


def call(state: State) -> State:
    name = state["text"]
    note("start", name=name)
    answers = [interrupt(f"{name}, first?"), interrupt(f"{name}, second?")]
    note("end", name=name, answers=answers)
    return {"log": [[name, *answers]]}


_fan = StateGraph(State)
_fan.add_node("call", call)
_fan.add_conditional_edges(START, call_each, ["call"])
fan = _fan.compile()


def acts(state: State) -> State:
    note("acts")
    return {"log": ["acted"]}


def ask_and_fail(state: State) -> State:
    answer = interrupt("what is the word?")
    if answer != "good":
        raise ValueError(f"{answer} is not good")
    return {"answer": answer}


fussy_beside = side_by_side(acts, ask_and_fail)


async def slow_once(state: State) -> State:
    """Takes a minute the first time."""
    thread = get_config()["configurable"]["thread_id"]
    flag = Path(os.environ["HITL_TEST_JOURNAL"]).with_name(f"slow-{thread}")
    if not flag.exists():
        flag.touch()
        note("slow begins")
        await asyncio.sleep(60)
    return {"log": ["slow"]}


pair = side_by_side(acts, slow_once)


def tell(state: State) -> State:
    writer = get_stream_writer()
    writer({"percent": 50})
    interrupt("go on?")
    return {}


streams = graph_of(acts, tell)


def walk(state: State) -> State:
    note("step")
    return {}


_limited = StateGraph(State)
_limited.add_node("walk", walk)
_limited.add_edge(START, "walk")
_limited.add_edge("walk", "walk")
limited = _limited.compile().with_config(recursion_limit=7)
