"""A deep agent whose files are guarded by rules instead of by the names of tools."""

from deepagents import FilesystemPermission, create_deep_agent
from script import model

agent = create_deep_agent(model=model, permissions=[FilesystemPermission(operations=["write"], paths=["/secret/**"], mode="interrupt")])
