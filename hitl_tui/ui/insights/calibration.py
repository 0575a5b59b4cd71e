"""Stated confidence against what people decided, as lines: how far to believe it, from where on, and the plot of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.formatting import counted, percent
from hitl_tui.oversight.statistics import Believed, Calibration, reliability, wilson
from hitl_tui.ui.insights.entries import ENOUGH, Period
from hitl_tui.ui.insights.figures import Frame
from hitl_tui.ui.text.charts import UP, Point, grid, inked, plane
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph
from hitl_tui.ui.widgets.styled_lines import Piece

SIDE = 7
"""Cells beside the plane for its scale."""
WIDEST = 60
HIGHEST = 23
AROUND = 22
"""Rows of a pane that the plane does not get."""
FEW = 10
"""Decisions below which a point says little: it is drawn without how far off it may be."""
AS_SAID, LESS, MORE, LITTLE = ("●", "accent"), ("▼", "warning"), ("▲", "success"), ("○", "muted")
NAMES = {
    AS_SAID: "as stated", LESS: "approved less often than stated", MORE: "approved more often", LITTLE: f"fewer than {FEW} decisions",
}  # fmt: skip


def calibration_lines(found: Calibration, period: Period, frame: Frame) -> Iterator[Line]:
    """Sentences first, then the plot or its numbers."""
    yield line(f"{counted(found.count, 'decision')} {period.told} with a stated confidence", "strong")
    yield BLANK
    if found.count < ENOUGH:
        yield from paragraph("Not enough yet: it takes decisions on calls whose agent or graph says how sure it is.", "muted")
        yield line("p looks further back; README, Policy: where a confidence comes from.", "muted")
        return
    yield from _sentences(found)
    yield BLANK
    yield from _table(found.bins, frame.room) if frame.is_table else _plot(found.bins, frame)


def _sentences(found: Calibration) -> Iterator[Line]:
    stated = sum(one.confidence for one in found.bins) / found.count
    good = sum(one.good for one in found.bins)
    share = good / found.count
    yield from _said("stated", f"{stated:.2f} on average; people approved {percent(share)} unchanged")
    if found.error is not None:
        yield from _said("off by", f"{found.error:.3f} on average (expected calibration error; 0 is best)")
    if found.brier is not None:
        yield from _said("Brier", f"{found.brier:.3f} (0 is best; always saying {share:.2f} has {share * (1 - share):.3f})")
    yield from _said("threshold", _threshold(found))


def _said(name: str, text: str) -> Iterator[Line]:
    yield from paragraph(text, "", name, 11, "muted")


def _threshold(found: Calibration) -> str:
    if found.auto is None:
        return "none yet: too few decisions, or too many of them no approval"
    above = [one for one in found.bins if one.count and one.confidence / one.count >= found.auto - 1e-9]
    good, count = sum(one.good for one in above), sum(one.count for one in above)
    bounds = wilson(good, count)
    sure = f", {percent(bounds[0])} or more in truth" if bounds else ""
    return f"at {found.auto:.2f} and above, people approved {good:,} of {count:,} unchanged{sure}: it could go on by itself there"


def _plot(bins: Sequence[Believed], frame: Frame) -> Iterator[Line]:
    cells, height = min(WIDEST, frame.room - SIDE), max(9, min(HIGHEST, frame.rows - AROUND)) // 2 * 2 + 1
    points = [point for one in bins if (point := _point(one))]
    yield line("approved unchanged", "muted")
    for row, drawn in enumerate(plane(points, cells, height)):
        label = {0: "100 %", height // 2: "50 %", height - 1: "0 %"}.get(row, "")
        yield inked([(f"{label:>{SIDE - 2}} ", "muted"), ("┤" if label else "│", "rule"), *drawn])
    yield inked([(" " * (SIDE - 1), ""), ("└" + "─" * cells, "rule")])
    yield inked([(" " * SIDE + "0" + f"{'0.5':^{cells - 2}}" + "1", "muted")])
    yield _sizes(bins, cells)
    yield BLANK
    yield from _legend({point.mark for point in points})


def _point(one: Believed) -> Point | None:
    bounds = wilson(one.good, one.count)
    if bounds is None:
        return None
    stated, share = one.confidence / one.count, one.good / one.count
    if one.count < FEW:
        return Point(stated, share, share, share, LITTLE)
    mark = LESS if stated > bounds[1] else MORE if stated < bounds[0] else AS_SAID
    return Point(stated, share, *bounds, mark)


def _sizes(bins: Sequence[Believed], cells: int) -> Line:
    drawn = [" "] * cells
    most = max((one.count for one in bins), default=0)
    for stated, _, count in reliability(bins):
        drawn[round(min(1.0, max(0.0, stated)) * (cells - 1))] = UP[max(1, round(8 * count / most))]
    return inked([(" " * SIDE, ""), ("".join(drawn), "accent")])


def _legend(marks: set[Piece]) -> Iterator[Line]:
    for mark, name in NAMES.items():
        if mark in marks:
            yield inked([mark, (f" {name}", "muted")])
    yield line("│ where it is in 95 of 100 cases", "muted")
    yield line("· where it would be if it were exact", "muted")
    yield line("▁▃█ how many decisions", "muted")


def _table(bins: Sequence[Believed], room: int) -> Iterator[Line]:
    rows = []
    for one in sorted((one for one in bins if one.count), key=lambda one: -one.confidence / one.count):
        bounds = wilson(one.good, one.count)
        between = f"{percent(bounds[0])} to {percent(bounds[1])}" if bounds else ""
        rows.append((f"{one.confidence / one.count:.2f}", f"{one.count:,}", f"{one.good:,}", percent(one.good / one.count), between))
    yield from grid(("stated", "decisions", "unchanged", "share", "in 95 of 100 cases"), rows, room)
