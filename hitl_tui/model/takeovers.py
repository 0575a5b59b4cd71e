"""Takeovers: where the run stands, the plan of the person who acts as its agent, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hitl_tui.model.interrupts import Context
from hitl_tui.model.values import Json


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the agent's last message, proposed by the agent or written by a person."""

    id: str
    """The tool call's id; empty for a call that the agent did not propose, which gets a new id."""
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class RunHead:
    """Where a waiting, failed or cancelled run stands: what a person who takes it over can change."""

    checkpoint: str
    nodes: tuple[str, ...]
    """Nodes that would run next."""
    context: Context
    text: str | None = None
    """The text of the agent's last message; None if the last message is not the agent's and cannot be rewritten."""
    calls: tuple[Call, ...] = ()
    """The tool calls of the agent's last message that have no result yet."""
    schemas: Mapping[str, Json] = field(default_factory=dict)
    """JSON Schema of the arguments by tool, where known."""


@dataclass(frozen=True, slots=True)
class TakeoverPlan:
    """What a person does as the agent. All of it is applied, in this order, before the agent continues."""

    state: Mapping[str, Json] = field(default_factory=dict)
    """New values by state key; other keys stay."""
    text: str | None = None
    """New text of the agent's last message."""
    calls: tuple[Call, ...] | None = None
    """New tool calls of that message; each is reviewed again before it runs."""
    results: Mapping[str, str] = field(default_factory=dict)
    """Results by tool call id, in place of the tools'; those calls never run."""
    guidance: str = ""
    """A message to the agent, which then tries again; its open calls do not run."""
    answer: str | None = None
    """The final message of the conversation; the run ends with it."""


@dataclass(frozen=True, slots=True)
class HandBack:
    """A hand-back that waits until other people confirm it, as one person sees it."""

    takeover: int
    run: int
    agent: str
    author: str
    at: float
    """When it was handed back, as Unix time in seconds."""
    review: int | None
    """The first of the reviews that it decides; None if there is none."""
    recipients: tuple[str, ...]
    """The groups and people whom rules name for its calls; empty for anybody."""
    needs_me: bool
    """Whether this person may confirm it, and has not yet."""
    is_mine: bool
    """Whether this person has handed it back."""
    is_listed: bool = True
    """True if the run has an open review, and so a row in the queue. A run that was cancelled has none."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """A person acts as the agent of a run."""

    id: int
    run: int
    actor: str
    at: float
    head: str
    """The checkpoint that was shown."""
    plan: TakeoverPlan
    """The plan as last saved or handed back; empty at first."""
    state: str
    """`open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`."""
    note: str
    """How it ended, as a clause: why it was stale or failed."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """Texts that are not part of the plan because they cannot be parsed, by the name of the part."""
    is_unconfirmed: bool = False
    """Whether it is handed back, and waits until other people confirm it."""

    @property
    def is_live(self) -> bool:
        """Whether the run is still taken over, or on its way back to the agent."""
        return self.state in ("open", "handed_back", "submitted")
