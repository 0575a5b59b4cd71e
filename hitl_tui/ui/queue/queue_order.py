"""The order of the queue and its groups: which review comes first, and which are shown as one row. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hitl_tui.model import QueueFacts, Risk, person_key
from hitl_tui.ui.review.assignment import ANYBODY
from hitl_tui.ui.widgets.virtual_list import SortedIds

Key = tuple[Any, ...]
"""What reviews are compared by; equal ones are shown oldest first."""
ORDINARY: Key = (3, 0.0)
"""By urgency: nothing about the review is urgent."""


class Sort(StrEnum):
    """Orders of the queue."""

    URGENCY = "by urgency"
    OLDEST = "oldest first"
    NEWEST = "newest first"
    AGENT = "by agent and tool"


@dataclass(frozen=True, slots=True)
class Order:
    """How the queue is sorted, and whether reviews that ask for the same tools of the same agent share a row."""

    sort: Sort = Sort.URGENCY
    grouped: bool = False

    @property
    def needs_tools(self) -> bool:
        """Whether it depends on the agent and the tools of every review."""
        return self.grouped or self.sort is Sort.AGENT

    def key(self, facts: QueueFacts, me: frozenset[str]) -> Key:
        """What a review is sorted by; `me` are the names under which something can be escalated to the reviewer."""
        match self.sort:
            case Sort.URGENCY:
                return urgency(facts, me)
            case Sort.AGENT:
                return (facts.agent, facts.tools)
            case Sort.OLDEST:
                return ()
            case Sort.NEWEST:
                return (-facts.id,)

    def told(self) -> str:
        """For people: `oldest first, grouped`."""
        return f"{self.sort}{', grouped' if self.grouped else ''}"

    def title(self) -> str:
        """What the list's title says of it: only what differs from the usual order."""
        return ", ".join(filter(None, ["" if self.sort is Sort.URGENCY else str(self.sort), "grouped" if self.grouped else ""]))


def urgency(facts: QueueFacts, me: frozenset[str]) -> Key:
    """Escalated to me first, then by deadline, then what is irreversible, then the rest."""
    deadline = facts.deadline_at or 0.0
    if facts.escalated and person_key(facts.escalated) in me:
        return (0, deadline)
    if facts.deadline_at is not None:
        return (1, deadline)
    return (2, 0.0) if facts.risk == Risk.IRREVERSIBLE else ORDINARY


def names_of(reviewer: str, groups: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The keys of names that mean this reviewer: their own, their groups', and anybody."""
    mine = [name for name, people in groups.items() if person_key(reviewer) in map(person_key, people)]
    return frozenset(map(person_key, (reviewer, ANYBODY, *mine)))


def ordered(sort: Sort, ids: Sequence[int], tools: Mapping[Key, Sequence[int]], urgent: Iterable[tuple[Key, int]]) -> SortedIds:
    """Reviews in an order of the queue.

    Everything here is done by loops in C, so that ten thousand reviews take no longer than a frame may.

    Args:
        ids: the reviews, oldest first.
        tools: reviews by agent and tools, where the order needs them.
        urgent: the `urgency` of reviews for which it is not `ORDINARY`, where the order needs it.
    """
    match sort:
        case Sort.OLDEST:
            return SortedIds(ids)
        case Sort.NEWEST:
            return SortedIds(ids, newest_first=True)
        case Sort.AGENT:
            listed = set(ids)
            return RankedIds([(key, id_) for key in sorted(tools) for id_ in tools[key] if id_ in listed])
        case Sort.URGENCY:
            listed = set(ids)
            return RankedIds(sorted(one for one in urgent if one[1] in listed), ids)


class RankedIds(SortedIds):
    """Ids in the order of a key of each, and then by id; ordinary ones, which have no key, come last."""

    def __init__(self, entries: list[tuple[Key, int]], ids: Sequence[int] = ()) -> None:
        """`entries` are in their order. Those of `ids` that are not among them are ordinary."""
        self._entries = entries
        self._keys = {id_: key for key, id_ in entries}
        super().__init__(array("q", [id_ for id_ in ids if id_ not in self._keys]) if entries else ids)

    def __len__(self) -> int:
        return len(self._entries) + super().__len__()

    def __contains__(self, id_: int) -> bool:
        if id_ not in self._keys:
            return super().__contains__(id_)
        place = self.place(id_)
        return place < len(self._entries) and self._entries[place][1] == id_

    def at(self, place: int) -> int:
        ranked = len(self._entries)
        return self._entries[place][1] if place < ranked else super().at(place - ranked)

    def place(self, id_: int) -> int:
        if id_ not in self._keys:
            return len(self._entries) + super().place(id_)
        return bisect_left(self._entries, (self._keys[id_], id_))

    def add(self, id_: int) -> bool:
        if id_ not in self._keys:
            return super().add(id_)
        if id_ in self:
            return False
        insort(self._entries, (self._keys[id_], id_))
        return True

    def drop(self, id_: int) -> bool:
        if id_ not in self._keys:
            return super().drop(id_)
        if id_ not in self:
            return False
        del self._entries[self.place(id_)]
        return True

    def rank(self, id_: int, key: Key) -> None:
        """Give an id a key, and with it another place if it is there."""
        if self._keys.get(id_, ORDINARY) == key:
            return
        was = self.drop(id_)
        self._keys.pop(id_, None)
        if key != ORDINARY:
            self._keys[id_] = key
        if was:
            self.add(id_)


class Groups:
    """Open reviews that ask for the same tools of the same agent; the first of each group is the row that is shown."""

    def __init__(self, members: Mapping[Key, list[int]] | None = None) -> None:
        """`members` are the reviews of each agent and its tools, oldest first."""
        self._members = dict(members or {})
        self._of: dict[int, Key] = {}
        for key, ids in self._members.items():
            self._of |= dict.fromkeys(ids, key)

    def put(self, facts: QueueFacts) -> int | None:
        """Add a review; the one that no longer stands for the group, if another did before."""
        key = (facts.agent, facts.tools)
        if facts.id in self._of:
            return None
        self._of[facts.id] = key
        members = self._members.setdefault(key, [])
        before = members[0] if members else None
        insort(members, facts.id)
        return before if before is not None and before != members[0] else None

    def drop(self, id_: int) -> int | None:
        """Remove a review; the one that stands for the group from now on, if this one did."""
        key = self._of.pop(id_, None)
        if key is None:
            return None
        members = self._members[key]
        led = members[0] == id_
        members.remove(id_)
        if not members:
            del self._members[key]
        return members[0] if led and members else None

    @property
    def leaders(self) -> list[int]:
        """The reviews that stand for their groups, oldest first."""
        return sorted(members[0] for members in self._members.values())

    def members(self, id_: int) -> Sequence[int]:
        """All reviews of the group of a review; itself alone where there is none."""
        key = self._of.get(id_)
        return self._members[key] if key is not None else (id_,)

    def leads(self, id_: int) -> bool:
        """Whether the review stands for its group, or has none."""
        return self.members(id_)[0] == id_
