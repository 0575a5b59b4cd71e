"""A swarm of `langgraph-swarm`: its agents hand the conversation to each other, and the next message goes to the active one."""

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph_swarm import create_handoff_tool, create_swarm
from script import model


def book_hotel(name: str) -> str:
    """Book a hotel."""
    return f"booked {name}"


flights = create_agent(model, [create_handoff_tool(agent_name="hotel_assistant")], name="flight_assistant")
hotels = create_agent(
    model,
    [book_hotel, create_handoff_tool(agent_name="flight_assistant", description="Transfer to the flight assistant.")],
    name="hotel_assistant",
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"book_hotel": True})],
)
app = create_swarm([flights, hotels], default_active_agent="flight_assistant").compile()
