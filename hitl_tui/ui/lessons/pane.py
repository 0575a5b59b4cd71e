"""One lesson: its text as the agent reads it, what came of it, and the decisions behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult

from hitl_tui.model import Lesson
from hitl_tui.sanitize import one_line
from hitl_tui.ui.lessons.render import Around, lesson_lines
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.text_view import TextView


class LessonsPane(DetailPane):
    """Shows the lesson under the cursor."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="lesson")
        self._reviewer = reviewer
        self._clock = clock
        self._shown: tuple[Lesson | None, Around | None] = (None, None)

    def compose(self) -> ComposeResult:
        yield TextView(id="lesson-text")

    def show(self, lesson: Lesson | None, around: Around | None = None) -> None:
        """Show a lesson, with what surrounds it once that is read; one that is shown already stays as it is read."""
        if (lesson, around) != self._shown:
            self._shown = (lesson, around)
            self.draw_title()
            lines = lesson_lines(lesson, around, self._reviewer, self._clock()) if lesson else ()
            self.text.show(lines)

    def shows(self, lesson: Lesson) -> bool:
        """Whether the lesson is on the screen as it is."""
        return bool(self.size.width) and self._shown[0] == lesson

    @property
    def text(self) -> TextView:
        """The lesson with its evidence."""
        return self.query_one("#lesson-text", TextView)

    def title(self) -> tuple[str, Sequence[str]]:
        lesson = self._shown[0]
        return (one_line(lesson.tool, 40), [f"{one_line(lesson.agent, 40)} · lesson {lesson.id}"]) if lesson else ("", ())
