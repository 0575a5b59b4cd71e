"""The facts of an action that policy may read, the tiers of risk, and the verdict that policy gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actions import DecisionKind, Outcome
from hitl_tui.model.interrupts import PauseKind
from hitl_tui.model.values import Json


class Risk(StrEnum):
    """What a tool call can do at worst."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


_RANK = {Risk.READ.value: 0, Risk.REVERSIBLE.value: 1, Risk.IRREVERSIBLE.value: 3}
_FOREIGN = 2


def severity(risk: str | None) -> int:
    """How bad a risk is: a graph's own word, or none, is worse than what can be reversed."""
    return _RANK.get(risk or "", _FOREIGN)


def worst(risks: Iterable[str | None]) -> str | None:
    """The worst of the risks that are known; a graph's own word is worse than what can be reversed."""
    return max((risk for risk in risks if risk), key=severity, default=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What policy may know of one action."""

    agent: str
    tool: str
    args: Json = None
    kind: PauseKind = PauseKind.TOOL_CALLS
    risk: Risk | None = None
    """As the graph, the tool's metadata or its annotations tell it; None when nobody does."""
    confidence: float | None = None
    """From 0 to 1; None when unknown."""
    findings: tuple[str, ...] = ()
    """What is suspicious or doubtful about it, as clauses: unseen characters, that it may have run once …"""
    known_shape: bool = True
    """False when the payload could not be read as a call of a tool."""
    tags: tuple[str, ...] = ()
    """The run's."""
    allowed: tuple[DecisionKind, ...] = tuple(DecisionKind)
    """Decisions the graph accepts."""
    age_s: float = 0.0
    """Seconds since it was asked."""
    id: str = ""
    """Names the action for ever, e.g. `thread:interrupt:slot`: which ones are spot-checked depends on it alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome that policy gives an action, and the rule that matched."""

    outcome: Outcome
    rule: str
    """The rule's name, or `thresholds`, `safety` or `no policy`."""
    reason: str
    """One sentence for people."""
    risk: Risk | None = None
    """The tier it was judged by."""
    reviewers: int = 1
    """Different people who must approve."""
    to: str = ""
    """Group or person; empty for anyone."""
    deadline_s: float | None = None
    """Seconds a person has, from when it was asked."""
    then: str = "escalate"
    """What the deadline's end does: `escalate` or `reject`."""
    spot_check: bool = False
    """It would have gone on by itself, and was picked for a person to look at first; `outcome` is `ask`."""
    sampled: bool = True
    """Spot checks may pick it; False where its tool has earned to act without."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What policy said about one pause."""

    verdicts: Mapping[int, Verdict]
    """By slot."""
    note: str = ""
    """What the reviewer must know of the policy itself, e.g. that it is broken."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule of the policy came to an outcome."""

    rule: str
    """Its name, or `thresholds`, `safety` or `no policy`."""
    outcome: Outcome
    actions: int
    last_at: float
    """Unix time, seconds."""
