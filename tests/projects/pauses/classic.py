"""Tools that interrupt by themselves, run by a ToolNode that takes all calls of a message in one task, and by one task per call."""

from typing import Annotated, Any, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain_core.messages import AnyMessage
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from script import model
from tools import look


@tool
def confirm(what: str) -> str:
    """Do something that must be confirmed."""
    answer = interrupt({"question": f"really {what}?"})
    note("confirm", what=what, answer=answer)
    return f"{what}: {answer}"


TOOLS = [confirm, look]


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def talk(state: Talk) -> dict[str, Any]:
    return {"messages": [model.bind_tools(TOOLS).invoke(state["messages"])]}


_loop = StateGraph(Talk)
_loop.add_node("talk", talk)
_loop.add_node("tools", ToolNode(TOOLS))
_loop.add_edge(START, "talk")
_loop.add_conditional_edges("talk", tools_condition)
_loop.add_edge("tools", "talk")
loop = _loop.compile()
inside = StateGraph(Talk).add_node("desk", loop).add_edge(START, "desk").compile()


async def ask_desk(state: Talk) -> dict[str, Any]:
    return {"messages": (await DESKS[0].ainvoke({"messages": state["messages"]}))["messages"]}


DESKS = [loop]
hidden = StateGraph(Talk).add_node("ask_desk", ask_desk).add_edge(START, "ask_desk").compile()
fanned_out = create_agent(model, TOOLS)
