"""One lesson: its text as the agent reads it, what came of it, and the decisions behind it."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from hitl_tui.model import Lesson
from hitl_tui.sanitize import one_line
from hitl_tui.ui.lessons.render import Around, lesson_lines
from hitl_tui.ui.widgets.text_view import Document


class LessonsPane(Vertical):
    """Shows the lesson under the cursor."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="lesson")
        self._reviewer = reviewer
        self._clock = clock
        self._shown: tuple[Lesson | None, Around | None] = (None, None)

    def compose(self) -> ComposeResult:
        yield Document(id="lesson-text")

    def show(self, lesson: Lesson | None, around: Around | None = None) -> None:
        """Show a lesson, with what surrounds it once that is read; one that is shown already stays as it is read."""
        if (lesson, around) != self._shown:
            self._shown = (lesson, around)
            self._draw_title()
            lines = lesson_lines(lesson, around, self._reviewer, self._clock()) if lesson else ()
            self.query_one("#lesson-text", Document).show(lines)

    def shows(self, lesson: Lesson) -> bool:
        """Whether the lesson is on the screen as it is."""
        return bool(self.size.width) and self._shown[0] == lesson

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height."""
        text = self.query_one("#lesson-text", Document)
        text.scroll_relative(y=direction * max(1, text.size.height // 2), animate=False)

    def on_resize(self) -> None:
        self._draw_title()

    def _draw_title(self) -> None:
        lesson = self._shown[0]
        if lesson is None:
            self.border_title = ""
            return
        left, right = one_line(lesson.tool, 40), f"{one_line(lesson.agent, 40)} · lesson {lesson.id}"
        room = self.size.width - cell_len(left) - 6
        right = right if cell_len(right) <= room - 2 else ""
        rule = Content.styled(f" {'─' * max(1, room - cell_len(right))} " if right else "", "$panel-lighten-1")
        self.border_title = Content.assemble(Content.styled(left, "bold $text"), rule, Content.styled(right, "$foreground 60%"))
