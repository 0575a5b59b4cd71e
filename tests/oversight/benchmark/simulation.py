"""Plays a stream of cases through one arm: the policy engine judges each call, a simulated reviewer answers, and the books are kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hitl_tui import sanitize
from hitl_tui.model import Facts, Level, Outcome, ToolLevel
from hitl_tui.oversight.autonomy import WeighedDecision, evidence, proposal, why_barred
from hitl_tui.policy.engine import is_picked, judge
from tests.oversight.benchmark.arms import Arm
from tests.oversight.benchmark.cases import Call, Case, is_read
from tests.oversight.benchmark.reviewers import Reviewer, stated_confidence

BAD_SHARE = 0.15
"""Share of the runs that go wrong."""
GAP_S = 240.0
"""Mean time between two runs."""
STEP_S = 4.0
"""Time that an agent takes for a step."""


@dataclass
class Books:
    """What became of every call and run of one stream."""

    calls: int = 0
    unasked: int = 0
    approved: int = 0
    rejected: int = 0
    writes: int = 0
    asked_writes: int = 0
    checks: int = 0
    bad: int = 0
    bad_unasked: int = 0
    good_runs: int = 0
    done: int = 0
    harms: int = 0
    minutes: float = 0.0
    p95_wait_s: float = 0.0
    missed: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    harmed: Counter[str] = field(default_factory=Counter)

    @property
    def questions(self) -> int:
        """Calls and attention checks that a person was asked about."""
        return self.approved + self.rejected + self.checks


@dataclass(frozen=True)
class Planned:
    """One run of a stream: its case, when it begins, and the confidence of each call; the same for every arm."""

    case: Case
    at: float
    confidence: tuple[float, ...]


def plan(cases: Sequence[Case], runs: int, seed: str) -> list[Planned]:
    """A stream of runs: mostly good ones, and of the others each kind as often."""
    draw, at = random.Random(seed), 0.0
    by_kind = dict[str, list[Case]]()
    for case in cases:
        by_kind.setdefault(case.kind, []).append(case)
    kinds = sorted(by_kind.keys() - {"good"})
    found = []
    for _ in range(runs):
        at += draw.expovariate(1 / GAP_S)
        case = draw.choice(by_kind[draw.choice(kinds) if draw.random() < BAD_SHARE else "good"])
        found.append(Planned(case, at, tuple(stated_confidence(call.bad, case.kind, draw) for call in case.calls)))
    return found


class Ladder:
    """Autonomy levels of a suite's tools, as people's decisions earn and lose them. Every proposal is accepted at once."""

    def __init__(self, arm: Arm, agent: str) -> None:
        self.levels: dict[tuple[str, str], ToolLevel] = {}
        self._arm, self._agent = arm, agent
        self._decided: dict[str, list[WeighedDecision]] = {}
        self._came: dict[str, int] = {}
        self._count = 0

    def note(self, facts: Facts, approved: bool, spot_check: bool) -> None:
        policy = self._arm.policy
        if policy is None or policy.autonomy is None:
            return
        tool, key = facts.tool, (self._agent, facts.tool)
        self._count += 1
        listed = self._decided.setdefault(tool, [])
        listed.insert(0, WeighedDecision(float(self._count), approved, facts.confidence, spot_check, self._count))
        del listed[policy.autonomy.window :]
        level = self.levels.get(key, ToolLevel()).level
        if not approved and level is not Level.ASK:
            self._set(key, Level.ASK)
            return
        found, _ = proposal(level, evidence(listed, self._came.get(tool)), policy.autonomy, why_barred(facts, policy))
        if found is not None:
            self._set(key, found)

    def _set(self, key: tuple[str, str], level: Level) -> None:
        self.levels[key] = ToolLevel(level, 0.0, "simulated")
        self._came[key[1]] = self._count


def play(arm: Arm, stream: Sequence[Planned], catch: float, seed: str) -> Books:
    """Play a stream; the same arguments give the same books."""
    books, waiting = Books(), arm.attention
    reviewer, ladder = Reviewer(catch, seed), Ladder(arm, stream[0].case.suite)
    for number, run in enumerate(stream):
        ran = []
        for place, call in enumerate(run.case.calls):
            facts = facts_of(run, place, f"{seed}/{number}/{place}")
            outcome, spot_check = _judged(arm, facts, ladder)
            books.calls += 1
            books.writes += not is_read(call.tool)
            books.bad += call.bad
            if outcome is Outcome.AUTO:
                books.unasked += 1
                books.bad_unasked += call.bad
                ran.append(True)
                continue
            asked_at = run.at + STEP_S * (place + 1)
            books.asked_writes += not is_read(call.tool)
            approves = reviewer.decide(call, run.case.kind, asked_at, f"{number}/{place}")
            books.approved += approves
            books.rejected += not approves
            ladder.note(facts, approves, spot_check)
            ran.append(approves)
            if call.bad:
                (books.missed if approves else books.caught)[run.case.kind] += 1
            waiting -= 1
            if arm.attention and waiting <= 0:
                waiting = arm.attention
                books.checks += 1
                reviewer.check(call, reviewer.free_at)
        done, harmed = run.case.outcome(ran)
        books.good_runs += run.case.kind == "good"
        books.done += done and run.case.kind == "good"
        books.harms += harmed
        books.harmed[run.case.kind] += harmed
    books.minutes = reviewer.busy_s / 60
    waits = sorted(reviewer.waits)
    books.p95_wait_s = waits[int(0.95 * (len(waits) - 1))] if waits else 0.0
    return books


def facts_of(run: Planned, place: int, id_: str) -> Facts:
    """What policy can read of a call of a run."""
    call: Call = run.case.calls[place]
    findings = tuple(sanitize.findings(call.tool, call.args))
    return Facts(
        run.case.suite, call.tool, call.args, confidence=run.confidence[place], findings=findings, id=id_,
        conversation=run.case.conversations[place], launch_input={"text": run.case.prompt},
    )  # fmt: skip


_VERDICTS: dict[tuple[object, ...], Outcome] = {}


def _judged(arm: Arm, facts: Facts, ladder: Ladder) -> tuple[Outcome, bool]:
    """The engine's outcome, and whether it is a spot check."""
    if arm.asks_nobody:
        return Outcome.AUTO, False
    level = ladder.levels.get((facts.agent, facts.tool), ToolLevel()).level
    key = (arm.name, facts.agent, facts.confidence, level, id(facts.conversation), facts.tool, repr(facts.args))
    if arm.policy is not None and key not in _VERDICTS:
        plain = replace(arm.policy, spot_check=0.0)
        _VERDICTS[key] = judge(facts, plain, 0.0, ladder.levels).outcome
    if arm.policy is None:
        return judge(facts, None, 0.0).outcome, False
    outcome = _VERDICTS[key]
    if outcome is not Outcome.AUTO:
        return outcome, False
    picked = level is not Level.ACT and is_picked(facts.id, arm.policy)
    return (Outcome.ASK, True) if picked else (outcome, False)


def risk_coverage(stream: Sequence[Planned]) -> tuple[list[tuple[float, float]], float]:
    """Share of calls that run unasked, and of bad ones among them, as the confidence that lets calls run goes down; and the area below.

    The first is of writes alone, since reads are no harm here.
    """
    rows = sorted(
        ((sure, call.bad) for run in stream for call, sure in zip(run.case.calls, run.confidence, strict=True) if not is_read(call.tool)),
        reverse=True,
    )
    points, bad = [], 0
    for number, (_, is_bad) in enumerate(rows, 1):
        bad += is_bad
        points.append((number / len(rows), bad / number))
    return points, sum(risk for _, risk in points) / len(points)
