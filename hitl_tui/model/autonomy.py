"""Autonomy levels: how much an agent's tool may do without asking. Evidence and a person raise a level; a mistake lowers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actors import ActorKind


class Level(StrEnum):
    """Autonomy levels, lowest first."""

    ASK = "ask"
    """Everything asks."""
    THRESHOLD = "threshold"
    """What its confidence allows goes on by itself; the rest asks."""
    SPOT_CHECKS = "spot checks"
    """It goes on by itself, but for the share that is spot-checked."""
    ACT = "act"
    """It goes on by itself."""

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class ToolLevel:
    """The level of one agent's tool, since when, and by whom."""

    level: Level = Level.ASK
    since: float | None = None
    """When it came there, as Unix time; None from the start."""
    by: str = ""
    """Who put it there; empty from the start."""


Levels = Mapping[tuple[str, str], ToolLevel]
"""By agent and tool; what is not in it is at the start."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One step up or down."""

    id: int
    agent: str
    tool: str
    was: Level
    level: Level
    actor: str
    """A person, or `autonomy` where it changed automatically."""
    at: float
    """Unix time, seconds."""
    why: str
    actor_kind: ActorKind = ActorKind.PERSON


@dataclass(frozen=True, slots=True)
class Evidence:
    """What people decided of a tool's last calls."""

    decisions: int
    """By people, in the window."""
    unchanged: int
    """Of those, approved as proposed and not regretted later."""
    lower: float | None
    """Wilson's 95 % lower bound of that share; None of nothing."""
    since_refused: int
    """Decisions since the last one that was rejected or edited; all of them when none was."""
    calibration_error: float | None = None
    """Of the confidence it stated; None when it stated too little."""
    overconfidence: float | None = None
    """The part of that error by which it was too high."""
    attention_shown: int = 0
    attention_caught: int = 0
    """Of the attention checks put before those who decided these."""
    spot_checked: int = 0
    """Of the decisions, spot checks."""
    since_level: int = 0
    """Of the decisions, those since it came to its level; all of them from the start."""


@dataclass(frozen=True, slots=True)
class ToolAutonomy:
    """The level of an agent's tool, and what the evidence says of the next one."""

    agent: str
    tool: str
    level: Level
    since: float | None
    """When it came there, as Unix time; None from the start."""
    by: str
    """Who put it there; empty from the start."""
    why: str
    evidence: Evidence
    proposed: Level | None
    """The next level, when the evidence supports it."""
    says: str
    """One clause: what supports the next step, what is missing for it, or what pins it where it is."""
