"""Reviewers over SSH: a forced command opens the console or runs commands on reviews, under a name that nobody can choose."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitl_tui.cli.ssh_session import read_command
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from tests.support.empty_database import open_store
from tests.support.harness import SandboxFactory
from tests.support.ssh import SshServer, make_key, needs_sshd, ssh_server
from tests.support.tmux import needs_tmux, tmux
from tests.ui.homes import seed

HOSTILE = (
    "id",
    "sh",
    "queue; touch PWNED",
    "queue && touch PWNED",
    "queue | tee PWNED",
    "queue > PWNED",
    "queue\ntouch PWNED",
    "$(touch PWNED)",
    "`touch PWNED`",
    "env EDITOR=touch hitl-tui",
    "HITL_TUI_HOME=/tmp hitl-tui queue",
    "decide 1 approve --reviewer bob",
    "decide 1 approve --reviewer=bob",
    "decide --reviewer bob 1 approve",
    "confirm r1 --reviewer bob",
    "decide 1 approve --message",
    "decide 1 approve -- --reviewer bob",
    "decide 1 approve --json=1",
    "--reviewer bob decide 1 approve",
    "--home /tmp queue",
    "queue --home /tmp",
    "queue --home=/tmp",
    "show 1 --help",
    "queue 'never closed",
    "console ./agent.py:graph",
    "console --reviewer bob",
    "./agent.py:graph",
    "run ./agent.py:graph agent hello",
    "worker --until-idle",
    "ssh-session --as bob",
    "hitl-tui hitl-tui queue",
    "people add mallory",
    "policy accept",
    "export --format csv",
    "prune",
    "scp -t /tmp",
    "rsync --server . /tmp",
    "git-upload-pack /tmp",
    "show \x1b[2J1",
    "show 1\x00",
    "show \udcff",
    "queue " + "x" * 200_000,
)
"""What is refused before anything runs."""


@pytest.mark.parametrize("asked", HOSTILE, ids=lambda asked: asked[:30].encode("unicode_escape").decode())
def test_command_that_is_not_for_reviewers_is_refused(asked: str) -> None:
    try:
        words = read_command(asked)
    except Refused:
        return
    assert words[0] in ("queue", "decide") and len(words) > 1 and "--reviewer" not in words  # the command itself takes no such arguments


def test_command_for_reviewers_is_read_as_a_shell_would_read_its_words() -> None:
    assert read_command("") == read_command("hitl-tui") == read_command("hitl-tui console") == []
    assert read_command("hitl-tui queue --json") == ["queue", "--json"]
    text = "$(rm -rf /); it's `x` --reviewer bob"
    assert read_command(f"decide 1 reject --message {shlex.quote(text)}") == ["decide", "1", "reject", "--message", text]
    assert read_command("decide 1 reject --message=--home") == ["decide", "1", "reject", "--message=--home"]


def test_forced_command_decides_in_its_own_name_and_logs_what_it_refuses(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    seeded(sandbox.home)
    command = ("ssh-session", "--as", "ann")
    done = sandbox.cli(*command, SSH_ORIGINAL_COMMAND="decide 1 reject --message 'not --reviewer bob'", HITL_TUI_HOME="/nowhere")
    assert "rejected by ann" in done.stdout
    refused = sandbox.cli(*command, code=1, SSH_ORIGINAL_COMMAND="decide 2 approve --reviewer bob")
    assert "decide has no option '--reviewer' over SSH; its options: --args" in refused.stderr
    with sqlite3.connect(sandbox.home.database) as db:
        assert db.execute("SELECT actor, message, identified FROM decisions").fetchall() == [("ann", "not --reviewer bob", "pinned")]
        [(actor, body)] = db.execute("SELECT actor, body FROM audit WHERE kind = 'refused'").fetchall()
    assert actor == "ann" and json.loads(body)["command"] == "decide 2 approve --reviewer bob"


def test_name_that_people_toml_does_not_have_gets_no_session(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    (sandbox.home.path / "people.toml").write_text('[[person]]\nname = "ann"\naliases = ["a.meyer"]\n')
    refused = sandbox.cli("ssh-session", "--as", "zed", code=1, SSH_ORIGINAL_COMMAND="queue")
    assert "'zed' is not in people.toml" in refused.stderr
    assert sandbox.cli("ssh-session", "--as", "A.Meyer", SSH_ORIGINAL_COMMAND="queue").stdout == "no open reviews\n"
    with sqlite3.connect(sandbox.home.database) as db:
        assert db.execute("SELECT actor FROM audit WHERE kind = 'refused'").fetchall() == [("zed",)]


def seeded(home: Home) -> None:
    """Put reviews of every kind into a home."""

    async def add() -> None:
        async with open_store(home.database) as store:
            await seed.add_every_kind(store, await seed.add_project(store), 1_760_000_000.0)

    asyncio.run(add())


@dataclass
class Host:
    """A home that ann reviews over SSH."""

    server: SshServer
    home: Home
    key: Path
    folder: Path

    def decisions(self) -> list[tuple[str, str]]:
        """Return (actor, kind) of every decision."""
        with sqlite3.connect(self.home.database) as db:
            return db.execute("SELECT actor, kind FROM decisions ORDER BY id").fetchall()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    home = Home(tmp_path / "home").prepare()
    seeded(home)
    key = make_key(tmp_path, "ann")
    with ssh_server(tmp_path / "sshd") as server:
        forced = shlex.join([sys.executable, "-I", "-m", "hitl_tui", "ssh-session", "--as", "ann", "--home", str(home.path)])
        server.let_in(f'restrict,pty,command="{forced}" {(tmp_path / "ann.pub").read_text().strip()}')
        yield Host(server, home, key, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_sshd
def test_hostile_commands_over_ssh_decide_nothing_and_reach_no_shell(host: Host) -> None:
    sendable = [asked for asked in HOSTILE if asked.isprintable() and len(asked) < 1000]
    assert len(sendable) > 30
    variables = ("-o", "SetEnv=HITL_TUI_HOME=/tmp EDITOR=touch PAGER=touch TEXTUAL_DRIVER=os:system")
    for asked in sendable:
        done = host.server.run(host.key, asked.replace("PWNED", str(host.folder / "PWNED")), options=variables)
        assert done.returncode in (1, 2), (asked, done)
        assert done.stdout == "" and done.stderr.strip(), (asked, done)
    sftp = host.server.run(host.key, "sftp", options=("-s",))
    assert sftp.returncode == 1
    tunnel = host.server.run(host.key, options=("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"))
    assert tunnel.returncode == 255
    assert not (host.folder / "PWNED").exists() and host.decisions() == []
    with sqlite3.connect(host.home.database) as db:
        refused = [json.loads(body)["command"] for (body,) in db.execute("SELECT body FROM audit WHERE kind = 'refused'")]
    assert len(refused) >= 30 and "sftp" in refused[-1]


@pytest.mark.slow
@needs_sshd
@needs_tmux
def test_console_over_ssh_has_a_fixed_name_no_editor_and_no_way_to_a_shell(host: Host) -> None:
    with tmux(host.server.client(host.key, "-tt", "-e", "none")) as screen:
        screen.until("run_sql", "ann")
        screen.press_until("E", "a session over SSH or in a browser has no $EDITOR")
        screen.keys("Escape")
        screen.until_true(lambda shown: "Edit send_email" not in shown, "the dialog stays open")
        screen.press_until("C-z", "cannot be suspended")
        for _ in range(20):
            screen.keys("r")
            time.sleep(0.5)  # longer than a key that is held takes to come again
            if "does not run" in screen.screen():
                break
        screen.type("not now")
        screen.until("not now")
        assert "$EDITOR" not in screen.screen()
        screen.keys("Enter")
        screen.until("rejected by you")
        screen.keys("q")
        screen.until("[exit 0]")
    assert host.decisions() == [("ann", "reject")]


@pytest.mark.slow
@needs_sshd
def test_console_over_ssh_ends_with_its_connection(host: Host) -> None:
    with subprocess.Popen([*host.server.client(host.key, "-tt"), "console"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout
        read = b""
        while b"run_sql" not in read:
            read += os.read(client.stdout.fileno(), 1 << 16)
        client.kill()
    while consoles(host.home):
        time.sleep(0.1)


def consoles(home: Home) -> list[str]:
    """The command lines of consoles on a home."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(home.path) in line and "ssh-session" in line]
