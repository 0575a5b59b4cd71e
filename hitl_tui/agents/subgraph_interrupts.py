"""Finds where a task waits inside graphs that LangGraph's snapshot does not show: those called by a tool or a node, deepagents' sub-agents.

Only the checkpoints in their own namespaces say which of their nodes waits, and what their agent said (CONTRACT 1.6, 3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointTuple
from langgraph.types import Interrupt

from hitl_tui.agents.checkpoint_reader import CheckpointReader, RaisedInterrupt

SLOTS = 50
"""Interrupts of one task that are tried to find which node raised an id."""


@dataclass(frozen=True, slots=True)
class SubgraphPlace:
    """A place below a task."""

    path: tuple[str, ...]
    """Names of the tasks and agents around it, outermost first."""
    nodes: tuple[str, ...]
    """Nodes that wait there; empty if unknown."""
    pulled: bool
    """The graph's edges led there, rather than a `Send`."""
    values: dict[str, Any]
    has_answer: bool = False
    """The inner graph has gone on with an answer, but a worker died before the task around it was stored as ended."""


class SubgraphReader:
    """Reads the checkpoint namespaces below the tasks of one thread."""

    def __init__(self, saver: BaseCheckpointSaver[Any], reader: CheckpointReader, thread: str) -> None:
        self._saver = saver
        self._reader = reader
        self._thread = thread

    async def asking(self, namespace: str) -> dict[str, SubgraphPlace]:
        """Where the interrupts below a task were raised, by interrupt id. Interrupts that the task raised itself are left out."""
        deepest: dict[str, RaisedInterrupt] = {}
        for raised in self._reader.raised_below(self._thread, namespace):
            before = deepest.get(raised.interrupt)
            if before is None or before.namespace.count("|") < raised.namespace.count("|"):
                deepest[raised.interrupt] = raised
        found = {}
        for interrupt, raised in deepest.items():
            if checkpoint := await self._newest(raised.namespace):
                place = self._place(checkpoint, raised.namespace, functools.partial(_was_raised_by, raised))
                pending = {one.id for one in self._reader.pending(self._thread, raised.namespace)[0]}
                found[interrupt] = replace(place, has_answer=interrupt not in pending)
        return found

    async def stopped(self, namespace: str) -> SubgraphPlace | None:
        """Where a graph below a task stands at a gate of its own; None if nothing below it waits."""
        for below in sorted(self._reader.namespaces_below(self._thread, namespace), key=lambda ns: -ns.count("|")):
            checkpoint = await self._newest(below)
            if checkpoint and (place := self._place(checkpoint, below)).nodes:
                return place
        return None

    def _place(self, found: CheckpointTuple, namespace: str, was_raised_by: Callable[[str], bool] | None = None) -> SubgraphPlace:
        sent, led = set(_sent_to(found.checkpoint)), set(_led_to(found.checkpoint))
        nodes = sorted(filter(was_raised_by, sent | led)) or sorted(sent | led)
        return SubgraphPlace(tuple(self._path(namespace)), tuple(nodes), not sent & set(nodes), found.checkpoint["channel_values"])

    def _path(self, namespace: str) -> Iterator[str]:
        """Names of the tasks, each followed by that of its agent. A graph without a name has that of the agent around it."""
        parts, around = namespace.split("|"), self._reader.agent(self._thread, "")
        for number, part in enumerate(parts, 1):
            if not part.isdigit():
                yield part.partition(":")[0]
            agent = self._reader.agent(self._thread, "|".join(parts[:number]))
            if agent and agent != around:
                yield agent
                around = agent

    async def _newest(self, namespace: str) -> CheckpointTuple | None:
        return await self._saver.aget_tuple({"configurable": {"thread_id": self._thread, "checkpoint_ns": namespace}})


def _sent_to(checkpoint: Checkpoint) -> Iterator[str]:
    """Nodes that a `Send` calls next."""
    for sent in checkpoint["channel_values"].get("__pregel_tasks") or ():
        yield str(getattr(sent, "node", ""))


def _led_to(checkpoint: Checkpoint) -> Iterator[str]:
    """Nodes that are next by the graph's edges, found as LangGraph does: they have not seen their trigger yet."""
    for channel, version in checkpoint["channel_versions"].items():
        _, to, node = channel.partition("branch:to:")
        seen = checkpoint["versions_seen"].get(node, {}).get(channel)
        if to and channel in checkpoint["channel_values"] and (seen is None or str(version) > str(seen)):
            yield node


def _was_raised_by(raised: RaisedInterrupt, node: str) -> bool:
    """Whether this node raised the interrupt. Its id tells: it is a hash of where it was raised."""
    place = f"{raised.namespace}|{node}:{raised.task}"
    slots = (place, *(f"{place}|{slot}" for slot in range(1, SLOTS)))
    return any(Interrupt.from_ns(None, slot).id == raised.interrupt for slot in slots)
