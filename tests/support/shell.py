"""Runs shell scripts in which `hitl-tui` is forked by the fork server: the real program, without its import time."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.harness import ForkServer

TIMEOUT_S = 120.0
"""Seconds for one command; a worker imports and runs agents, and the machine may be busy."""
CLIENT = """#!{python} -ISE
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as peer:
    peer.connect({address!r})
    peer.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
    out, err, code = json.loads(peer.makefile().readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


@contextlib.contextmanager
def hitl_tui_on_path(fork_server: ForkServer, folder: Path, change: Callable[[list[str]], list[str]]) -> Iterator[dict[str, str]]:
    """Return an environment whose PATH finds `hitl-tui`. `change` may replace a command's arguments before it runs."""
    address = str(folder / "commands")
    client = folder / "hitl-tui"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        threading.Thread(target=_serve, args=(server, fork_server, folder, change), daemon=True).start()
        yield {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, fork_server: ForkServer, folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    number = 0
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            args, cwd, env = json.loads(peer.makefile().readline())
            number += 1
            process = fork_server.fork(change(args), env, folder, f"command{number}", Path(cwd))
            code = process.wait(TIMEOUT_S)
            out, err = ((folder / f"command{number}.{end}").read_text() for end in ("out", "err"))
            peer.sendall(json.dumps([out, err, code]).encode() + b"\n")


def run(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a bash script that stops at the first failing command."""
    return subprocess.run(["bash", "-eu", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, timeout=170, check=False)
