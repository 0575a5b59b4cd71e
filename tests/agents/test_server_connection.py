"""LangGraph servers that are away, lie, refuse the key or fail: one sentence each, and back to work once they answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from hitl_tui.agents.server_connection import ServerConnection, ServerProblem
from hitl_tui.agents.server_source import ServerSource
from hitl_tui.agents.source import AgentSettings
from hitl_tui.home import Home
from hitl_tui.servers import ServerTarget
from tests.support.servers import free_port

INFO = {"version": "0.16.7", "langgraph_py_version": "1.2.24"}
AEGRA = {"name": "Aegra", "version": "0.11.0"}
Reply = Callable[[str], bytes]
"""The whole answer to a request for a path."""


def answer(body: object, status: str = "200 OK") -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode()


def healthy(path: str) -> bytes:
    return answer(INFO if path == "/info" else [])


@contextlib.asynccontextmanager
async def serving(reply: Reply, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server on loopback that answers as told; its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(head.split()[1].decode()))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def problem_of(url: str, api_key: str = "", ca: Path | None = None) -> str:
    """What is wrong with a server, as its outage says; empty if nothing is."""
    async with ServerConnection(ServerTarget(url, api_key, ca=ca)).open() as connection:
        with contextlib.suppress(ServerProblem):
            await connection.check()
        return connection.outage.why if connection.outage else ""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer("<html>welcome</html>"), "it does not answer as a LangGraph server"),
        (answer([]), "it does not answer as a LangGraph server"),
        (answer("null"), "it does not answer as a LangGraph server"),
        (answer({}, "404 Not Found"), "(404)"),
        (answer({}, "401 Unauthorized"), "it refuses the key (401)"),
        (answer({}, "403 Forbidden"), "(403)"),
        (answer({}, "429 Too Many Requests"), "it is asked too often (429)"),
        (answer({}, "503 Service Unavailable"), "it fails (503)"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "the connection broke off"),
        (b"", "the connection broke off"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the connection broke off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_server_that_is_none_or_refuses_is_a_sentence(reply: bytes, said: str) -> None:
    async with serving(lambda path: reply) as url:
        assert said in await problem_of(url)


async def test_answer_that_is_no_json_after_info_is_a_sentence() -> None:
    async with serving(lambda path: answer(INFO) if path == "/info" else answer("<html>")) as url:
        assert "it does not answer as a LangGraph server: JSONDecodeError" in await problem_of(url)


async def test_authority_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "gone.pem"):
        assert f"the certificates in {tmp_path / name} cannot be read" in await problem_of("https://127.0.0.1:1", ca=tmp_path / name)


async def test_key_that_is_refused_after_info_is_a_sentence() -> None:
    async with serving(lambda path: answer(INFO) if path == "/info" else answer({"detail": "who?"}, "401 Unauthorized")) as url:
        assert "it refuses the key (401)" in await problem_of(url)


async def test_server_that_is_away_is_a_sentence_and_none_once_it_is_back() -> None:
    port = free_port()
    async with ServerConnection(ServerTarget(f"http://127.0.0.1:{port}")).open() as connection:
        for _ in range(2):
            with pytest.raises(ServerProblem, match="nothing answers there"):
                await connection.check()
        first = connection.outage
        with pytest.raises(ServerProblem):
            await connection.check()
        assert first and connection.outage == first, "it is away since the first time"
        async with serving(healthy, port):
            await connection.check()
            assert connection.outage is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_certificate_is_verified_and_its_own_authority_can_be_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", "req", *options.split(), "-keyout", f"{key}", "-out", f"{certificate}"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with serving(healthy, tls=tls) as url:
        secure = url.replace("http://", "https://")
        assert "its certificate cannot be verified" in await problem_of(secure)
        assert await problem_of(secure, ca=certificate) == ""


async def test_secret_that_is_missing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTS_KEY", raising=False)
    async with serving(healthy) as url:
        assert "AGENTS_KEY is not set" in await problem_of(url, api_key="AGENTS_KEY")
        monkeypatch.setenv("AGENTS_KEY", "k")
        assert await problem_of(url, api_key="AGENTS_KEY") == ""


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (INFO, ""),
        (AEGRA, "Aegra"),
        ({**INFO, "langgraph_py_version": "1.2.19"}, "LangGraph 1.2.19"),
        ({"version": "0.2"}, "unknown version"),
    ],
)
async def test_info_decides_whether_anything_can_be_decided(info: dict[str, str], said: str) -> None:
    async with (
        serving(lambda path: answer(info if path == "/info" else [])) as url,
        ServerConnection(ServerTarget(url)).open() as connection,
    ):
        await connection.check()
        assert said in connection.read_only and bool(said) == bool(connection.read_only)


class Nothing:
    """A home without runs."""

    def versions(self, threads: Sequence[str]) -> dict[str, str]:
        return {}

    def waiting(self) -> list[str]:
        return []

    def queued(self) -> int:
        return 0


@pytest.mark.parametrize("rows", [[{"thread_id": "t"}], [{}], {"detail": "no"}, [None], [{"thread_id": "t", "updated_at": "yesterday"}]])
async def test_server_that_lies_about_threads_is_away_and_watched_on(tmp_path: Path, rows: object) -> None:
    async with (
        serving(lambda path: answer(rows) if path == "/threads/search" else healthy(path)) as url,
        ServerSource.open(ServerTarget(url), Home(tmp_path).prepare(), lambda agent: AgentSettings(), lambda rev: None) as source,
    ):
        problems = [source.outage and source.outage.why]
        async with contextlib.aclosing(source.follow(Nothing())) as batches:  # type: ignore[type-var]
            assert await anext(batches) == ()
        problems.append(source.outage and source.outage.why)
        assert problems[0] is None and "it does not answer as a LangGraph server" in str(problems[1])
        assert source.names == []
