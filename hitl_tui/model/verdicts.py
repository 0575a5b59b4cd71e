"""`Facts`, which are what policy can read of an action (to add one, fill it in in `policy/facts.py`), risks, and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.model.actions import DecisionKind, Outcome
from hitl_tui.model.interrupts import Message, PauseKind
from hitl_tui.model.values import Json


class Risk(StrEnum):
    """What a tool call can do at worst."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


_RANK = {Risk.READ.value: 0, Risk.REVERSIBLE.value: 1, Risk.IRREVERSIBLE.value: 3}
_FOREIGN = 2


def severity(risk: str | None) -> int:
    """Rank of a risk. A graph's own word, or none, ranks above `reversible`."""
    return _RANK.get(risk or "", _FOREIGN)


def worst(risks: Iterable[str | None]) -> str | None:
    """The worst of the known risks. A graph's own word ranks above `reversible`."""
    return max((risk for risk in risks if risk), key=severity, default=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one action that policy can read."""

    agent: str
    tool: str
    args: Json = None
    kind: PauseKind = PauseKind.TOOL_CALLS
    risk: Risk | None = None
    """The risk given by the graph, the tool's metadata or its annotations; None if unknown."""
    confidence: float | None = None
    """From 0 to 1; None if unknown."""
    findings: tuple[str, ...] = ()
    """Findings that make it doubtful, as clauses: invisible characters, that it may have run once …"""
    known_shape: bool = True
    """False if the payload could not be read as a tool call."""
    tags: tuple[str, ...] = ()
    """Tags of the run."""
    allowed: tuple[DecisionKind, ...] = tuple(DecisionKind)
    """Kinds of decision that the graph accepts."""
    age_s: float = 0.0
    """Seconds since it was asked."""
    templates: tuple[DecisionKind, ...] = ()
    """Decisions for which the policy has an answer template that the question takes."""
    id: str = ""
    """A permanent name such as `thread:interrupt:slot`, which alone decides whether it is spot-checked."""
    conversation: tuple[Message, ...] | None = None
    """What was said before it was asked; None if that is not known any more."""
    launch_input: Json = None
    """What its run was launched with; None if not known."""
    confidence_source: str = ""
    """Where the confidence comes from, as `Confidence.source` says; empty if that is not known."""
    digest: str = ""
    """That of the action, if it was taken already."""

    @property
    def is_repeated(self) -> bool | None:
        """Whether its run made the same call before and it did not fail, or makes it twice in one message; None if that is not known.

        Results name their tool and not their call: of equal tools in one message, one that did not fail counts for each.
        """
        if self.conversation is None:
            return None
        same = canonical_json.canonical(self.args)
        turns = list[tuple[list[bool], list[Message]]]()
        for message in self.conversation:
            if message.calls:
                turns.append(([canonical_json.canonical(args) == same for name, args in message.calls if name == self.tool], []))
            elif message.role == "tool" and turns:
                turns[-1][1].append(message)
        for number, (calls, results) in enumerate(turns, 1):
            own = [one for one in results if one.name == self.tool]
            if number == len(turns) and len(own) < len(calls):  # it is this message that makes the call
                return sum(calls) > 1
            if any(calls) and any(not one.failed and one.name in (self.tool, "") for one in results):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome that policy gives an action, and the rule that matched."""

    outcome: Outcome
    rule: str
    """The rule's name, or `thresholds`, `grant`, `safety` or `no policy`."""
    reason: str
    """One sentence for people."""
    risk: Risk | None = None
    """The risk it was judged by."""
    reviewers: int = 1
    """Different people who must approve."""
    to: str = ""
    """The group or person who decides; empty for anyone."""
    deadline_s: float | None = None
    """Seconds from opening until the deadline."""
    then: str = "escalate"
    """What happens at the deadline: `escalate` or `reject`."""
    spot_check: bool = False
    """Whether it would have run by itself, and was picked as a spot check; `outcome` is `ask`."""
    sampled: bool = True
    """Whether spot checks may pick it; False if its tool's autonomy level exempts it."""
    template: Json = None
    """What an answer template sends, where the outcome needs no person; None without one."""
    signed: bool = False
    """Whether people's decisions need a signature."""
    separate: tuple[str, ...] = ()
    """What keeps a person from being the only one who approves: `launch` of the run, `edit` of what runs."""
    blind: bool = False
    """Whether the second reviewer does not see what the first answered."""
    grant: int | None = None
    """Number of the grant that lets it through; also if it was picked as a spot check."""


@dataclass(frozen=True, slots=True)
class Routed:
    """The verdicts of policy on one pause."""

    verdicts: Mapping[int, Verdict]
    """By slot."""
    note: str = ""
    """A warning about the policy itself, such as that it is broken."""
    read: Mapping[int, tuple[Json, str]] = field(default_factory=dict)
    """By slot, what the second reader said before the review opened: a remark's body and problem."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule of the policy gave an outcome."""

    rule: str
    """Its name, or `thresholds`, `safety` or `no policy`."""
    outcome: Outcome
    actions: int
    last_at: float
    """Unix time, seconds."""
