"""The same small graph in every form in which a langgraph.json may name one."""

import contextlib
import operator
import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypedDict  # Python 3.11's own TypedDict: pydantic cannot read it

from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.types import interrupt
from script import model


class State(TypedDict, total=False):
    text: str
    by: str
    seen: Annotated[list[str], operator.add]


def graph_by(name: str, resource: dict[str, bool] | None = None) -> StateGraph:
    """A graph that tells who made it; with a resource, it works only while that is open."""

    def say(state: State) -> State:
        if resource is not None and not resource["open"]:
            raise RuntimeError("the resource is closed")
        return {"by": name}

    async def say_again(state: State) -> State:
        interrupt("go on?")
        return say(state)

    graph = StateGraph(State)
    graph.add_node("say", say)
    graph.add_node("say_again", say_again)
    graph.add_edge(START, "say")
    graph.add_edge("say", "say_again")
    return graph


compiled = graph_by("compiled").compile()
builder = graph_by("builder")
own_saver = graph_by("own saver").compile(checkpointer=InMemorySaver())
created = create_agent(model, [])


@entrypoint()
def function(text: str) -> dict[str, str]:
    """A graph whose input is one string."""
    interrupt("go on?")
    return {"by": "function"}


def no_parameters() -> Any:
    return graph_by("no parameters").compile()


def one_parameter(config: RunnableConfig) -> Any:
    return graph_by(f"thread {config['configurable']['thread_id']}")


def two_parameters(config: RunnableConfig, runtime: "ServerRuntime | None") -> Any:  # noqa: F821 - the server's own type
    assert runtime is not None
    return graph_by(f"thread {config['configurable']['thread_id']}").compile()


def with_default(config: RunnableConfig, name: str = "default") -> Any:
    return graph_by(name).compile()


async def asynchronous() -> Any:
    return graph_by("asynchronous").compile()


@contextlib.contextmanager
def context() -> Iterator[Any]:
    resource = {"open": True}
    yield graph_by("context", resource).compile()
    resource["open"] = False


@contextlib.asynccontextmanager
async def async_context(config: RunnableConfig) -> AsyncIterator[Any]:
    resource = {"open": True}
    yield graph_by("async context", resource)
    resource["open"] = False


def remember(state: State, *, store: BaseStore) -> State:
    store.put(("words",), "last", {"text": state["text"]})
    return {"seen": [item.value["text"] for item in store.search(("words",))]}


async def remember_async(state: State, *, store: BaseStore) -> State:
    found = await store.aget(("words",), "last")
    return {"by": found.value["text"] if found else "nothing"}


_memory = StateGraph(State)
_memory.add_node("remember", remember)
_memory.add_node("remember_async", remember_async)
_memory.add_edge(START, "remember")
_memory.add_edge("remember", "remember_async")
memory = _memory.compile()


def environment() -> Any:
    return graph_by(os.environ["KINDS_WORD"]).compile()
