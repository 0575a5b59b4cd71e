"""Four people on one home, two over SSH, one in Chromium and one at the machine: each decision has one winner, and the others are told."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from hitl_tui.home import Home
from tests.benchmarks.rows import seed_home
from tests.benchmarks.terminal import Terminal, terminal
from tests.support.chromium import HITL, Page, browser_context, needs_chromium, web_server
from tests.support.ssh import make_key, needs_sshd, ssh_server
from tests.support.tiers import is_full

ROUNDS = 300 if is_full else 8
FORCED = 'restrict,pty,command="{command}" {key}'
ROUND_S = 120.0


class Console(Protocol):
    """What a person sees and types."""

    name: str

    def press(self, key: str) -> None: ...

    def look(self) -> bytes:
        """What was drawn since the last `forget`."""
        ...

    def forget(self) -> None: ...


class InTerminal:
    """A console in a pty."""

    def __init__(self, name: str, screen: Terminal) -> None:
        self.name = name
        self._screen = screen

    def press(self, key: str) -> None:
        self._screen.send(key.encode())

    def look(self) -> bytes:
        self._screen.keep(0.01)
        return self._screen._seen

    def forget(self) -> None:
        self._screen.drain(0.01)


class InChromium:
    """A console in a page."""

    def __init__(self, name: str, page: Page) -> None:
        self.name = name
        self._page = page

    def press(self, key: str) -> None:
        self._page.page.keyboard.press(key)

    def look(self) -> bytes:
        self._page.page.wait_for_timeout(10)
        return self._page.drawn

    def forget(self) -> None:
        self._page.drawn = b""


@pytest.fixture
def consoles(tmp_path: Path) -> Iterator[tuple[Home, list[Console]]]:
    """Four consoles on one home, with the first review under each cursor."""
    home = seed_home(tmp_path / "home", ROUNDS + 20)
    (home.path / "config.toml").write_text("undo_s = 0\n")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ssh_server(tmp_path / "sshd"))
        found: list[Console] = []
        for name in ("ann", "bob"):
            key = make_key(tmp_path, name)
            command = shlex.join([sys.executable, "-I", "-m", "hitl_tui", "ssh-session", "--as", name, "--home", str(home.path)])
            server.let_in(FORCED.format(command=command, key=key.with_suffix(".pub").read_text().strip()))
            found.append(InTerminal(name, stack.enter_context(terminal(server.client(key, "-tt", "-e", "none")))))
        found.append(
            InTerminal(
                "dan", stack.enter_context(terminal([*HITL, "console", "--no-worker", "--home", str(home.path), "--reviewer", "dan"]))
            )
        )
        web = stack.enter_context(web_server(home, "--no-worker"))
        page = Page(stack.enter_context(browser_context()).new_page())
        page.enter(web.new_link("cleo"))
        found.append(InChromium("cleo", page))
        for console in found:
            until_drawn(console, found, "approve")
        yield home, found


def until_drawn(console: Console, everybody: Sequence[Console], *texts: str) -> None:
    """Wait until one of the texts is on a console, while all are read."""
    deadline = time.monotonic() + ROUND_S
    while not any(text.encode() in console.look() for text in texts):
        told = {one.name: one.look()[-300:] for one in everybody}
        assert time.monotonic() < deadline, f"{console.name} never saw {texts}: {told}"
        time.sleep(0.05)


def decided(home: Home) -> list[tuple[int, str, str]]:
    """Review, person and how they were identified, of every decision."""
    with sqlite3.connect(home.database) as db:
        return db.execute("SELECT review, actor, identified FROM decisions ORDER BY id").fetchall()


@pytest.mark.slow
@pytest.mark.timeout(36_000 if ROUNDS > 100 else 900)
@needs_sshd
@needs_chromium
def test_four_consoles_that_decide_at_once_have_one_winner_each_and_tell_the_others(consoles: tuple[Home, list[Console]]) -> None:
    home, everybody = consoles
    deadline = time.monotonic() + ROUND_S * ROUNDS
    while len(decided(home)) < ROUNDS:
        assert time.monotonic() < deadline, (decided(home), {one.name: one.look()[-300:] for one in everybody})
        for key in "ga":  # all to the first review, then all decide it
            for console in everybody:
                console.press(key)
            for console in everybody:
                console.look()
        time.sleep(0.3)
    found = decided(home)
    assert len({review for review, _, _ in found}) == len(found)
    assert {name for _, name, _ in found} <= {"ann", "bob", "cleo", "dan"}
    assert {how for _, name, how in found if name != "dan"} <= {"pinned"}
    for console in everybody:
        for won in {name for _, name, _ in found} - {console.name}:
            until_drawn(console, everybody, f"approved by {won}")


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_sshd
@needs_chromium
def test_claim_and_presence_are_seen_on_every_other_console(consoles: tuple[Home, list[Console]]) -> None:
    _, everybody = consoles
    for console in everybody:
        for one in everybody:
            one.forget()
        console.press("j")
        others = [one for one in everybody if one is not console]
        for one in others:
            until_drawn(one, everybody, f"{console.name} is looking", f"{console.name} looking")
        console.press("k")
    for one in everybody:
        one.forget()
    everybody[0].press("c")
    for one in everybody[1:]:
        until_drawn(one, everybody, "claimed by ann", "ann until")
