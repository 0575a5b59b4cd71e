"""Autonomy levels of agents whose error rate drifts, against simpler ways to promote a tool; and proposed thresholds on held-out calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hitl_tui.inbox.insights import TRUSTED
from hitl_tui.model import Facts, Level, Risk
from hitl_tui.oversight.autonomy import BINS
from hitl_tui.oversight.statistics import ConfidenceBin, supported_threshold
from hitl_tui.policy.parser import parse_with_problems
from tests.oversight.benchmark.arms import Arm
from tests.oversight.benchmark.reviewers import FALSE_ALARMS, stated_confidence
from tests.oversight.benchmark.simulation import Ladder, Planned
from tests.oversight.benchmark.suites import is_read

CALLS = 2000
"""Calls of the tool in one stream."""
TOLERATED = 0.05
"""Error rate above which a tool should not run by itself: a promotion then is a false one."""
SPOT_CHECKS = 0.05
IN_A_ROW = 20
FIXED = 0.9
WANTED = 0.95
"""Precision that a proposed threshold should have on calls that it was not proposed from."""
RATES: dict[str, Callable[[float], float]] = {
    "steady, 1 %": lambda _: 0.01,
    "steady, 10 %": lambda _: 0.10,
    "1 %, then 15 % from the middle on": lambda at: 0.01 if at < 0.5 else 0.15,
    "from 1 % slowly up to 20 %": lambda at: 0.01 + 0.19 * at,
    "15 %, then 1 % from the middle on": lambda at: 0.15 if at < 0.5 else 0.01,
}
"""Error rates by how much of the stream is over, from 0 to 1."""
LADDER, ROW, THRESHOLD = "autonomy levels", f"{IN_A_ROW} approvals in a row", f"confidence from {FIXED:g}"
WAYS = (LADDER, ROW, THRESHOLD)


@dataclass
class Tally:
    """What became of one stream."""

    unasked: int = 0
    bad: int = 0
    bad_unasked: int = 0
    """Bad calls that ran by themselves."""
    promotions: int = 0
    """Times that the tool began to run by itself, without a question for each call."""
    false_promotions: int = 0
    """Of these, while its error rate was above what is tolerated."""
    too_late: int = 0
    """Bad calls that ran by themselves while the error rate was above what is tolerated: before the tool was demoted."""


def drifted(way: str, rate: Callable[[float], float], catch: float, seed: str) -> Tally:
    """Play calls of one reversible tool, whose people decide what asks. Who catches a bad call rejects it."""
    draw, tally = random.Random(f"{seed}/{way}"), Tally()
    ladder, row, runs = Ladder(_ARM), 0, False
    for number in range(CALLS):
        errors = rate(number / CALLS)
        bad = draw.random() < errors
        sure = stated_confidence(bad, "mistaken", draw)
        checked = draw.random() < SPOT_CHECKS
        approves = draw.random() >= (catch if bad else FALSE_ALARMS)
        facts = Facts("clerk", "file", {}, risk=Risk.REVERSIBLE, confidence=sure)
        level = ladder.level(facts)
        if way == LADDER:
            unasked = level is Level.ACT or (
                level in (Level.THRESHOLD, Level.SPOT_CHECKS) and (level is not Level.THRESHOLD or sure >= FIXED)
            )
            unasked = unasked and (level is Level.ACT or not checked)
        elif way == ROW:
            unasked = runs and not checked
        else:
            unasked = sure >= FIXED and not checked
        tally.bad += bad
        if unasked:
            tally.unasked += 1
            tally.bad_unasked += bad
            tally.too_late += bad and errors > TOLERATED
            continue
        ran_before = (level is not Level.ASK) if way == LADDER else runs
        ladder.note(facts, approves, checked)
        row = row + 1 if approves else 0
        runs = approves and (runs or row >= IN_A_ROW)
        runs_now = (ladder.level(facts) is not Level.ASK) if way == LADDER else runs
        if way != THRESHOLD and runs_now and not ran_before:
            tally.promotions += 1
            tally.false_promotions += errors > TOLERATED
    return tally


_TEXT = f"spot_check = {SPOT_CHECKS}\n[thresholds]\nauto = {FIXED}\n[autonomy]\n"
_ARM = Arm("drift", _TEXT, parse_with_problems(_TEXT)[0])


@dataclass(frozen=True)
class HeldOut:
    """A threshold that the first half of some calls supports, and what it does on the second."""

    threshold: float | None
    """None if no threshold is supported."""
    above: int = 0
    """Calls of the second half that are at least that sure."""
    good: int = 0
    """Of these, good ones."""


def held_out(stream: Sequence[Planned], catch: float, seed: str) -> HeldOut:
    """Propose a threshold from what a reviewer approved of the first half of the writes, and count good calls above it in the second."""
    draw = random.Random(seed)
    writes = [
        (sure, call.bad) for run in stream for call, sure in zip(run.case.calls, run.confidence, strict=True) if not is_read(call.tool)
    ]
    first, second = writes[: len(writes) // 2], writes[len(writes) // 2 :]
    decided = [(sure, draw.random() >= (catch if bad else FALSE_ALARMS)) for sure, bad in first]
    found = supported_threshold(_bins(decided), TRUSTED)
    if found is None:
        return HeldOut(None)
    above = [bad for sure, bad in second if sure >= found]
    return HeldOut(found, len(above), sum(not bad for bad in above))


def _bins(decided: Sequence[tuple[float, bool]]) -> list[ConfidenceBin]:
    by_bin = dict[int, list[tuple[float, bool]]]()
    for sure, good in decided:
        by_bin.setdefault(min(BINS - 1, int(sure * BINS)), []).append((sure, good))
    return [
        ConfidenceBin(
            len(one), sum(sure for sure, _ in one), sum(sure * sure for sure, _ in one), sum(good for _, good in one),
            sum(sure for sure, good in one if good),
        ) for one in by_bin.values()
    ]  # fmt: skip
