"""Real OpenSSH in tests: keys, ssh-agents, and the reason to skip where the programs are missing."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
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
def agent(folder: Path, *keys: Path, options: tuple[str, ...] = ()) -> Iterator[Path]:
    """An ssh-agent that holds these keys, for as long as the block. `options` are of `ssh-add`. Yields its socket."""
    socket = folder / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for key in keys:
            add(socket, key, *options)
        yield socket
    finally:
        process.terminate()
        process.wait()


def add(socket: Path, key: Path, *options: str) -> None:
    """Add a key to an agent, which may only just start."""
    while True:
        done = subprocess.run(["ssh-add", "-q", *options, str(key)], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, capture_output=True)
        if done.returncode == 0:
            return
        assert b"Error connecting" in done.stderr or b"connection" in done.stderr, done.stderr
