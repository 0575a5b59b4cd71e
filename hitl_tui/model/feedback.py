"""Ratings of decisions, messages and runs, with a comment and tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rating = Literal[-1, 1]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rating is about: a decision (`review` and `slot`), a message of a run's trace (`event`), or the whole run (neither)."""

    run: int
    review: int | None = None
    slot: int | None = None
    event: int | None = None
    """`seq` of the trace's line."""

    @property
    def is_whole_run(self) -> bool:
        """Whether it is the whole run."""
        return self.review is None and self.event is None

    def is_of(self, review: int, slot: int) -> bool:
        """Whether a rating of it applies to that decision of its run."""
        return self.is_whole_run or (self.review, self.slot) == (review, slot)


@dataclass(frozen=True, slots=True)
class Feedback:
    """A rating in force: a person has at most one per subject."""

    id: int
    subject: Subject
    rating: Rating
    comment: str
    tags: tuple[str, ...]
    actor: str
    at: float
    """Unix time, seconds."""
