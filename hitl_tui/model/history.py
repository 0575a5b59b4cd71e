"""What was decided, looked back at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui.model.actions import Action, Answer, DecisionKind
from hitl_tui.model.activity import Endorsement, Escalation, ReviewView
from hitl_tui.model.actors import ActorKind
from hitl_tui.model.feedback import Feedback, Rating
from hitl_tui.model.interrupts import Context
from hitl_tui.model.reviews import Decision, Review
from hitl_tui.model.values import Json


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A decision as the history lists it."""

    decision: int
    at: float
    """Unix time, seconds."""
    run: int
    review: int
    slot: int
    agent: str
    tool: str
    kind: DecisionKind
    actor: str
    rule: str
    """The policy rule that matched the action."""
    confidence: float | None
    opened_at: float
    viewed_ms: int | None
    in_force: bool
    """False once it was taken back or decided anew."""
    undone_at: float | None = None
    """When it was taken back, as Unix time."""
    sent_back: bool = False
    """A rejection that sent the call back for revision."""
    rating: Rating | None = None
    """What people think of it: down when that is anybody's last word of it or of its whole run, else up; None when nobody has said."""
    said: str = ""
    """The beginning of the reason or the answer."""
    changed: tuple[str, ...] = ()
    """The arguments that an edit changed, by name."""
    summary: str = ""
    """The beginning of the arguments as they were proposed, on one line."""
    actor_kind: ActorKind = ActorKind.PERSON
    seen: float | None = None
    """Share of the shown text that had been on the screen, 0 to 1; None where it was not measured."""

    @property
    def waited_s(self) -> float:
        """From when it was asked until it was decided."""
        return max(0.0, self.at - self.opened_at)


@dataclass(frozen=True, slots=True)
class HistoryDetails:
    """A decision of the history with what was proposed and what was said of it."""

    row: HistoryRow
    args: Json
    """As they were proposed."""
    answer: Answer
    first_viewed_at: float | None
    """When anybody saw it first, as Unix time; None when nobody did here."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the chained log."""

    seq: int
    at: float
    """Unix time, seconds."""
    kind: str
    actor: str
    """Empty for the program itself."""
    actor_kind: ActorKind
    body: Json
    hash: str
    """SHA-256 (hex) of this entry and the hash before it."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A decision of the history, opened: all that is known of it, as it was."""

    row: HistoryRow
    decision: Decision
    review: Review
    context: Context
    views: Sequence[ReviewView]
    endorsements: Sequence[Endorsement]
    escalations: Sequence[Escalation]
    log: Sequence[AuditEntry]
    """What the log says of the review, oldest first."""
    feedback: Sequence[Feedback] = ()
    """The ratings on it and on its whole run, oldest first."""

    @property
    def action(self) -> Action:
        """What was decided of."""
        return next(action for action in self.review.actions if action.slot == self.row.slot)
