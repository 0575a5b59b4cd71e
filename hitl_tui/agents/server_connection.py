"""A connection to a LangGraph server: requests that fail fast, whatever is wrong with it as one sentence, and since when."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator

import httpx
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from hitl_tui.agents.source import Outage
from hitl_tui.errors import BadTarget, Storage
from hitl_tui.servers import ServerTarget

CONNECT_S, READ_S = 5.0, 20.0
"""Time to connect to a server, and for each of its answers. Streams have no time limit: a node may think for hours."""
LONGEST_BACKOFF_S = 15.0
"""Seconds at most between two tries of a server that is away."""
IDLE_S = 2.0
"""How long an idle connection is used again: less than the 5 s after which servers close them, or a request would meet a closed one."""
STRICT_SINCE = (1, 2, 20)
"""The first version of LangGraph that refuses to resume an interrupt that is not pending."""
AEGRA = "it is Aegra, which lets several people resume the same question at once, so it is shown read-only"
OLD = "it runs LangGraph {}, which resumes questions that are not pending any more, so it is shown read-only; 1.2.20 and newer do not"
NOT_LANGGRAPH = "it does not answer as a LangGraph server: {}"


class ServerProblem(Storage):
    """A server cannot be used now: it is away, slow, refuses the key, or answers nonsense. A request may have been carried out."""


class ServerConnection:
    """The SDK's client on a transport of its own."""

    def __init__(self, target: ServerTarget) -> None:
        self.target = target
        self.outage: Outage | None = None
        """Why the server cannot be used now, and since when; None if it can."""
        self.answered_s = 0.0
        """Seconds of the last check."""
        self.read_only = ""
        """Why nothing can be decided here, as a clause; empty if decisions are possible."""
        self._http: httpx.AsyncClient | None = None
        self._client: LangGraphClient | None = None
        self._streaming: httpx.AsyncClient | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[ServerConnection]:
        """Keep a pool of connections during the block. Nothing is sent yet."""
        try:
            yield self
        finally:
            for http in filter(None, (self._http, self._streaming)):
                await http.aclose()

    @property
    def client(self) -> LangGraphClient:
        """The SDK's client. Use it within `talking`.

        Raises:
            BadTarget: a credential that the target names is missing.
        """
        if self._client is None:
            self._http = self._opened(httpx.Timeout(READ_S, connect=CONNECT_S))
            self._client = LangGraphClient(self._http)
        return self._client

    @property
    def streams(self) -> LangGraphClient:
        """The SDK's client for streams, which may be silent for as long as a node thinks."""
        if self._streaming is None:
            self._streaming = self._opened(httpx.Timeout(None, connect=CONNECT_S, write=READ_S))
        return LangGraphClient(self._streaming)

    def _opened(self, timeout: httpx.Timeout) -> httpx.AsyncClient:
        trust: ssl.SSLContext | bool = True
        if self.target.ca:
            try:
                trust = ssl.create_default_context(cafile=str(self.target.ca))
            except (OSError, ssl.SSLError) as error:
                raise BadTarget(f"the certificates in {self.target.ca} cannot be read: {error}", "correct the path") from None
        limits = httpx.Limits(max_connections=200, keepalive_expiry=IDLE_S)
        transport = httpx.AsyncHTTPTransport(retries=0, verify=trust, limits=limits)
        headers = {"User-Agent": "hitl-tui", **self.target.secrets()}
        return httpx.AsyncClient(base_url=self.target.url, transport=transport, timeout=timeout, headers=headers)

    @contextlib.asynccontextmanager
    async def talking(self, whole: bool = False) -> AsyncIterator[LangGraphClient]:
        """Turn what is wrong with the server into `ServerProblem`, and remember it.

        Other refusals (403, 404, 409, 422) are left to the caller, but for requests about the server as a `whole`.

        Raises:
            ServerProblem: the server cannot be used now.
        """
        try:
            yield self.client
        except BadTarget as error:
            raise self._failed(str(error)) from None
        except APIStatusError as error:
            if problem := _refusal(error) or (f"it refuses to be listed ({error.status_code})" if whole else ""):
                raise self._failed(problem) from error
            self._works()
            raise
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._failed(_transport_problem(error)) from error
        except json.JSONDecodeError as error:
            raise self._failed(NOT_LANGGRAPH.format(_short(error))) from error
        else:
            self._works()

    async def check(self) -> None:
        """Read what the server is, and what is possible on it.

        Raises:
            ServerProblem: it cannot be used now.
        """
        began = time.monotonic()
        async with self.talking(whole=True) as client:
            with self.reading():
                info = await client.http.get("/info")
                self.answered_s = time.monotonic() - began
                version = info.get("langgraph_py_version")
                if info.get("name") == "Aegra" or not isinstance(version, str):
                    self.read_only = AEGRA if info.get("name") == "Aegra" else OLD.format("of an unknown version")
                else:
                    self.read_only = "" if _numbers(version) >= STRICT_SINCE else OLD.format(version)
            await client.assistants.search(limit=1)  # `/info` needs no key

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read an answer: one that does not have the form that LangGraph's API gives it is a problem of the server.

        Raises:
            ServerProblem: it does not have that form.
        """
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise self._failed(NOT_LANGGRAPH.format(_short(error))) from error

    def _failed(self, problem: str) -> ServerProblem:
        self.outage = Outage(problem, self.outage.since if self.outage else time.time())
        return ServerProblem(f"{self.target.label} cannot be used: {problem}")

    def _works(self) -> None:
        self.outage = None


def _refusal(error: APIStatusError) -> str:
    """What a status says about the server; empty if it only says something about the request."""
    match error.status_code:
        case 401:
            return "it refuses the key (401): check the variable that holds it"
        case 429:
            return "it is asked too often (429)"
        case status if status >= 500:
            return f"it fails ({status})"
        case _:
            return ""


def _transport_problem(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"it does not answer within {CONNECT_S:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"it does not answer within {READ_S:g} s"
    if isinstance(error, httpx.HTTPStatusError):
        return f"it fails ({error.response.status_code})"
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate cannot be verified: name its authority in the configuration, if you trust it"
    if isinstance(error, httpx.ConnectError):
        return (
            "nothing answers there" if "refused" in text or "All connection attempts failed" in text else f"nothing answers there: {text}"
        )
    return f"the connection broke off: {_short(error)}"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:3]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


async def backoff(failures: int) -> None:
    """Wait before the next try: 1 s after the first failure, at most `LONGEST_BACKOFF_S`."""
    await asyncio.sleep(min(LONGEST_BACKOFF_S, 0.5 * 2 ** min(failures, 5)))
