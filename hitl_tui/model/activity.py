"""What people do with reviews besides deciding them, and how they are told of them."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_tui.model.actions import Answer
from hitl_tui.model.actors import ActorKind


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What one of several people who are needed said of an action."""

    slot: int
    answer: Answer
    actor: str
    at: float
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class Viewing:
    """How the person who decided viewed what they decided; None where it was not measured, as on the command line."""

    viewed_ms: int | None = None
    """Milliseconds in view."""
    seen: float | None = None
    """Share of the shown text that had been on the screen for long enough, 0 to 1."""
    reading_ms: int | None = None
    """Milliseconds below which nobody can have read it."""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """Who has seen a review, and for how long."""

    reviewer: str
    first_at: float
    last_at: float
    viewed_ms: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """A review put before somebody in particular, and why."""

    id: int
    review: int
    run: int
    at: float
    recipient: str
    """A group or a person; empty for anybody."""
    actor: str
    """A person, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`."""
    why: str
    """A clause for people."""
    note: str
    step: int | None
    """Of the policy's chain; None outside it."""
    next_at: float | None
    """When the chain goes on unless somebody claims it."""
    acknowledged_at: float | None
    acknowledged_by: str | None
    actor_kind: ActorKind = ActorKind.PERSON


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of an escalation, by one channel."""

    id: int
    escalation: int
    review: int
    channel: str
    """`desktop`, `command`, or `url:` and a hash: an address holds secrets."""
    state: str
    """`due → sending → sent`, with the exits `failed` and `dropped`."""
    due_at: float
    """Unix time, seconds: when it is sent, or tried again."""
    tries: int
    """How often it was tried."""
    error: str
    """Why it failed last, as a sentence."""
    ended_at: float | None

    def told(self) -> str:
        """A sentence about one that failed, or is tried again; empty where all is well."""
        again = "" if self.state == "failed" else ", and is tried again"
        return f"a notification by {self.channel} failed{again}: {self.error}" if self.error and self.state != "sent" else ""
