"""The SQL steward: a hand-written ReAct loop with two tool nodes, one free and one behind a gate.

agent ──▶ reads ──▶ agent          every call of the turn only reads
agent ──▶ [gate] tools ──▶ agent   at least one call writes: the whole turn waits for a person
"""

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from scripted.model import chat_model
from sql_steward.script import sql_script
from sql_steward.tools import TOOLS, execute

SYSTEM_PROMPT = """You look after the customer database of the lamp shop Nordlicht (SQLite).
Look at the data before you change it. Statements of one turn run in any order: propose in one turn only what is
independent. If you change few rows, name them by id. Before the calls, say in a sentence for each why
it is right, and end with a line "confidence: <number between 0 and 1>".
A person reviews every statement that writes. When one was rejected, skip that step and say so in your report."""

model = chat_model(sql_script).bind_tools(TOOLS)


async def call_model(state: MessagesState) -> dict[str, list[AnyMessage]]:
    return {"messages": [await model.ainvoke([SystemMessage(SYSTEM_PROMPT), *state["messages"]])]}


def next_node(state: MessagesState) -> str:
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    if not calls:
        return END
    return "tools" if any(call["name"] == execute.name for call in calls) else "reads"


builder = StateGraph(MessagesState)
builder.add_node("agent", call_model)
builder.add_node("reads", ToolNode([tool for tool in TOOLS if tool is not execute], name="reads"))
builder.add_node("tools", ToolNode(TOOLS, name="tools"))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", next_node, ["reads", "tools", END])
builder.add_edge("reads", "agent")
builder.add_edge("tools", "agent")

# A static gate: the graph stops before the node, and continues when it is invoked with None.
agent = builder.compile(interrupt_before=["tools"], name="sql_steward")
