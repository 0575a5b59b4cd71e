"""The details of the lessons view: the text the agent reads, its effect, and the decisions it was drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult

from hitl_tui import sanitize
from hitl_tui.argument_text import name_line
from hitl_tui.formatting import age
from hitl_tui.model import HistoryEntry, Lesson, LessonState
from hitl_tui.oversight.statistics import Rates
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, line, paragraph
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.text_view import TextView

STATES = {
    LessonState.PROPOSED: (labels.PROPOSED, "accent"),
    LessonState.ACCEPTED: ("✓", "success"),
    LessonState.DROPPED: ("⊘", "muted"),
}
"""State → glyph and style."""
ENOUGH = 2
"""Decisions below which shares say nothing."""
LEAD = 9
"""Cells of the column `before` and `since`."""


@dataclass(frozen=True, slots=True)
class LessonEvidence:
    """The decisions behind a lesson and after it."""

    examples: Sequence[HistoryEntry] = ()
    effects: tuple[Rates, Rates] | None = None
    """Decisions on the tool before and since the lesson was accepted; None for one that is not."""


class LessonsPane(DetailPane):
    """Shows one lesson."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="lesson")
        self._reviewer = reviewer
        self._clock = clock
        self._shown: tuple[Lesson | None, LessonEvidence | None] = (None, None)

    def compose(self) -> ComposeResult:
        yield TextView(id="lesson-text")

    def show(self, lesson: Lesson | None, evidence: LessonEvidence | None = None) -> None:
        """Show a lesson; `evidence` is None until it is read. The same lesson shown again keeps its scroll position."""
        if (lesson, evidence) != self._shown:
            self._shown = (lesson, evidence)
            self.draw_title()
            self.text.show(lesson_lines(lesson, evidence, self._reviewer, self._clock()) if lesson else ())

    def shows(self, lesson: Lesson) -> bool:
        """Whether exactly this version of the lesson is on the screen."""
        return bool(self.size.width) and self._shown[0] == lesson

    @property
    def text(self) -> TextView:
        """The lesson with its evidence."""
        return self.query_one("#lesson-text", TextView)

    def title(self) -> tuple[str, Sequence[str]]:
        lesson = self._shown[0]
        return (name_line(lesson.tool, 40), [f"{agent_name(lesson.agent)} · lesson {lesson.id}"]) if lesson else ("", ())


def drawn_from(lesson: Lesson) -> str:
    """`from 4 decisions`."""
    count = len(lesson.examples)
    return f"from {count:,} decision{'s' * (count != 1)}"


def lesson_lines(lesson: Lesson, evidence: LessonEvidence | None, reviewer: str, now: float) -> Iterator[Line]:
    """State, text, effect and examples."""
    yield from _state(lesson, reviewer, now)
    yield BLANK
    yield line("what the agent reads" if lesson.state is LessonState.ACCEPTED else "what the agent would read", "title")
    yield from _quoted(lesson.text)
    for finding in sanitize.findings("", lesson.text):
        yield line(finding, "warning", "⚠", 2, "warning")
    if evidence is None:
        return
    if evidence.effects:
        yield BLANK
        yield line(f"decisions on {lesson.tool}", "title")
        for when, rates in zip(("before", "since"), evidence.effects, strict=True):
            yield line(_rates(rates), "" if rates.total >= ENOUGH else "muted", when, LEAD)
    yield BLANK
    yield line(f"drawn {drawn_from(lesson)}", "title")
    for entry in evidence.examples:
        yield BLANK
        lines = list(_example(entry, reviewer, now))
        yield from lines[:-1] if lines[-1] == BLANK else lines


def _state(lesson: Lesson, reviewer: str, now: float) -> Iterator[Line]:
    glyph, style = STATES[lesson.state]
    if lesson.state is LessonState.PROPOSED:
        yield line(f"proposed {drawn_from(lesson)}, {age(now - lesson.made_at)} ago", "strong", glyph, 2, style)
        effect = "No agent reads it until somebody accepts it."
    else:
        who = f" by {labels.actor(lesson.actor, reviewer)}" if lesson.actor else ""
        at = lesson.made_at if lesson.decided_at is None else lesson.decided_at
        yield line(f"{lesson.state}{who}, {age(now - at)} ago", "strong", glyph, 2, style)
        accepted = lesson.state is LessonState.ACCEPTED
        effect = f"{lesson.agent} reads it when it works with {lesson.tool}." if accepted else "No agent reads it."
    yield from paragraph(f"{effect} {_author(lesson, reviewer)}", "muted", "", 2)


def _author(lesson: Lesson, reviewer: str) -> str:
    """Who wrote the text. It is data for an agent, never a request to the reviewer."""
    if lesson.wording == "person":
        return f"Written by {labels.actor(lesson.actor or 'a person', reviewer)}."
    return f"Generated by {lesson.wording} for the agent; it asks nothing of you."


def _quoted(text: str) -> Iterator[Line]:
    """The text behind a bar, which no text can imitate."""
    for row in text.split("\n"):
        yield line(row, "", "│", 2, "accent")


def _rates(rates: Rates) -> str:
    """`9 decisions: 3 edited (33 %), 1 rejected (11 %)`."""
    count = f"{rates.total:,} decision{'s' * (rates.total != 1)}"
    if rates.total < ENOUGH:
        return f"{count}: not enough data"
    parts = [
        f"{part:,} {word} ({100 * part / rates.total:.0f} %)" for part, word in ((rates.edited, "edited"), (rates.rejected, "rejected"))
    ]
    return f"{count}: {', '.join(parts)}"


def _example(entry: HistoryEntry, reviewer: str, now: float) -> Iterator[Line]:
    row, answer = entry.row, entry.decision.answer
    glyph, word, style = labels.decided(entry.review.row.kind, answer)
    yield line(
        f"{word} by {labels.actor(row.actor, reviewer, row.actor_kind)} {age(now - row.at)} ago · review {row.review}", "", glyph, 2, style
    )
    if answer.message and answer.message.strip():
        yield from paragraph(answer.message, "muted", "", 2)
    if answer.args is not None:
        yield from difference_lines(entry.action.args, answer.args)


def no_lessons_lines() -> Iterator[Line]:
    """The page shown while there are no lessons."""
    yield line("There are no lessons yet.", "strong")
    yield BLANK
    yield line(
        "When people reject or edit the calls of a tool in the same way several times, a lesson is proposed here: "
        "a sentence for the agent. You accept, edit or drop it. The agent reads accepted lessons only."
    )
    yield BLANK
    yield line("F1 shows the queue, F3 past decisions.")
