"""Agents that raise what is no `Exception`, or what LangGraph uses as a signal. The text says where and what: `async PanicException`."""

import asyncio
import functools
import os
import subprocess
import sys
import time
from typing import Annotated, Any, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt, UnknownInterruptError
from langgraph.graph import END, START, StateGraph
from script import model
from trouble import State, graph_of


class PanicException(BaseException):
    """What PyO3 raises when Rust code panics."""


class Unprintable(BaseException):
    def __str__(self) -> str:
        raise PanicException("no words")


class Untraceable(SyntaxError):
    """The traceback module cannot format it."""

    @property
    def text(self) -> str:  # type: ignore[override]
        raise PanicException("no frames")


KINDS: dict[str, Any] = {
    "PanicException": functools.partial(PanicException, "called `Option::unwrap()` on a `None` value"),
    "Unprintable": Unprintable,
    "Untraceable": Untraceable,
    "SystemExit": functools.partial(SystemExit, 3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "BaseExceptionGroup": functools.partial(BaseExceptionGroup, "several", [KeyboardInterrupt()]),
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "GraphDrained": GraphDrained,
    "GraphBubbleUp": GraphBubbleUp,
    "GraphInterrupt": functools.partial(GraphInterrupt, ()),
    "UnknownInterruptError": functools.partial(UnknownInterruptError, "none is pending", reason="not_pending"),
}


def fail(kind: str) -> None:
    note("acts")
    raise KINDS[kind]()


def sync_node(state: State) -> State:
    where, _, kind = state["text"].partition(" ")
    if where == "sync":
        fail(kind)
    return {}


async def async_node(state: State) -> State:
    where, _, kind = state["text"].partition(" ")
    if where == "async":
        fail(kind)
    return {}


raises = graph_of(("sync_node", sync_node), ("async_node", async_node))
raises_inside = graph_of(("inside", raises))


def _reduce(before: str, after: str) -> str:
    where, _, kind = after.partition(" ")
    if where == "reducer":
        raise KINDS[kind]()
    return after


class Around(TypedDict, total=False):
    text: str
    heard: Annotated[str, _reduce]


def hears(state: Around) -> Around:
    note("acts")
    return {"heard": state["text"]}


def choose(state: Around) -> str:
    where, _, kind = state["text"].partition(" ")
    if where == "edge":
        raise KINDS[kind]()
    return END


_around = StateGraph(Around)
_around.add_node("hears", hears)
_around.add_edge(START, "hears")
_around.add_conditional_edges("hears", choose, [END])
raises_around = _around.compile()


def raises_made(config: RunnableConfig) -> Any:
    """A factory that raises for every run, and not while it is described."""
    if config["configurable"]["thread_id"] != "none":
        raise PanicException("no graph")
    return raises_around


@tool
def act(kind: str) -> str:
    """Do something, and raise that."""
    fail(kind)
    return ""


@tool
async def act_async(kind: str) -> str:
    """Do something, and raise that."""
    fail(kind)
    return ""


raising_tools = create_agent(model, [act, act_async], middleware=[HumanInTheLoopMiddleware({"act": True, "act_async": True})])


async def cancels_all(state: State) -> State:
    """Clean up, as careless code does: cancel every task of the loop."""
    note("acts")
    for task in asyncio.all_tasks():
        task.cancel()
    return {}


def rude(state: State) -> State:
    """Change the process, print escape sequences by a child process, and leave another child behind."""
    os.umask(0)
    print("printed")
    subprocess.run(["printf", "\\033]0;owned\\007"], check=True)
    sys.__stderr__.write("\x1b]0;owned\x07past the log\n")  # type: ignore[union-attr]
    if (child := os.fork()) == 0:
        time.sleep(600)
        os._exit(0)
    note("rude", child=child)
    return {}


def forked(state: State) -> State:
    """Fork, and return in both processes."""
    os.fork()
    note("forked", pid=os.getpid())
    return {}


async def forked_async(state: State) -> State:
    """Fork in the thread of the event loop, and return in both processes."""
    os.fork()
    note("forked", pid=os.getpid())
    return {}


def after(state: State) -> State:
    note("after")
    return {}


async def breaks_loop(state: State) -> State:
    """Replace what the loop's other threads call, and then block the loop."""
    loop: Any = asyncio.get_running_loop()
    broken = {"raises": lambda *_: fail("PanicException"), "ignores": lambda *_: None, "hangs": lambda *_: time.sleep(600)}
    loop.call_soon_threadsafe = broken[state["text"]]
    note("broken")
    await asyncio.sleep(600)
    return {}


impolite = graph_of(("rude", rude))
forks = graph_of(("forked", forked), ("after", after))
forks_async = graph_of(("forked_async", forked_async), ("after", after))
breaks = graph_of(("breaks_loop", breaks_loop))
cancels = graph_of(("cancels_all", cancels_all))
