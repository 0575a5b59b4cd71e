"""Autonomy levels: how much an agent's tool may do without asking. Evidence and a person raise a level; a mistake lowers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actors import ActorKind


class Level(StrEnum):
    """Autonomy levels, lowest first."""

    ASK = "ask"
    """Every call asks a person."""
    THRESHOLD = "threshold"
    """Calls with enough confidence run by themselves; the others ask."""
    SPOT_CHECKS = "spot checks"
    """Calls run by themselves, except for the share that is spot-checked."""
    ACT = "act"
    """Every call runs by itself."""

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class ToolLevel:
    """The level of one agent's tool, since when, and by whom."""

    level: Level = Level.ASK
    since: float | None = None
    """Since when, as Unix time; None if it never changed."""
    by: str = ""
    """Who set it; empty if it never changed."""


Levels = Mapping[tuple[str, str], ToolLevel]
"""By agent and tool; a missing tool has the lowest level."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One step up or down."""

    id: int
    agent: str
    tool: str
    was: Level
    level: Level
    actor: str
    """A person, or `autonomy` if it changed automatically."""
    at: float
    """Unix time, seconds."""
    why: str
    actor_kind: ActorKind = ActorKind.PERSON


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for a tool's autonomy: what people decided about its last calls."""

    decisions: int
    """Decisions by people in the window."""
    unchanged: int
    """Those approved as proposed and not rated down later."""
    lower: float | None
    """Wilson's 95 % lower bound of that share; None without decisions."""
    since_refused: int
    """Decisions since the last rejection or edit; all of them if there was none."""
    calibration_error: float | None = None
    """Calibration error of the stated confidence; None if too little was stated."""
    overconfidence: float | None = None
    """The part of that error that is overconfidence."""
    attention_shown: int = 0
    attention_caught: int = 0
    """Attention checks shown to the people who decided these."""
    spot_checked: int = 0
    """How many of the decisions were spot checks."""
    since_level: int = 0
    """How many of the decisions were made since the level changed last; all if it never did."""


@dataclass(frozen=True, slots=True)
class ToolAutonomy:
    """The level of an agent's tool, and the evidence for the next one."""

    agent: str
    tool: str
    level: Level
    since: float | None
    """Since when, as Unix time; None if it never changed."""
    by: str
    """Who set it; empty if it never changed."""
    why: str
    evidence: Evidence
    proposed: Level | None
    """The next level if the evidence supports it; otherwise None."""
    says: str
    """One clause: what supports the next level, what is missing for it, or what fixes the tool at its level."""
