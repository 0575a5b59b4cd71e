"""Pauses before people, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actions import Action, Answer, DecisionKind, Outcome
from hitl_tui.model.interrupts import PauseKind
from hitl_tui.model.values import Json


class ReviewState(StrEnum):
    """Where a review is: `open → decided → submitted → applied`, with the exits `stale`, `expired` and `failed`."""

    OPEN = "open"
    DECIDED = "decided"
    SUBMITTED = "submitted"
    APPLIED = "applied"
    STALE = "stale"
    EXPIRED = "expired"
    FAILED = "failed"


UNTIL_HANDED_BACK = 4_102_444_800.0
"""Unix time at which a claim of a run's reviews ends that only its hand-back ends: the year 2100."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review as the queue shows it."""

    id: int
    run: int
    agent: str
    kind: PauseKind
    state: ReviewState
    title: str
    """The first action's name."""
    summary: str
    """Its arguments on one line."""
    slots: int
    opened_at: float
    risk: str | None
    confidence: float | None
    note: str
    decided: str
    """What was decided, in a word or two; while open, how many of its actions are."""
    effective_at: float | None
    route: Outcome | None = None
    """Where policy sent what it left undecided, the worst of it; None where there is no policy."""
    recipient: str = ""
    """The group or person it is meant for; empty for whoever comes first."""
    escalated: str = ""
    """To whom it was escalated last; `anybody` where to nobody by name, empty when it was not."""
    claimed_by: str | None = None
    claimed_until: float | None = None
    """Unix time; a claim that is over counts no more."""
    deadline_at: float | None = None
    deadline_then: str = ""
    """What the deadline's end does: `escalate` or `reject`."""

    def claimant(self, now: float) -> str | None:
        """Who has it at that Unix time."""
        return self.claimed_by if self.claimed_by and (self.claimed_until or 0.0) > now else None

    @property
    def is_taken_over(self) -> bool:
        """Whether who has it has the whole run."""
        return self.claimed_until is not None and self.claimed_until >= UNTIL_HANDED_BACK


@dataclass(frozen=True, slots=True)
class Decision:
    """A stored answer: who, when, how long they looked."""

    id: int
    review: int
    slot: int
    answer: Answer
    actor: str
    digest: str
    """Digest of the action as it was shown."""
    at: float
    """Unix time, seconds."""
    looked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """One interrupt waiting for people, with its actions and what was decided so far."""

    row: ReviewRow
    thread: str
    interrupt: str
    node: str
    path: tuple[str, ...]
    value: Json
    actions: tuple[Action, ...]
    decisions: Mapping[int, Decision]
    """By slot; a slot is decided again until the whole review is."""
    decided_at: float | None
    submitted_at: float | None
    applied_at: float | None

    @property
    def undecided(self) -> tuple[int, ...]:
        """Slots still without a decision."""
        return tuple(a.slot for a in self.actions if a.slot not in self.decisions)


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to a review that was sent, and may have had its effect."""

    review: int
    interrupt: str
    kind: PauseKind
    node: str
    actions: tuple[Action, ...]
    by_slot: Mapping[int, Answer]


@dataclass(frozen=True, slots=True)
class Ban:
    """A tool call that must not run as the agent proposed it."""

    tool_call: str
    name: str
    args: Json
    """As proposed."""
    instead: Json
    """What the reviewer wants to run in its place; None when nothing may."""
    why: str
    """As a clause, e.g. "ann rejected it"."""
    review: int


@dataclass(frozen=True, slots=True)
class Past:
    """An action of long ago and what was decided of it."""

    review: int
    slot: int
    agent: str
    tool: str
    args: Json
    kind: PauseKind
    allowed: tuple[DecisionKind, ...]
    risk: str | None
    confidence: float | None
    note: str
    """The review's warning, if it had one."""
    decision: DecisionKind
    actor: str
    """Who decided: a person's name, or `policy:<rule>`."""
    opened_at: float
    """Unix time, seconds."""
    decided_at: float
    outcome: Outcome | None = None
    """What policy said of it then; None without one."""


@dataclass(frozen=True, slots=True)
class Version:
    """A draft, or the arguments of a call, that a person sent back for another pass."""

    review: int
    slot: int
    name: str
    """The draft's key, or the tool's name."""
    proposal: Json
    """As the agent proposed it."""
    left: Json
    """As the person left it; the proposal where they changed nothing."""
    note: str
    """What the next pass was to do."""
    actor: str
    at: float
    """Unix time, seconds."""
