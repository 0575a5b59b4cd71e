"""A decision of the history: to add a column, add it to `HistoryRow` and `COLUMNS` here; also its details and its audit entries.

`store/history.py` reads the column; the console's list, `hitl-tui history` and its JSON show it. What is not stored yet needs a step of
`store/schema/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.formatting import age, percent, viewed_duration
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

    @property
    def replaced(self) -> str:
        """Why it no longer counts, in words; empty if it does."""
        return "" if self.in_force else "undone" if self.undone_at is not None else "decided again"


@dataclass(frozen=True, slots=True)
class HistoryColumn:
    """A fact of each decision that the history lists beside who decided what."""

    name: str
    """Its key in JSON."""
    value: Callable[[HistoryRow], Any]
    """The value in JSON; None if it is not known."""
    label: Callable[[Any], str]
    """A known value in words."""
    usual: Any = None
    """A value that the console's list leaves out: it has little room."""

    def text(self, row: HistoryRow) -> str:
        """The value of a decision in words; empty if it is not known."""
        value = self.value(row)
        return "" if value is None else self.label(value)


COLUMNS = (
    HistoryColumn("seen", lambda row: row.seen, lambda share: f"{percent(share)} seen", usual=1),
    HistoryColumn("waited_s", lambda row: round(row.waited_s, 3), lambda seconds: f"waited {age(seconds)}"),
    HistoryColumn("viewed_ms", lambda row: row.viewed_ms, lambda ms: f"viewed {viewed_duration(ms)}"),
)
"""In the order in which they are shown; where room is short, the first ones stay."""


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
