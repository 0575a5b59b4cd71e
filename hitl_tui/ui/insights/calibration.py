"""Calibration as lines: stated confidence against what people approved, the threshold it supports, and the chart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.formatting import counted, percent, percent_range
from hitl_tui.oversight.statistics import Calibration, ConfidenceBin, reliability, wilson
from hitl_tui.ui.insights.figures import ENOUGH, Frame, Period
from hitl_tui.ui.text.charts import UP, Point, grid, plane, styled
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph
from hitl_tui.ui.widgets.styled_lines import Piece

LEAD = 13
"""Cells of the column of names."""
SIDE = 7
"""Cells left of the chart for its scale."""
WIDEST = 120
BESIDE = 36
"""Cells of the legend beside the chart."""
LEAST = 60
"""Cells of the chart from which on the legend stands beside it."""
HIGHEST = 31
AROUND = 22
"""Rows of the pane that the chart leaves for the text."""
LEGEND_ROWS = 7
"""Rows of the legend below the chart, and the blank one above it."""
FEW = 10
"""Decisions below which a point is drawn without its interval."""
EXACT, LESS, MORE, UNCERTAIN = ("●", "accent"), ("▼", "warning"), ("▲", "success"), ("○", "muted")
LEGEND = {
    EXACT: "as stated",
    LESS: "approved less often than stated",
    MORE: "approved more often than stated",
    UNCERTAIN: f"fewer than {FEW} decisions",
}


def calibration_lines(calibration: Calibration, period: Period, frame: Frame) -> Iterator[Line]:
    """The summary, then the chart or its numbers."""
    yield line(f"{counted(calibration.count, 'decision')} {period.phrase} with a stated confidence", "strong")
    yield BLANK
    if calibration.count < ENOUGH:
        yield from paragraph("Not enough data: calibration needs two decisions on calls that come with a confidence.", "muted")
        yield line("p chooses a longer period.", "muted")
        return
    yield from _summary(calibration)
    yield BLANK
    yield from _table(calibration.bins, frame.room) if frame.is_table else _chart(calibration.bins, frame)


def _summary(calibration: Calibration) -> Iterator[Line]:
    stated = sum(one.confidence for one in calibration.bins) / calibration.count
    share = sum(one.good for one in calibration.bins) / calibration.count
    yield from _fact("confidence", f"{stated:.2f} on average; people approved {percent(share)} unchanged")
    if calibration.error is not None:
        yield from _fact("error", f"{calibration.error:.3f} (expected calibration error; 0 is best)")
    if calibration.brier is not None:
        yield from _fact("Brier score", f"{calibration.brier:.3f} (0 is best; always stating {share:.2f} scores {share * (1 - share):.3f})")
    yield from _fact("threshold", _threshold(calibration))


def _fact(name: str, text: str) -> Iterator[Line]:
    yield from paragraph(text, "", name, LEAD, "muted")


def _threshold(calibration: Calibration) -> str:
    if calibration.auto is None:
        return "none yet: too few decisions, or too few approvals"
    above = [one for one in calibration.bins if one.count and one.confidence / one.count >= calibration.auto - 1e-9]
    good, count = sum(one.good for one in above), sum(one.count for one in above)
    bounds = wilson(good, count)
    interval = f" ({percent_range(*bounds)}, 95 % CI)" if bounds else ""
    shares = f"from there, people approved {good:,} of {count:,} unchanged{interval}"
    return f"{calibration.auto:.2f}; {shares}: such calls could run without asking"


def _chart(bins: Sequence[ConfidenceBin], frame: Frame) -> Iterator[Line]:
    is_beside = frame.room - SIDE - BESIDE >= LEAST
    cells = min(WIDEST, frame.room - SIDE - (BESIDE if is_beside else 0))
    around = AROUND - LEGEND_ROWS if is_beside else AROUND
    height = max(9, min(HIGHEST, frame.rows - around)) // 2 * 2 + 1
    points = [point for one in bins if (point := _point(one))]
    legend = list(_legend({point.mark for point in points}))
    beside = iter(legend if is_beside else ())
    yield line("approved unchanged", "muted")
    for row, drawn in enumerate(plane(points, cells, height)):
        label = {0: "100 %", height // 2: "50 %", height - 1: "0 %"}.get(row, "")
        told = next(beside, [])
        yield styled([(f"{label:>{SIDE - 2}} ", "muted"), ("┤" if label else "│", "rule"), *drawn, *([("   ", ""), *told] if told else [])])
    yield styled([(" " * (SIDE - 1), ""), ("└" + "─" * cells, "rule")])
    yield styled([(" " * SIDE + "0" + f"{'0.5':^{cells - 2}}" + "1", "muted")])
    yield _sizes(bins, cells)
    if not is_beside:
        yield BLANK
        yield from map(styled, legend)


def _point(one: ConfidenceBin) -> Point | None:
    bounds = wilson(one.good, one.count)
    if bounds is None:
        return None
    stated, share = one.confidence / one.count, one.good / one.count
    if one.count < FEW:
        return Point(stated, share, share, share, UNCERTAIN)
    mark = LESS if stated > bounds[1] else MORE if stated < bounds[0] else EXACT
    return Point(stated, share, *bounds, mark)


def _sizes(bins: Sequence[ConfidenceBin], cells: int) -> Line:
    drawn = [" "] * cells
    most = max((one.count for one in bins), default=0)
    for stated, _, count in reliability(bins):
        drawn[round(min(1.0, max(0.0, stated)) * (cells - 1))] = UP[max(1, round(8 * count / most))]
    return styled([(" " * SIDE, ""), ("".join(drawn), "accent")])


def _legend(marks: set[Piece]) -> Iterator[list[Piece]]:
    for mark, name in LEGEND.items():
        if mark in marks:
            yield [mark, (f" {name}", "muted")]
    yield [("│ 95 % confidence interval", "muted")]
    yield [("· perfect calibration", "muted")]
    yield [("▁▃█ number of decisions", "muted")]


def _table(bins: Sequence[ConfidenceBin], room: int) -> Iterator[Line]:
    rows = []
    for one in sorted((one for one in bins if one.count), key=lambda one: -one.confidence / one.count):
        bounds = wilson(one.good, one.count)
        interval = percent_range(*bounds) if bounds else ""
        rows.append((f"{one.confidence / one.count:.2f}", f"{one.count:,}", f"{one.good:,}", percent(one.good / one.count), interval))
    yield from grid(("stated", "decisions", "unchanged", "share", "95 % CI"), rows, room)
