"""Where the rows of a line begin: word wrap that loses no character.

A row at a time, so that megabytes cost only what is looked at. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, get_character_cell_size


def row_starts(text: str, width: int) -> Iterator[int]:
    """Offsets where the rows of one line begin; the first is 0. A row holds at most `width` cells, but for a blank at its end."""
    yield 0
    at, size, width = 0, len(text), max(1, width)
    narrow = text.isascii()
    while at < size:
        full = at + width if narrow else _fitting(text, at, width)
        if full >= size:
            return
        blank = text.rfind(" ", at, full + 1)
        at = blank + 1 if blank > at else full
        if at < size:
            yield at


def _fitting(text: str, at: int, width: int) -> int:
    """The end of the longest piece from `at` that fits, and is at least one character."""
    piece = text[at : at + width]
    if cell_len(piece) <= width:
        return at + len(piece)
    cells = 0
    for place, character in enumerate(piece):
        cells += get_character_cell_size(character)
        if cells > width:
            return at + max(1, place)
    return at + len(piece)
