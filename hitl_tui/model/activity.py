"""Approvals, views and escalations of reviews, and notifications of escalations."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_tui.model.actions import Answer
from hitl_tui.model.actors import ActorKind, Identified


@dataclass(frozen=True, slots=True)
class Endorsement:
    """The answer of one person to an action that needs several people."""

    slot: int
    answer: Answer
    actor: str
    at: float
    """Unix time, seconds."""
    identified: Identified | None = None
    """How the person was identified; None where it is not known."""
    is_hidden: bool = False
    """Whether `answer` is not what they answered, because another person must answer first without seeing it."""


@dataclass(frozen=True, slots=True)
class Viewing:
    """How the decider viewed what they decided; None if it was not measured, as on the command line."""

    viewed_ms: int | None = None
    """Milliseconds it was on the screen."""
    seen: float | None = None
    """Share of the shown text that had been on the screen for long enough, 0 to 1."""
    reading_ms: int | None = None
    """Milliseconds below which nobody can have read it."""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """How long one person has viewed a review."""

    reviewer: str
    first_at: float
    last_at: float
    viewed_ms: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """The escalation of a review to a person or a group."""

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
    """Step of the policy's chain; None outside it."""
    next_at: float | None
    """When the chain continues unless somebody claims the review."""
    acknowledged_at: float | None
    acknowledged_by: str | None
    actor_kind: ActorKind = ActorKind.PERSON


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of an escalation, or of a hand-back that waits for its confirmation, by one channel."""

    id: int
    escalation: int | None
    review: int | None
    """Both of the escalation; None for a hand-back."""
    channel: str
    """`desktop`, `command`, or `url:` and a hash: an address holds secrets."""
    state: str
    """`due → sending → sent`, with the exits `failed` and `dropped`."""
    due_at: float
    """Unix time, seconds: when it is sent or retried."""
    tries: int
    """Number of attempts."""
    error: str
    """The last error, as a sentence."""
    ended_at: float | None
    takeover: int | None = None
    """The takeover whose hand-back waits; None for an escalation."""

    def told(self) -> str:
        """A sentence if it failed or is retried; otherwise empty."""
        again = "" if self.state == "failed" else ", and is tried again"
        return f"a notification by {self.channel} failed{again}: {self.error}" if self.error and self.state != "sent" else ""
