"""A supervisor that hands work to its agents by tools, built as `langgraph-supervisor` 0.0.31 builds it: nodes call the agents.

One of the agents asks before it sends. `tests/projects/packages` uses the package itself.
"""

import uuid
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph._internal._runnable import RunnableCallable
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, create_react_agent
from langgraph.types import Command
from script import model


def create_handoff_tool(agent_name: str) -> BaseTool:
    @tool(f"transfer_to_{agent_name}", description=f"Ask agent '{agent_name}' for help")
    def handoff(state: Annotated[dict[str, Any], InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        told = ToolMessage(f"Successfully transferred to {agent_name}", name=f"transfer_to_{agent_name}", tool_call_id=tool_call_id)
        return Command(goto=agent_name, graph=Command.PARENT, update={**state, "messages": state["messages"] + [told]})

    handoff.metadata = {"__handoff_destination": agent_name}
    return handoff


def handoff_back(agent_name: str) -> list[AIMessage | ToolMessage]:
    call = ToolCall(name="transfer_back_to_supervisor", args={}, id=str(uuid.uuid4()))
    told = ToolMessage("Successfully transferred back to supervisor", name=call["name"], tool_call_id=call["id"])
    return [AIMessage("Transferring back to supervisor", tool_calls=[call], name=agent_name), told]


def calls(agent: Any) -> RunnableCallable:
    """A node that calls an agent, and returns its last message only."""

    def reported(output: dict[str, Any]) -> dict[str, Any]:
        return {**output, "messages": [*output["messages"][-1:], *handoff_back(agent.name)]}

    def call(state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        return reported(agent.invoke(state, config))

    async def acall(state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        return reported(await agent.ainvoke(state, config))

    return RunnableCallable(call, acall)


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
handoffs = [create_handoff_tool("math_expert"), create_handoff_tool("secretary")]
supervisor = create_react_agent(model, handoffs, name="supervisor", prompt="You lead a team.")

workflow = StateGraph(MessagesState)
workflow.add_node(supervisor, destinations=("math_expert", "secretary", END))
workflow.add_edge(START, "supervisor")
for member in (math_expert, secretary):
    workflow.add_node(member.name, calls(member))
    workflow.add_edge(member.name, "supervisor")
app = workflow.compile()
