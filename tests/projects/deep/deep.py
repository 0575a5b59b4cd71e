from deepagents import create_deep_agent
from langchain_core.tools import tool
from script import model
from tools import delete, look, send


@tool
def mail(to: str, copies: int = 1) -> str:
    """Send copies of a letter; only a sub-agent has this tool."""
    return f"{copies} sent to {to}"


agent = create_deep_agent(
    model=model,
    tools=[send, look],
    interrupt_on={"send": True, "mail": True, "delete": {"allowed_decisions": ["approve", "reject"]}},
    subagents=[
        {"name": "cleaner", "description": "Cleans up.", "system_prompt": "Clean up.", "tools": [delete, look]},
        {"name": "writer", "description": "Writes.", "system_prompt": "Write.", "tools": [send, mail]},
    ],
)
