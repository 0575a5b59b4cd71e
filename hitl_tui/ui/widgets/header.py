"""The first row of the screen: views with their counts, workers, reviewer and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive
from textual.strip import Strip

from hitl_tui.ui.messages import CommandClicked
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

TITLE: Piece = (" hitl-tui ", "title")
GAP = "   "


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


class HeaderBar(StyledWidget):
    """One row, never two. A click on a title shows its view."""

    status: reactive[HeaderStatus] = reactive(HeaderStatus())

    def __init__(self, titles: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="top")
        self._titles = titles
        """View and title."""

    def render_line(self, y: int) -> Strip:
        width, status = self.size.width, self.status
        left: list[Piece] = [TITLE, ("  ", "")]
        for view, title in self._titles:
            here = view == status.view
            failed = f" ✗{status.failed}" if view == "runs" and status.failed else ""
            count = self._count(view).removesuffix(failed)
            left += [(title, "title" if here else "muted"), (count, "accent" if here else "muted"), (failed, "error"), (GAP, "")]
        room = width - _cells(left)
        right = self._right(room)
        return self.strip([*left, (" " * (room - _cells(right)), ""), *right], width)

    def _right(self, room: int) -> list[Piece]:
        """Worker, reviewer and time, as far as there is room; of a problem with a worker at least the beginning."""
        now = self.status
        worker: list[Piece] = [(now.worker, now.worker_style)] if now.worker else []
        named: list[Piece] = [("worker ", "muted"), *worker] if worker else []
        reviewer, time, end = (f"{GAP}{now.reviewer}", "muted"), (f"{GAP}{now.time}", "muted"), (" ", "")
        for pieces in ([*named, reviewer, time, end], [*named, reviewer, end], [*worker, reviewer, end], [*worker, end]):
            if _cells(pieces) <= room:
                return pieces
        left = max(0, room - cell_len("worker ") - 1)
        return [("worker ", "muted"), (fit(now.worker, left), now.worker_style)] if now.worker_style == "error" and left else []

    def on_click(self, event: events.Click) -> None:
        at = cell_len(TITLE[0]) + 2
        for view, title in self._titles:
            at += cell_len(title) + cell_len(self._count(view)) + len(GAP)
            if event.x < at:
                self.post_message(CommandClicked(view))
                return

    def _count(self, view: str) -> str:
        """The count after a title, and of runs how many failed."""
        count = self.status.counts.get(view)
        failed = self.status.failed if view == "runs" else 0
        return (f" {count}" if count else "") + (f" ✗{failed}" if failed else "")


def _cells(pieces: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
