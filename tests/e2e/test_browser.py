"""The console in a browser, as textual-serve runs it: what is held or pasted decides as little as in a terminal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.rows import seed_home
from tests.benchmarks.startup import console_command
from tests.support.browser import Browser, browser
from tests.support.keyboard import Keyboard

AGENT = f"{GRAPHS}:asking"
REASON = "not now " * 400
"""Longer than one read of the connection."""


@pytest.fixture(scope="module")
def keyboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyboard]:
    home = seed_home(tmp_path_factory.mktemp("browser"), 20)
    with browser(console_command(home.path, AGENT)) as page:
        page.until(b"approve")
        keyboard = Keyboard(page, home)
        keyboard.settle()
        yield keyboard


@pytest.mark.slow
def test_a_key_held_in_a_browser_decides_once_and_is_said_to_be_held(keyboard: Keyboard) -> None:
    decisions = keyboard.count("decisions")
    keyboard.type(b"a", *[b"a"] * 40, pause_s=1 / 30)
    keyboard.screen.until(b"key is held down")
    keyboard.settle()
    assert keyboard.count("decisions") == decisions + 1


@pytest.mark.slow
def test_text_pasted_in_a_browser_decides_nothing(keyboard: Keyboard) -> None:
    decisions = keyboard.count("decisions")
    keyboard.type(b"\x1b[200~a plan\ra\x1b[201~")
    keyboard.screen.until(b"pasted text needs a text field")
    keyboard.type(b"j", b"a plan\ra")
    keyboard.screen.until(b"several keys came at once")
    keyboard.settle()
    assert keyboard.count("decisions") == decisions


@pytest.mark.slow
def test_text_pasted_in_a_browser_into_a_field_is_its_text(keyboard: Keyboard) -> None:
    decisions = keyboard.count("decisions")
    keyboard.press_until(b"r", b"Reject")
    keyboard.type(b"\x1b[200~" + REASON.encode() + b"\r\x1b[201~", b"\r", pause_s=0.3)
    keyboard.until_count("decisions", decisions + 1)
    with sqlite3.connect(keyboard.home.database) as db:
        assert db.execute("SELECT kind, message FROM decisions ORDER BY id DESC LIMIT 1").fetchone() == ("reject", REASON.strip())


@pytest.mark.slow
def test_a_page_that_is_resized_is_drawn_anew_and_closing_it_ends_the_console(tmp_path: Path) -> None:
    with browser(console_command(tmp_path, AGENT)) as page:
        assert isinstance(page, Browser)
        page.until(b"Nothing waits")
        page.tell("resize", width=50, height=12)
        page.until("60×16".encode())
        page.tell("quit")
        page.wait()
