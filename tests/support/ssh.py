"""Real OpenSSH in tests: keys, ssh-agents, servers, and the reason to skip where the programs are missing."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hitl_tui.openssh import PublicKey, read_key

PROGRAMS = ("ssh-keygen", "ssh-agent", "ssh-add")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]

needs_openssh = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"not installed: {', '.join(MISSING)}")
"""Skips a test where OpenSSH is missing; with `CI` in the environment, the test runs and fails."""


def make_key(folder: Path, name: str = "key", passphrase: str = "", type_: str = "ed25519") -> Path:
    """Make a key pair in a folder. Returns the private key's path; the public one ends in `.pub`."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", type_, "-N", passphrase, "-C", name, "-f", str(path)], check=True)
    return path


def public(key: Path) -> PublicKey:
    """The public key of a private key's file."""
    return read_key(key.with_name(f"{key.name}.pub").read_text().strip())


@contextlib.contextmanager
def agent(folder: Path, *keys: Path, options: tuple[str, ...] = (), provider: str = "") -> Iterator[Path]:
    """An ssh-agent that holds these keys, for as long as the block. Yields its socket.

    `options` are of `ssh-add`; `provider` is the library of security keys that the agent may load.
    """
    socket = folder / "agent.sock"
    allowed = ["-P", provider] if provider else []
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket), *allowed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for key in keys:
            add(socket, key, *options)
        yield socket
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def asking(folder: Path) -> Iterator[Path]:
    """For an agent that is started in the block: a program that it asks with, and that never answers, as a key that waits for a touch.

    Yields the file that appears once it asks.
    """
    asked, program = folder / "asked", folder / "ask"
    program.write_text(f"#!/bin/sh\necho $$ > {asked}.new && mv {asked}.new {asked}\nexec sleep 600\n")
    program.chmod(0o755)
    before = {name: os.environ.get(name) for name in ("SSH_ASKPASS", "DISPLAY")}
    os.environ.update({"SSH_ASKPASS": str(program), "DISPLAY": ":0"})
    try:
        yield asked
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        if asked.exists():
            os.kill(int(asked.read_text()), signal.SIGTERM)


def add(socket: Path, key: Path, *options: str) -> None:
    """Add a key to an agent, which may only just start."""
    while True:
        done = subprocess.run(["ssh-add", "-q", *options, str(key)], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, capture_output=True)
        if done.returncode == 0:
            return
        assert b"Error connecting" in done.stderr or b"connection" in done.stderr, done.stderr


SK_PROVIDER = os.environ.get("HITL_TEST_SK_PROVIDER", "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
"""A library with which OpenSSH drives a security key: the dummy of OpenSSH's own tests, from Debian's package openssh-tests."""
needs_sk_dummy = pytest.mark.skipif(
    not Path(SK_PROVIDER).is_file(), reason="no FIDO2 token to sign with: OpenSSH's sk-dummy.so is in Debian's package openssh-tests"
)
"""Skips a test where there is no such library; not even CI must have one."""


SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None and not os.environ.get("CI"), reason="sshd is not installed")
"""Skips a test where there is no SSH server to start."""
CLIENT = (
    "ssh", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
    "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes",
)  # fmt: skip
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AcceptEnv *
Subsystem sftp internal-sftp
"""
"""Of a server that takes every variable of its clients, as no server should."""


class SshServer:
    """A server on loopback that lets the keys of its folder's `authorized_keys` in."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port

    def let_in(self, line: str) -> None:
        """Add a line to `authorized_keys`."""
        with (self._folder / "authorized_keys").open("a") as file:
            file.write(line + "\n")

    def client(self, key: Path, *options: str) -> list[str]:
        """The command that connects with a key; what it should run comes after it."""
        return [*CLIENT, *options, "-p", str(self.port), "-i", str(key), f"{getpass.getuser()}@127.0.0.1"]

    def run(self, key: Path, *words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Connect with a key and run a command."""
        return subprocess.run(
            [*self.client(key, *options), *(["--", *words] if words else [])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Start a server for as long as the block."""
    assert SSHD, "sshd is not installed"
    folder.mkdir(exist_ok=True)
    make_key(folder, "host")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # an empty folder that sshd wants, and that systemd makes elsewhere
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder))
    log = folder / "sshd.log"
    process = subprocess.Popen([SSHD, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)])
    try:
        deadline = time.monotonic() + 30
        while "Server listening" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield SshServer(folder, port)
    finally:
        process.terminate()
        process.wait()
