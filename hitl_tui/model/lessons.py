"""What rejections and corrections come to: sentences that an agent reads the next time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


def lessons_namespace(agent: str) -> tuple[str, str, str]:
    """Where an agent's lessons are in LangGraph's store, which bears no dot in a name."""
    return ("hitl", "lessons", agent.replace("%", "%25").replace(".", "%2E"))


class LessonState(StrEnum):
    """What a person made of a lesson."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What people wanted otherwise of one tool, again and again."""

    id: int
    agent: str
    tool: str
    topic: str
    """What its examples have in common, e.g. `edit:subject` or `reject:too long`."""
    text: str
    """As the agent reads it."""
    wording: str
    """Whose words: `rules`, a model's name, or `person`."""
    examples: tuple[int, ...]
    """Decisions it was drawn from."""
    state: LessonState
    made_at: float
    """Unix time, seconds."""
    actor: str
    """Who accepted, dropped or edited it last; empty for nobody."""
    decided_at: float | None
