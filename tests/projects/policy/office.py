"""Agents that state their confidence, with tools that declare a risk, in every form that policy can act on."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from hitl_tui.patterns import draft, escalate, preview
from scripted.model import ScriptedChatModel


@tool
def read(path: str) -> str:
    """Read a file."""
    note("read", path=path)
    return f"saw {path}"


@tool
def move(path: str) -> str:
    """Move a file to the archive."""
    note("move", path=path)
    return f"moved {path}"


@tool
def send(to: str) -> str:
    """Send a letter."""
    note("send", to=to)
    return f"sent to {to}"


@tool
def mystery(what: str) -> str:
    """A tool without a declared risk."""
    note("mystery", what=what)
    return what


def look_into(args: dict[str, Any]) -> str:
    """Preview of `mystery`, in every way that one can fail."""
    match args["what"]:
        case "fail":
            raise RuntimeError("no \x1b[31msuch thing")
        case "exit":
            sys.exit(3)
        case "hang":
            time.sleep(30)
        case "number":
            return 5  # type: ignore[return-value]
    return f"you see {args['what']}"


preview(mystery, look_into, timeout_s=0.2)
read.metadata = {"risk": "read"}
move.metadata = {"readOnlyHint": False, "destructiveHint": False}
send.metadata = {"annotations": {"destructiveHint": True}}
TOOLS = [read, move, send, mystery]


def say(messages: Sequence[BaseMessage]) -> AIMessage:
    """A model whose request is JSON: rounds of a text and tool calls."""
    rounds = json.loads(str(messages[0].text))
    done = sum(isinstance(message, AIMessage) for message in messages)
    if done == len(rounds):
        return AIMessage("done")
    said, calls = rounds[done]
    return AIMessage(said, tool_calls=[ToolCall(name=name, args=args, id=None, type="tool_call") for name, args in calls])


model = ScriptedChatModel(script=say)
GATED: Any = {"read": True, "move": True, "send": True, "mystery": True}


def agent(mode: Literal["batched", "per_call"]) -> Any:
    return create_agent(model, TOOLS, middleware=[HumanInTheLoopMiddleware(interrupt_on=GATED, interrupt_mode=mode)])


batched = agent("batched")
per_call = agent("per_call")
gated = create_agent(model, TOOLS, interrupt_before=["tools"])


class Asked(TypedDict, total=False):
    confidence: float
    answer: Any


def _inbox(state: Asked) -> Asked:
    request = {
        "action_request": {"action": "write_mail", "args": {"to": "ann"}},
        "config": {"allow_ignore": True, "allow_respond": True, "allow_edit": True, "allow_accept": True},
        "confidence": state["confidence"],
        "risk": "reversible",
    }
    return {"answer": interrupt([request])[0]["type"]}


def _question(state: Asked) -> Asked:
    return {"answer": interrupt({"question": "go on?", "confidence": 1.0, "risk": "read"})}


def graph(node: Any, **options: Any) -> Any:
    return StateGraph(Asked).add_node("ask", node).add_edge(START, "ask").compile(**options)


inbox = graph(_inbox)
question = graph(_question)
stop = graph(lambda state: {"answer": note("passed")}, interrupt_before=["ask"])


def _shaky(state: Asked) -> Asked:
    note("tries")
    if not Path(os.environ["HITL_TEST_JOURNAL"] + ".mended").exists():
        raise ConnectionError("the line is dead")
    return {"answer": "went through"}


stuck = graph(lambda state: {"answer": escalate("the order is in no system", to="leads", question="where is it?")})
must_know = graph(lambda state: {"answer": escalate("nobody else can know", may_decline=False)})
writer = graph(lambda state: {"answer": draft("Dear all").draft})
shaky = graph(_shaky)
