"""Lessons: sentences drawn from rejections and corrections, which an agent reads in its next run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


def lessons_namespace(agent: str) -> tuple[str, str, str]:
    """Namespace of an agent's lessons in LangGraph's store, whose names must not contain a dot."""
    return ("hitl", "lessons", agent.replace("%", "%25").replace(".", "%2E"))


class LessonState(StrEnum):
    """A person's decision on a lesson."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What people repeatedly changed or rejected in a tool's calls."""

    id: int
    agent: str
    tool: str
    topic: str
    """What its examples have in common, e.g. `edit:subject` or `reject:too long`."""
    text: str
    """As the agent reads it."""
    wording: str
    """Who worded it: `rules`, a model's name, or `person`."""
    examples: tuple[int, ...]
    """Decisions it was drawn from."""
    state: LessonState
    made_at: float
    """Unix time, seconds."""
    actor: str
    """Who accepted, dropped or edited it last; empty if nobody has."""
    decided_at: float | None
