"""A deep agent with a sub-agent and files on the disk; writing a file must be approved."""

import os

from deepagents import create_deep_agent
from deepagents.backends import FilesystemBackend
from script import model

agent = create_deep_agent(
    model=model,
    backend=FilesystemBackend(root_dir=os.environ.get("WORKSPACE", "./workspace"), virtual_mode=True),
    interrupt_on={"write_file": True},
    subagents=[{"name": "writer", "description": "Writes reports into files.", "system_prompt": "Write."}],
)
