"""Ids in a known order, eight bytes each: a hundred thousand waiting reviews cost less than a megabyte. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable


class Order:
    """A sorted set of ids, read by place; `newest_first` only turns the places round."""

    def __init__(self, ids: Iterable[int] = (), newest_first: bool = False) -> None:
        self._ids = ids if isinstance(ids, array) else array("q", ids)
        self._turned = newest_first

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: int) -> bool:
        place = bisect_left(self._ids, id_)
        return place < len(self._ids) and self._ids[place] == id_

    def at(self, place: int) -> int:
        """The id at a place."""
        return self._ids[len(self._ids) - 1 - place if self._turned else place]

    def slice(self, start: int, end: int) -> list[int]:
        """The ids from one place up to another, as far as there are."""
        return [self.at(place) for place in range(max(0, start), min(end, len(self._ids)))]

    def place(self, id_: int) -> int:
        """Where the id is, or would be."""
        place = bisect_left(self._ids, id_)
        return len(self._ids) - 1 - place if self._turned else place

    def add(self, id_: int) -> bool:
        """Put an id in; whether it was new."""
        if id_ in self:
            return False
        self._ids.insert(bisect_left(self._ids, id_), id_)
        return True

    def drop(self, id_: int) -> bool:
        """Take an id out; whether it was there."""
        if id_ not in self:
            return False
        del self._ids[bisect_left(self._ids, id_)]
        return True
