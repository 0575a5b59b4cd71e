"""A supervisor that hands work to its agents by tools, as `langgraph-supervisor` builds it; one of the agents asks before it sends."""

from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.types import Command
from script import model


def create_handoff_tool(agent_name: str) -> BaseTool:
    @tool(f"transfer_to_{agent_name}", description=f"Ask {agent_name} for help")
    def handoff(state: Annotated[dict[str, Any], InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        told = ToolMessage(f"Successfully transferred to {agent_name}", name=f"transfer_to_{agent_name}", tool_call_id=tool_call_id)
        return Command(goto=agent_name, graph=Command.PARENT, update={"messages": [*state["messages"], told]})

    return handoff


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    return f"letter sent to {to}"


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


math_expert = create_agent(model, [add], name="math_expert")
secretary = create_agent(model, [send_letter], name="secretary", middleware=[HumanInTheLoopMiddleware(interrupt_on={"send_letter": True})])
supervisor = create_agent(model, [create_handoff_tool("math_expert"), create_handoff_tool("secretary")], name="supervisor")

workflow = StateGraph(MessagesState)
workflow.add_node("supervisor", supervisor, destinations=("math_expert", "secretary"))
workflow.add_node("math_expert", math_expert)
workflow.add_node("secretary", secretary)
workflow.add_edge(START, "supervisor")
workflow.add_edge("math_expert", "supervisor")
workflow.add_edge("secretary", "supervisor")
app = workflow.compile(name="team")
