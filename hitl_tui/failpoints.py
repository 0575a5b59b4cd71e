"""Named steps from a launch to an applied decision. Tests kill the process at them; the product never sets the observer."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """A point in a run's life: something just became durable, or is about to happen."""

    LAUNCHED = "launched"
    """The run is stored."""
    LEASED = "leased"
    """A worker holds the run's lease."""
    RUNNING = "running"
    """The agent streams, without a new answer."""
    INTERRUPTED = "interrupted"
    """The stream ended, and its end is not stored yet."""
    OPENED = "opened"
    """What the agent asks is a review."""
    DECIDED = "decided"
    """A person's decision is stored."""
    SUBMITTED = "submitted"
    """The store says that the decision is being sent."""
    RESUMED = "resumed"
    """The agent has the decision."""
    APPLIED = "applied"
    """The decision's outcome is stored."""


observer: Callable[[Failpoint], None] | None = None


def reached(step: Failpoint) -> None:
    """Tell the observer, if there is one, that the process is at this step."""
    if observer is not None:
        observer(step)
