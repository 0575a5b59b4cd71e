"""A LangGraph server as a source: its assistants are agents, its threads are reviewed here, and it runs what was approved.

`server_connection.py` talks to it, and `server_watch.py` notices threads that others move. `server_thread.py` drives one thread:
`server_runs.py` begins and follows its runs there, `server_checkpoints.py` reads and updates its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph_sdk.errors import APIStatusError

from hitl_tui.agents import introspection
from hitl_tui.agents.introspection import GraphInfo, takes_text, with_any_messages
from hitl_tui.agents.loader import explain
from hitl_tui.agents.server_connection import LONGEST_BACKOFF_S, ServerConnection, ServerProblem, backoff
from hitl_tui.agents.server_lessons import ServerLessons
from hitl_tui.agents.server_state import conditional_nodes, graph_info_of
from hitl_tui.agents.server_thread import ServerThread
from hitl_tui.agents.server_watch import ThreadWatch
from hitl_tui.agents.source import AgentSettings, KnownThreads, NotPending, Outage
from hitl_tui.agents.takeover_updates import GraphShape
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.model import UNCHECKED_SCHEMA, Agent, Json, MovedThread, Run
from hitl_tui.servers import ServerTarget
from hitl_tui.store.lessons import LessonSet

PAGE = 100
AT_ONCE = 4
"""Assistants that are described at a time."""
BETWEEN_LOOKS = 20
"""Assistants that are described between two looks for threads that changed."""
SCANNING_S = 0.1
"""Seconds between two looks while all threads that wait are looked through."""
DESCRIBE_S = 20.0
"""Time for a worker's start to wait for what assistants are; the rest is read while it works."""
SCHEMAS = 2000
"""Schemas of answers that are kept for servers that leave them out of a thread's state."""
SLOW_S = 2.0
"""Seconds for an answer beyond which a server is called slow."""
LIST_S = 60.0
"""Seconds after which assistants are listed again."""


class ServerSource:
    """A LangGraph server. Open it with `ServerSource.open`. `source.Source` documents the methods.

    Nothing is raised because a server is away: `outage` says why, and `follow` tries again.
    """

    longest_wait_s = LONGEST_BACKOFF_S

    def __init__(
        self,
        target: ServerTarget,
        home: Home,
        confidence: Callable[[str], AgentSettings],
        connection: ServerConnection,
        lessons: Callable[[int], LessonSet | None],
    ) -> None:
        self.label = target.label
        self.agents: Sequence[Agent] = ()
        self._target = target
        self._home = home
        self._confidence = confidence
        self._connection = connection
        self._lessons = ServerLessons(connection, lessons, self._name_in_code)
        self._graphs: dict[str, str] | None = None
        """Names of agents by those that runs have for them; None while they are the same."""
        self._assistants: dict[str, Mapping[str, Any]] = {}
        """By the names of their agents."""
        self._described: dict[tuple[str, str], _Described] = {}
        """By the id of an assistant and when it was changed."""
        self._seen: dict[str, str] = {}
        self._schemas = _Bounded(SCHEMAS)
        self._watch = ThreadWatch(connection, self._seen, self._agent_of)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        target: ServerTarget,
        home: Home,
        confidence: Callable[[str], AgentSettings],
        lessons: Callable[[int], LessonSet | None],
    ) -> AsyncIterator[ServerSource]:
        """Connect, and list the assistants if the server can be used. The arguments are those of `LocalSource.open`."""
        async with ServerConnection(target).open() as connection:
            source = cls(target, home, confidence, connection, lessons)
            with contextlib.suppress(ServerProblem):
                await source._list()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DESCRIBE_S):
                        await source._describe_all()
            yield source

    @property
    def outage(self) -> Outage | None:
        """Why the server cannot be used now, and since when."""
        return self._connection.outage

    @property
    def read_only(self) -> str:
        """Why nothing can be decided here."""
        return self._connection.read_only

    @property
    def warnings(self) -> Sequence[str]:
        """Why nothing can be decided here, if nothing can, and what is slow or unsafe about the connection."""
        seconds = self._connection.answered_s
        slow = f"it takes {seconds:.0f} s to answer, so what waits there comes late" if seconds > SLOW_S else ""
        return [*filter(None, [self._connection.read_only, slow]), *self._target.warnings]

    @property
    def names(self) -> list[str]:
        """Names of the agents that can run: none while the server is away."""
        usable = {agent.name for agent in self.agents if not agent.error}
        graphs = self._graphs if self._graphs is not None else {name: name for name in usable}
        return [] if self.outage else [name for name, graph in graphs.items() if graph in usable]

    def rename(self, graphs: Mapping[str, str]) -> None:
        """Let runs call the agents by their names in this home."""
        self._graphs = dict(graphs)

    def _graph_of(self, run: Run) -> str:
        return (self._graphs or {}).get(run.agent, run.agent)

    def _name_in_code(self, agent: str) -> str:
        """The name that an agent has in the server's langgraph.json, where an assistant that people made has its own."""
        assistant = self._assistants.get((self._graphs or {}).get(agent, agent))
        return str(assistant["graph_id"]) if assistant else agent

    async def _list(self) -> None:
        """Read what the server is, and list its assistants.

        Raises:
            ServerProblem: it cannot be used now.
        """
        await self._connection.check()
        found: list[Mapping[str, Any]] = []
        async with self._connection.talking(whole=True) as client:
            while page := await client.assistants.search(limit=PAGE, offset=len(found)):
                found += page
                if len(page) < PAGE:
                    break
            with self._connection.reading():
                self._assistants = _named([one for one in found if self._is_wanted(one)])
        self._note_agents()

    def _note_agents(self) -> None:
        listed = [self._agent(name, one) for name, one in self._assistants.items()]
        if listed != list(self.agents):
            self.agents = listed

    def _agent(self, name: str, assistant: Mapping[str, Any]) -> Agent:
        known, about = self._described.get(_version(assistant)), str(assistant.get("description") or "")
        if known is None:
            return Agent(name, 0, self.label, about, None, takes_text=True)  # most do; a run of one that does not says so
        tools, context = dict(known.graph_info.tools), known.context
        return Agent(name, 0, self.label, about, known.given, takes_text(known.given), known.error, "", known.state, tools, context)

    def _is_wanted(self, assistant: Mapping[str, Any]) -> bool:
        known = {assistant["assistant_id"], assistant["graph_id"], assistant.get("name")}
        return not self._target.assistants or bool(known & set(self._target.assistants))

    async def _describe_all(self, most: int | None = None) -> None:
        """Read the schemas and drawings of assistants that are new or changed: all, or as many as `most`.

        Raises:
            ServerProblem: the server cannot be used now.
        """
        limit = asyncio.Semaphore(AT_ONCE)
        unknown = [one for one in self._assistants.values() if _version(one) not in self._described][:most]
        try:
            await asyncio.gather(*(self._describe(one, limit) for one in unknown))
        finally:
            self._note_agents()

    async def _describe(self, assistant: Mapping[str, Any], limit: asyncio.Semaphore | None = None) -> _Described:
        async with limit or contextlib.nullcontext(), self._connection.talking() as client:
            name = str(assistant["assistant_id"])
            try:
                shapes = await client.assistants.get_schemas(name)
                graph, inside = await client.assistants.get_graph(name), await client.assistants.get_graph(name, xray=True)
                with self._connection.reading():
                    given = _unchecked(shapes.get("input_schema") or shapes.get("state_schema"))
                    info = replace(graph_info_of(graph, inside), adds_messages="messages" in _keys(given))
                    found = _Described(given, shapes.get("state_schema"), shapes.get("context_schema"), info, conditional_nodes(graph))
            except (APIStatusError, ServerProblem) as error:
                if not _is_about_graph(error):
                    raise
                found = _Described(None, None, None, GraphInfo(), error=f"the server cannot open it: {error}")
        self._described[_version(assistant)] = found
        return found

    async def follow(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """Threads that others begin and move."""
        failures, listed_at = 0, time.monotonic()
        while True:
            try:
                if self.outage or time.monotonic() - listed_at > LIST_S:
                    await self._list()
                    listed_at = time.monotonic()
                if failures:
                    self._watch.scan_again()
                async for batch in self._watch.look(known):
                    yield batch
                await self._describe_all(BETWEEN_LOOKS)
                await self._lessons.write(self.names)
                failures = 0
            except ServerProblem:
                failures += 1
            if self.outage or not self._watch.is_scanning:
                yield ()  # it has looked through everything, or is away
            pause_s = SCANNING_S if self._watch.is_scanning else self._target.poll_s
            await (backoff(failures) if failures else asyncio.sleep(pause_s))

    def _agent_of(self, metadata: Mapping[str, Any]) -> str | None:
        """The name of the agent to which a thread of others belongs; None if it is not reviewed here."""
        if any(metadata.get(key) != value for key, value in self._target.metadata.items()):
            return None
        assistant, graph = metadata.get("assistant_id"), metadata.get("graph_id")
        by_id = next((name for name, one in self._assistants.items() if one["assistant_id"] == assistant), None)
        found = by_id or next((name for name, one in self._assistants.items() if name == one["graph_id"] == graph), None)
        return next((name for name, of in (self._graphs or {}).items() if of == found), found)

    @contextlib.asynccontextmanager
    async def thread(self, run: Run, holds: Callable[[], bool] = lambda: True) -> AsyncIterator[ServerThread]:
        """The run's thread on the server."""
        assistant = self._assistants.get(self._graph_of(run))
        if assistant is None:
            raise Refused(f"{self.label} has no agent {run.agent}", "its assistant was deleted, or is not reviewed here")
        described = self._described.get(_version(assistant))
        if described is None:
            described = await self._describe(assistant)
            self._note_agents()
        info = described.graph_info.gated(run.options.gates_before, run.options.gates_after)
        confidence = functools.partial(self._confidence, run.agent)
        yield ServerThread(
            self._connection,
            str(assistant["assistant_id"]),
            info,
            described.shape,
            run,
            self._key(run),
            confidence,
            holds,
            self._seen,
            self._schemas,
            self._lessons,
        )

    def _key(self, run: Run) -> str:
        """Names a run among those of all homes."""
        named = f"{socket.gethostname()}\0{self._home.database.resolve()}\0{run.id}\0{run.created_at!r}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def input_of(self, run: Run) -> Json:
        """The input with which the run's graph starts."""
        schema = next((agent.input_schema for agent in self.agents if agent.name == self._graph_of(run)), None)
        return introspection.input_of(run, schema)

    def explain(self, error: BaseException) -> str:
        """One sentence for an exception."""
        if isinstance(error, APIStatusError):
            return f"{self.label} refused it ({error.status_code}): {error.message}"
        if isinstance(error, NotPending):
            return f"{error.first} was first: the thread runs, or has moved"
        return explain(error)

    async def sync_lessons(self) -> None:
        """Nothing: `follow` writes lessons into the server's store, and every run makes sure of its agent's."""

    def code_edited(self) -> bool:
        """The code is the server's."""
        return False

    async def check_storage(self) -> None:
        """Ask the server whether it works."""
        await self._connection.check()


class _Bounded(dict[str, Any]):
    """A dict that drops its oldest keys beyond a number of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def update(self, *args: Any, **more: Any) -> None:
        super().update(*args, **more)
        for key in list(self)[: max(0, len(self) - self._most)]:
            del self[key]


class _Described:
    """What is known of an assistant."""

    def __init__(
        self, given: Json, state: Json, context: Json, graph_info: GraphInfo, conditional: frozenset[str] = frozenset(), error: str = ""
    ) -> None:
        self.given = given
        self.state = state
        self.context = context
        self.graph_info = graph_info
        self.shape = GraphShape(dict.fromkeys(_keys(state)), frozenset(_keys(given)), conditional, _typed(state))
        self.error = error


def _keys(schema: Json) -> list[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties) if isinstance(properties, dict) else []


def _typed(schema: Json) -> frozenset[str]:
    """Keys whose values may be of a class: objects with properties of their own."""
    if not isinstance(schema, dict):
        return frozenset()
    shapes = {key: schema["properties"][key] for key in _keys(schema) if key != "messages"}
    return frozenset(key for key, shape in shapes.items() if isinstance(shape, dict) and ("$ref" in str(shape) or "properties" in shape))


def _version(assistant: Mapping[str, Any]) -> tuple[str, str]:
    return str(assistant["assistant_id"]), str(assistant.get("updated_at"))


def _is_about_graph(error: Exception) -> bool:
    """Whether a server refuses because of one graph, and not because of itself."""
    cause = error.__cause__ if isinstance(error, ServerProblem) else error
    return isinstance(cause, APIStatusError) and cause.status_code not in (401, 403, 429, 502, 503, 504)


def _unchecked(schema: Json) -> Json:
    """An input schema as the server applies it: it checks no types and demands no key."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return schema
    return {**with_any_messages(schema), UNCHECKED_SCHEMA: True}


def _named(assistants: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Assistants by the names of their agents: that of its graph for the one that the server made, else the assistant's own."""
    made: dict[str, Mapping[str, Any]] = {}
    for one in sorted(assistants, key=lambda one: (one["metadata"].get("created_by") != "system", str(one["created_at"]))):
        name = str(one["graph_id"] if one["metadata"].get("created_by") == "system" else one.get("name") or one["graph_id"])
        made[name if name not in made else f"{name} {one['assistant_id'][:8]}"] = one
    return made
