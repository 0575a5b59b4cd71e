"""Actions that a graph asks people to decide, their answers, and the outcomes that policy gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.model.values import Json


class DecisionKind(StrEnum):
    """Kinds of decision on an action: LangChain's own four."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


class Outcome(StrEnum):
    """Where policy sends an action."""

    AUTO = "auto"
    """It runs by itself."""
    ASK = "ask"
    TAKEOVER = "takeover"
    """A person takes the run over."""
    DENY = "deny"
    """It is rejected."""


ROUTES = {Outcome.AUTO: "goes on by itself", Outcome.ASK: "asks", Outcome.TAKEOVER: "to take over", Outcome.DENY: "denied"}
"""Outcomes as people read them."""


def because(reason: str, outcome: Outcome) -> str:
    """A verdict's reason behind its outcome in words: `asks: rule 'mail'`, and not also that the rule says ask."""
    says = f" says {outcome}"
    return reason.removesuffix(says) if reason.startswith("rule ") and reason.count(says) == 1 else reason


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
    """How confident the agent is in an action."""

    value: float | None = None
    """From 0 to 1; None if unknown."""
    source: str = ""
    """The `confidence.ConfidenceSource` that gave it, or several joined by `, ` with the lowest first; empty if none did."""
    note: str = ""
    """How the number was computed, or why there is none; a clause for people."""

    def told(self) -> str:
        """For people: `confidence 0.72, by the agent's own words (it says '72 % sure')`."""
        number = "unknown" if self.value is None else f"{self.value:.3g}"
        by = f", by {self._sources()}" if self.source else ""
        return f"confidence {number}{by}" + (f" ({self.note})" if self.note else "")

    def origin(self) -> str:
        """Its source without the number: `confidence by the agent's own words (it says '72 % sure')`."""
        return f"confidence by {self._sources()}" + (f" ({self.note})" if self.note else "")

    def _sources(self) -> str:
        return " and ".join(SOURCES.get(source, source) for source in self.source.split(", "))


def call_id(review: int, slot: int) -> str:
    """How people and the command line name a call: `12#1` is the first one of review 12."""
    return f"{review}#{slot + 1}"


def calls_told(count: int) -> str:
    """The numbers of a review's calls for people: `call 1`, `calls 1 and 2`, `calls 1 to 3`."""
    return "call 1" if count == 1 else f"calls 1 {'and' if count == 2 else 'to'} {count}"


@dataclass(frozen=True, slots=True)
class AnswerTemplate:
    """What approve or reject sends to a question by the policy, in place of true or false."""

    value: Json
    """As it stands in the policy: names like `$message` are not filled in."""
    problem: str = ""
    """Why the question cannot take it, as a predicate; empty if it can."""
    takes_message: bool = False
    """Whether it holds what the person says with the decision."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a review: usually a tool call, otherwise a question or a gate."""

    slot: int
    """Its number within the review, from 0."""
    name: str
    """The tool's name; the node's name for a question or a gate."""
    args: Json
    """The exact arguments that will run; the interrupt's value for a question."""
    allowed: tuple[DecisionKind, ...]
    """The kinds that the graph accepts; no others are offered."""
    description: str = ""
    args_schema: Json = None
    """JSON Schema of `args`; None if the tool has none."""
    answer_schema: Json = None
    """JSON Schema of what `respond` must send; None if the graph gave none."""
    choices: tuple[Json, ...] = ()
    """Answers that the graph offers."""
    tool_call: str | None = None
    """The tool call's id; None if unknown."""
    digest: str = ""
    """`digest_of(name, args)`: what the reviewer saw, checked again right before it runs; one that 0.1.0 stored has its version."""
    means: Mapping[str, str] = field(default_factory=dict)
    """What a kind of decision does if that is not obvious, such as `approve` → "answers true"."""
    confidence: Confidence = Confidence()
    risk: str | None = None
    """The risk: a `Risk` given by a rule, the tool or MCP, or the word that the graph gave; None if unknown."""
    outcome: Outcome | None = None
    """The outcome that policy gave; None without a policy."""
    rule: str = ""
    """The rule that matched."""
    reason: str = ""
    """Why, as a sentence for people."""
    reviewers: int = 1
    """How many people must approve it; one can reject it."""
    declared: str | None = None
    """The risk declared by the graph or the tool, regardless of rules; only known of stored actions."""
    spot_check: bool = False
    """It would have run by itself, and was picked as a spot check."""
    signed: bool = False
    """Whether a rule wants every decision on it signed."""
    templates: Mapping[DecisionKind, AnswerTemplate] = field(default_factory=dict)
    """What the policy's answer templates send; not stored: the policy of the moment counts."""
    decider: str = ""
    """The group or person that a rule lets decide it; empty for anybody."""
    separate: tuple[str, ...] = ()
    """What keeps a person from being the only one who approves: `launch` of the run, `edit` of what runs."""
    blind: bool = False
    """Whether two people answer without seeing each other's answer."""
    grant: int | None = None
    """Number of the grant that let it through, or would have if it were no spot check."""

    @property
    def may_need_several(self) -> bool:
        """Whether one person's approval may not be enough."""
        return self.reviewers > 1 or bool(self.separate)

    @property
    def number(self) -> int:
        """Its number for people, from 1: `call 2`, `12#2`."""
        return self.slot + 1

    def routed(self) -> str:
        """Why it has its outcome: `asks: its confidence 0.72 is below 0.9 (thresholds)`; empty without a policy."""
        rule = "" if not self.rule or repr(self.rule) in self.reason or self.rule in self.reason else f" ({self.rule})"
        return f"{ROUTES[self.outcome]}: {because(self.reason, self.outcome)}{rule}" if self.outcome else ""


DIGESTS = 2
"""The version of digests that are made now. Since version 2, different Python values have different JSON; those of 0.1.0 have no number."""


def digest_of(name: str, args: Json, version: int = DIGESTS) -> str:
    """The digest of an action: its version and SHA-256 (hex) over the canonical JSON of `[name, args]`, like `2:3f…`."""
    hashed = hashlib.sha256(canonical_json.canonical([name, args]).encode("utf-8", "surrogatepass")).hexdigest()
    return hashed if version == 1 else f"{version}:{hashed}"


def has_digest(digest: str, name: str, args: Json) -> bool:
    """Whether a digest of any version was taken of an action."""
    version, is_numbered, _ = digest.partition(":")
    return digest == digest_of(name, args, DIGESTS if is_numbered and version == str(DIGESTS) else 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reviewer's answer to one action, before it is stored."""

    kind: DecisionKind
    args: Json = None
    """With `edit`: the arguments to run instead. With `respond`: a JSON answer if `message` is None."""
    message: str | None = None
    """With `reject`: the reason. With `respond`: the answer as text."""
    template: Json = None
    """With `approve` or `reject` of a question: what a template of the policy sends instead of true or false."""


def effect_of(action: Action, answer: Answer) -> str:
    """The digest of what an answer makes happen: the same for an approval as proposed and an edit into the same arguments."""
    if answer.kind is DecisionKind.APPROVE:
        return action.digest if answer.template is None else digest_of(answer.kind, answer.template)
    if answer.kind is DecisionKind.EDIT:
        return digest_of(action.name, answer.args)
    if answer.template is not None:
        return digest_of(answer.kind, answer.template)
    return digest_of(answer.kind, [answer.message, answer.args])
