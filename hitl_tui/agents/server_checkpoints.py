"""The newest checkpoint of a thread on a LangGraph server: read, and updated only where it was read."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import Interrupt, StateSnapshot

from hitl_tui import canonical_json
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.messages import messages_in
from hitl_tui.agents.server_connection import ServerConnection
from hitl_tui.agents.server_runs import ServerRuns
from hitl_tui.agents.server_state import as_json, read_questions, read_state
from hitl_tui.agents.source import NotPending
from hitl_tui.agents.takeover_updates import node_of_results

HISTORY = 10
"""Checkpoints that are read to find what ran last."""
OVERWRITE = "__overwrite__"
"""LangGraph's key for a value that replaces what a reducer would add to."""


class ServerCheckpoints:
    """Reads and updates a thread's state.

    Args:
        connection: to the server.
        thread: the thread's id.
        runs: of the thread, which tell who moved it.
        schemas: of answers, by interrupt id, as streams had them.
    """

    def __init__(self, connection: ServerConnection, thread: str, runs: ServerRuns, schemas: MutableMapping[str, Any]) -> None:
        self._connection = connection
        self._thread = thread
        self._runs = runs
        self._schemas = schemas
        self.head = ""
        """The newest checkpoint, as it was read last by `at_head`, or written last."""

    async def newest(self, subgraphs: bool = True) -> StateSnapshot:
        """Read the newest checkpoint; that of a thread which does not exist has no id."""
        return await read_state(self._connection, self._thread, self._schemas, subgraphs)

    async def questions(self, wanted: Collection[str]) -> dict[str, Interrupt]:
        """The interrupts that are pending, by id: those that the thread's row tells if they are all that is `wanted`, else its state's."""
        found = await read_questions(self._connection, self._thread, self._schemas)
        if found.keys() >= set(wanted):
            return found
        return {one.id: one for one in (await self.newest(subgraphs=False)).interrupts}

    async def at_head(self) -> StateSnapshot:
        """Read the newest checkpoint, at which what follows must find the thread."""
        state = await self.newest()
        self.head = checkpoint_of(state)
        return state

    async def leading(self, graph_info: GraphInfo, state: StateSnapshot) -> tuple[str, ...]:
        """The nodes whose edges led to where the thread stands: those that were next before, as the history tells."""
        if node := node_of_results(state, graph_info):
            return (node,)
        wanted = set(state.next)
        async with self._connection.talking() as client:
            history = await client.threads.get_history(self._thread, limit=HISTORY)
            with self._connection.reading():
                earlier = [set(one["next"]) for one in history[1:] if set(one["next"]) != wanted]
        before = earlier[0] if earlier else set()
        return tuple(sorted(node for node in before if wanted & set(graph_info.after(node))))

    async def update(self, values: dict[str, Any] | None, as_node: str | None = None) -> None:
        """Update the state where it was read last.

        Raises:
            NotPending: the thread is busy, or it had moved. Then the update was made at another place, but nothing runs because of it.
        """
        async with self._runs.changing() as client:
            made = await client.threads.update_state(self._thread, as_json(values), as_node=as_node)
            with self._connection.reading():
                now = str(made["checkpoint"]["checkpoint_id"])
        state = await self.newest(subgraphs=False)
        before = ((state.parent_config or {}).get("configurable") or {}).get("checkpoint_id")
        if checkpoint_of(state) != now or before != self.head:
            raise NotPending("the thread has moved", await self._runs.earlier_answer())
        self.head = now

    async def give(self, messages: Sequence[BaseMessage], as_node: str) -> None:
        """Add messages. Whether the graph adds those of an input to its own shows only in what comes of it: else all are written.

        Raises:
            NotPending: as `update`.
        """
        before = messages_in((await self.newest(subgraphs=False)).values)
        await self.update({"messages": list(messages)}, as_node)
        if len(messages_in((await self.newest(subgraphs=False)).values)) < len(before) + len(messages):
            await self.update({"messages": [*before, *messages]}, as_node)

    async def write(self, values: Any, as_node: str | None, before: Sequence[BaseMessage]) -> None:
        """Write one update. Whether a key has a reducer shows only in what comes of it: then it is written again, as `Overwrite`."""
        if not values:
            await self.update(values, as_node)
            return
        sent = dict(values)
        if "messages" in sent:
            sent["messages"] = [message for message in sent["messages"] if not any(message is one for one in before)]
        await self.update(sent, as_node)
        found = (await self.newest()).values
        merged = {key: value for key, value in values.items() if key != "messages" and _differs(found.get(key), value)}
        if merged:
            await self.update({key: {OVERWRITE: value} for key, value in merged.items()}, as_node)


def _differs(found: Any, wanted: Any) -> bool:
    return canonical_json.canonical(canonical_json.as_json(found)) != canonical_json.canonical(canonical_json.as_json(wanted))


def checkpoint_of(state: StateSnapshot) -> str:
    """The id of a snapshot's checkpoint; empty if it has none."""
    return str(state.config["configurable"].get("checkpoint_id") or "")
