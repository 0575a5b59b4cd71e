"""`hitl-tui serve` and `web-link`: what they refuse, and to whom the server gives a link."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import Commands

pytestmark = pytest.mark.slow
OWN = "is reached from other machines, at an address that only you know; pass it: --url"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--host", "0.0.0.0"), f"0.0.0.0 {OWN}"),
        (("--host", "review.example.com"), f"review.example.com {OWN}"),
        (("--identity-header", "X-User"), "--identity-header and --trust belong together"),
        (("--trust", "10.0.0.5"), "--identity-header and --trust belong together"),
        (("--identity-header", "X-User", "--trust", "proxy"), "'proxy' is no address; write 10.0.0.5 or 10.0.0.0/24"),
        (("--url", "review.example.com"), "'review.example.com' is no address of a site"),
        (("--as", "policy:all"), "how policy and agents sign"),
    ],
)
def test_server_with_options_that_contradict_each_other_does_not_start(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    hitl = Commands(tmp_path)
    assert said in hitl("serve", "--no-worker", "--port", "0", *args, code=1)
    assert not hitl.home.web_address.exists()


def test_server_on_a_port_in_use_says_how_to_choose_another(tmp_path: Path) -> None:
    hitl = Commands(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = hitl("serve", "--no-worker", "--port", str(port), code=1)
    assert f"127.0.0.1 port {port} cannot be used: " in told and "choose another with --port" in told
    assert "no `hitl-tui serve` has run on this home; start it, or pass --url" in hitl("web-link", "ann", code=1)
    assert hitl("web-link", "ann", "--url", "https://review.example.com").startswith("https://review.example.com/enter#")


def test_server_gives_no_link_to_a_login_that_may_not_enter_and_warns_without_tls(tmp_path: Path) -> None:
    hitl = Commands(tmp_path)
    (tmp_path / "people.toml").write_text('[[person]]\nname = "somebody else"\n')
    options = ["--no-worker", "--host", "0.0.0.0", "--port", "0", "--url", "http://review.example.com", "--home", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-m", "hitl_tui", "serve", *options], stderr=subprocess.PIPE, encoding="utf-8") as server:
        assert server.stderr
        told = [server.stderr.readline() for _ in range(2)]
        assert told[0] == "hitl-tui: the console is at http://review.example.com; ctrl+c ends it\n"
        assert told[1] == "hitl-tui: what is sent is not encrypted: put a proxy with TLS in front of it\n"
        server.send_signal(signal.SIGTERM)
        assert server.stderr.read() == "hitl-tui: the consoles are being closed …\n"
        assert server.wait(60) == 0
    assert not hitl.home.web_address.exists()
