"""A LangGraph server as a source: its assistants are agents, its threads are reviewed here, and it runs what was approved.

`server_connection.py` talks to it, `server_thread.py` drives one thread of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from hitl_tui.agents.introspection import ANY_MESSAGES, takes_text, text_input
from hitl_tui.agents.loader import explain
from hitl_tui.agents.server_connection import ServerConnection, ServerProblem, backoff, reading
from hitl_tui.agents.source import ConfidenceSources, KnownThreads, Outage, Thread
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.model import UNCHECKED_SCHEMA, Agent, Json, MovedThread, Run
from hitl_tui.servers import ServerTarget
from hitl_tui.store.lessons import LessonSet

PAGE = 100
AT_ONCE = 4
"""Requests for schemas at a time."""


class ServerSource:
    """A LangGraph server. Open it with `ServerSource.open`. `source.Source` documents the methods.

    Nothing is raised because a server is away: `outage` says why, and `follow` tries again.
    """

    def __init__(
        self, target: ServerTarget, home: Home, confidence: Callable[[str], ConfidenceSources], connection: ServerConnection
    ) -> None:
        self.label = target.label
        self.agents: Sequence[Agent] = ()
        self._target = target
        self._home = home
        self._confidence = confidence
        self._connection = connection
        self._assistants: dict[str, str] = {}
        """Ids of assistants by the names of their agents."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        target: ServerTarget,
        home: Home,
        confidence: Callable[[str], ConfidenceSources],
        lessons: Callable[[int], LessonSet | None],
    ) -> AsyncIterator[ServerSource]:
        """Connect, and list the assistants if the server can be used. The arguments are those of `LocalSource.open`."""
        async with ServerConnection(target).open() as connection:
            source = cls(target, home, confidence, connection)
            with contextlib.suppress(ServerProblem):
                await source._connect()
            yield source

    @property
    def outage(self) -> Outage | None:
        """Why the server cannot be used now, and since when."""
        return self._connection.outage

    @property
    def warnings(self) -> Sequence[str]:
        """Why nothing can be decided here, if nothing can, and what is unsafe about the connection."""
        return [*([self._connection.read_only] if self._connection.read_only else []), *self._target.warnings]

    @property
    def names(self) -> list[str]:
        """Names of the agents that can run: none while the server is away."""
        return [] if self.outage else [agent.name for agent in self.agents if not agent.error]

    async def _connect(self) -> None:
        """Read what the server is, and list its assistants.

        Raises:
            ServerProblem: it cannot be used now.
        """
        await self._connection.check()
        found: list[Mapping[str, Any]] = []
        async with self._connection.talking() as client:
            while page := await client.assistants.search(limit=PAGE, offset=len(found)):
                found += page
                if len(page) < PAGE:
                    break
            with reading():
                named = _named([one for one in found if self._is_wanted(one)])
        limit = asyncio.Semaphore(AT_ONCE)
        listed = await asyncio.gather(*(self._describe(name, one, limit) for name, one in named.items()))
        self._assistants = {name: str(one["assistant_id"]) for name, one in named.items()}
        if listed != list(self.agents):
            self.agents = listed

    def _is_wanted(self, assistant: Mapping[str, Any]) -> bool:
        known = {assistant["assistant_id"], assistant["graph_id"], assistant.get("name")}
        return not self._target.assistants or bool(known & set(self._target.assistants))

    async def _describe(self, name: str, assistant: Mapping[str, Any], limit: asyncio.Semaphore) -> Agent:
        async with limit, self._connection.talking() as client:
            shapes = await client.assistants.get_schemas(assistant["assistant_id"])
            with reading():
                given = _unchecked(shapes["input_schema"])
                state, context = shapes.get("state_schema"), shapes.get("context_schema")
                description = str(assistant.get("description") or "")
        return Agent(name, 0, self.label, description, given, takes_text(given), state_schema=state, context_schema=context)

    async def follow(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """Threads that others begin and move."""
        failures = 0
        while True:
            if self.outage:
                failures += 1
                await backoff(failures)
            else:
                failures = 0
                await asyncio.sleep(self._target.poll_s)
            with contextlib.suppress(ServerProblem):
                await self._connect() if self.outage else await self._connection.check()
            yield ()

    @contextlib.asynccontextmanager
    async def thread(self, run: Run, holds: Callable[[], bool] = lambda: True) -> AsyncIterator[Thread]:
        """The run's thread on the server."""
        if run:
            raise Refused(f"runs on {self.label} cannot be driven yet", "this is being built")
        yield  # type: ignore[misc]

    def input_of(self, run: Run) -> Json:
        """The input with which the run's graph starts."""
        if "text" not in run.input:
            return run.input["input"]
        schema = next((agent.input_schema for agent in self.agents if agent.name == run.agent), None)
        given = text_input(schema, run.input["text"])
        if given is None:
            raise Refused(f"{run.agent} takes no plain text", "launch it with --input JSON")
        return given

    def explain(self, error: BaseException) -> str:
        """One sentence for an exception."""
        return explain(error)

    async def sync_lessons(self) -> None:
        """Lessons are written when an agent runs."""

    def code_edited(self) -> bool:
        """The code is the server's."""
        return False

    async def check_storage(self) -> None:
        """Ask the server whether it works."""
        await self._connection.check()


def _unchecked(schema: Json) -> Json:
    """An input schema as the server applies it: it checks no types and demands no key."""
    if not isinstance(schema, dict):
        return schema
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    lenient = {**properties, **({"messages": ANY_MESSAGES} if "messages" in properties else {})}
    return {**schema, "properties": lenient, UNCHECKED_SCHEMA: True}


def _named(assistants: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Assistants by the names of their agents: that of its graph for the one that the server made, else the assistant's own."""
    made: dict[str, Mapping[str, Any]] = {}
    for one in sorted(assistants, key=lambda one: (one["metadata"].get("created_by") != "system", str(one["created_at"]))):
        name = str(one["graph_id"] if one["metadata"].get("created_by") == "system" else one.get("name") or one["graph_id"])
        made[name if name not in made else f"{name} {one['assistant_id'][:8]}"] = one
    return made
