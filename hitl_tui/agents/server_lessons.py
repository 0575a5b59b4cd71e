"""Lessons in a LangGraph server's store, where its agents read them as they read those of the console's own store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from langgraph.store.base import BaseStore, Op, PutOp, Result, SearchItem, SearchOp
from langgraph_sdk.errors import APIStatusError, NotFoundError

from hitl_tui.agents.memory import write_lessons
from hitl_tui.agents.server_connection import ServerConnection, ServerProblem
from hitl_tui.store.lessons import LessonSet


class ServerLessons:
    """Keeps a server's store up to date. Other homes may write lessons there too: only those that this home knows are changed.

    Args:
        connection: to the server.
        changed_since: gives all lessons if any changed since a revision, else None.
        graph_of: gives the name of an agent's graph, by which its code asks for lessons, whatever its assistant is called here.
    """

    def __init__(
        self, connection: ServerConnection, changed_since: Callable[[int], LessonSet | None], graph_of: Callable[[str], str]
    ) -> None:
        self._store = _ServerStore(connection)
        self._connection = connection
        self._changed_since = changed_since
        self._graph_of = graph_of
        self._taught = LessonSet(-1, ())
        self._written: dict[str, int] = {}
        """By agent, the revision that the server has."""
        self._tried: dict[str, int] = {}
        """By agent, the revision that `write` has tried."""

    async def write(self, agents: Sequence[str]) -> None:
        """Write what changed. A store that refuses is tried again after the next change, and by the agent's next run."""
        self._read()
        for agent in agents:
            if self._tried.get(agent) != self._taught.rev:
                self._tried[agent] = self._taught.rev
                await self.deliver(agent)

    async def deliver(self, agent: str) -> str:
        """Write what changed of one agent. Returns why that failed, or an empty text."""
        self._read()
        if self._written.get(agent) == self._taught.rev or self._connection.read_only:
            return ""
        if not (lessons := self._taught.of(agent)):
            self._written[agent] = self._taught.rev
            return ""
        try:
            await write_lessons(self._store, self._graph_of(agent), lessons)
        except (APIStatusError, ServerProblem) as error:
            return f"the server's store did not take the lessons of its reviewers: {error}"
        self._written[agent] = self._taught.rev
        return ""

    def _read(self) -> None:
        if new := self._changed_since(self._taught.rev):
            self._taught = new


class _ServerStore(BaseStore):
    """A server's store, as far as writing lessons needs it."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        raise NotImplementedError

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return [await self._apply(op) for op in ops]

    async def _apply(self, op: Op) -> Result:
        async with self._connection.talking() as client:
            match op:
                case SearchOp():
                    found = await client.store.search_items(op.namespace_prefix, limit=op.limit, offset=op.offset)
                    with self._connection.reading():
                        return [_item(one) for one in found["items"]]
                case PutOp(value=None):
                    with contextlib.suppress(NotFoundError):
                        await client.store.delete_item(op.namespace, op.key)
                    return None
                case PutOp():
                    await client.store.put_item(op.namespace, op.key, op.value or {}, index=op.index)
                    return None
        raise NotImplementedError


def _item(one: Any) -> SearchItem:
    made, changed = (datetime.fromisoformat(str(one[name])) for name in ("created_at", "updated_at"))
    return SearchItem(tuple(one["namespace"]), one["key"], one["value"], made, changed)
