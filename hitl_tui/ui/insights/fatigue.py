"""Reviewer fatigue as lines: who approves too fast, reading time, share approved and attention checks of each reviewer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.formatting import UNKNOWN, counted, measured_duration, percent
from hitl_tui.oversight.statistics import LONG_STREAK, Reader
from hitl_tui.ui.insights.figures import Frame
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import bar, grid, styled
from hitl_tui.ui.text.lines import BLANK, Line, fit, line, paragraph

NAME = 12
ENOUGH_SEEN = 0.9
"""Mean share seen below which the message says so."""
MEANING = (
    "Fast: viewed for less time than reading takes, among a reviewer's most recent decisions. Seen: the share of the text that was on the "
    "screen, where that was measured. Other shares cover the chosen period. Nobody is "
    "blocked: a fast reviewer sees a notice and must read irreversible calls to the end. Attention checks are optional, never run, and "
    "not part of any rate."
)


def fatigue_lines(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    """The findings, then the chart or its numbers."""
    yield line("How long reviewers read before they decide", "strong")
    yield BLANK
    if not readers:
        yield line("Not enough data: no reading time is known for these decisions.", "muted")
        return
    yield from _findings(readers, frame.reviewer)
    yield BLANK
    yield from _table(readers, frame) if frame.is_table else _chart(readers, frame)
    yield BLANK
    yield from paragraph(MEANING, "muted")


def _findings(readers: Sequence[Reader], reviewer: str) -> Iterator[Line]:
    any_found = False
    for reader in readers:
        who, pace = labels.actor(reader.reviewer, reviewer), reader.pace
        if pace.too_fast:
            any_found = True
            if pace.streak >= LONG_STREAK:
                text = f"{who} approved {pace.streak} calls in a row faster than anyone can read"
            else:
                text = f"{who} decided {pace.fast} of the last {pace.decided} calls faster than anyone can read"
            yield from paragraph(text, "", "⚠", 2, "warning")
        if reader.caught < reader.shown:
            any_found = True
            missed = reader.shown - reader.caught
            yield from paragraph(f"{who} missed {missed} of {counted(reader.shown, 'attention check')}", "", "⚠", 2, "warning")
        if reader.seen is not None and reader.seen < ENOUGH_SEEN:
            any_found = True
            yield from paragraph(f"{who} decided calls of which {percent(reader.seen)} was on the screen on average", "", "⚠", 2, "warning")
    if any_found:
        return
    fast, decided = sum(reader.pace.fast for reader in readers), sum(reader.pace.decided for reader in readers)
    if fast:
        were = "was faster than it can be read" if fast == 1 else "were faster than they can be read"
        text = f"{fast} of the last {counted(decided, 'decision')} {were}; {LONG_STREAK} in a row are a warning."
        yield from paragraph(text, "", "·", 2, "muted")
    else:
        yield from paragraph("No decision was faster than it can be read.", "", "✓", 2, "success")


def _chart(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    cells = max(4, min(30, (frame.room - NAME - 31) // 2))
    head = f"{'':<{NAME}} {fit('per 1,000 chars', cells + 8)} {fit('unchanged', cells + 6)}{'seen':>8} checks"
    yield styled([(head, "muted")])
    slowest = max((reader.per_1000 for reader in readers if reader.per_1000 is not None), default=0.0)
    for reader in readers:
        share = (reader.per_1000 or 0.0) / slowest if slowest else 0.0
        viewed, viewed_rest = bar(share, cells)
        unchanged, unchanged_rest = bar(reader.unchanged or 0.0, cells)
        warns = reader.pace.too_fast
        yield styled([
            (fit(labels.actor(reader.reviewer, frame.reviewer), NAME), "strong"), (" ", ""),
            (viewed, "warning" if warns else "accent"), (viewed_rest, "faint"), (f"{measured_duration(reader.per_1000):>7}  ", ""),
            (unchanged, "success"), (unchanged_rest, "faint"), (f"{percent(reader.unchanged):>6} ", ""),
            (f" {percent(reader.seen):>6}", ""), (f" {_checks(reader):>6}", ""),
        ])  # fmt: skip


def _checks(reader: Reader) -> str:
    return f"{reader.caught}/{reader.shown}" if reader.shown else UNKNOWN


def _table(readers: Sequence[Reader], frame: Frame) -> Iterator[Line]:
    head = ("reviewer", "fast", "in a row", "viewed", "per 1,000", "seen", "unchanged", "checks")
    rows = [
        (
            fit(labels.actor(reader.reviewer, frame.reviewer), NAME).rstrip(), f"{reader.pace.fast} of {reader.pace.decided}",
            str(reader.pace.streak), measured_duration(reader.viewed.median), measured_duration(reader.per_1000),
            percent(reader.seen), percent(reader.unchanged), _checks(reader),
        )
        for reader in readers
    ]  # fmt: skip
    yield from grid(head, rows, frame.room)
