"""`docs/teams.md`, "A team on one host": its ten commands run as printed, on an account that has nothing yet."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitl_tui.home import sample_agents
from tests.support.ssh import needs_sshd, ssh_server

PAGE = Path(__file__).parents[2] / "docs" / "teams.md"
TIMEOUT_S = 90.0
HITL_TUI = '#!/bin/sh\nexec {python} -P -m hitl_tui "$@"\n'
SYSTEMCTL = """#!/bin/sh
# systemd's part: what the unit starts, in its folder. The tests have no systemd.
unit="$HOME/.config/systemd/user/hitl-tui.service"
cd "$(sed -n 's/^WorkingDirectory=//p' "$unit")"
sh -c "exec $(sed -n 's/^ExecStart=//p' "$unit")" >"$HOME/service.log" 2>&1 &
echo $! >"$HOME/service.pid"
"""
SSH = '#!/bin/sh\nexec {client} -F {config} "$@"\n'
SSH_CONFIG = """
Host review-host
    HostName 127.0.0.1
    Port {port}
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    BatchMode yes
    IdentitiesOnly yes
"""


def ten_commands() -> list[str]:
    """The commands of the page's section."""
    section = PAGE.read_text("utf-8").partition("## A team on one host\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [line for line in block.splitlines() if line.strip()]


@dataclass
class Account:
    """A login with nothing in its folder, on a machine that lets its keys in."""

    folder: Path
    env: dict[str, str]

    @property
    def database(self) -> Path:
        return Path(self.env["HITL_TUI_HOME"]) / "hitl.db"

    def run(self, command: str) -> str:
        """Run a command in its folder. Returns its output."""
        done = subprocess.run(
            ["bash", "-eu", "-c", command], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def until(self, sql: str) -> None:
        """Wait until a query finds something."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self._found(sql):
            assert time.monotonic() < deadline, (sql, (self.folder / "service.log").read_text())
            time.sleep(0.1)

    def _found(self, sql: str) -> bool:
        with sqlite3.connect(self.database) as db:
            return db.execute(sql).fetchone() is not None


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    folder, programs = tmp_path / "account", tmp_path / "bin"
    for made in (folder / ".ssh", folder / ".config/systemd/user", programs):
        made.mkdir(parents=True)
    (folder / "my_project").symlink_to(sample_agents())
    with ssh_server(tmp_path / "sshd") as server:
        (tmp_path / "sshd" / "authorized_keys").symlink_to(folder / ".ssh" / "authorized_keys")
        config = tmp_path / "ssh_config"
        config.write_text(SSH_CONFIG.format(port=server.port))
        client = subprocess.run(["sh", "-c", "command -v ssh"], capture_output=True, text=True, check=True).stdout.strip()
        texts = {
            "hitl-tui": HITL_TUI.format(python=sys.executable),
            "systemctl": SYSTEMCTL,
            "ssh": SSH.format(client=client, config=shlex.quote(str(config))),
        }
        for name, text in texts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o700)
        env = {**os.environ, "HOME": str(folder), "HITL_TUI_HOME": str(folder / "review"), "PATH": f"{programs}:{os.environ['PATH']}"}
        try:
            yield Account(folder, {**env, "HITL_SCRIPTED_DELAY": "0"})
        finally:
            if (pid := folder / "service.pid").exists():
                os.kill(int(pid.read_text()), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_sshd
def test_ten_commands_of_the_page_lead_from_nothing_to_two_reviewers(account: Account) -> None:
    commands = ten_commands()
    assert len(commands) == 10
    shown = ""
    for command in commands:
        if "review-host" in command:
            account.until("SELECT 1 FROM reviews WHERE state = 'open'")
        shown += account.run(command)
    assert "archive_mail" in shown or "delete_mail" in shown, shown
    account.until("SELECT 1 FROM decisions WHERE actor = 'bob' AND identified = 'pinned'")
    account.until("SELECT 1 FROM reviews WHERE state = 'applied'")
