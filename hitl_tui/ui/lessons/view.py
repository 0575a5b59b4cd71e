"""Lessons: what people's rejections and corrections come to, for a person to accept, edit or drop."""

from __future__ import annotations

from collections.abc import Callable

from textual import work
from textual.app import ComposeResult

from hitl_tui.inbox import Inbox
from hitl_tui.model import Lesson, LessonState
from hitl_tui.sanitize import one_line, spelt, visible
from hitl_tui.ui.commands import group
from hitl_tui.ui.lessons.list import LessonsList
from hitl_tui.ui.lessons.pane import LessonsPane
from hitl_tui.ui.lessons.render import Around, none_lines
from hitl_tui.ui.messages import CommandClicked, HintsChanged, RowsChanged
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail
from hitl_tui.ui.widgets.text_view import TextView


class LessonsView(ListDetail[LessonsPane]):
    """Shows lessons as they are now; nothing reaches an agent before a person accepts it."""

    BINDINGS = group("lessons", "pane")

    def __init__(self, inbox: Inbox, clock: Callable[[], float]) -> None:
        super().__init__(id="lessons-view")
        self._inbox = inbox
        self._drafts: dict[int, str] = {}
        self.items = LessonsList(self._moved, clock)
        self.pane = LessonsPane(inbox.reviewer, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-lessons", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-lessons", TextView).show(none_lines())
        self.set_interval(1, self.items.refresh)

    @property
    def focus_target(self) -> LessonsList | TextView:
        """What has the keys when the view is shown."""
        return self.query_one("#no-lessons", TextView) if self.has_class("-empty") else self.items

    @work(group="lessons", exclusive=True)
    @reports_errors
    async def load(self) -> None:
        """Read them, those that wait for a word first."""
        await self._read(anew=True)

    async def follow(self) -> None:
        """Take in what became of them, and new ones, since."""
        if self.items.listed is not None:
            await self._read()

    async def _read(self, anew: bool = False) -> None:
        items = self.items
        items.put(await self._inbox.lessons.find(), anew)
        listed = items.listed or ()
        waiting = sum(lesson.state is LessonState.PROPOSED for lesson in listed)
        items.border_title = f"Lessons  {len(listed):,}" + (f"  {waiting:,} proposed" if waiting else "")
        had_focus = self.has_focus_within
        self.set_class(not listed, "-empty")
        if had_focus and self.focus_target.display and not self.focus_target.has_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.focus_target)
        self._look()
        self.post_message(HintsChanged())

    # The lesson under the cursor

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        self.pane.show(self.items.chosen)
        self._look()
        self.post_message(HintsChanged())

    def _look(self) -> None:
        if lesson := self.items.chosen:
            self._look_around(lesson)

    @work(group="lesson", exclusive=True)
    @reports_errors
    async def _look_around(self, lesson: Lesson) -> None:
        around = Around(await self._inbox.lessons.examples(lesson), await self._inbox.lessons.effects(lesson))
        if lesson == self.items.chosen:
            self.pane.show(lesson, around)

    def action_back(self) -> None:
        if self.is_inside:
            super().action_back()
        else:
            self.post_message(CommandClicked("insights"))

    def action_tab(self, by: int) -> None:
        """There is one text only."""

    # A person's word

    @reports_errors
    async def action_accept(self) -> None:
        lesson = self.items.chosen
        if lesson and await self._may(lesson, LessonState.ACCEPTED, "accepts"):
            await self._inbox.lessons.accept(lesson.id)
            await self._activity(f"accepted: {one_line(lesson.agent, 40)} reads it from now on")

    @reports_errors
    async def action_drop(self) -> None:
        lesson = self.items.chosen
        if lesson and await self._may(lesson, LessonState.DROPPED, "drops"):
            await self._inbox.lessons.drop(lesson.id)
            await self._activity("dropped: no agent reads it")

    async def _may(self, lesson: Lesson, state: LessonState, does: str) -> bool:
        """Whether a word can be given: only of what is on the screen, and as it is now."""
        if lesson.state is state:
            self._tell(f"it is {state} already")
        elif not self.pane.shows(lesson):
            self.enter()
            self._tell(f"read it first: the same key {does} it here")
        elif lesson != await self._inbox.lessons.get(lesson.id):
            await self._activity("somebody changed it meanwhile: read it again")
        else:
            return True
        return False

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_edit(self) -> None:
        from hitl_tui.ui.lessons.edit_dialog import LessonScreen

        lesson = self.items.chosen
        if lesson is None or self._is_away(lesson):
            return
        dialog = LessonScreen(lesson, self._drafts.pop(lesson.id, spelt(lesson.text)))
        text = await ask(self, dialog)
        if text is not None:
            await self._edited(lesson, text)
        elif dialog.draft != spelt(lesson.text):
            self._drafts[lesson.id] = dialog.draft

    @reports_errors
    async def action_edit_outside(self) -> None:
        lesson = self.items.chosen
        if lesson and not self._is_away(lesson):
            await self._edited(lesson, edit_outside(self.app, spelt(lesson.text), "lesson.txt"))

    def _is_away(self, lesson: Lesson) -> bool:
        """Whether it was dropped, and said that it must be accepted first."""
        dropped = lesson.state is LessonState.DROPPED
        if dropped:
            self._tell("it is dropped: accept it first")
        return dropped

    async def _edited(self, lesson: Lesson, text: str) -> None:
        if text.strip() == lesson.text:
            self._tell("its text is as it was")
            return
        await self._inbox.lessons.edit(lesson.id, text.strip())
        await self._activity("its text is changed")

    async def _activity(self, text: str) -> None:
        self._tell(text)
        await self._read()
        self.post_message(RowsChanged())

    def _tell(self, text: str) -> None:
        self.notify(visible(text), timeout=3, markup=False)

    # Words

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        lesson = self.items.chosen
        if lesson is None:
            return []
        hints: list[Hint] = [("accept", "accept")] if lesson.state is not LessonState.ACCEPTED else []
        if lesson.state is not LessonState.DROPPED:
            hints += [("drop", "drop"), ("edit_lesson", "edit"), ("edit_lesson_outside", "$EDITOR")]
        return [*hints, self.detail_hint]
