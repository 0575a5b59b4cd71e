"""The list of what there is to look at: a row each, with the share approved unchanged as a bar, and how many decisions it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len

from hitl_tui.formatting import percent
from hitl_tui.ui.insights.entries import Entry
from hitl_tui.ui.text.charts import bar
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import ItemList

SHARE = 6
COUNT = 10
BAR = 10
WORTH = 8
"""Cells below which the beginning of what is beside a name says nothing."""
ROOMY = 42
"""Cells from which on there is room for bars."""


class InsightsList(ItemList[Entry]):
    """The cursor passes the headings by."""

    BORDER_TITLE = "Insights"
    rows_each = 1

    def __init__(self, moved: Callable[[int | None, bool], None]) -> None:
        super().__init__(self._at_hand, moved, id="insights-list")

    def key_of(self, row: Entry) -> int:
        return row.id

    def paint(self, row: Entry, part: int, width: int) -> Iterator[Piece]:
        bars = BAR + 1 if width >= ROOMY else 0
        name = width - bars - SHARE - COUNT - 1
        if row.is_heading:
            title = f"{row.name} {row.beside}"
            yield fit(title, name + bars - 6), "title"
            yield f"{'unchanged':>{SHARE + 6}}{'decisions':>{COUNT}} ", "faint"
            return
        if row.said:
            yield fit(f" {row.name}", width - cell_len(row.said) - COUNT - 1), "strong"
            yield row.said, "warning" if row.warns else "muted"
            yield f"{'' if row.count is None else f'{row.count:,}':>{COUNT}} ", "muted"
            return
        yield from _named(row, name)
        if bars:
            full, left = bar(row.share or 0.0, BAR)
            yield f" {full}", "accent"
            yield left, "faint"
        yield f"{percent(row.share):>{SHARE}}", ""
        yield f"{row.count or 0:>{COUNT},} ", "muted"

    def _go(self, place: int, within: bool = False) -> None:
        wanted = max(0, min(place, len(self.order) - 1))
        row = self.rows.get(wanted)
        if row and row.is_heading:
            place = wanted + (1 if self.cursor is None or wanted > self.cursor else -1)
        super()._go(place, within)

    async def _at_hand(self, ids: Sequence[int]) -> list[Entry]:
        return [self.rows[id_] for id_ in ids if id_ in self.rows]


def _named(row: Entry, cells: int) -> Iterator[Piece]:
    """The name, and what is beside it as far as there is room."""
    name = fit(f" {row.name}", cells).rstrip()
    room = cells - cell_len(name)
    yield name, "strong" if not row.section else ""
    beside = row.beside if room > WORTH else ""
    yield " " * min(room, 2) + fit(beside, max(0, room - 2)), "muted"
