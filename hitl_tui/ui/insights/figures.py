"""Figures of one agent, tool, reviewer or rule as lines: outcomes, times, the trend, what was edited and why calls were rejected. Pure."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitl_tui.formatting import counted, measured_duration, percent, percent_range, top_of
from hitl_tui.model import DecisionKind
from hitl_tui.oversight.statistics import Agreement, Figures, Rates, Statistics, Times, TrendPoint
from hitl_tui.sanitize import one_line
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import bar, column_starts, columns, grid, styled
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph

ENOUGH = 2
"""Decisions below which shares say nothing."""
LONGEST_BAR = 120
MOST = 8
"""Arguments and reasons listed; the rest is counted."""
TALL = 40
"""Rows of a pane from which charts are higher."""
AXIS = 10
"""Cells left of a chart for its scale."""
LEAD = 11
"""Cells of the column of names."""
DAY = 86_400
STEPS = ((1, "per day"), (7, "per week"), (28, "per 4 weeks"), (364, "per year"))
"""Days of a step of a trend, and its name."""


@dataclass(frozen=True, slots=True)
class Period:
    """How far back the figures look."""

    id: str
    title: str
    days: int | None
    """None for all."""

    def since(self, now: float) -> float:
        """Unix time in seconds; 0 for all."""
        return 0.0 if self.days is None else now - self.days * DAY

    @property
    def phrase(self) -> str:
        """The end of a sentence: `in the last 30 days`."""
        return "in total" if self.days is None else f"in the last {self.title}"


PERIODS = {
    period.id: period
    for period in (Period("7d", "7 days", 7), Period("30d", "30 days", 30), Period("90d", "90 days", 90), Period("all", "all", None))
}
"""By id."""
FIRST_PERIOD = "30d"


@dataclass(frozen=True, slots=True)
class Frame:
    """What lines are drawn for."""

    room: int
    """Cells."""
    rows: int
    """Rows of the pane."""
    is_table: bool
    """Show numbers instead of charts."""
    reviewer: str

    @property
    def height(self) -> int:
        """Rows of a small chart."""
        return 6 if self.rows >= TALL else 4


def no_data_lines(all_time: Statistics) -> Iterator[Line]:
    """The page shown while there are too few decisions for any figure."""
    one = all_time.decisions == 1
    yield line("Not enough data: one decision so far." if one else "No person has decided anything yet.", "strong")
    yield BLANK
    yield line("This page will show, by agent, tool, reviewer and rule:")
    yield BLANK
    for name, what in (
        ("shares", "approved unchanged, edited, rejected and answered, with their uncertainty"),
        ("times", "how long calls wait and how long people view them, day by day"),
        ("changes", "which arguments are edited, and why calls are rejected"),
        ("calibration", "whether the agents' stated confidence can be trusted"),
        ("fatigue", "who decides faster than anyone can read"),
    ):
        yield line(what, "muted", f"   {name}", 17, "")
    yield BLANK
    if all_time.by_itself:
        yield line(f"Policy alone has decided {counted(all_time.by_itself, 'call')} so far.", "muted")
    yield line("show the queue and decide what waits", "", "F1", 4, "accent")


def figure_lines(figures: Figures, insights: Statistics, period: Period, frame: Frame, is_overall: bool) -> Iterator[Line]:
    """All figures; only the count where there is not enough data."""
    rates = figures.rates
    automatic = f" · {counted(insights.by_itself, 'call')} decided by policy" if is_overall and insights.by_itself else ""
    yield line(f"{counted(rates.total, 'decision')} {period.phrase}{automatic}", "strong")
    yield BLANK
    if rates.total < ENOUGH:
        yield line("Not enough data: shares and times need two decisions; p chooses a longer period.", "muted")
        return
    yield from _outcomes(rates, frame)
    yield BLANK
    yield from _times(figures.waited, figures.viewed)
    yield BLANK
    yield from _trend(figures.trend, frame)
    yield from _counts("edited arguments", figures.edited, "argument", frame)
    yield from _counts("reasons for rejections", figures.reasons, "reason", frame)


AGREEMENT = (
    "Two agree on a call where both let it run unchanged, or neither does. Kappa is the agreement beyond chance: 0 is chance, 1 is always. "
    "In brackets stand 95 % confidence intervals."
)


def agreement_lines(agreements: Sequence[Agreement]) -> Iterator[Line]:
    """How often two who read the same calls agree, with Cohen's kappa."""
    for one in agreements:
        yield line(one.name[:1].upper() + one.name[1:], "strong")
        if one.total < ENOUGH:
            yield line("Not enough data: one call so far.", "muted")
            yield BLANK
            continue
        low, high = one.interval or (0.0, 1.0)
        share = f"{percent(one.agreed / one.total)} ({percent_range(low, high)})"
        yield line(f"{one.agreed:,} of {counted(one.total, 'call')}: {share}", "", "agree", LEAD)
        kappa = one.kappa
        told = f"{kappa[0]:.2f} ({kappa[1]:.2f} to {kappa[2]:.2f})" if kappa else "not defined: they say the same of every call"
        yield line(told, "", "kappa", LEAD)
        alone = f"only the first {one.first_only:,}, only the second {one.second_only:,}"
        yield line(f"both {one.both:,}, {alone}, neither {one.neither:,}", "", "let run", LEAD)
        yield BLANK
    yield from paragraph(AGREEMENT, "muted")


def _outcomes(rates: Rates, frame: Frame) -> Iterator[Line]:
    counts = (rates.approved, rates.edited, rates.rejected, rates.answered)
    digits = max(len(f"{count:,}") for count in counts)
    cells = min(LONGEST_BAR, frame.room - 12 - digits - 8)
    for kind, count in zip((DecisionKind.APPROVE, DecisionKind.EDIT, DecisionKind.REJECT, DecisionKind.RESPOND), counts, strict=True):
        glyph, word, style = labels.DECIDED[kind]
        share = rates.share(count) or 0.0
        full, rest = bar(share, cells)
        drawn = [
            (glyph, style),
            (f" {word:<9}", ""),
            (f"{count:>{digits},}", ""),
            (f"{percent(share):>6}  ", "strong" if count else "muted"),
        ]
        yield styled([*drawn, (full, style), (rest, "faint")])
    if bounds := rates.unchanged:
        yield line(f"approved unchanged: {percent_range(*bounds)} (95 % CI)", "muted")


def _times(waited: Times, viewed: Times) -> Iterator[Line]:
    for name, times in (("waited", waited), ("viewed", viewed)):
        if times.median is None:
            yield line("unknown", "muted", name, LEAD, "")
        else:
            yield line(f"median {measured_duration(times.median)}, p90 {measured_duration(times.p90)}", "", name, LEAD, "")


def _counts(title: str, found: Sequence[tuple[str, int]], noun: str, frame: Frame) -> Iterator[Line]:
    if not found:
        return
    yield line(title, "title")
    digits = max(len(f"{count:,}") for _, count in found)
    for name, count in found[:MOST]:
        yield line(one_line(name, 300), "", f"{count:>{digits},} ×", digits + 3)
    if len(found) > MOST:
        yield line(f"and {counted(len(found) - MOST, f'more {noun}')}", "muted", "", digits + 3)
    yield BLANK


# The trend


@dataclass(frozen=True, slots=True)
class Trend:
    """Even steps of time, one after another; None where nothing was decided."""

    steps: Sequence[TrendPoint | None]
    step: str
    """Length of a step: `per day`."""
    began: float
    ended: float
    """Where the last step begins."""


def trend_of(spans: Sequence[TrendPoint], room: int) -> Trend | None:
    """Merge days or weeks into at most `room` even steps, if possible; None for fewer than two."""
    if len(spans) < 2:
        return None
    first, last = spans[0].began, spans[-1].began
    gaps = [(b.began - a.began) / DAY for a, b in itertools.pairwise(spans)]
    shortest = 7 if all(round(gap) % 7 == 0 for gap in gaps) else 1
    days, name = next((step for step in STEPS if step[0] >= shortest and (last - first) / (step[0] * DAY) < room), STEPS[-1])
    steps: list[list[TrendPoint]] = [[] for _ in range(round((last - first) // (days * DAY)) + 1)]
    for span in spans:
        steps[int((span.began - first) // (days * DAY))].append(span)
    return Trend([_merged(step) if step else None for step in steps], name, first, first + (len(steps) - 1) * days * DAY)


def _merged(spans: Sequence[TrendPoint]) -> TrendPoint:
    """Several spans as one; its median is the middle one of theirs, weighted by decisions."""
    if len(spans) == 1:
        return spans[0]
    rates = Rates(
        sum(span.rates.approved for span in spans), sum(span.rates.edited for span in spans),
        sum(span.rates.rejected for span in spans), sum(span.rates.answered for span in spans),
    )  # fmt: skip
    waits = sorted((span.waited, span.rates.total) for span in spans if span.waited is not None)
    seen, waited = 0, None
    for wait, count in waits:
        seen, waited = seen + count, wait
        if seen * 2 >= sum(count for _, count in waits):
            break
    return TrendPoint(spans[0].began, rates, waited)


def _trend(spans: Sequence[TrendPoint], frame: Frame) -> Iterator[Line]:
    if frame.is_table:
        yield from _trend_table(spans, frame.room)
        return
    room = frame.room - AXIS
    trend = trend_of(spans, room)
    if trend is None:
        return
    starts = column_starts(len(trend.steps), room)
    totals = [float(step.rates.total) if step else None for step in trend.steps]
    shares = [step.rates.share(step.rates.approved) if step else None for step in trend.steps]
    waits = [step.waited if step else None for step in trend.steps]
    top = top_of([total for total in totals if total])
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    yield from _chart(f"decisions {trend.step}", totals, top, f"{top:,.0f}", "accent", starts, frame)
    yield from _chart("approved unchanged", shares, 1.0, "100 %", "success", starts, frame)
    yield from _chart("median wait", waits, longest, measured_duration(longest), "accent", starts, frame)
    yield _dates(trend, starts[-1])
    yield BLANK


def _chart(
    title: str, values: Sequence[float | None], top: float, scale: str, style: str, starts: Sequence[int], frame: Frame
) -> Iterator[Line]:  # fmt: skip
    yield line(title, "muted", "", AXIS)
    for row, drawn in enumerate(columns(values, top, starts, frame.height)):
        label = scale if row == 0 else "0" if row == frame.height - 1 else ""
        yield styled([(f"{label:>{AXIS - 2}} ", "muted"), ("┤" if label else "│", "rule"), (drawn, style)])


def _dates(trend: Trend, room: int) -> Line:
    first, last = _day(trend.began), _day(trend.ended)
    if first == last or room < len(first) + len(last) + 2:
        return styled([(" " * AXIS + first, "muted")])
    return styled([(" " * AXIS + first + f"{last:>{room - len(first)}}", "muted")])


def _day(at: float, form: str = "%-d %b") -> str:
    return time.strftime(form, time.gmtime(at))


def _trend_table(spans: Sequence[TrendPoint], room: int) -> Iterator[Line]:
    head = ("from", "decisions", "✓", "✎", "✗", "↩", "unchanged", "waited")
    rows = []
    for span in reversed(spans):
        rates = span.rates
        counts = [f"{count:,}" for count in (rates.total, rates.approved, rates.edited, rates.rejected, rates.answered)]
        rows.append((_day(span.began, "%Y-%m-%d"), *counts, percent(rates.share(rates.approved)), measured_duration(span.waited)))
    yield from grid(head, rows, room)
    yield BLANK
