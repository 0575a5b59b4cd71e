"""Graphs of the benchmarks: one that asks, one that keeps the CPU busy, one that holds the GIL."""

from __future__ import annotations

import time

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict):
    """One word."""

    asked: str


def _ask(state: State) -> State:
    return {"asked": str(interrupt({"question": "go on?"}))}


def _burn(state: State) -> State:
    end = time.monotonic() + 600
    count = 0
    while time.monotonic() < end:
        count += 1
    return {"asked": str(count)}


def _hold(state: State) -> State:
    for _ in range(600):
        sum(range(30_000_000))  # one C call, which does not release the GIL
    return {"asked": "held"}


asking = StateGraph(State).add_node("ask", _ask).add_edge(START, "ask").add_edge("ask", END)
burning = StateGraph(State).add_node("burn", _burn).add_edge(START, "burn").add_edge("burn", END).compile()
holding = StateGraph(State).add_node("hold", _hold).add_edge(START, "hold").add_edge("hold", END).compile()
