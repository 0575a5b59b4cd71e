"""Known agents, and the workers that run them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from hitl_tui.errors import Refused
from hitl_tui.inbox import launch_options
from hitl_tui.model import Agent, AgentPause, Assistant, Json, Role, Worker
from hitl_tui.store import agents, pauses

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox


class Agents:
    """What this home knows about agents and workers."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def all(self) -> list[Agent]:
        """Read every known agent, including those that cannot be loaded."""
        return await agents.list_agents(self._store)

    async def of_target(self, target: str) -> list[Agent]:
        """Read the agents of one project, by its key."""
        return await agents.of_project(self._store, target)

    async def suggestions(self, agent: str) -> list[str]:
        """Names of known agents similar to a mistyped one, the closest first; empty if `agent` is known."""
        import difflib  # only needed after a typing error

        names = sorted({a.name for a in await agents.list_agents(self._store)})
        if agent in names:
            return []
        close = difflib.get_close_matches(agent, names, n=3)
        return close + [name for name in names if name not in close]

    async def pause(self, agent: str = "") -> None:
        """Pause an agent, or all if the name is empty: current steps finish, nothing new starts, and decisions wait.

        Raises:
            Refused: the agent is unknown, or already paused.
        """
        await self._inbox.require(Role.DECIDE, "pause")
        if agent and (names := await self.suggestions(agent)):
            raise Refused(f"no agent {agent} is known", f"known: {', '.join(names)}")
        if not await pauses.pause(self._store, agent, self._inbox.reviewer):
            raise Refused(f"{f'agent {agent} is' if agent else 'all agents are'} paused already", "nothing was changed")
        self._inbox.ring()

    async def resume(self, agent: str = "") -> None:
        """Resume a paused agent, or everything that is paused if the name is empty.

        Raises:
            Refused: it is not paused, or all agents are paused and not only this one.
        """
        await self._inbox.require(Role.DECIDE, "resume")
        if not await pauses.resume(self._store, agent, self._inbox.reviewer):
            raise Refused(f"{f'agent {agent}' if agent else 'no agent'} is {'not ' if agent else ''}paused", "nothing was changed")
        self._inbox.ring()

    async def targets(self) -> list[str]:
        """Read the target of every known project, the last seen first."""
        return await agents.targets(self._store)

    async def move_project(self, old: str, new: str, label: str) -> None:
        """Store that a project is at another place, so that its agents keep their names and what belongs to these.

        Args:
            old: its target until now.
            new: its target from now on.
            label: its name from now on.

        Raises:
            Refused: the project is unknown, or a worker has the new place loaded.
        """
        await self._inbox.require(Role.AUTONOMY, "say that a project was moved")
        await agents.move_project(self._store, old, new, label, self._inbox.reviewer)
        self._inbox.ring()

    def pauses(self) -> list[AgentPause]:
        """The pauses in force, with that of all agents first. Synchronous."""
        return pauses.active(self._store)

    async def assistants(self, agent: str | None = None) -> list[Assistant]:
        """Read the assistants: all, or those of one agent."""
        from hitl_tui.store import assistants

        return await assistants.find(self._store, agent)

    async def save_assistant(self, agent: str, name: str, context: Json, config: Json) -> None:
        """Store an assistant: what launches of the agent may start from. One of the same name is replaced.

        Raises:
            Refused: the agent is unknown, the name is empty, or a value does not fit the agent or is no config of LangGraph's.
        """
        from hitl_tui.store import assistants

        await self._inbox.require(Role.DECIDE, "save an assistant")
        if names := await self.suggestions(agent):
            raise Refused(f"no agent {agent} is known", f"known: {', '.join(names)}")
        if not name.strip():
            raise Refused("an assistant needs a name", "name it")
        if context is None and config is None:
            raise Refused(f"the assistant {name} holds nothing", "give it --context or --config")
        for known in await agents.list_agents(self._store, agent):
            launch_options.check(known, context, config, partly=True)
        await assistants.put(self._store, agent, name, context, config, self._inbox.reviewer)

    async def remove_assistant(self, agent: str, name: str) -> None:
        """Delete an assistant; runs that were launched with it keep their values.

        Raises:
            Refused: there is none of that name.
        """
        from hitl_tui.store import assistants

        await self._inbox.require(Role.DECIDE, "remove an assistant")
        if not await assistants.remove(self._store, agent, name):
            raise Refused(f"{agent} has no assistant {name}", "`hitl-tui assistants` lists them")

    async def warnings(self) -> list[tuple[str, str]]:
        """Label and sentence for each setting of a project's langgraph.json that has no effect here."""
        return await agents.project_warnings(self._store)

    async def outages(self, targets: Sequence[str]) -> list[tuple[str, str, float]]:
        """Label, reason, and since when (Unix time), of each of these projects whose server cannot be used now."""
        return await agents.outages(self._store, targets)

    async def project_errors(self, targets: Sequence[str]) -> list[tuple[str, str]]:
        """Label and error of each of these projects that cannot be loaded."""
        return await agents.project_errors(self._store, targets)

    async def unserved(self, own: Collection[str] = ()) -> dict[str, str]:
        """Read the agents that no worker runs now, with their project's target. `own`: targets whose worker may still be starting."""
        return await agents.unserved(self._store, own)

    async def workers(self) -> list[Worker]:
        """Read the known workers. One that was killed stays listed until another recovers its runs."""
        return [worker for worker, _ in await agents.list_workers(self._store)]
