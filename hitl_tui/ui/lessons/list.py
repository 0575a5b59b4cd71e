"""The list of lessons: tool and state on one row, what it was drawn from on the next, and how its text begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from hitl_tui.model import Lesson, LessonState
from hitl_tui.ui.lessons.render import STATES, drawn_from
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList


class LessonsList(VirtualList[Lesson]):
    """In the order in which they were first shown: one that is accepted stays where it is."""

    BORDER_TITLE = "Lessons"
    rows_each = 3

    def __init__(self, moved: Callable[[int | None, bool], None], clock: Callable[[], float]) -> None:
        super().__init__(self._at_hand, moved, id="lessons-list")
        self._clock = clock
        self.listed: Sequence[Lesson] | None = None
        """All of them, by place; None until they were read."""

    @property
    def chosen(self) -> Lesson | None:
        """The lesson under the cursor."""
        return self.listed[self.cursor] if self.listed and self.cursor is not None else None

    def put(self, found: Sequence[Lesson], anew: bool) -> None:
        """Show lessons as they are now, in the order given where there are others than before, or `anew`."""
        known = {lesson.id: place for place, lesson in enumerate(self.listed or ())}
        kept = self.chosen
        others = anew or known.keys() != {lesson.id for lesson in found}
        self.listed = made = list(found) if others else sorted(found, key=lambda one: known[one.id])
        self.rows = dict(enumerate(made))
        self.cursor = next((place for place, one in enumerate(made) if kept and one.id == kept.id), None)
        self.load(SortedIds(range(len(made))))

    def key_of(self, row: Lesson) -> int:
        return next(place for place, one in enumerate(self.listed or ()) if one.id == row.id)

    def paint(self, row: Lesson, part: int, width: int) -> Iterator[Piece]:
        glyph, style = STATES[row.state]
        gone = row.state is LessonState.DROPPED
        if part == 0:
            yield f" {glyph} ", style
            yield fit(row.tool, width - 5 - cell_len(row.state)), "muted" if gone else "strong"
            yield f" {row.state} ", style
        else:
            told = f"{row.agent} · {drawn_from(row)} · {labels.ago(self._clock() - row.made_at)}" if part == 1 else row.text
            yield "   ", ""
            yield fit(told, width - 4), "" if part == 2 and not gone else "muted"
            yield " ", ""

    def render_line(self, y: int) -> Strip:
        if y == 0 and self.listed is None:
            return self.strip([("   reading what was decided …", "muted")], self.size.width)
        return super().render_line(y)

    async def _at_hand(self, ids: Sequence[int]) -> list[Lesson]:
        return [self.listed[place] for place in ids if self.listed and place < len(self.listed)]
