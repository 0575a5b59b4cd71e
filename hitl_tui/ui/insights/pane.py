"""The details of the insights view: a tab per period, and the figures of the selected row as charts or as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult

from hitl_tui.oversight.practice import Training
from hitl_tui.oversight.statistics import Agreement, Calibration, Figures, Reader, Statistics
from hitl_tui.sanitize import one_line
from hitl_tui.ui.insights.calibration import calibration_lines
from hitl_tui.ui.insights.fatigue import fatigue_lines
from hitl_tui.ui.insights.figures import FIRST_PERIOD, PERIODS, Frame, Period, agreement_lines, figure_lines
from hitl_tui.ui.insights.list import InsightsRow
from hitl_tui.ui.insights.practice import training_lines
from hitl_tui.ui.text.lines import Line, line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView

MARGIN = 4
"""Cells beside the text: padding, and the scrollbar with a column beside it."""


class InsightsPane(DetailPane):
    """Shows the figures of one row for one period."""

    def __init__(self, reviewer: str) -> None:
        super().__init__(id="insights-pane")
        self._reviewer = reviewer
        self._row: InsightsRow | None = None
        self._insights: Statistics | None = None
        self.is_table = False

    def compose(self) -> ComposeResult:
        tabs = TabBar({period.id: period.title for period in PERIODS.values()}, id="periods")
        tabs.choose(FIRST_PERIOD)
        yield tabs
        yield TextView(id="figures")

    @property
    def period(self) -> Period:
        """The chosen period."""
        return PERIODS[self.query_one(TabBar).chosen]

    def step_period(self, by: int) -> None:
        """Choose the period `by` steps on; the caller reads its figures."""
        self.query_one(TabBar).step(by)

    def show(self, row: InsightsRow | None, insights: Statistics | None) -> None:
        """Show a row, from the top if it is another one; None while it is being read."""
        same = self._row is not None and row is not None and row.key == self._row.key
        self._row, self._insights = row, insights
        self._draw(keep=same)

    def toggle_table(self) -> None:
        """Switch between charts and a table."""
        self.is_table = not self.is_table
        self._draw(keep=True)

    @property
    def text(self) -> TextView:
        """The figures."""
        return self.query_one("#figures", TextView)

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
        room = self.size.width - MARGIN
        row, insights = self._row, self._insights
        if room <= 0:
            return
        if row is None or insights is None:
            yield line("loading …", "muted")
            return
        frame = Frame(room, self.size.height, self.is_table, self._reviewer)
        subject = row.subject
        if isinstance(subject, Calibration):
            yield from calibration_lines(subject, self.period, frame)
        elif isinstance(subject, Figures):
            yield from figure_lines(subject, insights, self.period, frame, is_overall=not row.section)
        elif trainings := [one for one in subject or () if isinstance(one, Training)]:
            yield from training_lines(trainings, frame)
        elif agreements := [one for one in subject or () if isinstance(one, Agreement)]:
            yield from agreement_lines(agreements)
        elif subject is not None:
            yield from fatigue_lines([one for one in subject if isinstance(one, Reader)], frame)

    def title(self) -> tuple[str, Sequence[str]]:
        row = self._row
        if row is None:
            return "", ()
        section = " of ".join(filter(None, (row.section, one_line(row.detail, 40))))
        return one_line(row.name, 40), [section if row.section else self.period.phrase]
