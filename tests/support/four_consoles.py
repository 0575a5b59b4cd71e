"""Consoles of several people on one home: in terminals, over SSH, and in Chromium."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hitl_tui.home import Home
from tests.benchmarks.rows import seed_home
from tests.benchmarks.terminal import Terminal, terminal
from tests.support.chromium import HITL, Page, browser_context, web_server
from tests.support.ssh import make_key, ssh_server

FORCED = 'restrict,pty,command="{command}" {key}'
LONGEST_S = 120.0
READ_S = 0.01
"""How long a console is read at a time."""
FUNCTION_KEYS = {"F1": "\x1bOP", "F2": "\x1bOQ"}
"""As xterm sends them."""


class Console(Protocol):
    """What a person sees and types."""

    name: str

    def press(self, key: str) -> None:
        """Press a key, by playwright's names."""
        ...

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
        self._screen.send(FUNCTION_KEYS.get(key, key).encode())

    def look(self) -> bytes:
        self._screen.keep(READ_S)
        return self._screen._seen

    def forget(self) -> None:
        self._screen.drain(READ_S)


class InChromium:
    """A console in a page."""

    def __init__(self, name: str, page: Page) -> None:
        self.name = name
        self._page = page

    def press(self, key: str) -> None:
        self._page.page.keyboard.press(key)

    def look(self) -> bytes:
        self._page.page.wait_for_timeout(READ_S * 1000)
        return self._page.drawn

    def forget(self) -> None:
        self._page.drawn = b""


@contextlib.contextmanager
def local_console(home: Home, name: str) -> Iterator[Console]:
    """A console at the machine itself."""
    with terminal([*HITL, "console", "--no-worker", "--home", str(home.path), "--reviewer", name]) as screen:
        yield InTerminal(name, screen)


@contextlib.contextmanager
def four_consoles(folder: Path, reviews: int) -> Iterator[tuple[Home, list[Console]]]:
    """ann and bob over SSH, dan at the machine and cleo in Chromium, on one home with so many reviews, the first under each cursor."""
    home = seed_home(folder / "home", reviews)
    (home.path / "config.toml").write_text("undo_s = 0\n")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ssh_server(folder / "sshd"))
        found: list[Console] = []
        for name in ("ann", "bob"):
            key = make_key(folder, name)
            command = shlex.join([sys.executable, "-I", "-m", "hitl_tui", "ssh-session", "--as", name, "--home", str(home.path)])
            server.let_in(FORCED.format(command=command, key=key.with_suffix(".pub").read_text().strip()))
            found.append(InTerminal(name, stack.enter_context(terminal(server.client(key, "-tt", "-e", "none")))))
        found.append(stack.enter_context(local_console(home, "dan")))
        web = stack.enter_context(web_server(home, "--no-worker"))
        page = Page(stack.enter_context(browser_context()).new_page())
        page.enter(web.new_link("cleo"))
        found.append(InChromium("cleo", page))
        for console in found:
            until_drawn(console, found, "approve")
        yield home, found


def until_drawn(console: Console, everybody: Sequence[Console], *texts: str) -> None:
    """Wait until one of the texts is on a console, while all are read: a full terminal stops its console."""
    deadline = time.monotonic() + LONGEST_S
    while not any(text.encode() in console.look() for text in texts):
        told = {one.name: one.look()[-300:] for one in everybody}
        assert time.monotonic() < deadline, f"{console.name} never saw {texts}: {told}"
        time.sleep(0.05)
