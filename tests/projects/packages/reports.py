"""A deep agent whose sub-agent writes reports to the disk, once a person has approved each."""

from pathlib import Path

from deepagents import create_deep_agent
from deepagents.backends import FilesystemBackend
from script import model

writer = {"name": "writer", "description": "Writes reports into files.", "system_prompt": "Write one report.", "tools": []}
agent = create_deep_agent(
    model=model,
    system_prompt="You delegate reports.",
    backend=FilesystemBackend(root_dir=Path(__file__).with_name("files"), virtual_mode=True),
    interrupt_on={"write_file": True},
    subagents=[writer],
)
