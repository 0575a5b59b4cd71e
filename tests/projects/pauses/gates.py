"""Static gates: before the tools of a hand-written ReAct loop and of create_agent, before and after other nodes."""

from typing import Annotated, Any, TypedDict

from diary import note
from langchain.agents import create_agent
from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from script import model
from tools import ALL


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def talk(state: Talk) -> dict[str, Any]:
    return {"messages": [model.bind_tools(ALL).invoke(state["messages"])]}


def react_loop() -> StateGraph:
    graph = StateGraph(Talk)
    graph.add_node("talk", talk)
    graph.add_node("tools", ToolNode(ALL))
    graph.add_edge(START, "talk")
    graph.add_conditional_edges("talk", tools_condition)
    graph.add_edge("tools", "talk")
    return graph


react = react_loop().compile(interrupt_before=["tools"])
react_twice = react_loop().compile(interrupt_before=["tools", "talk"])
agent = create_agent(model, ALL, interrupt_before=["tools"])
plain_agent = create_agent(model, ALL)


class Steps(TypedDict, total=False):
    text: str
    seen: Annotated[list[str], lambda a, b: a + b]


def step(name: str) -> Any:
    def run(state: Steps) -> Steps:
        note(name)
        return {"seen": [name]}

    return run


def chain(*names: str) -> StateGraph:
    graph = StateGraph(Steps)
    for before, name in zip((START, *names), names, strict=False):
        graph.add_node(name, step(name))
        graph.add_edge(before, name)
    graph.add_edge(names[-1], END)
    return graph


before = chain("draft", "publish", "tidy").compile(interrupt_before=["publish"])
after = chain("draft", "publish", "tidy").compile(interrupt_after=["draft"])
three_steps = chain("draft", "publish", "tidy").compile()
every = chain("draft", "publish").compile(interrupt_before="*")

_outer = StateGraph(Steps)
_outer.add_node("first", step("first"))
_outer.add_node("inner", chain("dig", "fill").compile(interrupt_before=["fill"]))
_outer.add_node("last", step("last"))
_outer.add_edge(START, "first")
_outer.add_edge("first", "inner")
_outer.add_edge("inner", "last")
inside = _outer.compile()

_beside = StateGraph(Steps)
_beside.add_node("inner", chain("dig", "fill").compile(interrupt_before=["fill"]))
_beside.add_node("ask", lambda state: {"seen": [interrupt("go on?")]})
_beside.add_edge(START, "inner")
_beside.add_edge(START, "ask")
beside = _beside.compile()

_reviewed = StateGraph(Talk)  # a node for reviewing, in front of the one that runs the tools
_reviewed.add_node("talk", talk)
_reviewed.add_node("tool_review", lambda state: None)
_reviewed.add_node("tools", ToolNode(ALL))
_reviewed.add_edge(START, "talk")
_reviewed.add_conditional_edges("talk", tools_condition, {"tools": "tool_review", END: END})
_reviewed.add_edge("tool_review", "tools")
_reviewed.add_edge("tools", "talk")
reviewed = _reviewed.compile(interrupt_before=["tool_review"])

HIDDEN = {"react": react}


async def delegate(state: Talk) -> dict[str, Any]:
    """A subgraph that cannot be found by inspecting the graph."""
    return {"messages": (await HIDDEN["react"].ainvoke({"messages": state["messages"]}))["messages"]}


hidden = StateGraph(Talk).add_node("delegate", delegate).add_edge(START, "delegate").add_edge("delegate", END).compile()
