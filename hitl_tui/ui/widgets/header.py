"""The first row of the screen: where one is, how much waits, how the worker does, who decides, what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.ui.messages import CommandClicked
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

UNDER = {"lessons": "insights"}
"""Views that have no name of their own in the row."""


@dataclass(frozen=True, slots=True)
class HeaderStatus:
    """What the first row tells."""

    view: str = "queue"
    waiting: int | None = None
    runs: int = 0
    worker: str = ""
    worker_style: str = "muted"
    reviewer: str = ""
    proposed: int = 0
    """Tools that could go a step up the ladder."""


class HeaderBar(StyledWidget):
    """One row, never two."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(id="top")
        self._clock = clock
        self._standing = HeaderStatus()
        self._minute = ""

    def show(self, standing: HeaderStatus) -> None:
        """Draw other facts, if they are others."""
        minute = self._time()
        if standing != self._standing or minute != self._minute:
            self._standing, self._minute = standing, minute
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width, now = self.size.width, self._standing
        left: list[Piece] = [(" hitl-tui ", "title"), ("  ", "")]
        for view, label, count in self._views():
            here = view == UNDER.get(now.view, now.view)
            left += [(label, "title" if here else "muted"), (f" {count}" if count else "", "accent" if here else "muted"), ("   ", "")]
        room = width - _cells(left)
        right = self._right(room)
        return self.strip([*left, (" " * (room - _cells(right)), ""), *right], width)

    def _right(self, room: int) -> list[Piece]:
        """Worker, reviewer and time, as far as there is room; of what is wrong with a worker at least the beginning."""
        now = self._standing
        worker: list[Piece] = [("worker ", "muted"), (now.worker, now.worker_style)] if now.worker else []
        for more in ([(f"   {now.reviewer}", "muted"), (f"   {self._time()} ", "muted")], [(f"   {now.reviewer}", "muted")], []):
            if _cells([*worker, *more]) <= room:
                return [*worker, *more]
        told = max(0, room - cell_len("worker ") - 1)
        return [("worker ", "muted"), (fit(now.worker, told), now.worker_style)] if now.worker_style == "error" and told else []

    def _time(self) -> str:
        return time.strftime("%H:%M", time.localtime(self._clock()))

    def on_click(self, event: events.Click) -> None:
        at = cell_len(" hitl-tui ") + 2
        for view, label, count in self._views():
            at += cell_len(label) + cell_len(f" {count}" if count else "") + 3
            if event.x < at:
                self.post_message(CommandClicked(view))
                return

    def _views(self) -> list[tuple[str, str, str]]:
        waiting = "" if self._standing.waiting is None else f"{self._standing.waiting:,}"
        runs = str(self._standing.runs) if self._standing.runs else ""
        proposed = f"{labels.PROPOSED}{self._standing.proposed}" if self._standing.proposed else ""
        return [
            ("queue", "Queue", waiting), ("runs", "Runs", runs), ("history", "History", ""), ("insights", "Insights", ""),
            ("policy", "Policy", proposed),
        ]  # fmt: skip


def _cells(pieces: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
