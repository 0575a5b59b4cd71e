"""Known agents, and the workers that run them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui.model import Agent, Worker
from hitl_tui.store import agents

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox


class Agents:
    """What this home knows about agents and workers."""

    def __init__(self, inbox: Inbox) -> None:
        self._store = inbox.store

    async def all(self) -> list[Agent]:
        """Read every known agent, including those that cannot be loaded."""
        return await agents.list_agents(self._store)

    async def suggestions(self, agent: str) -> list[str]:
        """Names of known agents for somebody who mistyped one, the closest first; empty when `agent` is known."""
        import difflib  # only for those who mistype

        names = sorted({a.name for a in await agents.list_agents(self._store)})
        if agent in names:
            return []
        close = difflib.get_close_matches(agent, names, n=3)
        return close + [name for name in names if name not in close]

    async def project_errors(self, targets: Sequence[str]) -> list[tuple[str, str]]:
        """Label and error of each of these projects that cannot be loaded."""
        return await agents.project_errors(self._store, targets)

    async def workers(self) -> list[Worker]:
        """Read the known workers. One that was killed stays listed until another recovers its runs."""
        return [worker for worker, _ in await agents.list_workers(self._store)]
