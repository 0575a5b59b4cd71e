"""Small plots of text: bars, columns and a plane of points, made of marks that say the same without colour. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.styled_lines import Piece

ACROSS = " ▏▎▍▌▋▊▉█"
UP = " ▁▂▃▄▅▆▇█"
WIDEST = 16
"""Cells of a column, with the gap after it."""


def styled(pieces: Sequence[Piece]) -> Line:
    """One line of pieces that are safe to draw already."""
    spans, at = [], 0
    for text, style in pieces:
        spans += [(at, at + len(text), style)] if style else []
        at += len(text)
    return Line("".join(text for text, _ in pieces), "", tuple(spans))


def bar(share: float, cells: int) -> tuple[str, str]:
    """A bar as long as the share, exact to an eighth of a cell, and what is left of its cells; what is not nothing is seen."""
    eighths = max(min(round(share * cells * 8), cells * 8), int(share > 0))
    full, part = divmod(eighths, 8)
    drawn = "█" * full + (ACROSS[part] if part else "")
    return drawn, "·" * (cells - len(drawn))


def column_starts(count: int, room: int) -> list[int]:
    """Cells at which so many columns begin, and where the last one ends: all of the room, but for columns wider than `WIDEST`.

    They differ by one cell at most. `count` is not above `room`.
    """
    room = min(room, WIDEST * count)
    return [place * room // count for place in range(count + 1)]


def columns(values: Sequence[float | None], top: float, starts: Sequence[int], height: int) -> Iterator[str]:
    """Columns side by side, row by row from the top; an unknown value is a gap. `starts` is from `column_starts`.

    All columns have the same width, with a gap after each; where there is no room for gaps, each takes all of its cells.
    """
    spaces = [after - before for before, after in itertools.pairwise(starts)]
    wide = min(spaces) - 1
    eighths = [0 if value is None or top <= 0 else max(round(min(value / top, 1.0) * height * 8), int(value > 0)) for value in values]
    for row in range(height - 1, -1, -1):
        marks = (UP[max(0, min(8, each - row * 8))] for each in eighths)
        yield "".join(mark * (wide or space) + " " * (space - (wide or space)) for mark, space in zip(marks, spaces, strict=True))


@dataclass(frozen=True, slots=True)
class Point:
    """Something on a plane whose sides go from 0 to 1."""

    x: float
    y: float
    low: float
    """How low and how high it may be in truth."""
    high: float
    mark: Piece


def plane(points: Sequence[Point], cells: int, height: int) -> Iterator[list[Piece]]:
    """The plane row by row from its top, with its diagonal, and each point with a line over all that it may be."""
    rows: list[list[Piece]] = [[(" ", "")] * cells for _ in range(height)]
    for x in range(cells):
        rows[_row(x / max(1, cells - 1), height)][x] = ("·", "faint")
    for point in points:
        x = round(_within(point.x) * (cells - 1))
        for row in range(_row(point.high, height), _row(point.low, height) + 1):
            rows[row][x] = ("│", "muted")
    for point in points:
        rows[_row(point.y, height)][round(_within(point.x) * (cells - 1))] = point.mark
    yield from rows


def _row(y: float, height: int) -> int:
    return round((1 - _within(y)) * (height - 1))


def _within(value: float) -> float:
    return max(0.0, min(1.0, value))


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> Iterator[Line]:
    """A table: the first column to the left, numbers to the right, as far apart as there is room for."""
    widths = [max(cell_len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    gap = max(1, min(3, (room - sum(widths)) // max(1, len(head) - 1)))
    for number, row in enumerate([head, *rows]):
        first = row[0] + " " * (widths[0] - cell_len(row[0]))
        cells = [" " * (gap + width - cell_len(text)) + text for text, width in zip(row[1:], widths[1:], strict=True)]
        yield Line(first + "".join(cells), "" if number else "muted")
