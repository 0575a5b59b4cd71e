"""What people think of it afterwards, or at once: a rating with a comment and tags."""

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
    """The number of the trace's line."""

    @property
    def is_whole_run(self) -> bool:
        """Whether it is the run itself, and nothing in it."""
        return self.review is None and self.event is None

    def is_of(self, review: int, slot: int) -> bool:
        """Whether it is that decision of its run, or the whole run."""
        return self.is_whole_run or (self.review, self.slot) == (review, slot)


@dataclass(frozen=True, slots=True)
class Feedback:
    """A rating that stands: a person has one at most on a subject."""

    id: int
    subject: Subject
    rating: Rating
    comment: str
    tags: tuple[str, ...]
    actor: str
    at: float
    """Unix time, seconds."""
