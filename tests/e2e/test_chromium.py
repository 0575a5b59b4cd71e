"""The console in Chromium: queue, approve, edit, take over, copy, resize and reconnect, and what lets nobody in."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.home import Home, sample_agents
from tests.support.chromium import Page, WebServer, browser_context, needs_chromium, web_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), needs_chromium]
NAMES = ("bob", "eve", "kim")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """A server with the sample agents, of which some wait."""
    home = Home(tmp_path / "home").prepare()
    for name in NAMES:
        request = f"send a mail to {name}@example.com saying hello"
        done = CliRunner().invoke(main, ["launch", "mail_assistant", request, "--home", str(home.path)])
        assert done.exit_code == 0, done.output
    with web_server(home, targets=[str(sample_agents())]) as running:
        yield running


@pytest.fixture
def idle_server(tmp_path: Path) -> Iterator[WebServer]:
    """A server of a home without agents."""
    with web_server(Home(tmp_path / "home").prepare(), "--no-worker") as running:
        yield running


@pytest.fixture
def context() -> Iterator[Any]:
    with browser_context() as made:
        yield made


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(home.database) as db:
        return db.execute(sql).fetchall()


def consoles(home: Home) -> list[str]:
    """The command lines of consoles that browsers show."""
    found = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(home.path) in line and "ssh-session" in line]


def test_console_in_chromium_decides_edits_takes_over_and_copies(server: WebServer, context: Any) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page, home = Page(context.new_page()), server.home
    page.enter(server.link)
    page.until("Waiting", "@example.com")
    [cookie] = context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    page.press_until("y", "What goes to the clipboard")
    page.press("1")
    page.press_until("Enter", "copied")
    assert "@example.com" in page.page.evaluate("navigator.clipboard.readText()")
    page.press_until("a", "approved by you")
    page.press_until("e", "nothing is changed yet")
    page.type("zoe")
    page.press_until_true("Control+s", lambda: bool(rows(home, "SELECT 1 FROM decisions WHERE kind = 'edit'")))
    page.press_until_true("t", lambda: bool(rows(home, "SELECT 1 FROM takeovers")))
    page.until("hand back")
    assert rows(home, "SELECT DISTINCT actor FROM decisions") == [("ann",)]
    assert all(url.startswith((server.url, "data:", "blob:")) for url in page.requested), page.requested
    assert page.problems == []


def test_page_that_is_resized_or_loaded_again_keeps_what_was_typed(server: WebServer, context: Any) -> None:
    page = Page(context.new_page())
    page.enter(server.link)
    page.until("Waiting", "@example.com")
    page.page.set_viewport_size({"width": 420, "height": 240})
    page.until("60×16")
    page.page.set_viewport_size({"width": 1300, "height": 800})
    page.until("Waiting")
    page.press_until("r", "does not run")
    page.type("she is on holiday")
    page.until("holiday")
    page.page.reload()
    page.until("Waiting", "@example.com")
    page.press_until("r", "she is on holiday")
    assert rows(server.home, "SELECT count(*) FROM decisions") == [(0,)]
    page.press_until("Escape", "take over")  # the keys of the queue, bright again
    page.press_until("E", "no $EDITOR")
    page.page.close()
    other = Page(context.new_page())
    other.page.goto(server.url)
    other.until("Waiting")
    other.until_true(lambda: len(consoles(server.home)) == 1, "the console of the page that was closed ends")
    assert server.stop() == 0
    assert consoles(server.home) == []


def test_link_that_was_used_and_a_session_that_is_over_say_so(idle_server: WebServer, context: Any) -> None:
    server = idle_server
    page = Page(context.new_page())
    page.page.goto(server.url)
    assert page.told().startswith("you are not signed in; ask for another link")
    page.enter(server.link)
    page.until("Waiting")
    page.enter(server.link)
    assert page.told().startswith("this link was used, or its time is over")
    page.page.goto(server.url)
    page.until("Waiting")  # the session goes on
    context.clear_cookies()
    context.add_cookies([{"name": "hitl_tui_session", "value": "old", "url": server.url}])
    page.page.goto(server.url)
    assert page.told().startswith("this session is over")


def test_page_of_another_site_opens_no_console(idle_server: WebServer, context: Any) -> None:
    server = idle_server
    page = Page(context.new_page())
    page.enter(server.link)
    page.until("Waiting")
    foreign = context.new_page()
    opened = "url => new Promise(done => { const s = new WebSocket(url); s.onopen = () => done('open'); s.onerror = () => done('no') })"
    foreign.route("http://evil.example/", lambda route: route.fulfill(body="<html></html>", content_type="text/html"))
    foreign.goto("http://evil.example/")
    assert foreign.evaluate(opened, server.url.replace("http", "ws") + "/ws") == "no"
