"""Reviews: pauses that people decide, how far they have come, and past decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actions import Action, Answer, DecisionKind, Outcome
from hitl_tui.model.actors import ActorKind, Identified, same_person
from hitl_tui.model.interrupts import Message, PauseKind
from hitl_tui.model.values import Json
from hitl_tui.model.verdicts import severity


class ReviewState(StrEnum):
    """Where a review is: `open → decided → submitted → applied`, with the exits `stale`, `expired` and `failed`."""

    OPEN = "open"
    DECIDED = "decided"
    SUBMITTED = "submitted"
    APPLIED = "applied"
    STALE = "stale"
    EXPIRED = "expired"
    FAILED = "failed"


UNTIL_HANDED_BACK = 4_102_444_800.0
"""Unix time (the year 2100) until which a takeover claims its run's reviews: only a hand-back ends that claim."""


PLURALS = {
    DecisionKind.APPROVE: "approvals",
    DecisionKind.EDIT: "edits",
    DecisionKind.REJECT: "rejections",
    DecisionKind.RESPOND: "answers",
}
"""Kinds of decision as a participle."""


@dataclass(frozen=True, slots=True)
class PartialApproval:
    """An approval that some of the needed people have given."""

    kind: DecisionKind
    needed: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far people have come with a review: what was decided, and by whom."""

    decision: str = ""
    """Of the whole review: `approved`, `edited`, `rejected`, `sent back`, `answered`, `taken over`, or `decided` if its actions differ;
    empty while it is undecided."""
    by: str = ""
    """Who decided last."""
    by_kind: ActorKind = ActorKind.PERSON
    others: tuple[str, ...] = ()
    """Other people whose approval it needed."""
    slots: int = 1
    decided_slots: int = 0
    approvals: tuple[PartialApproval, ...] = ()

    def is_by(self, reviewer: str) -> bool:
        """Whether this person made the whole review's decision."""
        return bool(self.decision) and self.by_kind is ActorKind.PERSON and same_person(self.by, reviewer)

    def told(self, reviewer: str | None = None) -> str:
        """For people: `approved with bob by ann`, or while it is open `1 of 2 decided; 1 of 2 approvals, by ann`; empty at first.

        A `reviewer` reads `you` in place of their own name.
        """
        if self.decision:
            by = "you" if reviewer is not None and self.is_by(reviewer) else self.by
            return f"{self.decision}{' with ' if self.others else ''}{' and '.join(self.others)} by {by}"
        parts = [f"{self.decided_slots} of {self.slots} decided"] if self.decided_slots else []
        parts += [f"{len(one.people)} of {one.needed} {PLURALS[one.kind]}, by {' and '.join(one.people)}" for one in self.approvals]
        return "; ".join(dict.fromkeys(parts))


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """The facts that order and group a review in the queue."""

    id: int
    agent: str
    tools: str
    """The names of its tools, one a line, in the order of its calls."""
    risk: str | None
    escalated: str
    deadline_at: float | None


@dataclass(frozen=True, slots=True)
class CallVariant:
    """Calls of a review that are identical."""

    name: str
    """The tool's."""
    args: str
    """The arguments as JSON, cut off where they are long."""
    count: int


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
    warning: str
    """A warning about the actions, or why the review ended."""
    progress: Progress
    effective_at: float | None
    route: Outcome | None = None
    """The most severe outcome that policy gave; None without a policy."""
    recipient: str = ""
    """The group or person it is meant for; empty for anyone."""
    escalated: str = ""
    """To whom it was escalated last; `anybody` if to nobody by name, empty if it was not."""
    claimed_by: str | None = None
    claimed_until: float | None = None
    """Unix time at which the claim ends."""
    deadline_at: float | None = None
    deadline_then: str = ""
    """What happens at the deadline: `escalate` or `reject`."""
    policy_note: str = ""
    """A warning about the policy itself, such as that it is broken."""
    tools: tuple[tuple[str, str | None], ...] = ()
    """Tool name and risk of each call, in order."""
    variants: tuple[CallVariant, ...] = ()
    """The different calls: irreversible ones first, then in order; of many only the first ones."""
    read_only: str = ""
    """Why nobody can decide it here, as a clause about its server; empty if people can."""

    @property
    def facts(self) -> QueueFacts:
        """The facts that order and group it."""
        return QueueFacts(self.id, self.agent, "\n".join(name for name, _ in self.tools), self.risk, self.escalated, self.deadline_at)

    @property
    def tool_counts(self) -> dict[str, int]:
        """How many calls of each tool there are, the riskiest tool first."""
        counts: dict[str, int] = {}
        for name, _ in sorted(self.tools, key=lambda tool: -severity(tool[1])):
            counts[name] = counts.get(name, 0) + 1
        return counts

    @property
    def tools_told(self) -> str:
        """Every tool, the riskiest first, each with its number of calls: `run_shell, restart_service ×2`."""
        counts = self.tool_counts
        return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items()) or self.title

    @property
    def worst_risk(self) -> str | None:
        """The risk of its riskiest call; None if that is unknown, which is worse than `reversible`."""
        risk = max((risk for _, risk in self.tools), key=severity, default=None)
        return risk if self.slots > 1 else self.risk

    @property
    def note(self) -> str:
        """All warnings, as one sentence."""
        server = f"nothing can be decided on its server: {self.read_only}" if self.read_only else ""
        return "; ".join(filter(None, [self.warning, self.policy_note, server]))

    @property
    def decided(self) -> str:
        """What was decided, and by whom; of an open review, how far people have come."""
        return self.progress.told()

    def claimant(self, now: float) -> str | None:
        """Who has claimed it at that Unix time; empty if nobody has."""
        return self.claimed_by if self.claimed_by and (self.claimed_until or 0.0) > now else None

    def is_claimed_by_another(self, reviewer: str, now: float) -> bool:
        """Whether the review is open and claimed by somebody else at that Unix time."""
        return self.state is ReviewState.OPEN and not same_person(self.claimant(now) or reviewer, reviewer)

    @property
    def is_taken_over(self) -> bool:
        """Whether its claim is that of a takeover of the run."""
        return self.claimed_until is not None and self.claimed_until >= UNTIL_HANDED_BACK


@dataclass(frozen=True, slots=True)
class Decision:
    """A stored answer: by whom, when, and how it was viewed."""

    id: int
    review: int
    slot: int
    answer: Answer
    actor: str
    digest: str
    """Digest of the action as it was shown."""
    at: float
    """Unix time, seconds."""
    viewed_ms: int | None = None
    actor_kind: ActorKind = ActorKind.PERSON
    seen: float | None = None
    """Share of the shown text that had been on the screen, 0 to 1; None if it was not measured, as on the command line."""
    reading_ms: int | None = None
    """Milliseconds below which nobody can have read it; None if it was not measured."""
    identified: Identified | None = None
    """How the person was identified; None for rules and deadlines, and where it is not known."""


@dataclass(frozen=True, slots=True)
class Review:
    """One interrupt as people review it, with its actions and decisions."""

    row: ReviewRow
    thread: str
    interrupt: str
    node: str
    path: tuple[str, ...]
    value: Json
    actions: tuple[Action, ...]
    decisions: Mapping[int, Decision]
    """By slot; a slot can be decided again until the whole review is decided."""
    decided_at: float | None
    submitted_at: float | None
    applied_at: float | None

    @property
    def undecided(self) -> tuple[int, ...]:
        """Slots still without a decision."""
        return tuple(a.slot for a in self.actions if a.slot not in self.decisions)

    def sharing(self, action: Action) -> tuple[Action, ...]:
        """The calls that get one answer with this one, itself among them: those of its message that have the same id."""
        return tuple(one for one in self.actions if one is action or (action.tool_call is not None and one.tool_call == action.tool_call))

    def risk_of(self, action: Action) -> str | None:
        """The risk of one action; None if it is unknown. The review's own risk, the worst known one, stands for a single action only."""
        return action.risk or (self.row.risk if len(self.actions) == 1 else None)


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """The new state of a review whose answer was sent."""

    state: ReviewState
    note: str = ""
    """For people: why it ended like this, or is asked again."""
    may_have_run: bool = False
    """Whether what was approved may have run already."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted answer, which may have had its effect."""

    review: int
    interrupt: str
    kind: PauseKind
    node: str
    actions: tuple[Action, ...]
    by_slot: Mapping[int, Answer]


@dataclass(frozen=True, slots=True)
class BlockedCall:
    """A tool call that must not run as the agent proposed it."""

    tool_call: str
    name: str
    args: Json
    """As proposed."""
    instead: Json
    """The arguments that the reviewer wants instead; None if it must not run at all."""
    why: str
    """A clause such as "ann rejected it"."""
    review: int
    is_newest: bool = True
    """Whether nobody was asked later about a call with the same id and name; else only these arguments are meant."""
    allowed: tuple[Json, ...] = ()
    """Arguments with which other calls of the same id and name may run: as they were approved or edited."""
    sent: tuple[Json, ...] = ()
    """Those among them whose answers are being carried out now, once for each call: one of them may have the very same arguments."""


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A past action and the last decision on it."""

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
    """The review's warning about its actions, if it had one."""
    decision: DecisionKind
    actor: str
    """Who decided: a person's name, or `policy:<rule>`."""
    opened_at: float
    """Unix time, seconds."""
    decided_at: float
    outcome: Outcome | None = None
    """The outcome that policy gave at the time; None without a policy."""
    actor_kind: ActorKind = ActorKind.PERSON
    confidence_source: str = ""
    """As `Confidence.source` says."""
    run: int = 0
    edited: Json = None
    """The arguments that an edit sent; None for other decisions."""
    tags: tuple[str, ...] = ()
    """Tags of its run."""
    limits: tuple[str, ...] = ()
    """Limits of its run."""
    conversation: tuple[Message, ...] | None = None
    """What was said before it was asked; None if it was not read."""
    launch_input: Json = None
    """What its run was launched with; None if it was not read."""


@dataclass(frozen=True, slots=True)
class ProposalVersion:
    """A draft, or the arguments of a call, that a person sent back for revision."""

    review: int
    slot: int
    name: str
    """The draft's key, or the tool's name."""
    proposal: Json
    """The agent's version."""
    left: Json
    """The person's version; equal to the proposal if they changed nothing."""
    note: str
    """The instruction for the revision."""
    actor: str
    at: float
    """Unix time, seconds."""
