"""An agent with the tools of an MCP server, which its factory asks for them, as `langchain-mcp-adapters` does."""

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
        self._lock = asyncio.Lock()
        self._number = 0

    async def ask(self, method: str, **params: Any) -> Any:
        async with self._lock:
            self._number += 1
            self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
            return json.loads(await self._process.stdout.readline())["result"]

    async def initialize(self) -> None:
        await self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "agent", "version": "1"})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _send(self, message: dict[str, Any]) -> None:
        self._process.stdin.write(json.dumps(message).encode() + b"\n")


def load_tool(session: Session, described: dict[str, Any]) -> BaseTool:
    async def call(**arguments: Any) -> str:
        result = await session.ask("tools/call", name=described["name"], arguments=arguments)
        return "\n".join(part["text"] for part in result["content"])

    return StructuredTool(
        name=described["name"],
        description=described["description"],
        args_schema=described["inputSchema"],
        coroutine=call,
        metadata=described["annotations"],
    )


@asynccontextmanager
async def make_graph() -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        session = Session(process)
        await session.initialize()
        tools = [load_tool(session, described) for described in (await session.ask("tools/list"))["tools"]]
        yield create_agent(model, tools, middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})])
    finally:
        process.stdin.close()
        await process.wait()
