"""Run in a terminal: draws each character that agent text may show, or rows of hostile arguments, between two marks.

A screen at a time, and waits for enter after each.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from hitl_tui.canonical_json import as_json
from hitl_tui.sanitize import draw, is_hidden, is_mark
from hitl_tui.ui.runtime.cell_widths import placed, use_widest_cells
from hitl_tui.ui.text.lines import table
from tests.support.hostile_payloads import payloads, rows

COLUMNS, ROWS = 100, 40
ROW_CELLS = 60
MARK = "☒"
ON_A_ROW = 12
"""Characters on a row, each in eight cells."""


def samples(step: int) -> Iterator[str]:
    """Every `step`th character that is drawn as itself: alone, or on one that it can stand on."""
    for point in range(0x21, 0x110000, step):
        character = chr(point)
        if not is_hidden(character) and character not in "#|":
            yield f"{'o' if unicodedata.category(character)[0] == 'M' else 'ᄀ'}{character}" if is_mark(character) else character


def screens(step: int) -> Iterator[list[list[str]]]:
    """The samples of each screen, row by row, as they are drawn."""
    found = [text for text in (draw(one).text for one in samples(step)) if cell_len(text) <= 6]
    each = ON_A_ROW * ROWS
    for at in range(0, len(found), each):
        screen = found[at : at + each]
        yield [screen[row : row + ON_A_ROW] for row in range(0, len(screen), ON_A_ROW)]


def payload_screens(seed: int, count: int) -> Iterator[list[str]]:
    """Rows of hostile arguments as the details show them, in exactly `ROW_CELLS` cells."""
    found: list[str] = []
    for args in payloads(seed, count):
        shown = (set_cell_size(row, ROW_CELLS) for row in rows(table(as_json(args).items()), ROW_CELLS))
        found += [row for row in shown if not row.isascii() and MARK not in row]
        while len(found) >= ROWS:
            yield found[:ROWS]
            found = found[ROWS:]


def draw_payloads(seed: int, count: int) -> None:
    """Draw a mark on both sides of every row first, then the rows."""
    for number, screen in enumerate(payload_screens(seed, count)):
        sys.stdout.write("\x1b[2J" + "".join(f"\x1b[{y};1H{MARK}\x1b[{y};{2 + ROW_CELLS}H{MARK}" for y in range(1, ROWS + 1)))
        sys.stdout.write("".join(f"\x1b[{y};2H{placed(row)}" for y, row in enumerate(screen, 1)))
        finish_screen(number)


def finish_screen(number: int) -> None:
    """Say that a screen is drawn, and wait until it has been read."""
    sys.stdout.write(f"\x1b[{ROWS + 1};1Hscreen {number}.")
    sys.stdout.flush()
    sys.stdin.readline()


def draw_characters(step: int) -> None:
    """Draw a `#` on both sides of every sample, then the samples; each second one is followed by a `|`, which takes the place of its `#`.

    What is wider than it should be covers a `#`, and what is measured otherwise moves the `|`.
    """
    for number, screen in enumerate(screens(step)):
        sys.stdout.write("\x1b[2J")
        for y, row in enumerate(screen, 1):
            for place, text in enumerate(row):
                left = 1 + place * 8
                sys.stdout.write(f"\x1b[{y};{left}H#\x1b[{y};{left + 1 + cell_len(text)}H#")
            for place, text in enumerate(row):
                sys.stdout.write(f"\x1b[{y};{2 + place * 8}H{placed(text)}{'' if place % 2 else '|'}")
        finish_screen(number)


def main() -> None:
    """Draw what the arguments name: `characters STEP`, or `payloads SEED COUNT`."""
    use_widest_cells()
    sys.stdout.write("\x1b[?7l\x1b[?25l")
    what, *numbers = sys.argv[1:]
    if what == "characters":
        draw_characters(int(numbers[0]))
    else:
        draw_payloads(int(numbers[0]), int(numbers[1]))
    sys.stdout.write("all drawn.")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    main()
