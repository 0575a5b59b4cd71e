"""What speaks for and against a grant: the past calls that its scope covers, and what people decided about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hitl_tui.formatting import counted, percent_range
from hitl_tui.model import DecisionKind, Facts, Scope
from hitl_tui.oversight.statistics import wilson
from hitl_tui.policy.grants import Outside, out_of_scope, pinned

SINCE_S = 90 * 86_400.0
"""How far back evidence goes."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that a person decided."""

    review: int
    slot: int
    at: float
    """Unix time of the decision."""
    decision: DecisionKind
    rated_down: bool
    facts: Facts
    outside: Outside | None
    """As `policy.grants.outside_of` finds it."""
    viewed_s: float | None = None
    """Seconds that the person viewed it; None if it was not measured, as on the command line."""
    reading_s: float = 0.0
    """Seconds below which nobody can have read it."""
    person: str = ""
    """The key of who decided it: what one person decided at the same time was decided with one key."""

    @property
    def is_good(self) -> bool:
        """Whether it was approved as it was proposed, and not rated down later."""
        return self.decision is DecisionKind.APPROVE and not self.rated_down


def judgements(calls: Iterable[PastCall]) -> tuple[int, int]:
    """How many judgements found all of their calls good, and how many there are: calls that were decided with one key are one."""
    made: dict[tuple[float, str], bool] = {}
    for one in calls:
        made[one.at, one.person] = made.get((one.at, one.person), True) and one.is_good
    return sum(made.values()), len(made)


@dataclass(frozen=True, slots=True)
class ScopeEvidence:
    """The past calls that a scope covers, as `(review, slot)`, newest first."""

    approved: tuple[tuple[int, int], ...] = ()
    """Approved as they were proposed, and not rated down later."""
    edited: tuple[tuple[int, int], ...] = ()
    rejected: tuple[tuple[int, int], ...] = ()
    """Rejected, or answered in their place."""
    rated_down: tuple[tuple[int, int], ...] = ()
    """Approved as they were proposed, and rated down later."""
    looked_at: int = 0
    """Past calls of the tool that were held against the scope."""
    judged: tuple[int, int] = (0, 0)
    """How many judgements found all of these calls good, and how many there are."""
    unseen: tuple[str, ...] = field(default=())
    """Arguments that the scope leaves free: nobody sees their values any more."""

    @property
    def total(self) -> int:
        """How many calls it covers."""
        return len(self.approved) + len(self.edited) + len(self.rejected) + len(self.rated_down)

    @property
    def bound(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share of judgements that approved unchanged; None without calls."""
        return wilson(*self.judged)

    @property
    def warning(self) -> str:
        """What speaks against it, as a sentence; empty if nothing does."""
        if self.rejected:
            were = "was" if len(self.rejected) == 1 else "were"
            return f"It would have let through {counted(len(self.rejected), 'call')} that {were} rejected."
        bad = len(self.edited) + len(self.rated_down)
        return f"It would have let through {counted(bad, 'call')} that people edited or rated down." if bad else ""

    def told(self) -> str:
        """For people: `38 of 60 calls in 90 days: 36 approved unchanged, 2 edited, 0 rejected; 85–99 % (95 % CI)`."""
        if not self.total:
            return f"0 of {counted(self.looked_at, 'call')} in 90 days: nothing is known"
        parts = [f"{len(self.approved)} approved unchanged", f"{len(self.edited)} edited", f"{len(self.rejected)} rejected"]
        parts += [f"{len(self.rated_down)} rated down"] if self.rated_down else []
        low, high = self.bound or (0.0, 1.0)
        made = f" in {counted(self.judged[1], 'judgement')}" if self.judged[1] < self.total else ""
        told = f"{self.total} of {counted(self.looked_at, 'call')} in 90 days: {', '.join(parts)}{made}"
        return f"{told}; {percent_range(low, high)} (95 % CI)"


def evidence(scope: Scope, past: Iterable[PastCall], arguments: Iterable[str] = ()) -> ScopeEvidence:
    """Hold past calls of a tool against a scope.

    Args:
        scope: the scope.
        past: calls that people decided, newest first.
        arguments: of the call that the grant is made from.
    """
    found: dict[str, list[tuple[int, int]]] = {"approved": [], "edited": [], "rejected": [], "rated_down": []}
    looked_at, covered = 0, list[PastCall]()
    for one in past:
        looked_at += 1
        if one.facts.findings or out_of_scope(scope, one.facts, lambda one=one: one.outside):  # type: ignore[misc]
            continue
        covered.append(one)
        match one.decision:
            case DecisionKind.APPROVE:
                found["rated_down" if one.rated_down else "approved"].append((one.review, one.slot))
            case DecisionKind.EDIT:
                found["edited"].append((one.review, one.slot))
            case _:
                found["rejected"].append((one.review, one.slot))
    unseen = () if scope.is_exact else tuple(name for name in arguments if name not in pinned(scope))
    calls = {name: tuple(ones) for name, ones in found.items()}
    return ScopeEvidence(**calls, looked_at=looked_at, judged=judgements(covered), unseen=unseen)
