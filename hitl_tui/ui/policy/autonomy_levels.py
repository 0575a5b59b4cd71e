"""Autonomy levels as lines: what each level does, a tool's evidence for the next one, and how it came to its level. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.argument_text import name_line
from hitl_tui.formatting import age, percent_down
from hitl_tui.model import ActorKind, Evidence, Level, LevelChange, ToolAutonomy
from hitl_tui.policy.schema import Policy
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, line, paragraph, table

LEVELS = tuple(Level)
"""Lowest first."""
STYLES = {Level.ASK: "accent", Level.THRESHOLD: "muted", Level.SPOT_CHECKS: "success", Level.ACT: "success"}
CURRENT, OTHER = "▶", "·"
LEAD = 16
"""Cells of the column with the names of levels."""
"""Actor of a change that no person made."""


def does(level: Level, policy: Policy) -> str:
    """What happens to a call at this level."""
    match level:
        case Level.ASK:
            return "every call asks"
        case Level.THRESHOLD:
            return f"calls run without asking from confidence {policy.thresholds.auto:g}; the rest ask"
        case Level.SPOT_CHECKS:
            return f"calls run without asking, except {spot_checked(policy)} as a spot check"
        case Level.ACT:
            return "calls run without asking, no spot checks"


def change_question(tool_autonomy: ToolAutonomy, level: Level, policy: Policy) -> tuple[str, str, str]:
    """Title, effect and evidence, for a dialog that confirms another level."""
    title = f"{name_line(tool_autonomy.tool, 40)}: {tool_autonomy.level} → {level}"
    effect = f"From now on, for {name_line(tool_autonomy.tool, 60)} of {agent_name(tool_autonomy.agent)}: {does(level, policy)}."
    return title, effect, evidence_summary(tool_autonomy.evidence)


def spot_checked(policy: Policy) -> str:
    """The share of spot checks: `1 in 20`."""
    share = policy.spot_check
    if share <= 0:
        return "none"
    return f"1 in {round(1 / share):,}" if abs(1 / round(1 / share) - share) < share / 100 else f"{100 * share:.3g} %"


def approved(evidence: Evidence) -> str:
    """`97 of 98 approved unchanged`."""
    if not evidence.decisions:
        return "no decisions yet"
    return f"{evidence.unchanged:,} of {evidence.decisions:,} approved unchanged"


def evidence_summary(evidence: Evidence) -> str:
    """The evidence in one sentence."""
    parts = [approved(evidence)]
    parts += [f"at least {percent_down(evidence.lower)} (95 % CI)"] if evidence.lower is not None else []
    parts += [f"{evidence.since_refused:,} since the last rejection or edit"] if evidence.since_refused < evidence.decisions else []
    parts += [f"attention checks caught: {_caught(evidence)}"] if evidence.attention_shown else []
    return ", ".join(parts) + "."


def level_lines(
    tool_autonomy: ToolAutonomy, changes: Sequence[LevelChange] | None, policy: Policy, reviewer: str, now: float
) -> Iterator[Line]:  # fmt: skip
    """A tool's level among all levels, what is proposed, the evidence, and past changes; `changes` is None until they are read."""
    yield line(f"{tool_autonomy.tool} of {tool_autonomy.agent}", "strong")
    yield BLANK
    for level in reversed(LEVELS):
        yield _level(level, tool_autonomy, policy)
    yield BLANK
    if tool_autonomy.proposed:
        yield line(f"{tool_autonomy.proposed} is proposed: {tool_autonomy.says}", "accent", labels.PROPOSED, 2, "accent")
    elif tool_autonomy.says:
        yield line(tool_autonomy.says, "", OTHER, 2)
    yield BLANK
    yield line("evidence", "title")
    yield from table(_evidence(tool_autonomy.evidence), agent=False)
    if changes is not None:
        yield BLANK
        yield line("changes", "title")
        yield from _changes(changes, reviewer, now)


def _level(level: Level, tool_autonomy: ToolAutonomy, policy: Policy) -> Line:
    current, proposed = level is tool_autonomy.level, level is tool_autonomy.proposed
    glyph = CURRENT if current else labels.PROPOSED if proposed else OTHER
    style = "strong" if current else "accent" if proposed else "muted"
    return line(does(level, policy) + (" (proposed)" if proposed else ""), style, f"{glyph} {level}", LEAD, style)


def _evidence(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield "decisions", f"{evidence.decisions:,} by people"
    if not evidence.decisions:
        return
    share = evidence.unchanged / evidence.decisions
    yield "unchanged", f"{evidence.unchanged:,} of {evidence.decisions:,}, {percent_down(share)}"
    yield "at least", f"{percent_down(evidence.lower)} (95 % CI)" if evidence.lower is not None else "not enough data"
    refused = evidence.since_refused < evidence.decisions
    yield "last rejection", f"{evidence.since_refused:,} decisions ago (or edit)" if refused else "none"
    error = evidence.calibration_error
    yield "confidence", f"off by {error:.2f} on average" if error is not None else "not enough data"
    yield "attention", f"{_caught(evidence)} checks caught" if evidence.attention_shown else "no checks shown"
    yield "spot checks", f"{evidence.spot_checked:,} of these decisions"
    yield "at this level", f"{evidence.since_level:,} of these decisions"


def _changes(changes: Sequence[LevelChange], reviewer: str, now: float) -> Iterator[Line]:
    if not changes:
        yield line("no changes yet", "muted")
    for change in changes:
        up = change.level.rank > change.was.rank
        glyph, style = ("↑", "accent") if up else ("↓", "warning")
        yield line(f"{change.was} → {change.level} {_by(change, reviewer)}, {age(now - change.at)} ago", "", glyph, 2, style)
        if change.why:
            yield from paragraph(change.why, "muted", "", 2)


def _by(change: LevelChange, reviewer: str) -> str:
    return "automatically" if change.actor_kind is ActorKind.SYSTEM else f"by {labels.actor(change.actor, reviewer)}"


def _caught(evidence: Evidence) -> str:
    return f"{evidence.attention_caught:,} of {evidence.attention_shown:,}"
