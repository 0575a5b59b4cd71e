"""LangChain's human-in-the-loop middleware, in both modes."""

from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from script import model
from tools import ALL

GATED: dict[str, Any] = {
    "send": True,
    "store": True,
    "slow": True,
    "burst": True,
    "fork": True,
    "block": True,
    "delete": {"allowed_decisions": ["approve", "reject"], "description": "Deleting is for ever."},
}


def agent(mode: Literal["batched", "per_call"]) -> Any:
    return create_agent(model, ALL, middleware=[HumanInTheLoopMiddleware(interrupt_on=GATED, interrupt_mode=mode)])


batched = agent("batched")
per_call = agent("per_call")
