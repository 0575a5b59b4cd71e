"""Finds words in lines that become known one after another, a slice of time at a time. Pure."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitl_tui.ui.text.lines import Line

STRETCH = 50_000
"""Characters that are searched at once; of a longer line the next ones follow."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """Where the words stand: offsets in a line's text, or in what stands in the gutter beside it."""

    line: int
    in_text: bool
    start: int
    end: int


class TextSearch:
    """Every place of some words, upper and lower case alike, and the one the person is at."""

    def __init__(self, words: str, origin: tuple[int, int] = (0, 0)) -> None:
        """`origin` is the line and the offset from which on the first hit is chosen."""
        self.words = words
        self.hits: list[Hit] = []
        self.current: Hit | None = None
        self.is_complete = False
        """Whether every line has been searched."""
        self._origin = Hit(origin[0], bool(origin[1]), origin[1], 0)
        self._pattern = re.compile(re.escape(words), re.IGNORECASE)
        self._line = 0
        self._at = 0

    def look(self, lines: Sequence[Line], until: float, all_known: bool) -> None:
        """Search on.

        Args:
            lines: those that are known by now.
            until: when to stop, by the monotonic clock.
            all_known: whether no lines will follow.
        """
        while self._line < len(lines):
            self._look_at(lines[self._line])
            if (self._at or self._line % 64 == 0) and time.monotonic() > until:
                break
        self.is_complete = all_known and self._line == len(lines)
        if self.current is None and self.hits:
            place = bisect_left(self.hits, self._origin)
            if place < len(self.hits) or self.is_complete:
                self.current = self.hits[place % len(self.hits)]

    def _look_at(self, one: Line) -> None:
        if not self._at:
            self.hits += [Hit(self._line, False, found.start(), found.end()) for found in self._pattern.finditer(one.lead)]
        end = self._at + STRETCH
        for found in self._pattern.finditer(one.text, self._at, end + len(self.words) - 1):
            self.hits.append(Hit(self._line, True, found.start(), found.end()))
            end = max(end, found.end())
        self._at = end if end < len(one.text) else 0
        self._line += not self._at

    def forget(self, line: int) -> None:
        """Lines from this one on have changed: search them again."""
        del self.hits[bisect_left(self.hits, Hit(line, False, 0, 0)) :]
        if self._line >= line:
            self._line, self._at = line, 0
        if self.current is not None and self.current.line >= line:
            self.current = self.hits[-1] if self.hits else None

    def step(self, by: int) -> None:
        """Go so many hits further, round and round."""
        if self.current is not None:
            self.current = self.hits[(bisect_left(self.hits, self.current) + by) % len(self.hits)]

    def in_row(self, line: int, start: int, end: int) -> Iterator[Hit]:
        """The hits in a part of a line's text, in order."""
        for place in range(bisect_left(self.hits, Hit(line, True, max(0, start - len(self.words)), 0)), len(self.hits)):
            hit = self.hits[place]
            if (hit.line, hit.start) >= (line, end):
                return
            if hit.end > start:
                yield hit

    def beside(self, line: int) -> Iterator[Hit]:
        """The hits in what stands in the gutter beside a line."""
        for place in range(bisect_left(self.hits, Hit(line, False, 0, 0)), len(self.hits)):
            if (self.hits[place].line, self.hits[place].in_text) != (line, False):
                return
            yield self.hits[place]

    def told(self) -> str:
        """For people: `3 of 12`."""
        if self.current is None:
            return "no hit" if self.is_complete and not self.hits else "searching"
        return f"{bisect_left(self.hits, self.current) + 1} of {'' if self.is_complete else 'more than '}{len(self.hits):,}"
