"""An agent with the tools of an MCP server, which `langchain-mcp-adapters` starts for each call."""

import sys
from pathlib import Path

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_mcp_adapters.client import MultiServerMCPClient
from script import model

SERVER = Path(__file__).with_name("bank_server.py")


async def make_graph():
    client = MultiServerMCPClient({"bank": {"command": sys.executable, "args": [str(SERVER)], "transport": "stdio"}})
    return create_agent(model, await client.get_tools(), middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})])
