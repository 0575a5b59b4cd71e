"""An agent with the tools of an MCP server, made as `langchain-mcp-adapters` 0.3 makes them: each call starts a session of its own.

`tests/projects/packages` uses the package itself.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import BaseTool, StructuredTool
from script import model

SERVER = Path(__file__).with_name("server.py")


class Session:
    """A client session over the server's standard streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._number = 0

    async def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return json.loads(await self._process.stdout.readline())["result"]

    async def initialize(self) -> None:
        await self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "agent", "version": "1"})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _send(self, message: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def new_session() -> AsyncIterator[Session]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        session = Session(process)
        await session.initialize()
        yield session
    finally:
        process.stdin.close()
        await process.wait()


def as_langchain_tool(described: dict[str, Any]) -> BaseTool:
    async def call_tool(runtime: object = None, **arguments: Any) -> tuple[list[dict[str, Any]], None]:
        async with new_session() as session:
            result = await session.ask("tools/call", name=described["name"], arguments=arguments)
        return [{"type": "text", "text": part["text"]} for part in result["content"]], None

    return StructuredTool(
        name=described["name"],
        description=described["description"],
        args_schema=described["inputSchema"],
        coroutine=call_tool,
        response_format="content_and_artifact",
        metadata={"title": None, "readOnlyHint": None, "destructiveHint": None, "idempotentHint": None, **described["annotations"]},
    )


async def make_graph():
    async with new_session() as session:
        tools = [as_langchain_tool(described) for described in (await session.ask("tools/list"))["tools"]]
    return create_agent(model, tools, middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})])
