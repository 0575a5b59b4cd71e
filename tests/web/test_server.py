"""The server of `hitl-tui serve`: what it refuses, a console behind a page, and connections that send nothing."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hitl_tui.home import Home
from hitl_tui.supervisor import own_command
from hitl_tui.web.access import Access, loopback_origins, make_link, networks
from hitl_tui.web.server import ConsoleServer, Limits
from tests.support.empty_database import open_store
from tests.ui.homes import seed


@dataclass
class Site:
    """A running server, and a browser's client for it."""

    home: Home
    server: ConsoleServer
    url: str
    client: aiohttp.ClientSession

    @property
    def own(self) -> dict[str, str]:
        """The header that a page of the server sends."""
        return {"Origin": self.url}

    async def enter(self, name: str = "ann") -> None:
        """Begin a person's session."""
        async with self.client.post(f"{self.url}/enter", data={"token": make_link(self.home, name)}, headers=self.own) as done:
            assert done.status == 200 or done.status == 403, await done.text()

    async def told(self, path: str, **headers: str) -> str:
        """The sentence with which a page is refused."""
        async with self.client.get(f"{self.url}{path}", headers=headers) as done:
            assert done.status == 403, await done.text()
            return await done.text()


@contextlib.asynccontextmanager
async def site(folder: Path, limits: Limits | None = None, header: str = "") -> AsyncIterator[Site]:
    """Serve a home on a free port."""
    home = Home(folder).prepare()
    access = Access(home, frozenset(), header, networks(["10.0.0.5"]) if header else ())

    def command(person: str) -> list[str]:
        return [*own_command(), "ssh-session", "--browser", "--home", str(home.path), "--as", person]

    server = ConsoleServer(access, command, limits or Limits())
    jar = aiohttp.CookieJar(unsafe=True)  # which also keeps cookies of addresses
    async with server.serving("127.0.0.1", 0) as port, aiohttp.ClientSession(cookie_jar=jar) as client:
        access.origins = loopback_origins(port)
        yield Site(home, server, f"http://127.0.0.1:{port}", client)


async def test_server_refuses_strangers_with_a_sentence(tmp_path: Path) -> None:
    async with site(tmp_path, Limits(sessions=0)) as at:
        assert "you are not signed in; ask for another link" in await at.told("/")
        assert "you are not signed in" in await at.told("/ws", **at.own)
        assert "this server is not &#x27;evil.example&#x27;" in await at.told("/enter", Host="evil.example")
        assert "may not use this server" in await at.told("/ws", Origin="http://evil.example")
        assert "may not use this server" in await at.told("/ws")
        token = make_link(at.home, "ann")
        for headers in ({}, {"Origin": "http://evil.example"}):
            async with at.client.post(f"{at.url}/enter", data={"token": token}, headers=headers) as done:
                assert done.status == 403 and "may not use this server" in await done.text()
        async with at.client.post(f"{at.url}/enter", data={"token": token}, headers=at.own, allow_redirects=False) as done:
            cookie = done.headers["Set-Cookie"]
            assert done.status == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and token not in cookie
        async with at.client.get(at.url) as page:
            text = await page.text()
            assert page.status == 200 and f"ws://{at.url[7:]}/ws" in text and "//fonts" not in text
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "as many consoles open as this server allows" in await at.told("/ws", **at.own)
        assert "may not use this server" in await at.told("/ws", Origin="http://evil.example")
        async with at.client.get(f"{at.url}/static/../server.py") as done:
            assert done.status == 404


@pytest.mark.slow
async def test_person_who_signs_out_is_not_signed_in_and_a_foreign_page_signs_nobody_out(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.enter()
        async with at.client.post(f"{at.url}/leave", headers={"Origin": "http://evil.example"}) as done:
            assert done.status == 403
        async with at.client.get(at.url) as page:
            assert page.status == 200, "still signed in"
        async with at.client.post(f"{at.url}/leave", headers=at.own) as done:
            assert done.status == 200 and "You are signed out." in await done.text()
            assert done.cookies and all(one.value == "" for one in done.cookies.values())
        assert "you are not signed in" in await at.told("/")


@pytest.mark.slow
async def test_pages_that_are_not_there_are_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        for path in ("/static/secret.js", "/nothing"):
            async with at.client.get(f"{at.url}{path}") as done:
                assert done.status == 404 and "404 Not Found" in await done.text() and "Content-Security-Policy" in done.headers
        async with at.client.post(f"{at.url}/answer", data={"token": "x"}, headers=at.own) as done:
            assert done.status == 403 and "there are no links of notifications here" in await done.text()


@pytest.mark.slow
async def test_header_from_elsewhere_names_nobody(tmp_path: Path) -> None:
    async with site(tmp_path, header="X-User") as at:
        assert "127.0.0.1 is not a proxy that may say who you are" in await at.told("/", **{"X-User": "ann"})
        assert "is not a proxy" in await at.told("/ws", **{"X-User": "ann", "X-Forwarded-For": "10.0.0.5", **at.own})


@pytest.mark.slow
async def test_page_has_a_console_of_its_own_that_ends_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    async with open_store(home.database) as store:
        await seed.add_every_kind(store, await seed.add_project(store), time.time())
    async with site(tmp_path, Limits(per_person=1)) as at:
        await at.enter()
        async with at.client.ws_connect(f"{at.url}/ws?width=120&height=36", headers=at.own) as page:
            await until(page, b"run_sql")
            assert "you have as many consoles open" in await at.told("/ws", **at.own)
            for odd in ("no json", "[]", '["stdin"]', '["resize", {"width": "x"}]', '["resize", 5]', '[["a"]]', "[" * 5000, '["meta", {}]'):
                await page.send_str(odd)
            await page.send_bytes(b"\x00\xff")
            await page.send_json(["ping", "1"])
            await page.send_json(["resize", {"width": 50, "height": 12}])
            await until(page, "60×16".encode())
            await page.send_json(["resize", {"width": 120, "height": 36}])
            await until(page, b"run_sql")
            while not decided(home):
                await page.send_json(["stdin", "a"])
                await asyncio.sleep(0.3)
        deadline = time.monotonic() + 60
        while at.server.people:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    assert set(decided(home)) == {("ann",)}


@pytest.mark.slow
async def test_console_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.enter("policy:all")
        async with at.client.ws_connect(f"{at.url}/ws", headers=at.own) as page:
            await until(page, b"how policy and agents sign")


@pytest.mark.slow
async def test_thousand_connections_that_send_nothing_do_no_harm(tmp_path: Path) -> None:
    async with site(tmp_path) as at, contextlib.AsyncExitStack() as stack:
        address = at.url.removeprefix("http://").split(":")
        for number in range(1000):
            _, writer = await asyncio.open_connection(address[0], int(address[1]))
            stack.callback(writer.close)
            if number % 2:
                writer.write(b"GET /ws HTTP/1.1\r\nHost: ")
        assert "you are not signed in" in await at.told("/")
        assert "you are not signed in" in await at.told("/ws", **at.own)
        assert len(at.server._guard._silent) <= 200
        assert not at.server.people


async def until(page: aiohttp.ClientWebSocketResponse, text: bytes) -> None:
    """Wait until a console draws a text."""
    drawn = b""
    async with asyncio.timeout(60):
        async for message in page:
            drawn += message.data if isinstance(message.data, bytes) else b""
            if text in drawn:
                return
    raise AssertionError(f"never saw {text!r}: {drawn[-500:]!r}")


def decided(home: Home) -> list[tuple[str]]:
    """Who made each decision."""
    with sqlite3.connect(home.database) as db:
        return db.execute("SELECT actor FROM decisions").fetchall()
