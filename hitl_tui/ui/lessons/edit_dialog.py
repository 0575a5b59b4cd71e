"""Edit the text of a lesson."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.model import Lesson, LessonState
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.text_areas import TextBox
from hitl_tui.ui.text.lines import agent_name


class LessonScreen(DialogScreen[str]):
    """Returns the new text, never an empty one."""

    def __init__(self, lesson: Lesson, draft: str) -> None:
        super().__init__(f"Edit lesson {lesson.id}", [("ctrl+s", "save"), ("ctrl+e", "$EDITOR"), ("esc", "back, keeps the text")])
        self._lesson = lesson
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        reads = "reads this text from now on" if self._lesson.state is LessonState.ACCEPTED else "reads it only after it is accepted"
        yield Static(Content(f"{agent_name(self._lesson.agent)} {reads}."), classes="label")
        yield TextBox(self.draft, id="lesson-edit")

    def field(self) -> Widget | None:
        return self.query_one(TextArea)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.draft = event.text_area.text
        self.complain("")

    async def action_submit(self) -> None:
        self.draft = self.query_one(TextArea).text
        if self.draft.strip():
            self.dismiss(self.draft)
        else:
            self.complain("the text is empty; to remove a lesson, go back and drop it")
