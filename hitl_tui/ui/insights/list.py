"""The list of the insights view: overall, calibration and fatigue first, then every agent, tool, reviewer and rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from hitl_tui.formatting import percent
from hitl_tui.oversight.practice import Training
from hitl_tui.oversight.statistics import Agreement, Calibration, Figures, Reader, Statistics
from hitl_tui.ui.insights.figures import ENOUGH
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import bar
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import VirtualList

SHARE = 6
COUNT = 10
BAR = 10
"""Cells of these columns."""
WORTH = 8
"""Cells below which the detail beside a name is left out."""
ROOMY = 42
"""Cells from which there is room for bars."""


@dataclass(frozen=True, slots=True)
class InsightsRow:
    """One row of the list."""

    id: int
    """Its place in the list."""
    section: str
    """`agent`, `tool`, `reviewer` or `rule`; empty for a row about everything."""
    name: str
    detail: str = ""
    """A tool's agent; the number of rows of a section."""
    subject: Figures | Calibration | Sequence[Reader] | Sequence[Agreement] | Sequence[Training] | None = None
    """What the details show; None for the heading of a section."""
    count: int | None = None
    share: float | None = None
    """Approved unchanged; None while there is not enough data."""
    status: str = ""
    """Shown instead of the share."""
    warns: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Identifies the row when places change."""
        return self.section, self.name, self.detail if self.section == "tool" else ""

    @property
    def is_heading(self) -> bool:
        """Whether the cursor skips it."""
        return self.subject is None


def insights_rows(insights: Statistics, reviewer: str) -> list[InsightsRow]:
    """All rows, in order."""
    return [replace(row, id=place) for place, row in enumerate(_rows(insights, reviewer))]


def _rows(insights: Statistics, reviewer: str) -> Iterator[InsightsRow]:
    yield _figures_row("", "Overall", "", insights.overall)
    yield _calibration_row(insights.calibration)
    yield _fatigue_row(tuple(insights.readers))
    if insights.trainings:
        yield _practice_row(tuple(insights.trainings))
    if insights.agreements:
        yield _agreement_row(tuple(insights.agreements))
    sections = (("agent", insights.agents), ("tool", insights.tools), ("reviewer", insights.reviewers), ("rule", insights.rules))
    for section, found in sections:
        if found:
            yield InsightsRow(0, section, f"{section.capitalize()}s", f"{len(found):,}")
        for figures in found:
            name, detail = figures.name, ""
            if section == "tool":
                detail = figures.agent
            elif section == "reviewer":
                name = labels.actor(figures.name, reviewer)
            yield _figures_row(section, name, detail, figures)


def _figures_row(section: str, name: str, detail: str, figures: Figures) -> InsightsRow:
    rates = figures.rates
    share = rates.share(rates.approved) if rates.total >= ENOUGH else None
    return InsightsRow(0, section, name, detail, figures, rates.total, share)


def _calibration_row(calibration: Calibration) -> InsightsRow:
    status = f"off by {percent(calibration.error)}" if calibration.count else "no confidence"
    return InsightsRow(0, "", "Calibration", "", calibration, calibration.count or None, None, status)


def _fatigue_row(readers: Sequence[Reader]) -> InsightsRow:
    people, fast = sum(reader.pace.too_fast for reader in readers), sum(reader.pace.fast for reader in readers)
    status = f"⚠ {people} too fast" if people else f"{fast} of {sum(reader.pace.decided for reader in readers)} too fast"
    status = status if fast else "nobody too fast"
    return InsightsRow(0, "", "Fatigue", "", readers, None, None, status if readers else "not enough data", bool(people))


def _practice_row(trainings: Sequence[Training]) -> InsightsRow:
    bad, caught = (sum(getattr(one.result, name) for one in trainings) for name in ("bad", "caught"))
    status = f"caught {percent(caught / bad)}" if bad else "no bad call"
    return InsightsRow(0, "", "Practice", "", trainings, bad or None, None, status)


def _agreement_row(agreements: Sequence[Agreement]) -> InsightsRow:
    total = sum(one.total for one in agreements)
    share = percent(sum(one.agreed for one in agreements) / total)
    return InsightsRow(0, "", "Agreement", "", agreements, total, None, f"agree on {share}")


class InsightsList(VirtualList[InsightsRow]):
    """One line per row: name, the share approved unchanged as a bar and a number, and the number of decisions."""

    BORDER_TITLE = "Insights"
    noun = "row"
    rows_each = 1

    def __init__(self, moved: Callable[[int | None, bool], None]) -> None:
        super().__init__(self._loaded_rows, moved, id="insights-list")

    def key_of(self, row: InsightsRow) -> int:
        return row.id

    def paint(self, row: InsightsRow, part: int, width: int) -> Iterator[Piece]:
        bars = BAR + 1 if width >= ROOMY else 0
        name = width - bars - SHARE - COUNT - 1
        if row.is_heading:
            yield fit(f"{row.name} {row.detail}", name + bars - 6), "title"
            yield f"{'unchanged':>{SHARE + 6}}{'decisions':>{COUNT}} ", "muted"
            return
        if row.status:
            yield fit(f" {row.name}", width - cell_len(row.status) - COUNT - 1), "strong"
            yield row.status, "warning" if row.warns else "muted"
            yield f"{'' if row.count is None else f'{row.count:,}':>{COUNT}} ", "muted"
            return
        yield from _named(row, name)
        if bars:
            full, rest = bar(row.share or 0.0, BAR)
            yield f" {full}", "accent"
            yield rest, "faint"
        yield f"{percent(row.share):>{SHARE}}", ""
        yield f"{row.count or 0:>{COUNT},} ", "muted"

    def _go(self, place: int, within: bool = False) -> None:
        wanted = max(0, min(place, len(self.order) - 1))
        row = self.rows.get(wanted)
        if row and row.is_heading:
            place = wanted + (1 if self.cursor is None or wanted > self.cursor else -1)
        super()._go(place, within)

    async def _loaded_rows(self, ids: Sequence[int]) -> list[InsightsRow]:
        return [self.rows[id_] for id_ in ids if id_ in self.rows]


def _named(row: InsightsRow, cells: int) -> Iterator[Piece]:
    """The name, and the detail beside it if there is room."""
    name = fit(f" {row.name}", cells).rstrip()
    room = cells - cell_len(name)
    yield name, "strong" if not row.section else ""
    detail = row.detail if room > WORTH else ""
    yield " " * min(room, 2) + fit(detail, max(0, room - 2)), "muted"
