"""A page of the console in a real Chromium, and the server behind it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from hitl_tui.home import Home

HITL = [sys.executable, "-P", "-m", "hitl_tui"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed")
"""Skips a test where there is no Chromium to start; playwright's own cannot be downloaded everywhere."""
LINK = re.compile(r"a link for .*: (http\S+)")
TIMEOUT_S = 60.0
PRESSES, PRESS_S = 8, 8.0


class WebServer:
    """A running `hitl-tui serve`."""

    def __init__(self, process: subprocess.Popen[str], home: Home, link: str) -> None:
        self.process = process
        self.home = home
        self.link = link
        self.url = link.partition("/enter")[0]

    def new_link(self, name: str) -> str:
        """A link for a person."""
        done = subprocess.run([*HITL, "web-link", name, "--home", str(self.home.path)], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def stop(self) -> int:
        """End it as ctrl+c does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def web_server(home: Home, *options: str, targets: Sequence[str] = ()) -> Iterator[WebServer]:
    """Start a server on a free port, with a link for ann."""
    command = [*HITL, "serve", "--home", str(home.path), "--port", "0", "--as", "ann", *options, "--", *targets]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        lines: list[str] = []
        while not (found := LINK.search("".join(lines))):
            line = process.stderr.readline()
            assert line, f"it has ended: {lines}"
            lines.append(line)
        yield WebServer(process, home, found[1])
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)
        elif process.stderr:
            process.stderr.close()


class Page:
    """A tab with a console: what it was sent is kept, and keys are typed into it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.drawn = b""
        self.requested: list[str] = []
        self.problems: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._receive))
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _receive(self, payload: Any) -> None:
        self.drawn += payload if isinstance(payload, bytes) else b""

    def enter(self, link: str) -> None:
        """Open a link and follow it."""
        self.page.goto(link)
        self.page.click("button[type=submit]")

    def until(self, *texts: str) -> None:
        """Wait until texts were drawn, in this order, and forget them and what came before."""
        for text in texts:
            self.until_true(lambda text=text: text.encode() in self.drawn, text)  # type: ignore[misc]
            self.drawn = self.drawn.partition(text.encode())[2]

    def until_true(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            assert time.monotonic() < deadline, f"never: {what}; the last that was drawn is {self.drawn[-800:]!r}"
            self.page.wait_for_timeout(50)

    def press(self, *keys: str) -> None:
        """Press keys, by playwright's names, slowly enough for each to count by itself."""
        for key in keys:
            self.page.wait_for_timeout(200)
            self.page.keyboard.press(key)

    def press_until(self, key: str, text: str) -> None:
        """Press a key until a text is drawn, and forget the text and what came before."""
        self.press_until_true(key, lambda: text.encode() in self.drawn)
        self.until(text)

    def press_until_true(self, key: str, is_so: Callable[[], bool]) -> None:
        """Press a key until something is so: a key is ignored for a moment after what is shown has changed.

        It is pressed again only after a while: what it did the first time may come late, and twice would do something else.
        """
        for _ in range(PRESSES):
            self.press(key)
            until = time.monotonic() + PRESS_S
            while time.monotonic() < until:
                if is_so():
                    return
                self.page.wait_for_timeout(50)
        raise AssertionError(f"{key} never did it; the last that was drawn is {self.drawn[-800:]!r}")

    def type(self, text: str) -> None:
        """Type a text."""
        self.page.wait_for_timeout(200)
        self.page.keyboard.type(text, delay=60)

    def told(self) -> str:
        """The text of a page that shows no console."""
        return str(self.page.inner_text("body")).strip()


@contextlib.contextmanager
def browser_context() -> Iterator[Any]:
    """A fresh profile in a Chromium of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = browser.new_context(viewport={"width": 1300, "height": 800})
            context.set_default_timeout(TIMEOUT_S * 2000)  # milliseconds; the machine may be busy
            yield context
        finally:
            browser.close()
