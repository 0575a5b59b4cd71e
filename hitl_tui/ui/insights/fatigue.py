"""How reviewers read, as lines: who goes too fast, in a calm sentence, and each one's time, share approved and attention checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.formatting import UNKNOWN, counted, percent, took
from hitl_tui.oversight.statistics import Reader
from hitl_tui.ui.insights.figures import Frame
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import bar, grid, inked
from hitl_tui.ui.text.lines import BLANK, Line, fit, line, paragraph

NAME = 12
STREAK = 5
"""Fast approvals in a row that are told as such."""
MEANING = (
    "Fast is less time in view than it takes to read, of somebody's last decisions; shares are those of the period. Nobody is kept from "
    "deciding: who goes too fast sees a notice, and scrolls what is irreversible to its end. Attention checks are opt-in, never run, and "
    "are in no rate."
)


def fatigue_lines(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    """Sentences first, then the plot or its numbers."""
    yield line("How reviewers read what they decide", "strong")
    yield BLANK
    if not readers:
        yield line("Not enough yet: nobody's time in view is known of these decisions.", "muted")
        return
    yield from _sentences(readers, frame.reviewer)
    yield BLANK
    yield from _table(readers, frame) if frame.is_table else _plot(readers, frame)
    yield BLANK
    yield from paragraph(MEANING, "muted")


def _sentences(readers: Sequence[Reader], reviewer: str) -> Iterator[Line]:
    told = False
    for reader in readers:
        who, pace = labels.actor(reader.reviewer, reviewer), reader.pace
        if pace.too_fast:
            told = True
            if pace.streak >= STREAK:
                text = f"{who} approved {pace.streak} in a row faster than can be read; a longer look helps"
            else:
                text = f"{who} decided {pace.fast} of the last {pace.decided} faster than can be read; a longer look helps"
            yield from paragraph(text, "", "⚠", 2, "warning")
        if reader.caught < reader.shown:
            told = True
            missed = reader.shown - reader.caught
            yield from paragraph(f"{who} let {missed} of {counted(reader.shown, 'attention check')} pass", "", "⚠", 2, "warning")
    if not told:
        yield from paragraph(_nobody(sum(reader.pace.fast for reader in readers)), "", "✓", 2, "success")


def _nobody(fast: int) -> str:
    """What is to say when no one goes too fast: still the same figures as everywhere."""
    if not fast:
        return "Nobody goes too fast."
    were = "was" if fast == 1 else "were"
    return f"{counted(fast, 'decision')} {were} faster than can be read; nobody makes a habit of it yet"


def _plot(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    cells = max(4, min(30, (frame.room - NAME - 24) // 2))
    head = f"{'':<{NAME}} {fit('per 1,000 characters', cells + 8)} {fit('unchanged', cells + 6)}  checks"
    yield inked([(head, "muted")])
    slowest = max((reader.per_1000 for reader in readers if reader.per_1000 is not None), default=0.0)
    for reader in readers:
        share = (reader.per_1000 or 0.0) / slowest if slowest else 0.0
        looked, left = bar(share, cells)
        agreed, other = bar(reader.unchanged or 0.0, cells)
        warns = reader.pace.too_fast
        yield inked([
            (fit(labels.actor(reader.reviewer, frame.reviewer), NAME), "strong"), (" ", ""),
            (looked, "warning" if warns else "accent"), (left, "faint"), (f"{took(reader.per_1000):>7}  ", ""),
            (agreed, "success"), (other, "faint"), (f"{percent(reader.unchanged):>6} ", ""), (f" {_checks(reader):>6}", ""),
        ])  # fmt: skip


def _checks(reader: Reader) -> str:
    return f"{reader.caught}/{reader.shown}" if reader.shown else UNKNOWN


def _table(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    head = ("reviewer", "fast", "in a row", "looked at", "per 1,000", "unchanged", "checks")
    rows = [
        (
            fit(labels.actor(reader.reviewer, frame.reviewer), NAME).rstrip(), f"{reader.pace.fast} of {reader.pace.decided}",
            str(reader.pace.streak), took(reader.looked.median), took(reader.per_1000), percent(reader.unchanged), _checks(reader),
        )
        for reader in readers
    ]  # fmt: skip
    yield from grid(head, rows, frame.room)
