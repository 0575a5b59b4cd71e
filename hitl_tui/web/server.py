"""The server of `hitl-tui serve`: textual-serve's page and protocol behind handlers that know who they speak with."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from aiohttp import WSMsgType, web

from hitl_tui.errors import Refused
from hitl_tui.web.access import SESSION_S, Access, Caller, forget_old_links
from hitl_tui.web.answers import AnswerPages
from hitl_tui.web.console_process import ConsoleProcess

COOKIE = "hitl_tui_session"
REQUEST_S = 10.0
"""Time for a new connection to send its first request."""
MOST_SILENT = 200
"""Connections that have not sent a request yet; of more the oldest are closed."""
HEARTBEAT_S = 15.0
"""How often a page is asked whether it is still there."""
LARGEST_MESSAGE = 4 * 1024 * 1024
LARGEST_FORM = 4096
MOST_CELLS = 1000
"""Columns and rows of the largest page."""
DEFAULT_FONT = 16
FILES = {
    "textual.js": ("textual_serve", "static/js/textual.js", "text/javascript"),
    "xterm.css": ("textual_serve", "static/css/xterm.css", "text/css"),
    "RobotoMono.ttf": ("textual_serve", "static/fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    "RobotoMono-Italic.ttf": ("textual_serve", "static/fonts/RobotoMono-Italic-VariableFont_wght.ttf", "font/ttf"),
    "page.css": ("hitl_tui.web", "page.css", "text/css"),
    "page.js": ("hitl_tui.web", "page.js", "text/javascript"),
    "enter.js": ("hitl_tui.web", "enter.js", "text/javascript"),
}
"""What a page loads: name, package, path in it, and type. Nothing comes from another server."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer`, forms of our own pages would send `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many consoles there may be at a time."""

    sessions: int = 50
    per_person: int = 5


@dataclass
class ConsoleServer:
    """Shows consoles to browsers. `command` makes the command that starts a person's console."""

    access: Access
    command: Callable[[str], Sequence[str]]
    limits: Limits = Limits()
    is_https: bool = False
    """Whether pages reach it by https, so that the cookie is sent by nothing else."""
    answers: AnswerPages | None = None
    """Pages behind the links of notifications; None for none."""
    people: list[str] = field(default_factory=list)
    """Of whom a console is open now, one entry for each."""
    _pages: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve on an address. Yields the port, and ends every console at the end.

        Raises:
            OSError: the address cannot be used.
        """
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=5.0, keepalive_timeout=HEARTBEAT_S)
        await runner.setup()
        make: Any = runner.server
        self._guard = _SilentConnections(make)
        server = await asyncio.get_running_loop().create_server(self._guard.protocol, host, port, backlog=512)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for page in set(self._pages):
                await page.close()
            await runner.cleanup()

    def _app(self) -> web.Application:
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[web.middleware(guarded)], client_max_size=LARGEST_FORM)
        app.router.add_get("/", self._console_page)
        app.router.add_get("/enter", self._enter_page)
        app.router.add_post("/enter", self._enter)
        app.router.add_post("/leave", self._leave)
        app.router.add_get("/answer", self._answer_page)
        app.router.add_post("/answer", self._call_page)
        app.router.add_post("/answer/decide", self._answer)
        app.router.add_get("/ws", self._console)
        app.router.add_get("/static/{name}", self._file)
        return app

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every request, with headers that keep other sites out; a refusal is a sentence."""
        self._guard.heard(request.protocol)
        try:
            self.access.check_host(self._caller(request))
            response = await handler(request)
        except Refused as error:
            response = _told(str(error), 403)
        except web.HTTPException as error:
            response = _told(f"{error.status} {error.reason}", error.status)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _caller(self, request: web.Request) -> Caller:
        header = self.access.identity_header
        return Caller(
            request.remote or "",
            request.headers.get("Host", ""),
            request.headers.get("Origin"),
            request.cookies.get(self._cookie, ""),
            request.headers.getall(header, []) if header else [],
        )

    @property
    def _cookie(self) -> str:
        return f"__Host-{COOKIE}" if self.is_https else COOKIE

    async def _console_page(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        self.access.person(caller)
        font = request.query.get("fontsize", "")
        size = min(60, max(6, int(font))) if font.isascii() and font.isdigit() and len(font) < 3 else DEFAULT_FONT
        url = f"{'wss' if self.is_https else 'ws'}://{caller.host}/ws"
        return _page("page.html", url=html.escape(url), font_size=str(size))

    async def _enter_page(self, request: web.Request) -> web.StreamResponse:
        return _page("enter.html")

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        self.access.check_origin(self._caller(request))
        forget_old_links(self.access.home)
        token = (await request.post()).get("token", "")
        cookie = self.access.enter(token if isinstance(token, str) else "")
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, cookie, max_age=int(SESSION_S), httponly=True, samesite="Strict", secure=self.is_https, path="/")
        return response

    async def _answer_page(self, request: web.Request) -> web.StreamResponse:
        return _page("answer.html")

    async def _call_page(self, request: web.Request) -> web.StreamResponse:
        """Show the calls of a link; nothing is decided."""
        pages, person, form = await self._answering(request)
        return _page("call.html", call=await pages.page(form.get("token", ""), person))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Decide one call of a link, and show the page again while it may decide others."""
        pages, person, form = await self._answering(request)
        token, call, digest = (form.get(name, "") for name in ("token", "call", "digest"))
        told, is_left = await pages.decide(token, call, digest, form.get("decision", ""), form.get("reason", ""), person)
        return _page("call.html", call=await pages.page(token, person, told)) if is_left else _told(told, 200)

    async def _answering(self, request: web.Request) -> tuple[AnswerPages, str, dict[str, str]]:
        """The pages of links, who asks where a proxy says so, and the texts of the form.

        Raises:
            Refused: it comes from another site, or there are no such pages.
        """
        caller = self._caller(request)
        self.access.check_origin(caller)
        if self.answers is None:
            raise Refused("there are no links of notifications here", "open the console")
        person = self.access.person(caller) if self.access.identity_header else ""
        return self.answers, person, {key: value for key, value in (await request.post()).items() if isinstance(value, str)}

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        self.access.check_origin(caller)
        self.access.leave(caller.cookie)
        response = _told("You are signed out.", 200)
        response.del_cookie(self._cookie, path="/", httponly=True, samesite="Strict", secure=self.is_https)
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in FILES:
            raise web.HTTPNotFound
        package, path, kind = FILES[request.match_info["name"]]
        return web.Response(body=resources.files(package).joinpath(path).read_bytes(), content_type=kind)

    async def _console(self, request: web.Request) -> web.StreamResponse:
        """Run a console for a page, for as long as the page is there."""
        caller = self._caller(request)
        self.access.check_origin(caller)
        person = self.access.person(caller)
        if len(self.people) >= self.limits.sessions or self.people.count(person) >= self.limits.per_person:
            whose = "you have" if self.people.count(person) >= self.limits.per_person else "there are"
            raise Refused(f"{whose} as many consoles open as this server allows", "close one of them")
        self.people.append(person)
        try:
            page = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LARGEST_MESSAGE)
            await page.prepare(request)
            self._pages.add(page)
            size = (_cells(request.query.get("width"), 80), _cells(request.query.get("height"), 24))
            console = await ConsoleProcess.start(self.command(person), size, os.environ)
            try:
                drawing = asyncio.ensure_future(_draw(page, console))
                try:
                    await _listen(page, console)
                finally:
                    drawing.cancel()
            finally:
                await asyncio.shield(console.stop())
        finally:
            self.people.remove(person)
        return page


async def _draw(page: web.WebSocketResponse, console: ConsoleProcess) -> None:
    """Send what the console draws, and close the page's connection once it has ended."""
    with contextlib.suppress(ConnectionError):
        async for drawn in console.drawn():
            await page.send_bytes(drawn)
        await page.close()


async def _listen(page: web.WebSocketResponse, console: ConsoleProcess) -> None:
    """Pass on what is typed, and what becomes of the page. What no page of ours sends is ignored."""
    async for message in page:
        if message.type != WSMsgType.TEXT:
            continue
        with contextlib.suppress(ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError):
            kind, *rest = json.loads(message.data)
            if kind == "stdin":
                await console.type(str(rest[0]))
            elif kind == "resize":
                await console.tell("resize", width=_cells(rest[0]["width"], 80), height=_cells(rest[0]["height"], 24))
            elif kind in ("focus", "blur"):
                await console.tell(kind)
            elif kind == "ping":
                await page.send_str(json.dumps(["pong", str(rest[0])[:40]]))


def _cells(value: object, otherwise: int) -> int:
    """A number of columns or rows."""
    text = str(value)
    return min(MOST_CELLS, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


def _page(name: str, **values: str) -> web.Response:
    text = resources.files("hitl_tui.web").joinpath(name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return web.Response(text=text, content_type="text/html")


def _told(sentence: str, status: int) -> web.Response:
    """A page with a sentence."""
    response = _page("told.html", told=html.escape(sentence))
    response.set_status(status)
    return response


class _SilentConnections:
    """Closes connections that send no request: too many would leave none for pages."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._silent: dict[Any, asyncio.TimerHandle] = {}

    def protocol(self) -> Any:
        """What handles a new connection."""
        made = self._make()
        while len(self._silent) >= MOST_SILENT:
            self._close(next(iter(self._silent)))
        self._silent[made] = asyncio.get_running_loop().call_later(REQUEST_S, self._close, made)
        return made

    def heard(self, protocol: Any) -> None:
        """A connection has sent a request: aiohttp itself ends it from now on, when it is silent for too long."""
        if timer := self._silent.pop(protocol, None):
            timer.cancel()

    def _close(self, protocol: Any) -> None:
        self.heard(protocol)
        if protocol.transport is not None:
            protocol.transport.abort()
