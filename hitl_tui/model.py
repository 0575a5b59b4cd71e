"""The nouns of the console, in LangGraph's and LangChain's own terms. Facts only: frozen, without I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from hitl_tui import jsontext

Json: TypeAlias = Any
"""Anything `json.loads` returns."""


class DecisionKind(StrEnum):
    """What a reviewer may say of one action; LangChain's own four words."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


class RunState(StrEnum):
    """Where a run is: `queued → running ⇄ waiting → done`, with the exits `failed` and `cancelled`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """Where a review is: `open → decided → submitted → applied`, with the exits `stale`, `expired` and `failed`."""

    OPEN = "open"
    DECIDED = "decided"
    SUBMITTED = "submitted"
    APPLIED = "applied"
    STALE = "stale"
    EXPIRED = "expired"
    FAILED = "failed"


class PauseKind(StrEnum):
    """The shapes in which a graph asks (CONTRACT 1.1)."""

    TOOL_CALLS = "tool_calls"
    """LangChain's HITL middleware, batched: one interrupt, one action per gated call."""
    TOOL_APPROVAL = "tool_approval"
    """LangChain's HITL middleware, per_call: one interrupt for one call."""
    TOOL_GATE = "tool_gate"
    """A static gate before a node that runs the tool calls of the last message."""
    GATE = "gate"
    """Any other static gate, before or after a node."""
    AGENT_INBOX = "agent_inbox"
    """The agent-inbox schema: `action_request` and `config`."""
    MCP_ELICITATION = "mcp_elicitation"
    """What an MCP server asks before it finishes a tool call, by `langchain.mcp`: one action per question."""
    ESCALATION = "escalation"
    """`hitl_tui.patterns.escalate`: the agent asks for a person."""
    DRAFT = "draft"
    """`hitl_tui.patterns.draft`: a text that goes to and fro until somebody accepts it."""
    FAILURE = "failure"
    """A run that failed, where policy escalates errors; no graph waits for its answer."""
    QUESTION = "question"
    """Any other interrupt value."""


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
    """A `confidence.Source`; empty when none said anything."""
    note: str = ""
    """How the number came to be, or why there is none; a clause for people."""

    def told(self) -> str:
        """For people: `confidence 0.72, by the agent's own words (it says '72 % sure')`."""
        number = "unknown" if self.value is None else f"{self.value:.3g}"
        by = f", by {SOURCES.get(self.source, self.source)}" if self.source else ""
        return f"confidence {number}{by}" + (f" ({self.note})" if self.note else "")


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
    """What it can do at worst: a `Risk`, or the word the graph gave; None when nobody says."""
    outcome: Outcome | None = None
    """What policy said when it was asked; None where there is no policy."""
    rule: str = ""
    """The rule that spoke."""
    reason: str = ""
    """Why, as a sentence for people."""
    reviewers: int = 1
    """Different people who must let it happen; one is enough to refuse it."""

    def routed(self) -> str:
        """Why it is where it is: `asks: its confidence 0.72 is below 0.9 (thresholds)`; empty where there is no policy."""
        rule = "" if not self.rule or repr(self.rule) in self.reason or self.rule in self.reason else f" ({self.rule})"
        return f"{ROUTES[self.outcome]}: {self.reason}{rule}" if self.outcome else ""


def digest_of(name: str, args: Json) -> str:
    """SHA-256 (hex) over the canonical JSON of `[name, args]`."""
    return hashlib.sha256(jsontext.canonical([name, args]).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer says of one action, before it is stored."""

    kind: DecisionKind
    args: Json = None
    """With `edit`: the arguments to run instead. With `respond`: a JSON answer, when `message` is None."""
    message: str | None = None
    """With `reject`: the reason. With `respond`: the answer as text."""


def effect_of(action: Action, answer: Answer) -> str:
    """SHA-256 (hex) of what an answer makes happen: the same for an approval as proposed and an edit into the same arguments."""
    if answer.kind is DecisionKind.APPROVE:
        return action.digest
    if answer.kind is DecisionKind.EDIT:
        return digest_of(action.name, answer.args)
    return digest_of(answer.kind, [answer.message, answer.args])


@dataclass(frozen=True, slots=True)
class Decision:
    """A stored answer: who, when, how long they looked."""

    id: int
    review: int
    slot: int
    answer: Answer
    actor: str
    digest: str
    """Digest of the action as it was shown."""
    at: float
    """Unix time, seconds."""
    looked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to a review that was sent, and may have had its effect."""

    review: int
    interrupt: str
    kind: PauseKind
    node: str
    actions: tuple[Action, ...]
    by_slot: Mapping[int, Answer]


@dataclass(frozen=True, slots=True)
class Ban:
    """A tool call that must not run as the agent proposed it."""

    tool_call: str
    name: str
    args: Json
    """As proposed."""
    instead: Json
    """What the reviewer wants to run in its place; None when nothing may."""
    why: str
    """As a clause, e.g. "ann rejected it"."""
    review: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as a person reads it."""

    role: str
    """`user`, `agent`, `tool`, `system`, or the message type LangChain gives."""
    text: str
    name: str = ""
    """The tool's or speaker's name."""
    calls: tuple[tuple[str, Json], ...] = ()
    """Tool calls the message makes: name and arguments."""
    failed: bool = False
    """A tool result that reports an error."""

    def as_json(self) -> Json:
        """The message for scripts."""
        calls = [{"name": name, "args": args} for name, args in self.calls]
        return {"role": self.role, "text": self.text, "name": self.name, "calls": calls, "failed": self.failed}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A tool call the agent already made, and what came of it."""

    name: str
    args: Json
    result: str | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a reviewer needs to know around the thing to decide."""

    conversation: tuple[Message, ...] = ()
    reasoning: str = ""
    """What the agent said right before it asked."""
    attempts: tuple[Attempt, ...] = ()
    error: str = ""
    """What went wrong before, if anything."""
    state: Json = None
    """The graph's state without its messages."""
    before: tuple[str, ...] = ()
    """Nodes that lead here."""
    after: tuple[str, ...] = ()
    """Nodes that may come next."""
    model: str = ""
    """Name of the model that spoke last, as it gave it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One thing a graph waits for, normalised: what a review is made of."""

    interrupt: str
    """LangGraph's interrupt id; `gate:<checkpoint id>` for a static gate."""
    kind: PauseKind
    node: str
    path: tuple[str, ...]
    """Names of the subgraphs around the node, outermost first."""
    value: Json
    """The raw value, JSON-safe."""
    actions: tuple[Action, ...]
    context: Context
    confidence: float | None = None
    risk: str | None = None
    note: str = ""
    """A warning the reviewer must see, e.g. that this may have run once."""
    repeats: str | None = None
    """At a gate that holds what may have run: the key of the decisions that led there, with which an approval goes on."""


UNTIL_HANDED_BACK = 4_102_444_800.0
"""Unix time at which a claim of a run's reviews ends that only its hand-back ends: the year 2100."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review as the queue shows it."""

    id: int
    run: int
    agent: str
    kind: PauseKind
    state: ReviewState
    title: str
    """The first action's name."""
    summary: str
    """Its arguments on one line."""
    slots: int
    opened_at: float
    risk: str | None
    confidence: float | None
    note: str
    decided: str
    """What was decided, in a word or two; while open, how many of its actions are."""
    effective_at: float | None
    route: Outcome | None = None
    """Where policy sent what it left undecided, the worst of it; None where there is no policy."""
    recipient: str = ""
    """The group or person it is meant for; empty for whoever comes first."""
    escalated: str = ""
    """To whom it was escalated last; `anybody` where to nobody by name, empty when it was not."""
    claimed_by: str | None = None
    claimed_until: float | None = None
    """Unix time; a claim that is over counts no more."""
    deadline_at: float | None = None
    deadline_then: str = ""
    """What the deadline's end does: `escalate` or `reject`."""

    def claimant(self, now: float) -> str | None:
        """Who has it at that Unix time."""
        return self.claimed_by if self.claimed_by and (self.claimed_until or 0.0) > now else None

    @property
    def is_taken_over(self) -> bool:
        """Whether who has it has the whole run."""
        return self.claimed_until is not None and self.claimed_until >= UNTIL_HANDED_BACK


@dataclass(frozen=True, slots=True)
class Review:
    """One interrupt waiting for people, with its actions and what was decided so far."""

    row: ReviewRow
    thread: str
    interrupt: str
    node: str
    path: tuple[str, ...]
    value: Json
    actions: tuple[Action, ...]
    decisions: Mapping[int, Decision]
    """By slot; a slot is decided again until the whole review is."""
    decided_at: float | None
    submitted_at: float | None
    applied_at: float | None

    @property
    def undecided(self) -> tuple[int, ...]:
        """Slots still without a decision."""
        return tuple(a.slot for a in self.actions if a.slot not in self.decisions)


@dataclass(frozen=True, slots=True)
class Agent:
    """A graph that can be launched."""

    name: str
    project: int
    label: str
    """The project's name, for people."""
    description: str
    input_schema: Json
    takes_text: bool
    """A plain sentence is input enough: the state has messages, or wants one string."""
    error: str = ""
    """Why it cannot be loaded; empty when it can."""
    traceback: str = ""
    state_schema: Json = None
    """JSON Schema of the graph's state."""
    tools: Mapping[str, Json] = field(default_factory=dict)
    """By tool the JSON Schema of its arguments, where it is known."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one launch asks for beyond the graph's own ways."""

    gates_before: tuple[str, ...] = ()
    """Nodes the run stops before, besides those the graph was compiled with; `*` for all."""
    gates_after: tuple[str, ...] = ()
    """Nodes the run stops after."""
    time_limit_s: float | None = None
    """How long the agent may work, in seconds; waiting for people does not count."""
    tags: tuple[str, ...] = ()
    """Words by which policy knows this run."""


@dataclass(frozen=True, slots=True)
class Run:
    """One conversation of an agent."""

    id: int
    project: int | None
    """None until a worker that has the agent takes it."""
    agent: str
    thread: str
    title: str
    input: Json
    """`{"text": …}` or `{"input": …}`."""
    state: RunState
    activity: str
    """What it does now."""
    error: str
    traceback: str
    result: Json
    crashes: int
    """How often a worker died while this run was running."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    resuming: bool
    """Whether it goes on from its checkpoint when next leased."""
    cancelling: bool
    options: RunOptions = RunOptions()
    cut: bool = False
    """It was cut off inside a step: what was going on then may have done its work."""
    taken_by: str | None = None
    """Who has it in the agent's place, or has just handed it back."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's trace."""

    seq: int
    at: float
    kind: str
    """`input`, `start`, `end`, `message`, `call`, `result`, `custom`, `paused`, `decided`, `error`, `done`."""
    node: str
    path: tuple[str, ...]
    body: Json


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs one project's agents."""

    id: str
    project: int
    label: str
    pid: int
    started: float
    """The process's creation time: with the pid, its identity."""
    concurrency: int
    beat_at: float
    running: int


class Risk(StrEnum):
    """What a tool call can do at worst."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


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
    """What policy said about an action, and which rule spoke."""

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
    """Group or person; empty for whoever comes first."""
    deadline_s: float | None = None
    """Seconds a person has, from when it was asked."""
    then: str = "escalate"
    """What the deadline's end does: `escalate` or `reject`."""
    spot_check: bool = False
    """It would have gone on by itself, and was picked for a person to look at first; `outcome` is `ask`."""


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


@dataclass(frozen=True, slots=True)
class Past:
    """An action of long ago and what was decided of it."""

    review: int
    slot: int
    agent: str
    tool: str
    args: Json
    kind: PauseKind
    allowed: tuple[DecisionKind, ...]
    risk: str | None
    confidence: float | None
    note: str
    """The review's warning, if it had one."""
    decision: DecisionKind
    actor: str
    """Who decided: a person's name, or `policy:<rule>`."""
    opened_at: float
    """Unix time, seconds."""
    decided_at: float


@dataclass(frozen=True, slots=True)
class Version:
    """A draft, or the arguments of a call, that a person sent back for another pass."""

    review: int
    slot: int
    name: str
    """The draft's key, or the tool's name."""
    proposal: Json
    """As the agent proposed it."""
    left: Json
    """As the person left it; the proposal where they changed nothing."""
    note: str
    """What the next pass was to do."""
    actor: str
    at: float
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What one of several people who are needed said of an action."""

    slot: int
    answer: Answer
    actor: str
    at: float
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who has seen a review, and for how long."""

    reviewer: str
    first_at: float
    last_at: float
    looked_ms: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """A review put before somebody in particular, and why."""

    id: int
    review: int
    run: int
    at: float
    recipient: str
    """A group or a person; empty for anybody."""
    actor: str
    """A person, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`."""
    why: str
    """A clause for people."""
    note: str
    step: int | None
    """Of the policy's chain; None outside it."""
    next_at: float | None
    """When the chain goes on unless somebody claims it."""
    acknowledged_at: float | None
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as a person writes it in the agent's place."""

    id: str
    """The tool call's id; one that the agent did not propose gets a new one."""
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class Notice:
    """One way in which people are told of an escalation, and what became of it."""

    id: int
    escalation: int
    review: int
    channel: str
    """`desktop`, `command`, or `url:` and a hash: an address holds secrets."""
    state: str
    """`due → sending → sent`, with the exits `failed` and `dropped`."""
    due_at: float
    """Unix time, seconds: when it is sent, or tried again."""
    tries: int
    """How often it was tried."""
    error: str
    """Why it failed last, as a sentence."""
    ended_at: float | None

    def told(self) -> str:
        """A sentence about one that failed, or is tried again; empty where all is well."""
        again = "" if self.state == "failed" else ", and is tried again"
        return f"a notice by {self.channel} failed{again}: {self.error}" if self.error and self.state != "sent" else ""


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
class TakeOver:
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
    """`open → handed_back → submitted → applied`, with the exits `given_up`, `stale` and `failed`."""
    note: str
    """How it ended, as a clause; why it was stale or failed."""

    @property
    def is_live(self) -> bool:
        """Whether the run is in this person's hands still, or on its way back."""
        return self.state in ("open", "handed_back", "submitted")
