"""Failpoints: named points from a launch to an applied decision at which tests kill the process. The product never sets the observer."""

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
    """The agent's interrupt is stored as a review."""
    DECIDED = "decided"
    """A person's decision is stored."""
    SUBMITTED = "submitted"
    """The decision is stored as being sent."""
    RESUMED = "resumed"
    """The agent has the decision."""
    APPLIED = "applied"
    """The decision's outcome is stored."""


observer: Callable[[Failpoint], None] | None = None


def reached(step: Failpoint) -> None:
    """Tell the observer, if there is one, that the process reached this point."""
    if observer is not None:
        observer(step)
