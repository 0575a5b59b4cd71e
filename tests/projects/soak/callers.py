"""Agents that call tools: the middleware in both modes, a gate before the tools, a loop written by hand, a tool that asks by itself."""

from typing import Annotated, Any, Literal, TypedDict

from askers import inner_question
from chores import ALL, GATED
from deeds import heard
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AnyMessage
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from script import model


def agent(mode: Literal["batched", "per_call"]) -> Any:
    return create_agent(model, ALL, middleware=[HumanInTheLoopMiddleware(interrupt_on=dict.fromkeys(GATED, True), interrupt_mode=mode)])


batched = agent("batched")
per_call = agent("per_call")
gated_agent = create_agent(model, ALL, interrupt_before=["tools"])


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def talk(state: Talk) -> dict[str, Any]:
    return {"messages": [model.bind_tools(ALL).invoke(state["messages"])]}


_loop = StateGraph(Talk)
_loop.add_node("talk", talk)
_loop.add_node("tools", ToolNode(ALL))
_loop.add_edge(START, "talk")
_loop.add_conditional_edges("talk", tools_condition)
_loop.add_edge("tools", "talk")
react = _loop.compile(interrupt_before=["tools"])
react_free = _loop.compile()


@tool
async def consult(ref: str, note: str) -> str:
    """Call a tool that asks a person."""
    return str((await inner_question.ainvoke({"ref": ref}))["answer"])


@tool
def confirm(ref: str, note: str) -> str:
    """Interrupt by itself, and raise unless the answer is `good`."""
    asked = {"question": "what is the word?", "ref": ref, "options": ["good", "bad"]}
    answer = interrupt(asked)
    heard((asked, answer))
    if answer != "good":
        raise ValueError(f"planned: {answer} is not good")
    return "confirmed"


asks_in_tool = create_agent(model, [consult])
asks_behind_gate = create_agent(model, [confirm], interrupt_before=["tools"])
