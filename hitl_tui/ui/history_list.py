"""The list of what was decided, newest first: tool, agent and age on one row, what was decided by whom after how long on the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from hitl_tui.model import DecisionKind, Remembered
from hitl_tui.safety import one_line
from hitl_tui.ui import words
from hitl_tui.ui.around import spent
from hitl_tui.ui.ink import Piece
from hitl_tui.ui.item_list import MARGIN, ItemList
from hitl_tui.ui.queue_list import AGE, LONGEST, fit


class HistoryList(ItemList[Remembered]):
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
        glyph, word, ink = decided(row)
        if part == 0:
            agent = min(cell_len(one_line(row.agent)), max(8, width // 3), max(0, width - AGE - LONGEST - 5))
            tool = width - 3 - agent - 1 - AGE - 1
            yield " ", ""
            yield glyph, ink if row.standing else "muted"
            yield f" {fit(row.tool, tool)}", "strong" if row.standing else "muted"
            yield f" {fit(row.agent, agent)}", "muted"
            yield f"{words.ago(self._clock() - row.at):>{AGE}} ", "muted"
        else:
            yield "   ", ""
            yield fit(self._told(row, word, width - 4), width - 4), "muted"
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

    def _told(self, row: Remembered, word: str, room: int) -> str:
        """As much as there is room for, what matters least last."""
        parts = [f"{word} by {words.actor(row.actor, self._reviewer)}", _thumb(row), fate(row), f"waited {words.ago(row.waited_s)}"]
        parts.append("" if row.looked_ms is None else f"looked {spent(row.looked_ms)}")
        parts = list(filter(None, parts))
        while len(parts) > 1 and cell_len(" · ".join(parts)) > room:
            parts.pop()
        return " · ".join(parts)


def decided(row: Remembered) -> tuple[str, str, str]:
    """Glyph, word and ink of what was decided."""
    return words.SENT_BACK if row.sent_back else words.DECIDED[DecisionKind(row.kind)]


def _thumb(row: Remembered) -> str:
    glyph, word, _ = words.THUMBS[row.thumb] if row.thumb else ("", "", "")
    return f"{glyph} {word}".strip()


def fate(row: Remembered) -> str:
    """Why a decision no longer stands; empty while it does."""
    return "" if row.standing else "taken back" if row.undone_at is not None else "decided anew"
