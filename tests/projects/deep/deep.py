from deepagents import create_deep_agent
from script import model
from tools import delete, look, send

agent = create_deep_agent(
    model=model,
    tools=[send, look],
    interrupt_on={"send": True, "delete": {"allowed_decisions": ["approve", "reject"]}},
    subagents=[
        {"name": "cleaner", "description": "Cleans up.", "system_prompt": "Clean up.", "tools": [delete, look]},
        {"name": "writer", "description": "Writes.", "system_prompt": "Write.", "tools": [send]},
    ],
)
