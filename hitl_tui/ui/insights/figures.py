"""What was decided of one agent, tool, reviewer or rule as lines: what became of it, how long it took, day by day, and why not. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitl_tui.formatting import counted, percent, took, top_of
from hitl_tui.model import DecisionKind
from hitl_tui.oversight.statistics import Figures, Insights, Rates, Span, Times
from hitl_tui.sanitize import one_line
from hitl_tui.ui.insights.entries import ENOUGH, Period
from hitl_tui.ui.insights.trend import Trend, trend_of
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import bar, column_cells, columns, grid, inked
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph

LONGEST_BAR = 60
MOST = 8
"""Arguments and reasons that are listed."""
TALL = 40
"""Rows of a pane from which on plots are higher."""
AXIS = 8
"""Cells beside a plot for its scale."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What lines are drawn for."""

    room: int
    """Cells."""
    rows: int
    """Rows of the pane."""
    is_table: bool
    """Numbers in place of plots."""
    reviewer: str

    @property
    def height(self) -> int:
        """Rows of a small plot."""
        return 6 if self.rows >= TALL else 4


def not_enough_lines(ever: Insights) -> Iterator[Line]:
    """The page of a home in which next to nothing was decided."""
    one = ever.decisions == 1
    yield line("Not enough yet: one decision says nothing about the next." if one else "Nothing was decided by a person yet.", "strong")
    yield BLANK
    yield line("What the decisions say will be here, by agent, tool, reviewer and rule:")
    yield BLANK
    for name, what in (
        ("shares", "how much is approved unchanged, edited, rejected and answered, and how sure that is"),
        ("times", "how long it waits, and how long people look at it, day by day"),
        ("changes", "which arguments are edited, and why calls are rejected"),
        ("calibration", "whether the agents' confidence is worth something, and from where on"),
        ("fatigue", "who decides faster than can be read"),
    ):
        yield line(what, "muted", f"   {name}", 17, "")
    yield BLANK
    if ever.by_itself:
        yield line(f"So far, {counted(ever.by_itself, 'call')} went on or were denied by policy alone.", "muted")
    yield line("to see what waits and decide it", "", "F1", 4, "accent")


def figure_lines(of: Figures, now: Insights, period: Period, frame: Frame, is_overall: bool) -> Iterator[Line]:
    """All of it; of too little only what it is."""
    rates = of.rates
    beside = f" · {counted(now.by_itself, 'call')} without a person" if is_overall and now.by_itself else ""
    yield line(f"{counted(rates.total, 'decision')} {period.told}{beside}", "strong")
    if rates.total < ENOUGH:
        yield BLANK
        yield line("Not enough yet: shares and times are shown from two decisions on; p looks further back.", "muted")
        return
    yield BLANK
    yield from _became(rates, frame)
    yield BLANK
    yield from _times(of.waited, of.looked)
    yield BLANK
    yield from _trend(of.trend, frame)
    yield from _counts("what was edited", of.edited, "argument", frame)
    yield from _counts("why it was rejected", of.reasons, "reason", frame)


def _became(rates: Rates, frame: Frame) -> Iterator[Line]:
    counts = (rates.approved, rates.edited, rates.rejected, rates.answered)
    digits = max(len(f"{count:,}") for count in counts)
    cells = min(LONGEST_BAR, frame.room - 12 - digits - 8)
    for kind, count in zip((DecisionKind.APPROVE, DecisionKind.EDIT, DecisionKind.REJECT, DecisionKind.RESPOND), counts, strict=True):
        glyph, word, ink = labels.DECIDED[kind]
        share = rates.share(count) or 0.0
        full, left = bar(share, cells)
        drawn = [(glyph, ink), (f" {word:<9}", ""), (f"{count:>{digits},}", ""), (f"{percent(share):>6}  ", "strong" if count else "muted")]
        yield inked([*drawn, (full, ink), (left, "faint")])
    bounds = rates.unchanged
    if bounds:
        between = f"between {percent(bounds[0])} and {percent(bounds[1])}"
        yield from paragraph(f"95 % sure: {between} are approved unchanged.", "muted")


def _times(waited: Times, looked: Times) -> Iterator[Line]:
    for name, found in (("waited", waited), ("looked at", looked)):
        if found.median is None:
            yield line("nobody knows how long", "muted", name, 11, "")
        else:
            yield line(f"half within {took(found.median)}, nine of ten within {took(found.p90)}", "", name, 11, "")


# Day by day


def _trend(spans: Sequence[Span], frame: Frame) -> Iterator[Line]:
    if frame.is_table:
        yield from _trend_table(spans, frame.room)
        return
    room = frame.room - AXIS
    trend = trend_of(spans, room)
    if trend is None:
        return
    cells = column_cells(len(trend.steps), room)
    totals = [float(step.rates.total) if step else None for step in trend.steps]
    shares = [step.rates.share(step.rates.approved) if step else None for step in trend.steps]
    waits = [step.waited if step else None for step in trend.steps]
    top = top_of([total for total in totals if total])
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    yield from _chart(f"decisions {trend.each}", totals, top, f"{top:,.0f}", "accent", cells, frame)
    yield from _chart("approved unchanged", shares, 1.0, "100 %", "success", cells, frame)
    yield from _chart("waiting, median", waits, longest, took(longest), "accent", cells, frame)
    yield _dates(trend, cells)
    yield BLANK


def _chart(
    title: str, values: Sequence[float | None], top: float, scale: str, ink: str, cells: int, frame: Frame
) -> Iterator[Line]:  # fmt: skip
    yield line(title, "muted", "", AXIS)
    for row, drawn in enumerate(columns(values, top, cells, frame.height)):
        label = scale if row == 0 else "0" if row == frame.height - 1 else ""
        yield inked([(f"{label:>{AXIS - 2}} ", "muted"), ("┤" if label else "│", "rule"), (drawn, ink)])


def _dates(trend: Trend, cells: int) -> Line:
    first, last = _day(trend.began), _day(trend.ended)
    room = len(trend.steps) * cells - int(cells > 1)
    if first == last or room < len(first) + len(last) + 2:
        return inked([(" " * AXIS + first, "muted")])
    return inked([(" " * AXIS + first + f"{last:>{room - len(first)}}", "muted")])


def _day(at: float, form: str = "%-d %b") -> str:
    return time.strftime(form, time.gmtime(at))


def _trend_table(spans: Sequence[Span], room: int) -> Iterator[Line]:
    head = ("from", "decisions", "✓", "✎", "✗", "↩", "unchanged", "waited")
    rows = []
    for span in reversed(spans):
        rates = span.rates
        counts = [f"{count:,}" for count in (rates.total, rates.approved, rates.edited, rates.rejected, rates.answered)]
        rows.append((_day(span.began, "%Y-%m-%d"), *counts, percent(rates.share(rates.approved)), took(span.waited)))
    yield from grid(head, rows, room)
    yield BLANK


# Why not


def _counts(title: str, found: Sequence[tuple[str, int]], noun: str, frame: Frame) -> Iterator[Line]:
    if not found:
        return
    yield line(title, "title")
    digits = max(len(f"{count:,}") for _, count in found)
    for name, count in found[:MOST]:
        yield line(one_line(name, 300), "", f"{count:>{digits},} ×", digits + 3)
    if len(found) > MOST:
        yield line(f"and {counted(len(found) - MOST, noun)} more", "muted", "", digits + 3)
    yield BLANK
