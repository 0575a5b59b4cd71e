"""A chat whose front end runs some of its tools: the graph ends with their calls, and goes on when their results are its next input."""

from typing import Annotated, Any, TypedDict

from diary import note
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from script import model
from tools import ALL

FRONTEND = ("pick_date", "pick_seat", "show_map")
SCHEMAS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in FRONTEND]
assistant = model.bind_tools([*ALL, *SCHEMAS])


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Plain(TypedDict):
    messages: list[AnyMessage]


def talk(state: Talk) -> dict[str, Any]:
    note("talk", messages=len(state["messages"]))
    return {"messages": [assistant.invoke(state["messages"])]}


def runs_here(state: Talk) -> str:
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    return "tools" if calls and not any(call["name"] in FRONTEND for call in calls) else END


def chat() -> StateGraph:
    graph = StateGraph(Talk)
    graph.add_node("talk", talk)
    graph.add_node("tools", ToolNode(ALL))
    graph.add_edge(START, "talk")
    graph.add_conditional_edges("talk", runs_here, ["tools", END])
    graph.add_edge("tools", "talk")
    return graph


frontend = chat().compile()
frontend_gated = chat().compile(interrupt_before=["talk"])


def once(state: Plain) -> dict[str, Any]:
    return {"messages": [*state["messages"], assistant.invoke(state["messages"])]}


replaced = StateGraph(Plain).add_node("once", once).add_edge(START, "once").compile()
