"""A tool of an MCP server that asks before it answers: LangChain's own loop over the interrupts, with a scripted server behind it."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import langchain
from diary import note
from langchain.agents import create_agent
from langchain_core.tools import tool
from pydantic import BaseModel
from script import model


class ElicitRequestFormParams(BaseModel):
    message: str
    requested_schema: dict[str, Any]


class ElicitRequestURLParams(BaseModel):
    message: str
    url: str


class ElicitRequest(BaseModel):
    params: ElicitRequestFormParams | ElicitRequestURLParams
    method: str = "elicitation/create"


class ElicitResult(BaseModel):
    """The protocol's answer type, which decides what a form's data may be."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, str | int | float | bool | list[str] | None] | None = None


@dataclass
class InputRequiredResult:
    input_requests: dict[str, ElicitRequest]
    request_state: str


class ClientGroup:
    """Unused, but LangChain looks for it."""


def langchains_loop() -> Any:
    """`langchain.mcp.elicitation` without fastmcp and mcp, which it imports only for the types above."""
    types = ModuleType("mcp.types")
    types.__dict__.update(
        CallToolResult=SimpleNamespace, ElicitRequest=ElicitRequest, ElicitRequestFormParams=ElicitRequestFormParams,
        ElicitResult=ElicitResult, InputRequiredResult=InputRequiredResult, InputResponses=dict,
    )  # fmt: skip
    version, group = ModuleType("mcp.types.version"), ModuleType("fastmcp.client.group")
    version.__dict__.update(LATEST_MODERN_VERSION="", is_version_at_least=lambda *_: True)
    group.__dict__.update(ClientGroup=ClientGroup)
    stand_ins = {"mcp.types": types, "mcp.types.version": version, "fastmcp.client.group": group}
    for name in ("mcp", "fastmcp", "fastmcp.client"):
        stand_ins[name] = ModuleType(name)
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        path = Path(next(iter(langchain.__path__))) / "mcp" / "elicitation.py"
        spec = importlib.util.spec_from_file_location("langchains_elicitation", path)
        assert spec and spec.loader
        loop = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loop
        spec.loader.exec_module(loop)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return loop


LOOP = langchains_loop()


class Client:
    """A client of an MCP server, which returns the call's result after every round of questions."""

    def __init__(self, rounds: list[dict[str, Any]]) -> None:
        self.rounds = rounds
        self.session = self

    async def _await_with_session_monitoring(self, call: Any) -> Any:
        return await call

    async def call_tool(
        self, name: str, arguments: Any, allow_input_required: bool, input_responses: Any = None, request_state: str = ""
    ) -> Any:
        answered = int(request_state or 0)
        if input_responses is not None:
            note("told", **{key: result.model_dump(exclude_none=True) for key, result in input_responses.items()})
        if answered < len(self.rounds):
            asked = {key: ElicitRequest.model_validate({"params": params}) for key, params in self.rounds[answered].items()}
            return InputRequiredResult(asked, str(answered + 1))
        note("booked")
        return SimpleNamespace(text="booked")


@tool
async def book(rounds: list[dict[str, Any]]) -> str:
    """Book a table."""
    result = await LOOP._call_tool_with_interrupts(Client(rounds), "book", {})
    return str(result.text)


agent = create_agent(model, [book])
