"""An MCP server on its standard streams, with a tool that only reads and one that pays."""

import json
import sys

NUMBER = {"type": "object", "properties": {"eur": {"type": "number"}}, "required": ["eur"]}
TOOLS = [
    {"name": "balance", "description": "How much there is.", "inputSchema": {"type": "object", "properties": {}},
     "annotations": {"readOnlyHint": True}},
    {"name": "pay", "description": "Pay an amount.", "inputSchema": NUMBER, "annotations": {"destructiveHint": True}},
]  # fmt: skip


def answer(method: str, params: dict) -> dict:
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "bank", "version": "1"},
            }
        case "tools/list":
            return {"tools": TOOLS}
        case _:
            text = "100 EUR" if params["name"] == "balance" else f"paid {params['arguments']['eur']} EUR"
            return {"content": [{"type": "text", "text": text}], "isError": False}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        print(
            json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answer(request["method"], request.get("params", {}))}), flush=True
        )
