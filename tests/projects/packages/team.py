"""A supervisor of `langgraph-supervisor`: it hands work to its agents, one of which asks before it sends."""

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph_supervisor import create_supervisor
from script import model


def send_letter(to: str) -> str:
    """Send a letter."""
    return f"letter sent to {to}"


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


ask_first = HumanInTheLoopMiddleware(interrupt_on={"send_letter": True})
math_expert = create_agent(model, [add], name="math_expert")
secretary = create_agent(model, [send_letter], name="secretary", middleware=[ask_first])
app = create_supervisor([math_expert, secretary], model=model, prompt="You lead a team.").compile()
