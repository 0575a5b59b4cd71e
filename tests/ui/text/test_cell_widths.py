"""Widths that terminals measure differently: nothing shifts or covers its neighbours, and living scripts stay readable."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from functools import cache
from pathlib import Path

import pytest
import regex
import rich.cells
import wcwidth
from rich.cells import cell_len

from hitl_tui.sanitize import INVISIBLE, PLAIN, draw, is_hidden, is_mark
from hitl_tui.ui.runtime.cell_widths import placed, use_widest_cells
from tests.support.cell_sweep import MARK, ROWS, payload_screens, screens
from tests.support.tmux import needs_tmux, tmux

TABLE = Path(__file__).with_name("wcwidth_0_2_13.txt")
"""The widest of all tables of wcwidth 0.2.13 (Unicode 4.1 to 15.1), as `first-last:cells` in hexadecimal."""


@cache
def assigned() -> list[str]:
    """Every character that this Python's Unicode has."""
    return [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) != "Cn"]


@pytest.mark.parametrize(
    "text",
    ["नमस्ते दुनिया", "مرحبا بالعالم", "שָׁלוֹם", "สวัสดีที่", "வணக்கம்", "안녕하세요", "日本語テスト", "Привет, κόσμε", "tiếng Việt", "🎉 👍🏽 🇩🇪"],
)
def test_living_script_is_drawn_without_codes(text: str) -> None:
    assert draw(text).text == text


def test_output_with_disputed_widths_places_each_character_itself() -> None:
    use_widest_cells()
    assert placed("\x1b[1mplain ✓ 日本 │\x1b[0m") == "\x1b[1mplain ✓ 日本 │\x1b[0m"
    assert placed("a\u093eb") == "\x1b7  \x1b8a\u093e\x1b8\x1b[2Cb"
    assert placed("\x1b[1m\u093eb") == "\x1b[1m\x1b7 \x1b8\x1b8\x1b[1Cb"  # half a character, cut off by a dialog: not on what is beside it


def test_plain_characters_are_undisputed_and_need_no_code() -> None:
    plain = re.findall(f"[{PLAIN}]", "".join(map(chr, range(0x10000))))
    assert len(plain) > 30_000
    for character in plain:
        assert not is_hidden(character) and not is_mark(character) and unicodedata.is_normalized("NFC", character)
        assert wcwidth.wcwidth(character) == cell_len(character)


@pytest.mark.slow
def test_every_character_gets_the_cells_of_the_widest_table() -> None:
    use_widest_cells()
    old: dict[int, int] = {}
    for part in TABLE.read_text().split():
        span, _, cells = part.partition(":")
        first, _, last = span.partition("-")
        old |= dict.fromkeys(range(int(first, 16), int(last, 16) + 1), int(cells))
    for character in assigned():
        if not is_hidden(character):
            given = rich.cells.get_character_cell_size(character)
            assert given >= max(wcwidth.wcwidth(character), old.get(ord(character), 1)), hex(ord(character))


@pytest.mark.slow
def test_ignorable_characters_of_unicode_are_hidden() -> None:
    ignorable = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{C}\p{Z}--[\n\t\x20]]", regex.V1)
    for point in range(0x110000):
        if ignorable.match(chr(point)):
            assert is_hidden(chr(point)) or chr(point) in "\n\t", hex(point)
    others = {character for character in assigned() if INVISIBLE.match(character) and not ignorable.match(character)}
    assert others <= set("\u2800\ufffc\ufffd\U00016fe4\U0001d159\U00013441\U00013442")  # look like a blank, or like what is missing


@needs_tmux
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_character_covers_or_shifts_its_neighbours_in_tmux() -> None:
    use_widest_cells()
    with tmux([sys.executable, "-m", "tests.support.cell_sweep", "characters", "1"], 100, ROWS + 2) as terminal:
        for number, screen in enumerate(screens(1)):
            shown = terminal.until(f"screen {number}.").split("\n")
            for row, text in zip(screen, shown, strict=False):
                assert (text.count("#"), text.count("|")) == (len(row) + len(row) // 2, (len(row) + 1) // 2), (row, text)
            terminal.keys("Enter")
        terminal.until("all drawn.")


@needs_tmux
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hostile_arguments_cover_nothing_in_tmux() -> None:
    use_widest_cells()
    count = 100_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 2_000
    with tmux([sys.executable, "-m", "tests.support.cell_sweep", "payloads", "4", str(count)], 100, ROWS + 2) as terminal:
        for number, screen in enumerate(payload_screens(4, count)):
            shown = terminal.until(f"screen {number}.").split("\n")
            for row, text in zip(screen, shown, strict=False):
                assert text.startswith(MARK) and text.rstrip().endswith(MARK), (row, text)
            terminal.keys("Enter")
        terminal.until("all drawn.")


@needs_tmux
@pytest.mark.slow
def test_hostile_review_is_not_drawn_over_another_in_tmux() -> None:
    with tmux([sys.executable, "-m", "tests.ui.demo", "hostile"], 110, 16) as terminal:
        terminal.until("run r1 ·")
        for key, run in (("j", 2), ("j", 3), ("j", 4), ("k", 3), ("k", 2), ("k", 1), ("j", 2), ("k", 1)):
            terminal.keys(key)
            terminal.until(f"run r{run} ·")
        shown = terminal.until("┃ to       EVIL").split("\n")
        framed = shown[2:13]
        assert all(row.endswith("│") and row.count("││") == 1 for row in framed), shown
