"""What there is to look at in the insights, as a list: everything first, then each agent, tool, reviewer and rule. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hitl_tui.formatting import percent
from hitl_tui.oversight.statistics import Calibration, Figures, Insights, Reader
from hitl_tui.ui.text import labels

ENOUGH = 2
"""Decisions below which shares say nothing."""


@dataclass(frozen=True, slots=True)
class Period:
    """How far back one looks."""

    id: str
    title: str
    days: int | None
    """None for all there is."""

    def since(self, now: float) -> float:
        """Unix time, seconds; 0 for all there is."""
        return 0.0 if self.days is None else now - self.days * 86_400

    @property
    def told(self) -> str:
        """As the end of a sentence."""
        return "of all time" if self.days is None else f"of the last {self.title}"


PERIODS = {
    period.id: period
    for period in (Period("7d", "7 days", 7), Period("30d", "30 days", 30), Period("90d", "90 days", 90), Period("all", "all", None))
}
"""By id."""
FIRST_PERIOD = "30d"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the list."""

    id: int
    """Its place."""
    section: str
    """What it is one of: `agent`, `tool`, `reviewer`, `rule`; empty for what is about all of them."""
    name: str
    beside: str = ""
    """What the name alone does not say."""
    subject: Figures | Calibration | Sequence[Reader] | None = None
    """What is told of it; None for the heading of a section."""
    count: int | None = None
    share: float | None = None
    """Approved unchanged; None of too few."""
    said: str = ""
    """In place of the share."""
    warns: bool = False

    @property
    def of(self) -> tuple[str, str, str]:
        """What it is about, wherever it stands."""
        return self.section, self.name, self.beside if self.section == "tool" else ""

    @property
    def is_heading(self) -> bool:
        """Whether the cursor passes it by."""
        return self.subject is None


def entries(now: Insights, reviewer: str) -> list[Entry]:
    """All rows."""
    return [replace(entry, id=place) for place, entry in enumerate(_entries(now, reviewer))]


def _entries(now: Insights, reviewer: str) -> Iterator[Entry]:
    yield _figures("", "Overall", "", now.overall)
    off = now.calibration.error
    said = "no confidence" if not now.calibration.count else f"off by {percent(off)}"
    yield Entry(0, "", "Calibration", "", now.calibration, now.calibration.count or None, None, said)
    fast = [reader for reader in now.readers if reader.pace.too_fast]
    said = "not enough yet" if not now.readers else "nobody is too fast" if not fast else f"⚠ {len(fast)} too fast"
    yield Entry(0, "", "Fatigue", "", tuple(now.readers), None, None, said, bool(fast))
    for section, found in (("agent", now.agents), ("tool", now.tools), ("reviewer", now.reviewers), ("rule", now.rules)):
        if found:
            yield Entry(0, section, f"{section.capitalize()}s", f"{len(found):,}")
        for figures in found:
            name, beside = figures.name, ""
            if section == "tool":
                beside, _, name = figures.name.partition(" ")
            elif section == "reviewer":
                name = labels.actor(figures.name, reviewer)
            yield _figures(section, name, beside, figures)


def _figures(section: str, name: str, beside: str, figures: Figures) -> Entry:
    rates = figures.rates
    share = rates.share(rates.approved) if rates.total >= ENOUGH else None
    return Entry(0, section, name, beside, figures, rates.total, share)
