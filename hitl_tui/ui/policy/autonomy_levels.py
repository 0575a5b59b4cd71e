"""An agent's tool on the ladder in words: what each step does, what the evidence says, what a step would change. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hitl_tui.model import Evidence, Level, LevelChange, Standing
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import one_line
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, table

STEPS = tuple(Level)
"""Lowest first."""
STYLES = {Level.ASK: "accent", Level.THRESHOLD: "muted", Level.SPOT_CHECKS: "success", Level.ACT: "success"}
HERE, OTHER = "▶", "·"
STEP = 16
"""Cells of the column with the steps' names."""
BY_ITSELF = "autonomy"
"""Who changed a level that fell by itself."""


def does(level: Level, policy: Policy) -> str:
    """What happens to a call on this step."""
    match level:
        case Level.ASK:
            return "every call asks"
        case Level.THRESHOLD:
            return f"from confidence {policy.thresholds.auto:g} on it goes on by itself; the rest asks"
        case Level.SPOT_CHECKS:
            return f"it goes on by itself; {checked(policy)} still asks"
        case Level.ACT:
            return "it goes on by itself, without spot checks"


def from_now_on(standing: Standing, level: Level, policy: Policy) -> str:
    """What a step would change, as a sentence."""
    name = f"{one_line(standing.tool, 60)} of {one_line(standing.agent, 40)}"
    match level:
        case Level.ASK:
            return f"From now on, every {name} asks."
        case Level.THRESHOLD:
            return f"From now on, {name} goes on by itself from confidence {policy.thresholds.auto:g} on; the rest asks."
        case Level.SPOT_CHECKS:
            return f"From now on, {name} goes on by itself; {checked(policy)} is still asked."
        case Level.ACT:
            return f"From now on, {name} goes on by itself, without spot checks."


def asked(standing: Standing, level: Level, policy: Policy) -> tuple[str, str, str]:
    """Title, question and what is known, for a dialog in which somebody agrees to a step."""
    title = f"{one_line(standing.tool, 40)}: {standing.level} → {level}"
    return title, from_now_on(standing, level, policy), weighed(standing.evidence)


def checked(policy: Policy) -> str:
    """The share that is spot-checked: `1 in 20`."""
    share = policy.spot_check
    if share <= 0:
        return "none"
    return f"1 in {round(1 / share):,}" if abs(1 / round(1 / share) - share) < share / 100 else f"{100 * share:.3g} %"


def approved(evidence: Evidence) -> str:
    """How many were approved as they were: `97 of 98 approved unchanged`."""
    if not evidence.decisions:
        return "nobody decided any yet"
    return f"{evidence.unchanged:,} of {evidence.decisions:,} approved unchanged"


def weighed(evidence: Evidence) -> str:
    """The evidence in a sentence, for who agrees to a step."""
    parts = [approved(evidence)]
    parts += [f"at least {_percent(evidence.lower)} by Wilson's lower bound"] if evidence.lower is not None else []
    parts += [f"{evidence.since_refused:,} since the last that was refused"] if evidence.since_refused < evidence.decisions else []
    parts += [f"attention checks caught: {_caught(evidence)}"] if evidence.attention_shown else []
    return ", ".join(parts) + "."


def standing_lines(
    standing: Standing, changes: Sequence[LevelChange] | None, policy: Policy, reviewer: str, now: float
) -> Iterator[Line]:  # fmt: skip
    """All of a tool's standing: the ladder, what supports the next step, the evidence, and how it came there once that is read."""
    yield line(f"{standing.tool} of {standing.agent}", "strong")
    yield BLANK
    for level in reversed(STEPS):
        yield _step(level, standing, policy)
    yield BLANK
    if standing.proposed:
        yield from paragraph(f"{standing.proposed} is proposed: {standing.says}", "accent", labels.PROPOSED, 2, "accent")
    elif standing.says:
        yield from paragraph(standing.says, "", OTHER, 2)
    yield BLANK
    yield line("evidence", "title")
    yield from table(_evidence(standing.evidence))
    if changes is not None:
        yield BLANK
        yield line("how it came there", "title")
        yield from _history(changes, reviewer, now)


def _step(level: Level, standing: Standing, policy: Policy) -> Line:
    here, proposed = level is standing.level, level is standing.proposed
    glyph = HERE if here else labels.PROPOSED if proposed else OTHER
    style = "strong" if here else "accent" if proposed else "muted"
    return line(does(level, policy) + ("  (proposed)" if proposed else ""), style, f"{glyph} {level}", STEP, style)


def _evidence(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield "decisions", f"{evidence.decisions:,} by people, in the window"
    if not evidence.decisions:
        return
    share = evidence.unchanged / evidence.decisions
    yield "unchanged", f"{evidence.unchanged:,} of {evidence.decisions:,}, {_percent(share)}"
    yield "at least", f"{_percent(evidence.lower)} (Wilson, 95 %)" if evidence.lower is not None else "not enough"
    refused = evidence.since_refused < evidence.decisions
    yield "last refused", f"{evidence.since_refused:,} decisions ago" if refused else "none in the window"
    error = evidence.calibration_error
    yield "confidence", f"off by {error:.2f} on average" if error is not None else "not enough that stated any"
    yield "attention", f"{_caught(evidence)} checks caught" if evidence.attention_shown else "no checks were shown"
    yield "spot checks", f"{evidence.spot_checked:,} of these decisions"
    yield "on this step", f"{evidence.since_level:,} of these decisions"


def _history(changes: Sequence[LevelChange], reviewer: str, now: float) -> Iterator[Line]:
    if not changes:
        yield line("it has been there from the start", "muted")
    for one in changes:
        up = one.level.rank > one.was.rank
        glyph, style = ("↑", "accent") if up else ("↓", "warning")
        yield line(f"{one.was} → {one.level} {_by(one.actor, reviewer)}, {labels.ago(now - one.at)} ago", "", glyph, 2, style)
        if one.why:
            yield from paragraph(one.why, "muted", "", 2)


def _by(actor: str, reviewer: str) -> str:
    return "by itself" if actor == BY_ITSELF else f"by {labels.actor(actor, reviewer)}"


def _caught(evidence: Evidence) -> str:
    return f"{evidence.attention_caught:,} of {evidence.attention_shown:,}"


def _percent(share: float | None) -> str:
    """Whole percents, never more than there are."""
    return "" if share is None else f"{math.floor(100 * share + 1e-9)} %"
