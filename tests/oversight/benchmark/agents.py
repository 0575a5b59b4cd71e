"""An agent for each suite that plays the calls of a case: with the HITL middleware, or with a gate before its tools.

The launch names the case in `configurable`. Which calls ran is a file of one line each; the environment is these calls, run again.
"""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import StructuredTool
from langgraph.config import get_config

from scripted.model import ScriptedChatModel, tool_call
from tests.oversight.benchmark.cases import Case, case_named
from tests.oversight.benchmark.suites import suite

JOURNAL = "HITL_OVERSIGHT_JOURNAL"
"""Environment variable: the folder of these files, one for each thread."""
GATED = ("slack", "travel", "airline")
"""Suites whose agents stop at a gate; the others have the middleware."""


def chosen() -> tuple[Case, Sequence[float]]:
    """The case of this run, and the confidence of each call."""
    configurable = get_config()["configurable"]
    return case_of(configurable["case"]), configurable["confidence"]


@functools.cache
def case_of(name: str) -> Case:
    return case_named(name)


def script(messages: Sequence[BaseMessage]) -> AIMessage:
    """The next call of the case."""
    case, confidence = chosen()
    at = sum(isinstance(message, AIMessage) for message in messages)
    if at == len(case.calls):
        return AIMessage("Done.")
    call = case.calls[at]
    return AIMessage(f"confidence: {confidence[at]:.2f}", tool_calls=[tool_call(call.tool, **call.args)])


def tool_of(name: str, schema: dict[str, Any]) -> StructuredTool:
    """A tool of a suite. It writes down the call before it runs it."""

    def run(**args: Any) -> str:
        path = Path(os.environ[JOURNAL]) / get_config()["configurable"]["thread_id"]
        with path.open("a") as journal:
            journal.write(json.dumps([name, args]) + "\n")
        session, result = chosen()[0].session(), ""
        for line in path.read_text().splitlines():
            result, _ = session.call(*json.loads(line))
        return result

    return StructuredTool.from_function(run, name=name, description=name, args_schema=schema, infer_schema=False)


def agent(name: str) -> Any:
    """The agent of a suite."""
    tools = [tool_of(tool, dict(schema)) for tool, schema in suite(name).tools.items()]
    model = ScriptedChatModel(script=script)
    if name in GATED:
        return create_agent(model, tools, interrupt_before=["tools"])
    return create_agent(model, tools, middleware=[HumanInTheLoopMiddleware(interrupt_on={tool.name: True for tool in tools})])


def workspace() -> Any:
    return agent("workspace")


def slack() -> Any:
    return agent("slack")


def banking() -> Any:
    return agent("banking")


def travel() -> Any:
    return agent("travel")


def retail() -> Any:
    return agent("retail")


def airline() -> Any:
    return agent("airline")
