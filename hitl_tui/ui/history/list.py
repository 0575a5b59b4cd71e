"""The list of past decisions, newest first: tool, agent and age; then the decision, its actor, times, and what it was about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from textual.strip import Strip

from hitl_tui.argument_text import name_text
from hitl_tui.formatting import age
from hitl_tui.model import ActorKind, DecisionKind, HistoryRow
from hitl_tui.model.history import COLUMNS
from hitl_tui.sanitize import one_line
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import AGE_CELLS, AGENT_BAR, NAME_CELLS, agent_name, fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import MARGIN, VirtualList

GAP = "  "
WORTH = 24
"""Cells of the subject that take precedence over the times."""
LEAST = 6
"""Cells below which the subject is left out."""


class HistoryList(VirtualList[HistoryRow]):
    """Holds the rows scrolled through so far, and asks for the next page before the end comes into view."""

    BORDER_TITLE = "History"
    noun = "decision"

    def __init__(
        self,
        fetch: Callable[[Sequence[int]], Awaitable[list[HistoryRow]]],
        moved: Callable[[int | None, bool], None],
        need_more: Callable[[], None],
        reviewer: str,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(fetch, moved, id="history-list")
        self._need_more = need_more
        self._reviewer = reviewer
        self._clock = clock
        self.filter = ""
        """The filter the rows match."""

    @property
    def near_end(self) -> bool:
        """Whether the next page will be needed soon."""
        return self.scroll_offset.y // self.rows_each + self.size.height // self.rows_each + MARGIN >= len(self.order)

    def key_of(self, row: HistoryRow) -> int:
        return row.decision

    def paint(self, row: HistoryRow, part: int, width: int) -> Iterator[Piece]:
        glyph, word, style = _decision(row)
        if part == 0:
            agent = min(cell_len(one_line(row.agent)), max(8, width // 3), max(0, width - AGE_CELLS - NAME_CELLS - 5))
            tool = width - 3 - agent - 1 - AGE_CELLS - 1
            yield " ", ""
            yield glyph, style if row.in_force else "muted"
            yield f" {set_cell_size(agent_name(row.tool, tool), tool)}", "strong" if row.in_force else "muted"
            yield f" {set_cell_size(agent_name(row.agent, agent), agent)}", "muted"
            yield f"{age(self._clock() - row.at):>{AGE_CELLS}} ", "muted"
        else:
            yield "   ", ""
            yield _second_line(self._facts(row, word), _columns(row), _subject(row), width - 4), "muted"
            yield " ", ""

    def render_line(self, y: int) -> Strip:
        if not len(self.order):  # Textual's loading state would take the focus away
            self.nothing = f"no decision matches {one_line(self.filter, 60)},\nesc clears" if self.filter else "loading …"
        return super().render_line(y)

    def _want(self) -> None:
        super()._want()
        if self.near_end:
            self._need_more()

    def _facts(self, row: HistoryRow, word: str) -> list[str]:
        """The decision, its actor and how they were identified, the rating, and whether it was undone."""
        by = f"{labels.actor(row.actor, self._reviewer, row.actor_kind)}{labels.identified(row.identified)}"
        return list(filter(None, [f"{word} by {by}", _rating(row), row.replaced]))


def _second_line(facts: list[str], columns: list[str], subject: str, room: int) -> str:
    """The facts, then as many columns as leave room for the subject, then the subject; exactly `room` cells wide."""
    while len(facts) > 1 and cell_len(" · ".join(facts)) > room:
        facts.pop()
    spare = room - cell_len(GAP) - min(cell_len(subject), WORTH) if subject else room
    for column in columns:
        if cell_len(" · ".join([*facts, column])) > spare:
            break
        facts.append(column)
    line = " · ".join(facts)
    left = room - cell_len(line) - cell_len(GAP)
    return f"{line}{GAP}{fit(subject, left, drawn=True)}" if subject and left >= LEAST else fit(line, room)


def _decision(row: HistoryRow) -> tuple[str, str, str]:
    """Glyph, word and style."""
    return labels.SENT_BACK if row.sent_back else labels.DECIDED[DecisionKind(row.kind)]


def _columns(row: HistoryRow) -> list[str]:
    """The columns whose value is known and unusual."""
    return [text for column in COLUMNS if (text := column.text(row)) and column.value(row) != column.usual]


def _subject(row: HistoryRow) -> str:
    """What tells it from others: the edited arguments, else a person's reason, else the arguments."""
    if row.changed:
        return f"changed {', '.join(map(name_text, row.changed))}"
    if row.actor_kind is ActorKind.PERSON and (said := one_line(row.said)):
        return f"“{said}”"
    return f"{AGENT_BAR} {one_line(row.summary)}" if row.summary else ""


def _rating(row: HistoryRow) -> str:
    glyph, word, _ = labels.RATINGS[row.rating] if row.rating else ("", "", "")
    return f"{glyph} {word}".strip()
