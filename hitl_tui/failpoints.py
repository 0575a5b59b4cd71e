"""The named steps from a launch to an applied decision. Tests cut the power at them; nothing in the product sets the observer."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just become durable, or is just about to happen."""

    LAUNCHED = "launched"
    """The run is a row."""
    LEASED = "leased"
    """A worker has taken it."""
    RUNNING = "running"
    """The graph has begun, or goes on, without an answer."""
    INTERRUPTED = "interrupted"
    """Its stream has ended, and nothing of that is stored yet."""
    OPENED = "opened"
    """What it asks is a review."""
    DECIDED = "decided"
    """A person's answer is stored."""
    SUBMITTED = "submitted"
    """The ledger says that the answer is being sent."""
    RESUMED = "resumed"
    """The graph has it."""
    APPLIED = "applied"
    """What became of it is stored."""


observer: Callable[[Step], None] | None = None


def reached(step: Step) -> None:
    """Pass a step."""
    if observer is not None:
        observer(step)
