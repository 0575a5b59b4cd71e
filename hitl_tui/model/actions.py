"""What a graph asks to be decided, and what people and policy say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.model.values import Json


class DecisionKind(StrEnum):
    """What a reviewer may say of one action; LangChain's own four words."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


class Outcome(StrEnum):
    """Where policy sends an action."""

    AUTO = "auto"
    """It goes on by itself."""
    ASK = "ask"
    TAKEOVER = "takeover"
    """It goes to a person entirely."""
    DENY = "deny"
    """It is rejected."""


ROUTES = {Outcome.AUTO: "goes on by itself", Outcome.ASK: "asks", Outcome.TAKEOVER: "to take over", Outcome.DENY: "denied"}
"""Outcomes as people read them."""
SOURCES = {
    "interrupt": "the graph's interrupt",
    "metadata": "the message's metadata",
    "state": "the graph's state",
    "logprobs": "the model's log-probabilities",
    "field": "the agent's own field",
    "words": "the agent's own words",
}
"""Sources of confidence as people read them."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the agent is."""

    value: float | None = None
    """From 0 to 1; None when unknown."""
    source: str = ""
    """A `confidence.ConfidenceSource`; empty when none said anything."""
    note: str = ""
    """How the number came to be, or why there is none; a clause for people."""

    def told(self) -> str:
        """For people: `confidence 0.72, by the agent's own words (it says '72 % sure')`."""
        number = "unknown" if self.value is None else f"{self.value:.3g}"
        by = f", by {SOURCES.get(self.source, self.source)}" if self.source else ""
        return f"confidence {number}{by}" + (f" ({self.note})" if self.note else "")

    def origin(self) -> str:
        """Its source without the number: `confidence by the agent's own words (it says '72 % sure')`."""
        return f"confidence by {SOURCES.get(self.source, self.source)}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing asked inside a review: usually a tool call, else a question or a gate."""

    slot: int
    """Place inside the review, from 0."""
    name: str
    """The tool's name; for a question or a gate the node's."""
    args: Json
    """What will run, exactly; for a question the interrupt's value."""
    allowed: tuple[DecisionKind, ...]
    """Kinds the graph will accept; nobody is offered others."""
    description: str = ""
    args_schema: Json = None
    """JSON Schema of `args`, where the tool has one."""
    answer_schema: Json = None
    """JSON Schema of what `respond` must send, where the graph gave one."""
    choices: tuple[Json, ...] = ()
    """Answers the graph itself lists."""
    tool_call: str | None = None
    """The tool call's id, where it is known."""
    digest: str = ""
    """`digest_of(name, args)`: what the reviewer saw, checked again right before it runs."""
    means: Mapping[str, str] = field(default_factory=dict)
    """What a decision does here when that is not obvious, e.g. `approve` → "answers true"."""
    confidence: Confidence = Confidence()
    risk: str | None = None
    """What it can do at worst: a `Risk`, by a rule, the tool or MCP, or the word the graph gave; None when nobody says."""
    outcome: Outcome | None = None
    """What policy said when it was asked; None where there is no policy."""
    rule: str = ""
    """The rule that matched."""
    reason: str = ""
    """Why, as a sentence for people."""
    reviewers: int = 1
    """Different people who must let it happen; one is enough to refuse it."""
    declared: str | None = None
    """The risk that the graph or the tool told, whatever a rule says of it; known of what is stored."""
    spot_check: bool = False
    """It would have gone on by itself, and was picked for a person to look at first."""

    def routed(self) -> str:
        """Why it is where it is: `asks: its confidence 0.72 is below 0.9 (thresholds)`; empty where there is no policy."""
        rule = "" if not self.rule or repr(self.rule) in self.reason or self.rule in self.reason else f" ({self.rule})"
        return f"{ROUTES[self.outcome]}: {self.reason}{rule}" if self.outcome else ""


def digest_of(name: str, args: Json) -> str:
    """SHA-256 (hex) over the canonical JSON of `[name, args]`."""
    return hashlib.sha256(canonical_json.canonical([name, args]).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer says of one action, before it is stored."""

    kind: DecisionKind
    args: Json = None
    """With `edit`: the arguments to run instead. With `respond`: a JSON answer, when `message` is None."""
    message: str | None = None
    """With `reject`: the reason. With `respond`: the answer as text."""
    template: Json = None
    """With `approve` or `reject` of a question: what a template of the policy sends in place of true or false."""


def effect_of(action: Action, answer: Answer) -> str:
    """SHA-256 (hex) of what an answer makes happen: the same for an approval as proposed and an edit into the same arguments."""
    if answer.kind is DecisionKind.APPROVE:
        return action.digest if answer.template is None else digest_of(answer.kind, answer.template)
    if answer.kind is DecisionKind.EDIT:
        return digest_of(action.name, answer.args)
    return digest_of(answer.kind, [answer.message, answer.args])
