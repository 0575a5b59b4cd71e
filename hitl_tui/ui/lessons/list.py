"""The list of lessons: tool and state, what the lesson was drawn from, and the beginning of its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from hitl_tui.formatting import age
from hitl_tui.model import Lesson, LessonState
from hitl_tui.ui.lessons.pane import STATES, drawn_from
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList


class LessonsList(VirtualList[Lesson]):
    """Keeps the order in which lessons were first shown, so that an accepted one stays in its place."""

    BORDER_TITLE = "Lessons"
    noun = "lesson"
    rows_each = 3

    def __init__(self, moved: Callable[[int | None, bool], None], clock: Callable[[], float]) -> None:
        super().__init__(self._loaded_rows, moved, id="lessons-list")
        self._clock = clock
        self.listed: Sequence[Lesson] | None = None
        """All lessons; None until they are read."""

    @property
    def chosen(self) -> Lesson | None:
        """The lesson under the cursor."""
        return self.listed[self.cursor] if self.listed and self.cursor is not None else None

    def put(self, lessons: Sequence[Lesson], reorder: bool) -> None:
        """Show lessons as they are now. Keeps the present order, unless `reorder` or there are other lessons than before."""
        places = {lesson.id: place for place, lesson in enumerate(self.listed or ())}
        selected = self.chosen
        if not reorder and places.keys() == {lesson.id for lesson in lessons}:
            lessons = sorted(lessons, key=lambda lesson: places[lesson.id])
        self.listed = lessons
        self.rows = dict(enumerate(lessons))
        self.cursor = next((place for place, lesson in self.rows.items() if selected and lesson.id == selected.id), None)
        self.load(SortedIds(range(len(lessons))))

    def key_of(self, row: Lesson) -> int:
        return next(place for place, lesson in enumerate(self.listed or ()) if lesson.id == row.id)

    def paint(self, row: Lesson, part: int, width: int) -> Iterator[Piece]:
        glyph, style = STATES[row.state]
        dropped = row.state is LessonState.DROPPED
        if part == 0:
            yield f" {glyph} ", style
            yield fit(row.tool, width - 5 - cell_len(row.state)), "muted" if dropped else "strong"
            yield f" {row.state} ", style
        else:
            source = f"{row.agent} · {drawn_from(row)} · {age(self._clock() - row.made_at)}"
            yield "   ", ""
            yield fit(source if part == 1 else row.text, width - 4), "" if part == 2 and not dropped else "muted"
            yield " ", ""

    def render_line(self, y: int) -> Strip:
        if y == 0 and self.listed is None:
            return self.strip([("   loading …", "muted")], self.size.width)
        return super().render_line(y)

    async def _loaded_rows(self, ids: Sequence[int]) -> list[Lesson]:
        return [self.listed[place] for place in ids if self.listed and place < len(self.listed)]
