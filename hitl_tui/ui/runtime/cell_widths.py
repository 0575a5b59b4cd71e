"""Widths of characters, which terminals measure differently: each gets as many cells as the widest draws it in, and a place of its own.

`use_widest_cells` makes rich, and with it Textual, count so; `placed` writes so that nothing shifts or covers its neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import pairwise

import rich.cells
from rich.cells import CellTable, cell_len, get_character_cell_size
from textual.driver import Driver

from hitl_tui.sanitize import PLAIN, is_mark

_table: Callable[[str], CellTable] = rich.cells.load_cell_table  # type: ignore[attr-defined]
OLDEST, NEWEST = "4.1.0", "latest"
"""Versions of Unicode whose tables a terminal may have; those between agree with one of the two."""
SPACING_MARKS = ((0x0900, 0x1CFF), (0xA800, 0xABFF), (0x11000, 0x11FFF), (0x16F50, 0x16FFF), (0x1D165, 0x1D173))
"""Blocks (from, up to) of marks that take a cell of their own in some terminals and none in others."""
WIDER = (
    (0x302E, 0x302F), (0x3248, 0x324F), (0x16FF0, 0x16FF1), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x1F93B, 0x1F93B), (0x1F946, 0x1F946),
)  # fmt: skip
"""Characters of two cells in some terminal and fewer in all of rich's tables."""
_TEXT = re.compile(r"(\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P_^X][^\x1b\x07]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x1f\x7f]+)")
_LOOK = re.compile(f"[^\\x00-\\x1f\\x7f⟨⟩⇥␣{PLAIN}]")
SAVE, RESTORE = "\x1b7", "\x1b8"
"""The cursor's place and style (DECSC, DECRC); every terminal has these."""


@cache
def widest_table(_version: str = "auto") -> CellTable:
    """The cells of each character in the terminal that draws it widest."""
    newest = _table(NEWEST)
    spacing = [(point, point, 1) for start, end in SPACING_MARKS for point in range(start, end) if unicodedata.category(chr(point)) == "Mc"]
    tables = [_table(OLDEST).widths, newest.widths, spacing, [(start, end, 2) for start, end in WIDER]]
    edges = sorted({edge for table in tables for start, end, _ in table for edge in (start, end + 1)})
    places = [0] * len(tables)
    widths = []
    for edge, over in pairwise(edges):
        found = 0
        for number, table in enumerate(tables):
            while places[number] < len(table) and table[places[number]][1] < edge:
                places[number] += 1
            inside = places[number] < len(table) and table[places[number]][0] <= edge
            found = max(found, table[places[number]][2] if inside else 1 if number < 2 else 0)  # what a table leaves out has one cell
        if found != 1:
            widths.append((edge, over - 1, found))
    return CellTable(newest.unicode_version, widths, newest.narrow_to_wide)


def _width(table: CellTable, point: int) -> int:
    low, high = 0, len(table.widths) - 1
    while low <= high:
        middle = (low + high) // 2
        start, end, width = table.widths[middle]
        if start <= point <= end:
            return width
        low, high = (middle + 1, high) if point > end else (low, middle - 1)
    return 1


def use_widest_cells() -> None:
    """Make rich measure text by `widest_table` from now on. It asks this name of its module for a table, and has no public hook."""
    if rich.cells.load_cell_table is not widest_table:  # type: ignore[attr-defined]
        rich.cells.load_cell_table = widest_table  # type: ignore[attr-defined]
        get_character_cell_size.cache_clear()
        rich.cells.cached_cell_len.cache_clear()


@lru_cache(4096)
def _is_undisputed(character: str) -> bool:
    """Whether every terminal measures a character as we do: it is old, stands alone, and the tables agree on it."""
    point = ord(character)
    return (
        not is_mark(character)
        and unicodedata.ucd_3_2_0.category(character) not in ("Cn", "Cf", "Co", "Sk")
        and _width(_table(OLDEST), point) == _width(_table(NEWEST), point) == get_character_cell_size(character) > 0
    )


def placed(output: str) -> str:
    """What is written to the terminal, with every character of disputed width at a place of its own.

    It is drawn over as many blanks as it may take, and what follows goes on behind them, wherever the terminal's cursor is.
    """
    if not _LOOK.search(output):
        return output
    return "".join(part if place % 2 else _placed_text(part) for place, part in enumerate(_TEXT.split(output)))


def _placed_text(text: str) -> str:
    return "".join(_characters(text)) if _LOOK.search(text) else text


def _characters(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and is_mark(text[end]):
            end += 1
        whole = text[at:end]
        if end == at + 1 and _is_undisputed(whole):
            yield whole
        elif cells := cell_len(whole):
            shown = whole if not is_mark(whole[0]) else ""  # half a character at the edge of what is drawn again
            yield f"{SAVE}{' ' * cells}{RESTORE}{shown}{RESTORE}\x1b[{cells}C"
        at = end


class PlacedOutput(Driver):
    """A driver that writes through `placed`."""

    def write(self, data: str) -> None:
        super().write(placed(data))  # type: ignore[safe-super]
