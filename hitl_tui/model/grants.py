"""Grants: bounded permissions that a person makes from a call, so that calls like it run without asking again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hitl_tui.model.actors import Identified
from hitl_tui.model.verdicts import Risk

USES, FOR_S = 20, 86_400.0
"""What a grant allows if nobody says otherwise: calls, and seconds."""
MOST_USES, LONGEST_S = 10_000, 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls of a tool a grant covers."""

    digest: str | None = None
    """Of the only call that it covers; None for every call that the condition holds for."""
    condition: str = ""
    """A condition as in a rule; empty for every call of the tool."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """By argument, a glob of the tools whose results its value may come from."""

    @property
    def is_exact(self) -> bool:
        """Whether it covers one call alone."""
        return self.digest is not None

    def told(self) -> str:
        """For people: `args.to == "ann@example.com"; id may come from list_mail`."""
        if self.is_exact:
            return "exactly this call"
        may = [f"{name} may come from {'any tool' if tools == '*' else tools}" for name, tools in self.sources.items()]
        return "; ".join([self.condition or "every call of the tool", *may])


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it is stored."""

    id: int
    at: float
    """Unix time at which it was made."""
    actor: str
    """Who made it."""
    review: int
    slot: int
    """The call that it was made from."""
    agent: str
    tool: str
    scope: Scope
    uses: int
    """Calls that it lets through at most."""
    for_s: float
    """Seconds from when it was made until it ends."""
    expires_at: float
    """Unix time at which it ends."""
    taken: int = 0
    """Calls that it has let through."""
    run: int | None = None
    """The only run that it is for; None for all of the agent."""
    risk: Risk | None = None
    """What the tool can do at worst, as the person said; None where the tool or a rule says it."""
    decision: int | None = None
    """The decision that was in force on the call."""
    identified: Identified | None = None
    expired: bool = False
    """Whether the log has that its time is over."""
    revoked_at: float | None = None
    revoked_by: str | None = None
    """A person; empty if it ended because somebody rejected or rated down what it let through."""
    why: str = ""
    """Why it was revoked."""

    @property
    def left(self) -> int:
        """Calls that it may still let through."""
        return max(0, self.uses - self.taken)

    def state(self, now: float) -> str:
        """`active`, `revoked`, `used up` or `expired`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.left == 0:
            return "used up"
        return "expired" if self.expired or self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class GrantUse:
    """A call that a grant let through, or that was picked from these for a person to check."""

    review: int
    slot: int
    at: float
    """Unix time at which it was asked."""
    args: str
    """The arguments as JSON, cut off if they are long."""
    is_spot_check: bool
    decision: str
    """The `DecisionKind` of the decision in force; empty if there is none."""
