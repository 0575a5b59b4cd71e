"""The contents of a policy.toml as dataclasses: rules, thresholds, groups, the escalation chain, notifications, autonomy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from hitl_tui.model import Outcome, Risk, graph_of
from hitl_tui.policy import globs
from hitl_tui.policy.answers import AnswerRule
from hitl_tui.policy.confidence import DEFAULT_ORDER, SELF_REPORTED, STATE_KEY, ConfidenceSource
from hitl_tui.policy.expression import Expression
from hitl_tui.policy.notification import Notify
from hitl_tui.policy.reader_and_decider import NO_DECIDER, NO_READER, DeciderSettings, ReaderSettings
from hitl_tui.policy.schedule import Hours

T = TypeVar("T")
Then = Literal["escalate", "reject"]
Unseen = Literal["never", "confirm", "allow"]
SEPARATE = ("launch", "edit")
"""Who launched the run; who wrote the edited arguments, or a takeover of the run."""
UNKNOWN_RISK = "unknown"
"""Stands for the risk of calls of which nobody says any."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]`. The first rule that matches an action applies."""

    name: str
    line: int
    agents: tuple[str, ...] = ("*",)
    """Globs of agent names."""
    tools: tuple[str, ...] = ("*",)
    """Globs of tool names."""
    when: Expression | None = None
    tags: tuple[str, ...] = ()
    """Tags that the run must all have."""
    hours: Hours | None = None
    risk: Risk | None = None
    """Risk of the tools it matches, instead of the one they declare."""
    outcome: Outcome | None = None
    """None leaves the decision to the autonomy level or the thresholds."""
    reviewers: int = 1
    """People who must approve."""
    to: str = ""
    """Group or person who decides; empty for anybody."""
    deadline_s: float | None = None
    then: Then = "escalate"
    """What happens at the deadline."""
    signed: bool = False
    """Whether every decision on it needs a signature."""
    views: Mapping[str, str] = field(default_factory=dict)
    """What arguments of its tools hold, one of `effects.view.VIEWS` by name, or by `*` for every text."""
    separate: tuple[str, ...] = ()
    """What keeps a person from being the only one who approves; see `SEPARATE`."""
    grants: bool = False
    """Whether grants may let through what it asks about."""

    blind: bool = False
    """Whether the second reviewer does not see what the first answered."""

    def names(self, tool: str) -> bool:
        """Whether the rule names exactly this tool, without a wildcard."""
        return any(glob == tool and globs.is_plain(glob) for glob in self.tools)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Lowest confidence at which an action runs by itself (`auto`), or asks a person (`ask`). Below `ask`, a person takes over."""

    auto: float = 0.9
    ask: float = 0.6


@dataclass(frozen=True, slots=True)
class AutonomyRules:
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
    """Seconds without a claim since the step before; for the first step, since the escalation."""


@dataclass(frozen=True, slots=True)
class ConfidenceSettings:
    """`[confidence]`: the sources that confidence is read from, and which of them are trusted."""

    order: tuple[ConfidenceSource, ...] = DEFAULT_ORDER
    agents: Mapping[str, tuple[ConfidenceSource, ...]] = field(default_factory=dict)
    """Orders of single agents, by name or glob."""
    state_key: str = STATE_KEY
    """Key of the graph's state that holds a confidence."""
    trust: tuple[ConfidenceSource, ...] = ()
    """Sources that the model writes itself, and that may let an action run all the same."""

    def lets_run(self, source: str) -> bool:
        """Whether a confidence may let an action run: one of its sources is trusted. `source` names them as `Confidence` does."""
        names = source.split(", ")
        return not source or any(name not in SELF_REPORTED or name in self.trust for name in names)

    def of(self, agent: str) -> tuple[ConfidenceSource, ...]:
        """The order for an agent: that under its name, else under the first glob that matches, else `order`."""
        return _of_agent(self.agents, agent, self.order)


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """`[review]`: what reviewers may do. It counts only in the home's policy, which agents cannot write."""

    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    """By risk, or `unknown`: whether a call can be approved while a part of it has not been on the screen."""
    undo_s: Mapping[str, float] = field(default_factory=dict)
    """By risk, or `unknown`: seconds in which a decision made in the console can be undone, in place of the settings' `undo_s`."""

    def unseen_of(self, risk: str | None) -> Unseen:
        """What holds for a call of that risk, in the graph's words or None where nobody says."""
        known = _known_risk(risk)
        return self.unseen.get(known, "never" if known == Risk.IRREVERSIBLE else "confirm")

    def undo_s_of(self, risk: str | None, default: float) -> float:
        """The grace time, in seconds, of a call of that risk, in the graph's words or None where nobody says."""
        return self.undo_s.get(_known_risk(risk), default)


def _of_agent(by_agent: Mapping[str, T], agent: str, default: T) -> T:
    """The value under an agent's name, else under that of its graph, else under the first glob that matches."""
    found = next((name for name in (agent, graph_of(agent)) if name in by_agent), None)
    found = found or next((glob for glob in by_agent if globs.names(glob, agent)), None)
    return default if found is None else by_agent[found]


def _known_risk(risk: str | None) -> str:
    return risk if risk in list(Risk) else UNKNOWN_RISK


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`[audit]`: where the end of the audit log is kept. It counts only in the home's policy, which agents cannot write."""

    anchor: tuple[str, ...] = ()
    """Program and arguments that get the head on their standard input; empty for none."""
    every: int = 100
    """Entries after which it is called."""
    after_s: float = 600.0
    """Seconds after which it is called, if there are new entries."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy.toml."""

    rules: tuple[Rule, ...] = ()
    thresholds: Thresholds = Thresholds()
    spot_check: float = 0.05
    """Share of the actions that would run by themselves, from 0 to 1, that go to a person first."""
    seed: str = ""
    """Changes which actions are picked for spot checks and attention checks."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """People by group."""
    sources: ConfidenceSettings = ConfidenceSettings()
    chain: tuple[ChainStep, ...] = ()
    """The escalation chain."""
    errors: bool = False
    """Whether a failed run opens a review."""
    loop_after: int = 3
    """Rejections after which a call that a run proposes again goes to a takeover; 0 for never."""
    notify: Notify = field(default_factory=Notify)
    autonomy: AutonomyRules | None = None
    """None where no tool can earn anything: the thresholds hold for all."""
    attention: int = 0
    """Average number of decisions by people between attention checks; 0 for none."""
    review: ReviewSettings = ReviewSettings()
    answers: tuple[AnswerRule, ...] = ()
    audit: AuditSettings = AuditSettings()
    frontend_tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Globs of front-end tools, by name or glob of the agent."""
    domains: tuple[str, ...] = ()
    """Domains of the organisation, in lower case, with all that is below them."""
    reader: ReaderSettings = NO_READER
    """The second reader of calls."""
    decider: DeciderSettings = NO_DECIDER
    """The program that decides as a person of its own. It counts only in the home's policy, which agents cannot write."""
    problem: str = ""
    """Why the current file is unusable. Until it is corrected every action asks, and the other fields are those of the last usable file."""
    accepted: bool = True
    """False while nobody has accepted the file; `problem` then says so."""

    def frontend_tools_of(self, agent: str) -> tuple[str, ...]:
        """Globs of the agent's front-end tools: those under its name, else under the first glob that matches, else none."""
        return _of_agent(self.frontend_tools, agent, ())

    def views_of(self, agent: str, tool: str) -> Mapping[str, str]:
        """What a tool's arguments hold, as the first of its rules says that says any of it, whether or not the rule decides."""
        rules = (rule for rule in self.rules if rule.views and any(globs.matches(glob, tool) for glob in rule.tools))
        return next((rule.views for rule in rules if any(globs.names(glob, agent) for glob in rule.agents)), {})

    def people(self, to: str) -> tuple[str, ...]:
        """The members of a group, or the person of that name."""
        return self.groups.get(to, (to,) if to else ())

    def knows(self, to: str) -> bool:
        """Whether a name is a group or a member of one. Without groups, any name may be a person's."""
        return not self.groups or to in self.groups or any(to in people for people in self.groups.values())
