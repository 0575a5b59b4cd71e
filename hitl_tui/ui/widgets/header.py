"""The first row of the screen: views with their counts, workers, reviewer and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive
from textual.strip import Strip

from hitl_tui.sanitize import one_line
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

TITLE = " hitl-tui   "
GAPS = (3, 2, 1)
"""Cells between titles, and before the reviewer: the widest that leaves room for the workers and the reviewer."""
WORKER_CELLS = 20
"""Cells of what is said of the workers that titles make room for; a problem may need more."""
NAME_CELLS = 16
"""Cells of a reviewer's name."""


@dataclass(frozen=True, slots=True)
class HeaderStatus:
    """What the first row shows."""

    view: str = "queue"
    """The view whose title is bright."""
    counts: Mapping[str, str] = field(default_factory=dict)
    """View → the count after its title."""
    failed: int = 0
    """Failed runs that the reviewer has not seen."""
    worker: str = ""
    worker_style: str = "muted"
    reviewer: str = ""
    time: str = ""
    identity: tuple[str, bool] = ("", False)
    """How people are known, beside the reviewer's name, and whether it must be said."""


class HeaderBar(StyledWidget):
    """One row, never two. A click on a title shows its view."""

    status: reactive[HeaderStatus] = reactive(HeaderStatus())

    def __init__(self, titles: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="top")
        self._titles = titles
        """View and title."""
        self._places: list[tuple[int, str]] = []
        """Where each title ends, and its view."""

    def render_line(self, y: int) -> Strip:
        width, left = self.size.width, self._left()
        right = self._right(width - _cells(left))
        return self.strip([*left, (" " * (width - _cells(left) - _cells(right)), ""), *right], width)

    def _left(self) -> list[Piece]:
        """The console's name and the titles: where room is short the name goes, then gaps get narrow, then titles go that say nothing."""
        needed = min(WORKER_CELLS, cell_len(self.status.worker)) + 1 + cell_len(self._reviewer) + 1
        left: list[Piece] = []
        for title, gap, is_whole in [(TITLE, GAPS[0], True), *((" ", gap, True) for gap in GAPS), (" ", 1, False)]:
            left = self._titled(title, gap, is_whole)
            if _cells(left) + needed <= self.size.width:
                break
        return left

    def _titled(self, name: str, gap: int, is_whole: bool) -> list[Piece]:
        self._places, at = [], cell_len(name)
        pieces: list[Piece] = [(name, "title")]
        for view, title in self._titles:
            here = view == self.status.view
            failed = f" ✗{self.status.failed}" if view == "runs" and self.status.failed else ""
            count = f" {count}" if (count := self.status.counts.get(view)) else ""
            if not (is_whole or here or count or failed):
                continue
            pieces += [(title, "title" if here else "muted"), (count, "accent" if here else "muted"), (failed, "error"), (" " * gap, "")]
            at += cell_len(title) + cell_len(count) + cell_len(failed) + gap
            self._places.append((at, view))
        return pieces

    @property
    def _reviewer(self) -> str:
        """The reviewer's name, with what must be said of how people are known."""
        name, (note, must) = one_line(self.status.reviewer, NAME_CELLS), self.status.identity
        return f"{name} · {note}" if must else name

    def _right(self, room: int) -> list[Piece]:
        """Worker, reviewer and time, as far as there is room; of a problem with a worker at least the beginning."""
        now = self.status
        worker: list[Piece] = [(now.worker, now.worker_style)] if now.worker else []
        named: list[Piece] = [("worker ", "muted"), *worker] if worker else []
        apart, near, reviewer = ("   ", ""), (" ", ""), (self._reviewer, "muted")
        time: list[Piece] = [(f"   {now.time}", "muted"), near]
        note, must = now.identity
        if note and not must:
            full: list[Piece] = [*named, apart, reviewer, (f" · {note}", "muted"), *time]
            if _cells(full) <= room:
                return full
        for pieces in ([*named, apart, reviewer, *time], [*named, apart, reviewer, near], [*worker, apart, reviewer, near]):
            if _cells(pieces) <= room:
                return pieces
        left = room - cell_len(self._reviewer) - 2
        if left <= 0:
            return []
        from hitl_tui.ui.text.lines import fit  # the first frame has no worker to name

        return [(fit(now.worker, left), now.worker_style), near, reviewer, near]

    def on_click(self, event: events.Click) -> None:
        from hitl_tui.ui.messages import CommandClicked

        view = next((view for end, view in self._places if event.x < end), None)
        if view:
            self.post_message(CommandClicked(view))


def _cells(pieces: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
