"""L, the lessons view: what agents could learn from rejections and edits, for a person to accept, edit or drop."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.app import ComposeResult

from hitl_tui.inbox import Changes
from hitl_tui.model import Lesson, LessonState
from hitl_tui.sanitize import spell_out, visible
from hitl_tui.ui.commands import group
from hitl_tui.ui.lessons.list import LessonsList
from hitl_tui.ui.lessons.pane import LessonEvidence, LessonsPane, no_lessons_lines
from hitl_tui.ui.messages import CommandClicked, HintsChanged, RowsChanged
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text.lines import agent_name
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView


class LessonsView(ListDetail[LessonsList, LessonsPane]):
    """Shows lessons as they are now. Agents read a lesson only after a person accepted it."""

    GROUPS = ("lessons", "pane")
    SHEET = Path(__file__).with_name("lessons.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._drafts: dict[int, str] = {}
        self.items = LessonsList(self._moved, clock)
        self.pane = LessonsPane(inbox.reviewer, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-lessons", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-lessons", TextView).show(no_lessons_lines())
        self.set_interval(1, self.items.refresh)

    @property
    def focus_target(self) -> LessonsList | TextView:
        """What takes the focus when the view is shown."""
        return self.query_one("#no-lessons", TextView) if self.has_class("-empty") else self.items

    def shown(self, selection: Selection) -> None:
        self.load()

    async def take(self, changes: Changes) -> None:
        if self.display and (changes.reviews or not changes.whole):
            await self.follow()

    @work(group="lessons", exclusive=True)
    @reports_errors
    async def load(self) -> None:
        """Read the lessons, proposed ones first."""
        await self._read(reorder=True)

    async def follow(self) -> None:
        """Read changes and new lessons."""
        if self.items.listed is not None:
            await self._read()

    async def _read(self, reorder: bool = False) -> None:
        items = self.items
        items.put(await self._inbox.lessons.find(), reorder)
        listed = items.listed or ()
        proposed = sum(lesson.state is LessonState.PROPOSED for lesson in listed)
        items.border_title = f"Lessons  {len(listed):,}" + (f"  {proposed:,} proposed" if proposed else "")
        had_focus = self.has_focus_within
        self.set_class(not listed, "-empty")
        if had_focus and self.focus_target.display and not self.focus_target.has_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.focus_target)
        self._load_evidence()
        self.post_message(HintsChanged())

    # The selected lesson

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        self.pane.show(self.items.chosen)
        self._load_evidence()
        self.post_message(HintsChanged())

    def _load_evidence(self) -> None:
        if lesson := self.items.chosen:
            self._read_evidence(lesson)

    @work(group="lesson", exclusive=True)
    @reports_errors
    async def _read_evidence(self, lesson: Lesson) -> None:
        evidence = LessonEvidence(await self._inbox.lessons.examples(lesson), await self._inbox.lessons.effects(lesson))
        if lesson == self.items.chosen:
            self.pane.show(lesson, evidence)

    def action_back(self) -> None:
        if self.is_inside:
            super().action_back()
        else:
            self.post_message(CommandClicked("insights"))

    def action_tab(self, by: int) -> None:
        """The pane has no tabs."""
        self.say_why("a lesson has no tabs")

    # Accept, drop, edit

    @reports_errors
    async def action_accept(self) -> None:
        lesson = self._chosen()
        if lesson and await self._check_seen(lesson, LessonState.ACCEPTED, "accept"):
            await self._inbox.lessons.accept(lesson.id)
            await self._changed(f"accepted: {agent_name(lesson.agent)} reads it from now on")

    @reports_errors
    async def action_drop(self) -> None:
        lesson = self._chosen()
        if lesson and await self._check_seen(lesson, LessonState.DROPPED, "drop"):
            await self._inbox.lessons.drop(lesson.id)
            await self._changed("dropped: no agent reads it")

    def _chosen(self) -> Lesson | None:
        """The lesson under the cursor; a key that needs one is told if there is none."""
        if self.items.chosen is None:
            self.say_why("there is no lesson here")
        return self.items.chosen

    async def _check_seen(self, lesson: Lesson, state: LessonState, verb: str) -> bool:
        """Whether the lesson can go to a state: only if its newest version is on the screen; else say why not."""
        if lesson.state is state:
            self.say_why(f"already {state}")
        elif not self.pane.shows(lesson):
            self.enter()
            self.say_why(f"read it first, then press the same key to {verb} it")
        elif lesson != await self._inbox.lessons.get(lesson.id):
            await self._changed("somebody has changed it: read it again")
        else:
            return True
        return False

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_edit(self) -> None:
        from hitl_tui.ui.lessons.edit_dialog import LessonScreen

        lesson = self._chosen()
        if lesson is None or not self._check_editable(lesson):
            return
        dialog = LessonScreen(lesson, self._drafts.pop(lesson.id, spell_out(lesson.text)))
        text = await ask(self, dialog)
        if text is not None:
            await self._save_text(lesson, text)
        elif dialog.draft != spell_out(lesson.text):
            self._drafts[lesson.id] = dialog.draft

    @reports_errors
    async def action_edit_outside(self) -> None:
        lesson = self._chosen()
        if lesson and self._check_editable(lesson):
            await self._save_text(lesson, edit_outside(self.app, spell_out(lesson.text), "lesson.txt"))

    def _check_editable(self, lesson: Lesson) -> bool:
        """Whether the lesson can be edited; else say why not."""
        if lesson.state is LessonState.DROPPED:
            self.say_why("it is dropped: accept it first")
        return lesson.state is not LessonState.DROPPED

    async def _save_text(self, lesson: Lesson, text: str) -> None:
        if text.strip() == lesson.text:
            self.say_why("no change")
            return
        await self._inbox.lessons.edit(lesson.id, text.strip())
        await self._changed("the text is saved")

    async def _changed(self, text: str) -> None:
        """Say what has changed, and show it."""
        self._notify(text)
        await self._read()
        self.post_message(RowsChanged())

    def _notify(self, text: str) -> None:
        self.notify(visible(text), timeout=3, markup=False)

    def hints(self) -> list[Hint]:
        """The keys that work now."""
        lesson = self.items.chosen
        if lesson is None:
            return []
        hints: list[Hint] = [("accept", "accept")] if lesson.state is not LessonState.ACCEPTED else []
        if lesson.state is not LessonState.DROPPED:
            hints += [("drop", "drop"), ("edit_lesson", "edit"), ("edit_lesson_outside", "$EDITOR")]
        return [*hints, self.detail_hint]
