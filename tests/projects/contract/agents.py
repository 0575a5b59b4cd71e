"""Agents whose middleware allows one decision for each tool."""

from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from script import model
from tools import ALL

NARROW: Any = {
    "send": {"allowed_decisions": ["approve"]},
    "delete": {"allowed_decisions": ["reject"]},
    "store": {"allowed_decisions": ["edit"]},
    "burst": {"allowed_decisions": ["respond"]},
}


def agent(mode: Literal["batched", "per_call"]) -> Any:
    return create_agent(model, ALL, middleware=[HumanInTheLoopMiddleware(interrupt_on=NARROW, interrupt_mode=mode)])


narrow_batched = agent("batched")
narrow_per_call = agent("per_call")
