"""Agents that take long, fail, and misbehave."""

import asyncio
import ctypes
import operator
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from diary import note
from langgraph.graph import START, MessagesState, StateGraph


class State(TypedDict, total=False):
    text: str
    seconds: float
    log: Annotated[list[str], operator.add]


def graph_of(*nodes: tuple[str, Any], **options: Any) -> Any:
    graph = StateGraph(State)
    for before, (name, node) in zip((START, *(name for name, _ in nodes)), nodes, strict=False):
        graph.add_node(name, node)
        graph.add_edge(before, name)
    return graph.compile(**options)


def step(name: str) -> tuple[str, Any]:
    async def run(state: State) -> State:
        note(f"{name} begins", pid=os.getpid())
        await asyncio.sleep(state.get("seconds", 0))
        note(f"{name} ends")
        return {"log": [name]}

    return name, run


three = [step("one"), step("two"), step("three")]
steps = graph_of(*three)
steps_to_gate = graph_of(*three, interrupt_before=["three"])
steps_from_gate = graph_of(*three, interrupt_after=["one"])
inner = graph_of(("inner", graph_of(*three)), step("last"))


def dies(state: State) -> State:
    note("dies")
    os._exit(7)


def leaves(state: State) -> State:
    print("about to leave")
    sys.exit("enough")


async def leaves_async(state: State) -> State:
    sys.exit(5)


def fails_once(state: State) -> State:
    flag = Path(os.environ["HITL_TEST_JOURNAL"] + "." + state["text"])
    if not flag.exists():
        flag.touch()
        raise ConnectionError("the line is \ud800 dead")
    return {"log": ["second time"]}


def endless(state: State) -> State:
    note("endless", pid=os.getpid())
    while True:
        time.sleep(0.1)


async def stubborn(state: State) -> State:
    note("stubborn")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("ignored")


def busy_for_ever(state: State) -> State:
    note("busy")
    while True:
        pass


def waits_for_child(state: State) -> State:
    child = subprocess.Popen(["sleep", "600"])
    note("waits", child=child.pid)
    child.wait()
    return {}


async def blocks_loop(state: State) -> State:
    note("blocks")
    until = time.monotonic() + state.get("seconds", 600)
    while time.monotonic() < until:
        time.sleep(0.1)  # noqa: ASYNC251 - that is the point
    return {"log": ["blocks"]}


def holds_gil(state: State) -> State:
    note("holds")
    ctypes.PyDLL(None).sleep(600)
    return {}


def slow_sync(state: State) -> State:
    note("slow_sync begins")
    time.sleep(state.get("seconds", 1))
    note("slow_sync ends")
    return {"log": ["slow_sync"]}


def loud(state: State) -> State:
    line = "x" * 999
    for _ in range(100_000):
        print(line)
    print("error", file=sys.stderr)
    return {"log": ["loud"]}


def reads(state: State) -> State:
    assert sys.stdin.read() == ""
    return {"log": [input("name? ")]}


dead = graph_of(("dies", dies))
gone = graph_of(("leaves", leaves))
gone_async = graph_of(("leaves", leaves_async))
flaky = graph_of(step("before"), ("fails_once", fails_once))
hang = graph_of(("endless", endless))
hang_async = graph_of(("stubborn", stubborn))
busy = graph_of(("busy_for_ever", busy_for_ever))
waits = graph_of(("waits_for_child", waits_for_child))
blocks = graph_of(("blocks_loop", blocks_loop))
holds = graph_of(("holds_gil", holds_gil))
slow = graph_of(("slow_sync", slow_sync), step("after"))
noise = graph_of(("loud", loud))
reader = graph_of(("reads", reads))


def reply(state: MessagesState) -> dict[str, Any]:
    note("reply", heard=len(state["messages"]))
    return {"messages": [("ai", f"I heard {len(state['messages'])} messages")]}


_talk = StateGraph(MessagesState)
_talk.add_node("reply", reply)
_talk.add_edge(START, "reply")
talk = _talk.compile()


def toggled() -> Any:
    """A factory that works until it is switched off."""
    if Path(os.environ["HITL_TEST_JOURNAL"] + ".off").exists():
        raise RuntimeError("switched off")
    from middleware import batched

    return batched
