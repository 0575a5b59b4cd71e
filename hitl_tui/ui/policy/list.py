"""The list of a policy's rules, settings and tools: name and outcome, what it matches, what it asks for and how often it spoke."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len

from hitl_tui.ui.policy.entries import Entry, spoken
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList

NUMBER = 3


class PolicyList(VirtualList[Entry]):
    """In the order in which they are asked."""

    BORDER_TITLE = "Policy"
    rows_each = 3

    def __init__(self, moved: Callable[[int | None, bool], None], clock: Callable[[], float]) -> None:
        super().__init__(self._at_hand, moved, id="policy-list")
        self._clock = clock
        self.entries: Sequence[Entry] = ()
        """All of them, by id."""

    def put(self, made: Sequence[Entry]) -> None:
        """Show other entries; what the cursor is on keeps it wherever it goes."""
        kept = self.entries[self.cursor].same if self.cursor is not None and self.cursor < len(self.entries) else None
        self.entries = made
        self.rows = {entry.id: entry for entry in made}
        self.cursor = next((entry.id for entry in made if entry.same == kept), None)
        self.load(SortedIds(range(len(made))))

    @property
    def chosen(self) -> Entry | None:
        """What the cursor is on."""
        return self.entries[self.cursor] if self.cursor is not None else None

    def key_of(self, row: Entry) -> int:
        return row.id

    def paint(self, row: Entry, part: int, width: int) -> Iterator[Piece]:
        number = f"{row.id + 1:>{NUMBER}} " if row.rule else " " * (NUMBER + 1)
        room = width - len(number) - 1
        if part == 0:
            mark, style = row.mark
            yield number, "muted"
            yield fit(row.name, room - cell_len(mark) - 1), "muted" if row.muted else "strong" if row.rule or row.standing else "title"
            yield f" {mark} ", "muted" if row.muted else style
        elif part == 1:
            yield " " * len(number), ""
            yield fit(row.about, room), "muted" if row.muted else ""
        else:
            yield " " * len(number), ""
            yield from _last(row, room, self._clock())

    async def _at_hand(self, ids: Sequence[int]) -> list[Entry]:
        return [self.entries[id_] for id_ in ids if id_ < len(self.entries)]


def _last(row: Entry, room: int, now: float) -> Iterator[Piece]:
    said = spoken(row.counts, now) or ("never spoke" if row.rule else "")
    if row.terms and cell_len(row.terms) + 2 + cell_len(said) > room:  # how often gives way to what is asked for, when last goes first
        said = said.partition(" · ")[0].removesuffix(" spoke")
    said = fit(said, room).rstrip() if cell_len(said) > room else said
    left = room - cell_len(said)
    yield fit(row.terms, max(0, left - 2)) + " " * min(2, left), "accent" if row.standing and row.standing.proposed else "muted"
    yield said, "muted" if row.counts else "faint"
