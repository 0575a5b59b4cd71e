"""A TCP proxy in front of a server, which breaks connections and answers in the server's place."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from enum import Enum

CREATES_RUN = re.compile(rb"POST /threads/[^/ ]+/runs HTTP")
FOLLOWS_RUN = re.compile(rb"GET /threads/[^/ ]+/runs/[^/ ]+/stream")
CHUNK = 1 << 16


class Mode(Enum):
    """What the proxy does with requests."""

    PASS = "pass"
    SLOW = "slow"
    """Each answer comes `Proxy.delay_s` later."""
    LYING = "lying"
    """Answers are no JSON."""
    UNAUTHORISED = "unauthorised"
    BROKEN = "broken"
    """The server fails."""


ANSWERS = {
    Mode.LYING: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n<html>hello</h",
    Mode.UNAUTHORISED: b'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"detail": "none"}',
    Mode.BROKEN: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}


class Proxy:
    """A proxy on a port of loopback. Attributes may be changed at any time; open connections follow."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        """The port of the server."""
        self.port = 0
        self.mode = Mode.PASS
        self.delay_s = 5.0
        self.cuts = 0
        """Requests that begin a run which are passed on, and whose answers are dropped with their connections."""
        self.cut = 0
        """How many were so far."""
        self.requests: list[bytes] = []
        """First lines of the requests that were seen."""
        self.holds: re.Pattern[bytes] | None = None
        """Requests that match are kept until this changes."""
        self.held = 0
        """How many were so far."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Accept connections."""
        await self.open()
        try:
            yield self
        finally:
            await self.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and end those that are open."""
        if self._server:
            self._server.close()
        self.drop()
        await asyncio.sleep(0)
        self._server = None

    def drop(self) -> None:
        """End all connections that are open."""
        for writer in list(self._writers):
            writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of this proxy: asyncio would report one that is cancelled at the end as an error."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        theirs: asyncio.StreamWriter | None = None
        try:
            answers, theirs = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._writers.add(theirs)
            link = _Link()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(reader, theirs, writer, link))
                tasks.create_task(self._answers(answers, writer, theirs, link))
        except* OSError:
            pass
        finally:
            for one in filter(None, (writer, theirs)):
                self._writers.discard(one)
                one.close()

    async def _requests(
        self, reader: asyncio.StreamReader, theirs: asyncio.StreamWriter, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        while chunk := await reader.read(CHUNK):
            self.requests.append(chunk.partition(b"\r\n")[0])
            await self._hold(chunk)
            if answer := ANSWERS.get(self.mode):
                writer.write(answer)
                await writer.drain()
                writer.close()  # the next request has a connection of its own
                break
            if self.cuts and CREATES_RUN.match(chunk):
                self.cuts -= 1
                link.is_cut = True
            theirs.write(chunk)
            await theirs.drain()
        theirs.close()

    async def _hold(self, request: bytes) -> None:
        if (pattern := self.holds) and pattern.match(request):
            self.held += 1
            while self.holds is pattern:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _answers(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: asyncio.StreamWriter, link: _Link
    ) -> None:
        while chunk := await answers.read(CHUNK):
            if link.is_cut:
                self.cut += 1
                break
            if self.mode is Mode.SLOW:
                await asyncio.sleep(self.delay_s)
            writer.write(chunk)
            await writer.drain()
        writer.close()
        theirs.close()


class _Link:
    """One client's connection through the proxy."""

    is_cut = False
    """The next answer is dropped, with the connection."""
