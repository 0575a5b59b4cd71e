"""A lesson as lines: what the agent reads, what came of it, and the decisions that it was drawn from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hitl_tui import sanitize
from hitl_tui.model import Entry, Lesson, LessonState
from hitl_tui.oversight.statistics import Rates
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph

STATES = {
    LessonState.PROPOSED: (labels.PROPOSED, "accent"),
    LessonState.ACCEPTED: ("✓", "success"),
    LessonState.DROPPED: ("⊘", "muted"),
}
"""State → glyph and style."""
LEAST = 2
"""Decisions from which on a share says something."""
LEAD = 9
"""Cells of the column that says when."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a lesson besides its text, as it was read when somebody looked."""

    examples: Sequence[Entry] = field(default=())
    effects: tuple[Rates, Rates] | None = None
    """Before and after it was accepted."""


def drawn_from(lesson: Lesson) -> str:
    """What it rests on: `from 4 decisions`."""
    count = len(lesson.examples)
    return f"from {count:,} decision{'s' * (count != 1)}"


def lesson_lines(lesson: Lesson, around: Around | None, reviewer: str, now: float) -> Iterator[Line]:
    """All of it; what surrounds it once that is read."""
    yield from _state(lesson, reviewer, now)
    yield BLANK
    yield line("what the agent reads" if lesson.state is LessonState.ACCEPTED else "what the agent would read", "title")
    yield from _as_data(lesson.text)
    for finding in sanitize.findings("", lesson.text):
        yield from paragraph(finding, "warning", "⚠", 2, "warning")
    if around is None:
        return
    if around.effects:
        yield BLANK
        yield line(f"what people made of {lesson.tool}", "title")
        for when, rates in zip(("before", "since"), around.effects, strict=True):
            yield line(_rates(rates), "" if rates.total >= LEAST else "muted", when, LEAD)
    yield BLANK
    yield line(f"drawn {drawn_from(lesson)}", "title")
    for entry in around.examples:
        yield BLANK
        told = list(_example(entry, reviewer, now))
        yield from told[:-1] if told[-1] == BLANK else told


def _state(lesson: Lesson, reviewer: str, now: float) -> Iterator[Line]:
    glyph, style = STATES[lesson.state]
    who = f" by {labels.actor(lesson.actor, reviewer)}" if lesson.actor else ""
    at = lesson.made_at if lesson.decided_at is None else lesson.decided_at
    if lesson.state is LessonState.PROPOSED:
        yield line(f"a proposal drawn {drawn_from(lesson)}, {labels.ago(now - lesson.made_at)} ago", "strong", glyph, 2, style)
        tells = "No agent reads it before somebody accepts it."
    else:
        yield line(f"{lesson.state}{who}, {labels.ago(now - at)} ago", "strong", glyph, 2, style)
        reads = lesson.state is LessonState.ACCEPTED
        tells = f"{lesson.agent} reads it when it works with {lesson.tool}." if reads else "No agent reads it."
    yield from paragraph(f"{tells} {_wording(lesson, reviewer)}", "muted", "", 2)


def _wording(lesson: Lesson, reviewer: str) -> str:
    """Whose words it has: it is data, whatever it says."""
    if lesson.wording == "person":
        return f"Its words are {'yours' if lesson.actor == reviewer else 'of ' + labels.actor(lesson.actor or 'a person', reviewer)}."
    by = "rules" if lesson.wording == "rules" else lesson.wording
    return f"Worded by {by} for the agent: it asks nothing of you."


def _as_data(text: str) -> Iterator[Line]:
    """Every character of it behind a bar: nothing in it is markup."""
    for row in text.split("\n"):
        yield line(row, "", "│", 2, "accent")


def _rates(rates: Rates) -> str:
    """`9 decided: 3 edited (33 %), 1 rejected (11 %)`."""
    if rates.total < LEAST:
        return f"{rates.total} decided: not enough to tell"
    parts = [
        f"{count:,} {word} ({100 * count / rates.total:.0f} %)" for count, word in ((rates.edited, "edited"), (rates.rejected, "rejected"))
    ]
    return f"{rates.total:,} decided: {', '.join(parts)}"


def _example(entry: Entry, reviewer: str, now: float) -> Iterator[Line]:
    row, answer = entry.row, entry.decision.answer
    glyph, word, style = labels.decided(entry.review.row.kind, answer)
    yield line(f"{word} by {labels.actor(row.actor, reviewer)} {labels.ago(now - row.at)} ago · review {row.review}", "", glyph, 2, style)
    if answer.message and answer.message.strip():
        yield from paragraph(answer.message, "muted", "", 2)
    if answer.args is not None:
        yield from difference_lines(entry.action.args, answer.args)


def none_lines() -> Iterator[Line]:
    """What is shown where there is none yet."""
    yield line("There are no lessons yet.", "strong")
    yield BLANK
    yield line(
        "Where people reject or edit the calls of a tool in the same way again and again, what they wanted is proposed here "
        "as a sentence for the agent. You edit, accept or drop it; the agent reads what was accepted."
    )
    yield BLANK
    yield line("Press F1 to see what waits, or F3 for what was decided.")
