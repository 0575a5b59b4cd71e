"""The order of the queue and its groups: which review comes first, and which are shown as one row. Pure."""

from __future__ import annotations

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
    def needs_all(self) -> bool:
        """Whether it depends on facts of every review, and not only of urgent ones."""
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


class RankedIds(SortedIds):
    """Ids in the order of a key of each, and then by id. An id without a key is ordinary."""

    def __init__(self, ids: Iterable[int], keys: Mapping[int, Key], default: Key = ORDINARY) -> None:
        super().__init__()
        self._keys = dict(keys)
        self._default = default
        self._members = set(ids)
        by_key: dict[Key, list[int]] = {}
        for id_ in self._members:
            by_key.setdefault(self._key(id_), []).append(id_)
        self._entries = [(key, id_) for key in sorted(by_key) for id_ in sorted(by_key[key])]  # ids compare faster than keys

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._members

    def at(self, place: int) -> int:
        return self._entries[place][1]

    def place(self, id_: int) -> int:
        return bisect_left(self._entries, (self._key(id_), id_))

    def add(self, id_: int) -> bool:
        if id_ in self._members:
            return False
        insort(self._entries, (self._key(id_), id_))
        self._members.add(id_)
        return True

    def drop(self, id_: int) -> bool:
        if id_ not in self._members:
            return False
        del self._entries[self.place(id_)]
        self._members.remove(id_)
        return True

    def rank(self, id_: int, key: Key) -> None:
        """Give an id a key, and with it another place if it is there."""
        if self._key(id_) == key:
            return
        was = self.drop(id_)
        self._keys[id_] = key
        if was:
            self.add(id_)

    def _key(self, id_: int) -> Key:
        return self._keys.get(id_, self._default)


class Groups:
    """Open reviews that ask for the same tools of the same agent; the first of each group is the row that is shown."""

    def __init__(self) -> None:
        self._of: dict[int, Key] = {}
        self._members: dict[Key, list[int]] = {}

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

    def members(self, id_: int) -> Sequence[int]:
        """All reviews of the group of a review; itself alone where there is none."""
        key = self._of.get(id_)
        return self._members[key] if key is not None else (id_,)

    def leads(self, id_: int) -> bool:
        """Whether the review stands for its group, or has none."""
        return self.members(id_)[0] == id_
