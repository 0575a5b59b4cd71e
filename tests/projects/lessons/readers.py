"""Graphs that print their lessons: with their own store, with the console's, and with one that fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import Op, Result
from langgraph.store.memory import InMemoryStore

from hitl_tui.patterns import alessons, lessons


class State(TypedDict, total=False):
    agent: str
    said: str
    of_send: str


async def read(state: State, runtime: Runtime) -> State:
    return {"said": await alessons(runtime.store, state["agent"]), "of_send": await alessons(runtime.store, state["agent"], "send")}


def read_waiting(state: State, runtime: Runtime) -> State:
    return {"said": lessons(runtime.store, state["agent"]), "of_send": lessons(runtime.store, state["agent"], "send")}


def read_nothing(state: State) -> State:
    return {"said": "went on"}


class Broken(InMemoryStore):
    """A store whose server is down."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        raise ConnectionError("the store's server is gone")


def graph(node: Any) -> StateGraph[State]:
    builder = StateGraph(State)
    builder.add_node("read", node)
    builder.add_edge(START, "read")
    return builder


def made_anew() -> Any:
    """A graph with a new store for each run."""
    return graph(read).compile(store=InMemoryStore())


own_store = graph(read).compile(store=InMemoryStore())
no_store = graph(read_waiting).compile()
bad_store = graph(read_nothing).compile(store=Broken())
