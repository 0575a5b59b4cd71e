"""Stands in for the compiled `rpds` where a project's environment has none, so that `jsonschema` works there: immutable collections.

`environment.py` copies this file as `rpds.py`. Each change makes a copy, which is quick enough for schemas of tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any


class HashTrieMap(Mapping[Any, Any]):
    """A mapping whose changes make new mappings."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self._values: dict[Any, Any] = dict(*given, **more)

    @classmethod
    def convert(cls, value: Any) -> HashTrieMap:
        """The value itself if it is such a mapping."""
        return value if isinstance(value, cls) else cls(value)

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def insert(self, key: Any, value: Any) -> HashTrieMap:
        """With another item."""
        return HashTrieMap({**self._values, key: value})

    def remove(self, key: Any) -> HashTrieMap:
        """Without an item. Raises `KeyError` if there is none."""
        if key not in self._values:
            raise KeyError(key)
        return self.discard(key)

    def discard(self, key: Any) -> HashTrieMap:
        """Without an item, if there is one."""
        return HashTrieMap({k: v for k, v in self._values.items() if k != key})

    def update(self, *given: Any, **more: Any) -> HashTrieMap:
        """With the items of other mappings."""
        values = dict(self._values)
        for one in given:
            values.update(one)
        return HashTrieMap(values, **more)


class HashTrieSet(Set[Any]):
    """A set whose changes make new sets."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._values = frozenset(values)

    def __contains__(self, value: object) -> bool:
        return value in self._values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self._values)

    def insert(self, value: Any) -> HashTrieSet:
        """With another value."""
        return HashTrieSet(self._values | {value})

    def remove(self, value: Any) -> HashTrieSet:
        """Without a value. Raises `KeyError` if there is none."""
        if value not in self._values:
            raise KeyError(value)
        return self.discard(value)

    def discard(self, value: Any) -> HashTrieSet:
        """Without a value, if it is there."""
        return HashTrieSet(self._values - {value})

    def update(self, *given: Iterable[Any]) -> HashTrieSet:
        """With the values of others."""
        return HashTrieSet(self._values.union(*given))


class List:
    """A list that grows and shrinks at its front."""

    def __init__(self, values: Iterable[Any] = (), *more: Any) -> None:
        self._values = (values, *more) if more else tuple(values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, List) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)

    @property
    def first(self) -> Any:
        """The value at the front. Raises `IndexError` if there is none."""
        return self._values[0]

    @property
    def rest(self) -> List:
        """Without the value at the front."""
        return List(self._values[1:])

    def push_front(self, value: Any) -> List:
        """With another value at the front."""
        return List((value, *self._values))

    def drop_first(self) -> List:
        """Without the value at the front. Raises `IndexError` if there is none."""
        if not self._values:
            raise IndexError("the list is empty")
        return self.rest
