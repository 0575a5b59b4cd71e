"""An MCP server of the official SDK, with a tool that only reads and one that pays."""

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

mcp = FastMCP("Bank", log_level="ERROR")


@mcp.tool(annotations=ToolAnnotations(readOnlyHint=True))
def balance() -> str:
    """How much there is."""
    return "100 EUR"


@mcp.tool(annotations=ToolAnnotations(destructiveHint=True))
def pay(eur: int) -> str:
    """Pay an amount."""
    return f"paid {eur} EUR"


if __name__ == "__main__":
    mcp.run(transport="stdio")
