"""Agents that ask only while a file is missing: their `when` may be false by the time the answer comes."""

import os
from pathlib import Path
from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph.config import get_config
from script import model
from tools import ALL


def asks(request: Any) -> bool:
    name = f"quiet-{get_config()['configurable']['thread_id']}"
    return not Path(os.environ["HITL_TEST_JOURNAL"]).with_name(name).exists()


GATED: Any = {"send": {"allowed_decisions": ["approve", "edit", "reject", "respond"], "when": asks}}


def agent(mode: Literal["batched", "per_call"]) -> Any:
    return create_agent(model, ALL, middleware=[HumanInTheLoopMiddleware(interrupt_on=GATED, interrupt_mode=mode)])


batched = agent("batched")
per_call = agent("per_call")
