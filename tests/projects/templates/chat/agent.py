"""A conversation inside one run: a node asks for the person's next words until they say goodbye."""

from typing import Literal

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt


def assistant(state: MessagesState) -> Command[Literal["human"]]:
    said = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
    return Command(goto="human", update={"messages": [AIMessage(f"You have said {len(said)} things, the last was: {said[-1]}")]})


def human(state: MessagesState) -> Command[Literal["assistant", "__end__"]]:
    answer = interrupt("Ready for user input.")
    return Command(goto=END if answer == "bye" else "assistant", update={"messages": [HumanMessage(answer)]})


builder = StateGraph(MessagesState)
builder.add_node("assistant", assistant)
builder.add_node("human", human)
builder.add_edge(START, "assistant")
graph = builder.compile()
