"""A swarm, built as `langgraph-swarm` 0.1 builds it: agents hand the conversation to each other, the next message goes to the active one.

`tests/projects/packages` uses the package itself.
"""

from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.types import Command
from script import model


class SwarmState(MessagesState):
    active_agent: Literal["flight_assistant", "hotel_assistant"] | None


def create_handoff_tool(agent_name: str) -> BaseTool:
    @tool(f"transfer_to_{agent_name}", description=f"Ask agent '{agent_name}' for help")
    def handoff(state: Annotated[Any, InjectedState], tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        told = ToolMessage(f"Successfully transferred to {agent_name}", name=f"transfer_to_{agent_name}", tool_call_id=tool_call_id)
        update = {"messages": [*state["messages"], told], "active_agent": agent_name}
        return Command(goto=agent_name, graph=Command.PARENT, update=update)

    return handoff


@tool
def book_hotel(name: str) -> str:
    """Book a hotel."""
    return f"booked {name}"


flight_assistant = create_agent(model, [create_handoff_tool("hotel_assistant")], name="flight_assistant")
hotel_assistant = create_agent(
    model,
    [book_hotel, create_handoff_tool("flight_assistant")],
    name="hotel_assistant",
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"book_hotel": True})],
)

workflow = StateGraph(SwarmState)
workflow.add_node("flight_assistant", flight_assistant, destinations=("hotel_assistant",))
workflow.add_node("hotel_assistant", hotel_assistant, destinations=("flight_assistant",))
workflow.add_conditional_edges(START, lambda state: state.get("active_agent", "flight_assistant"), ["flight_assistant", "hotel_assistant"])
app = workflow.compile()
