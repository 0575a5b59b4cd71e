"""The history's columns: to add one, add it to `HistoryRow` and `COLUMNS` here, and to `store/history.py`; also details of a decision.

A column that is not stored yet also needs a step in `store/schema/steps/`. The console's list, `hitl-tui history` and its JSON show every
column without further changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.formatting import age, percent, viewed_duration
from hitl_tui.model.actions import Action, Answer, DecisionKind
from hitl_tui.model.activity import Endorsement, Escalation, ReviewView
from hitl_tui.model.actors import ActorKind, Identified
from hitl_tui.model.feedback import Feedback, Rating
from hitl_tui.model.interrupts import Context
from hitl_tui.model.remarks import Remark
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
    """False once it was undone or replaced."""
    undone_at: float | None = None
    """When it was undone, as Unix time."""
    sent_back: bool = False
    """Whether it is a rejection that sent the call back for revision."""
    rating: Rating | None = None
    """The rating: down if that is anybody's last rating of it or of its whole run, otherwise up; None without ratings."""
    said: str = ""
    """The beginning of the reason or the answer."""
    changed: tuple[str, ...] = ()
    """The arguments that an edit changed, by name."""
    summary: str = ""
    """The beginning of the proposed arguments, on one line."""
    actor_kind: ActorKind = ActorKind.PERSON
    seen: float | None = None
    """Share of the shown text that had been on the screen, 0 to 1; None if it was not measured."""
    set_size: int = 1
    """How many decisions this person stored at once, with one key or command."""
    set_first: int = 0
    """The first of them, which names the set."""
    identified: Identified | None = None
    """How the person was identified; None for rules and deadlines, and where it is not known."""

    @property
    def together(self) -> dict[str, int] | None:
        """The set of decisions that were made at once, `{"set": 12, "decisions": 8}`; None where it was made alone."""
        return {"set": self.set_first, "decisions": self.set_size} if self.set_size > 1 else None

    @property
    def waited_s(self) -> float:
        """Seconds from opening to decision."""
        return max(0.0, self.at - self.opened_at)

    @property
    def replaced(self) -> str:
        """Why it no longer counts, in words; empty if it does."""
        return "" if self.in_force else "undone" if self.undone_at is not None else "decided again"


@dataclass(frozen=True, slots=True)
class HistoryColumn:
    """A column that the history lists beside who decided what."""

    name: str
    """Its key in JSON."""
    value: Callable[[HistoryRow], Any]
    """The value in JSON; None if unknown."""
    label: Callable[[Any], str]
    """A known value as text."""
    usual: Any = None
    """A value that the console's list leaves out, because it has little room."""

    def text(self, row: HistoryRow) -> str:
        """The value of a decision as text; empty if unknown."""
        value = self.value(row)
        return "" if value is None else self.label(value)


COLUMNS = (
    HistoryColumn("seen", lambda row: row.seen, lambda share: f"{percent(share)} seen", usual=1),
    HistoryColumn("together", lambda row: row.together, lambda found: f"set:{found['set']} ×{found['decisions']}"),
    HistoryColumn("waited_s", lambda row: round(row.waited_s, 3), lambda seconds: f"waited {age(seconds)}"),
    HistoryColumn("viewed_ms", lambda row: row.viewed_ms, lambda ms: f"viewed {viewed_duration(ms)}"),
)
"""In the order in which they are shown; if room is short, the first ones stay."""


@dataclass(frozen=True, slots=True)
class HistoryDetails:
    """A decision of the history with the proposal and the answer."""

    row: HistoryRow
    args: Json
    """The proposed arguments."""
    answer: Answer
    first_viewed_at: float | None
    """When anybody first viewed it, as Unix time; None if nobody viewed it in a console."""


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
    """A decision of the history with everything that is known of it."""

    row: HistoryRow
    decision: Decision
    review: Review
    context: Context
    views: Sequence[ReviewView]
    endorsements: Sequence[Endorsement]
    escalations: Sequence[Escalation]
    log: Sequence[AuditEntry]
    """The review's audit entries, oldest first."""
    feedback: Sequence[Feedback] = ()
    """Ratings of it and of its whole run, oldest first."""
    remarks: Sequence[Remark] = ()
    """The remarks on the review's calls that were made before this decision."""

    @property
    def action(self) -> Action:
        """The action that was decided."""
        return next(action for action in self.review.actions if action.slot == self.row.slot)
