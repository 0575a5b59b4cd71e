"""People in an agent's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hitl_tui.model.interrupts import Context
from hitl_tui.model.values import Json


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as a person writes it in the agent's place."""

    id: str
    """The tool call's id; one that the agent did not propose gets a new one."""
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class Head:
    """Where a run stands that waits or failed, for who takes it over."""

    checkpoint: str
    nodes: tuple[str, ...]
    """Nodes that would run next."""
    context: Context
    text: str | None = None
    """The text of the agent's last message; None where no message of the agent stands at the end to be rewritten."""
    calls: tuple[Call, ...] = ()
    """The tool calls of the agent's last message that have no result yet."""
    schemas: Mapping[str, Json] = field(default_factory=dict)
    """By tool the JSON Schema of its arguments, where it is known."""


@dataclass(frozen=True, slots=True)
class HandBack:
    """What a person did in the agent's place. All of it is applied, in this order, before the agent goes on."""

    state: Mapping[str, Json] = field(default_factory=dict)
    """New values of the state's keys; those that are not named stay."""
    text: str | None = None
    """The agent's last message, rewritten."""
    calls: tuple[Call, ...] | None = None
    """The tool calls of that message instead; they are asked again before they run."""
    results: Mapping[str, str] = field(default_factory=dict)
    """By tool call: what the tool would have said; those calls never run."""
    guidance: str = ""
    """What the agent is told; it tries again, and its open calls do not run."""
    answer: str | None = None
    """The last word of the conversation: the run ends with it."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """A person in the agent's place."""

    id: int
    run: int
    actor: str
    at: float
    head: str
    """The checkpoint that was shown."""
    plan: HandBack
    """What was kept or handed back of it; nothing yet: `HandBack()`."""
    state: str
    """`open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`."""
    note: str
    """How it ended, as a clause; why it was stale or failed."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """Texts that are no part of the plan yet, because they cannot be read: by the name of the part."""

    @property
    def is_live(self) -> bool:
        """Whether the run is in this person's hands still, or on its way back."""
        return self.state in ("open", "handed_back", "submitted")
