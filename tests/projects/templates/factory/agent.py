"""A factory that makes a graph for each run, with tools that follow its configuration."""

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.runnables import RunnableConfig
from script import model


def make_graph(config: RunnableConfig):
    """Serve the shop's customers."""
    carrier = config.get("configurable", {}).get("carrier", "post")

    def ship(item: str) -> str:
        """Ship an item."""
        return f"shipped {item} by {carrier}"

    return create_agent(model, [ship], middleware=[HumanInTheLoopMiddleware(interrupt_on={"ship": True})])
