"""What the list's cursor is on, in full: the periods to choose from, and under them figures and plots, or their numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult

from hitl_tui.oversight.statistics import Calibration, Figures, Insights
from hitl_tui.sanitize import one_line
from hitl_tui.ui.insights.calibration import calibration_lines
from hitl_tui.ui.insights.entries import FIRST_PERIOD, PERIODS, Entry, Period
from hitl_tui.ui.insights.fatigue import fatigue_lines
from hitl_tui.ui.insights.figures import Frame, figure_lines
from hitl_tui.ui.text.lines import Line, line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabLine
from hitl_tui.ui.widgets.text_view import Document

BESIDE = 3
"""Cells beside the text: its padding and the scrollbar."""


class InsightsPane(DetailPane):
    """One entry of a period."""

    def __init__(self, reviewer: str) -> None:
        super().__init__(id="insights-pane")
        self._reviewer = reviewer
        self._entry: Entry | None = None
        self._now: Insights | None = None
        self.is_table = False

    def compose(self) -> ComposeResult:
        tabs = TabLine({period.id: period.title for period in PERIODS.values()}, id="periods")
        tabs.choose(FIRST_PERIOD)
        yield tabs
        yield Document(id="figures")

    @property
    def period(self) -> Period:
        """The one that is chosen."""
        return PERIODS[self.query_one(TabLine).chosen]

    def step_period(self, by: int) -> None:
        """Choose another one; it is not read yet."""
        self.query_one(TabLine).step(by)

    def show(self, entry: Entry | None, now: Insights | None) -> None:
        """Show an entry, from its top when it is another than before; None while it is being read."""
        same = self._entry is not None and entry is not None and entry.of == self._entry.of
        self._entry, self._now = entry, now
        self._draw(keep=same)

    def turn(self) -> None:
        """Show a table in place of the plots, or plots again."""
        self.is_table = not self.is_table
        self._draw(keep=True)

    @property
    def text(self) -> Document:
        """The figures."""
        return self.query_one("#figures", Document)

    def on_resize(self) -> None:
        self._draw(keep=True)

    def _draw(self, keep: bool = False) -> None:
        self.draw_title()
        text = self.text
        top = text.scroll_offset.y if keep else 0
        text.show(self._lines())
        if top:
            text.scroll_to(y=top, animate=False)

    def _lines(self) -> Iterator[Line]:
        room = self.size.width - BESIDE
        entry, now = self._entry, self._now
        if room <= 0:
            return
        if entry is None or now is None:
            yield line("reading what was decided …", "muted")
            return
        frame = Frame(room, self.size.height, self.is_table, self._reviewer)
        subject = entry.subject
        if isinstance(subject, Calibration):
            yield from calibration_lines(subject, self.period, frame)
        elif isinstance(subject, Figures):
            yield from figure_lines(subject, now, self.period, frame, is_overall=not entry.section)
        elif subject is not None:
            yield from fatigue_lines(subject, frame)

    def title(self) -> tuple[str, Sequence[str]]:
        entry = self._entry
        if entry is None:
            return "", ()
        section = " of ".join(filter(None, (entry.section, one_line(entry.beside, 40))))
        return one_line(entry.name, 40), [section if entry.section else self.period.told]
