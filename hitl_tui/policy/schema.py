"""What a policy.toml says, read: rules, thresholds, groups, the escalation chain, and who is told how. Facts only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hitl_tui.model import Outcome, Risk
from hitl_tui.policy import globs
from hitl_tui.policy.confidence import DEFAULT_ORDER, STATE_KEY, ConfidenceSource
from hitl_tui.policy.expression import Expression

Then = Literal["escalate", "reject"]
Content = Literal["nothing", "names", "summary"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake or a warning in a policy file."""

    line: int
    text: str
    hint: str = ""
    is_error: bool = True
    """False for a warning: the policy can still be used."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the week. One that ends before it begins goes on into the next day, and belongs to the day it began on."""

    days: frozenset[int]
    """0 is Monday."""
    begin: int
    """Minutes since midnight."""
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether that minute of that day is in it."""
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        return (weekday in self.days and minute >= self.begin) or ((weekday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week, or with `outside` all others."""

    text: str
    windows: tuple[Window, ...]
    outside: bool = False
    zone: dt.tzinfo | None = None
    """None for this machine's own time."""

    def hold(self, now: float) -> bool:
        """Whether the Unix time is in them."""
        then = dt.datetime.fromtimestamp(now, dt.UTC).astimezone(self.zone)
        minute = then.hour * 60 + then.minute
        return any(window.holds(then.weekday(), minute) for window in self.windows) is not self.outside


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]`; the first that matches an action speaks."""

    name: str
    line: int
    agents: tuple[str, ...] = ("*",)
    """Globs."""
    tools: tuple[str, ...] = ("*",)
    when: Expression | None = None
    tags: tuple[str, ...] = ()
    """Tags the run must all have."""
    hours: Hours | None = None
    risk: Risk | None = None
    outcome: Outcome | None = None
    """None leaves it to the thresholds."""
    reviewers: int = 1
    to: str = ""
    deadline_s: float | None = None
    then: Then = "escalate"

    def names(self, tool: str) -> bool:
        """Whether it names the tool, letter for letter: no wildcard does."""
        return any(glob == tool and globs.is_plain(glob) for glob in self.tools)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Confidence from which on it goes on by itself, or asks; below `ask` a person takes over."""

    auto: float = 0.9
    ask: float = 0.6


@dataclass(frozen=True, slots=True)
class Ladder:
    """`[autonomy]`: what an agent's tool must have shown before its next level is proposed."""

    decisions: int = 30
    """By people, in the window."""
    window: int = 100
    """How many of their last decisions are looked at."""
    window_s: float = 90 * 86_400.0
    """How far back."""
    approved: float = 0.85
    """Wilson's lower bound of the share approved unchanged: 30 of 30 reach it, 29 of 30 do not, 34 of 35 do."""
    quiet: int = 20
    """Decisions since one was rejected or edited, and since it came to its level."""
    calibration: float = 0.1
    """By how much its confidence may be too high on average, for it to decide."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One step of the escalation chain."""

    to: str
    """A group or a person."""
    after_s: float
    """How long nobody claimed it since the step before, or for the first since it was escalated."""


@dataclass(frozen=True, slots=True)
class Notify:
    """How people are told of an escalation."""

    bell: bool = True
    desktop: bool = False
    command: tuple[str, ...] = ()
    """Program and arguments; no shell."""
    urls: tuple[str, ...] = field(default=(), repr=False)
    """Apprise URLs; they hold secrets."""
    quiet: Hours | None = None
    """Times in which only the screen tells."""
    content: Content = "names"
    """What may leave the machine: `nothing` but the link line, `names` of agent and tool, or a `summary` with the arguments."""
    timeout_s: float = 10.0
    retries: int = 3


@dataclass(frozen=True, slots=True)
class ConfidenceSettings:
    """Where confidence comes from, in order."""

    order: tuple[ConfidenceSource, ...] = DEFAULT_ORDER
    agents: Mapping[str, tuple[ConfidenceSource, ...]] = field(default_factory=dict)
    """Orders of single agents, by glob."""
    state_key: str = STATE_KEY

    def of(self, agent: str) -> tuple[ConfidenceSource, ...]:
        """The order for an agent: its own, else the first glob's that fits, else the common one."""
        if agent in self.agents:
            return self.agents[agent]
        return next((order for glob, order in self.agents.items() if globs.matches(glob, agent)), self.order)


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy.toml."""

    rules: tuple[Rule, ...] = ()
    thresholds: Thresholds = Thresholds()
    spot_check: float = 0.05
    """Share of what would go on by itself that goes to a person first."""
    seed: str = ""
    """Changes which ones."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: ConfidenceSettings = ConfidenceSettings()
    chain: tuple[ChainStep, ...] = ()
    errors: bool = False
    """Whether a run that fails is put before a person."""
    notify: Notify = Notify()
    ladder: Ladder | None = None
    """None where no tool can earn anything: the thresholds hold for all."""
    attention: int = 0
    """After about how many decisions by people an attention check comes; 0 for never."""
    problem: str = ""
    """Why the file as it is now cannot be used: until it can, everything asks, and the rest is of the last one that could."""

    def people(self, to: str) -> tuple[str, ...]:
        """Who is meant by a group or a person's name."""
        return self.groups.get(to, (to,) if to else ())

    def knows(self, to: str) -> bool:
        """Whether a name can mean anybody; without groups any may be a person's."""
        return not self.groups or to in self.groups or any(to in people for people in self.groups.values())
