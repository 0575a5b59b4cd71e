"""The list of what was decided, newest first: tool, agent and age on one row, what was decided by whom, and of what, on the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from hitl_tui.model import DecisionKind, Remembered
from hitl_tui.sanitize import one_line
from hitl_tui.ui.review.context import spent
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import AGE_CELLS, NAME_CELLS, fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import MARGIN, VirtualList

GAP = "  "
WORTH = 24
"""Cells of what a decision is about that are worth more than how long it waited and was looked at."""
LEAST = 6
"""Cells below which a beginning of them says nothing."""


class HistoryList(VirtualList[Remembered]):
    """It holds as much as somebody has scrolled through, and asks for more before its end is in view."""

    BORDER_TITLE = "History"

    def __init__(
        self,
        fetch: Callable[[Sequence[int]], Awaitable[list[Remembered]]],
        moved: Callable[[int | None, bool], None],
        more: Callable[[], None],
        reviewer: str,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(fetch, moved, id="history-list")
        self._more = more
        self._reviewer = reviewer
        self._clock = clock
        self.filter = ""
        """What the rows fit."""

    @property
    def near_end(self) -> bool:
        """Whether rows will soon be wanted that it has not."""
        return self.scroll_offset.y // self.rows_each + self.size.height // self.rows_each + MARGIN >= len(self.order)

    def key_of(self, row: Remembered) -> int:
        return row.decision

    def paint(self, row: Remembered, part: int, width: int) -> Iterator[Piece]:
        glyph, word, style = decided(row)
        if part == 0:
            agent = min(cell_len(one_line(row.agent)), max(8, width // 3), max(0, width - AGE_CELLS - NAME_CELLS - 5))
            tool = width - 3 - agent - 1 - AGE_CELLS - 1
            yield " ", ""
            yield glyph, style if row.standing else "muted"
            yield f" {fit(row.tool, tool)}", "strong" if row.standing else "muted"
            yield f" {fit(row.agent, agent)}", "muted"
            yield f"{labels.ago(self._clock() - row.at):>{AGE_CELLS}} ", "muted"
        else:
            yield "   ", ""
            yield _line(self._told(row, word), _times(row), _about(row), width - 4), "muted"
            yield " ", ""

    def render_line(self, y: int) -> Strip:
        if y == 0 and not len(self.order):  # a widget that is loading takes no focus: it is said here
            told = "nothing that was decided fits" if self.filter else "reading what was decided …"
            return self.strip([(f"   {told}", "muted")], self.size.width)
        return super().render_line(y)

    def _want(self) -> None:
        super()._want()
        if self.near_end:
            self._more()

    def _told(self, row: Remembered, word: str) -> list[str]:
        """Who did what, what people think of it and what became of it."""
        return list(filter(None, [f"{word} by {labels.actor(row.actor, self._reviewer)}", _thumb(row), fate(row)]))


def _line(told: list[str], times: list[str], about: str, room: int) -> str:
    """In exactly so many cells: what was told, the times where they leave room for enough of what it is about, and that."""
    while len(told) > 1 and cell_len(" · ".join(told)) > room:
        told.pop()
    spare = room - cell_len(GAP) - min(cell_len(about), WORTH) if about else room
    for time in times:
        if cell_len(" · ".join([*told, time])) > spare:
            break
        told.append(time)
    line = " · ".join(told)
    left = room - cell_len(line) - cell_len(GAP)
    return f"{line}{GAP}{fit(about, left)}" if about and left >= LEAST else fit(line, room)


def decided(row: Remembered) -> tuple[str, str, str]:
    """Glyph, word and style of what was decided."""
    return labels.SENT_BACK if row.sent_back else labels.DECIDED[DecisionKind(row.kind)]


def _times(row: Remembered) -> list[str]:
    """How long it waited and was looked at."""
    return [f"waited {labels.ago(row.waited_s)}", *([] if row.looked_ms is None else [f"looked {spent(row.looked_ms)}"])]


def _about(row: Remembered) -> str:
    """What tells it from others: what an edit changed, why a person said so, or else the arguments."""
    if row.changed:
        return one_line(f"changed {', '.join(row.changed)}")
    if ":" not in row.actor and (said := one_line(row.said)):
        return f"“{said}”"
    return one_line(row.summary)


def _thumb(row: Remembered) -> str:
    glyph, word, _ = labels.THUMBS[row.thumb] if row.thumb else ("", "", "")
    return f"{glyph} {word}".strip()


def fate(row: Remembered) -> str:
    """Why a decision no longer stands; empty while it does."""
    return "" if row.standing else "taken back" if row.undone_at is not None else "decided anew"
