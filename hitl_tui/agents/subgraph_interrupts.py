"""What waits inside a task that a snapshot does not show: graphs that a tool or a node calls, deepagents' sub-agents.

Only the checkpoints of their own namespace know: which node of theirs waits, and what their agent said (CONTRACT 1.6, 3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointTuple
from langgraph.types import Interrupt

from hitl_tui.agents.checkpoint_reader import Asking, CheckpointReader

SLOTS = 50
"""How many questions of one task are looked through to find whose id it is."""


@dataclass(frozen=True, slots=True)
class SubgraphPlace:
    """A place below a task."""

    path: tuple[str, ...]
    """Names of the tasks and agents around it, the outer task first."""
    nodes: tuple[str, ...]
    """Nodes that wait there; empty when they cannot be told."""
    pulled: bool
    """Whether the graph's edges led there, and nobody sent for it."""
    values: dict[str, Any]
    has_answer: bool = False
    """Whether the graph that asked has gone on with an answer: a worker died before the task around it was stored as ended."""


class SubgraphReader:
    """Reads the namespaces below a thread's tasks."""

    def __init__(self, saver: BaseCheckpointSaver[Any], reader: CheckpointReader, thread: str) -> None:
        self._saver = saver
        self._reader = reader
        self._thread = thread

    async def asking(self, namespace: str) -> dict[str, SubgraphPlace]:
        """Where the interrupts of a task were raised, by interrupt id; those that the task raised itself are left out."""
        deepest: dict[str, Asking] = {}
        for asking in self._reader.asking_below(self._thread, namespace):
            before = deepest.get(asking.interrupt)
            if before is None or before.namespace.count("|") < asking.namespace.count("|"):
                deepest[asking.interrupt] = asking
        found = {}
        for interrupt, asking in deepest.items():
            if head := await self._head(asking.namespace):
                inside = self._inside(head, asking.namespace, functools.partial(_raised, asking))
                still = {pending.id for pending in self._reader.pending(self._thread, asking.namespace)}
                found[interrupt] = replace(inside, has_answer=interrupt not in still)
        return found

    async def stopped(self, namespace: str) -> SubgraphPlace | None:
        """Where below a task a graph stands at a gate of its own; None when nothing below it waits."""
        for below in sorted(self._reader.namespaces_below(self._thread, namespace), key=lambda ns: -ns.count("|")):
            head = await self._head(below)
            if head and (inside := self._inside(head, below)).nodes:
                return inside
        return None

    def _inside(self, head: CheckpointTuple, namespace: str, raised: Callable[[str], bool] | None = None) -> SubgraphPlace:
        sent, led = set(_sent_for(head.checkpoint)), set(_led_to(head.checkpoint))
        nodes = sorted(filter(raised, sent | led)) or sorted(sent | led)
        return SubgraphPlace(tuple(self._path(namespace)), tuple(nodes), not sent & set(nodes), head.checkpoint["channel_values"])

    def _path(self, namespace: str) -> Iterator[str]:
        """The names of the tasks, and after each that of the agent in it: a graph without a name has that of the agent around it."""
        parts, around = namespace.split("|"), self._reader.agent(self._thread, "")
        for number, part in enumerate(parts, 1):
            if not part.isdigit():
                yield part.partition(":")[0]
            agent = self._reader.agent(self._thread, "|".join(parts[:number]))
            if agent and agent != around:
                yield agent
                around = agent

    async def _head(self, namespace: str) -> CheckpointTuple | None:
        return await self._saver.aget_tuple({"configurable": {"thread_id": self._thread, "checkpoint_ns": namespace}})


def _sent_for(checkpoint: Checkpoint) -> Iterator[str]:
    """The nodes that a `Send` calls next."""
    for sent in checkpoint["channel_values"].get("__pregel_tasks") or ():
        yield str(getattr(sent, "node", ""))


def _led_to(checkpoint: Checkpoint) -> Iterator[str]:
    """The nodes that are next by the graph's edges, as LangGraph finds them: they have not seen their trigger yet."""
    for channel, version in checkpoint["channel_versions"].items():
        _, to, node = channel.partition("branch:to:")
        seen = checkpoint["versions_seen"].get(node, {}).get(channel)
        if to and channel in checkpoint["channel_values"] and (seen is None or str(version) > str(seen)):
            yield node


def _raised(asking: Asking, node: str) -> bool:
    """Whether it was this node that asked: an interrupt's id tells, being the hash of where it was raised."""
    place = f"{asking.namespace}|{node}:{asking.task}"
    slots = (place, *(f"{place}|{slot}" for slot in range(1, SLOTS)))
    return any(Interrupt.from_ns(None, slot).id == asking.interrupt for slot in slots)
