"""Starts `hitl-tui` processes quickly: this process imports LangGraph once and forks each of them.

`python -m tests.support.fork_server SOCKET` takes one request per connection, a line of JSON ({"args", "env", "cwd", "out", "err",
"exits"}), and answers with the child's pid. It writes each child's exit code to a file named after the pid in the folder `exits`. It ends
with its standard input.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.support import set_clock


class KillSwitch:
    """Kills its own process at a failpoint: `submitted`, or `submitted:2` for the second pass."""

    def __init__(self, at: str) -> None:
        step, _, times = at.partition(":")
        self._step = step
        self._left = int(times or 1)

    def on_step(self, step: str) -> None:
        """Count a passed failpoint, and kill the process at the chosen one."""
        self._left -= step == self._step
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run_child(request: dict[str, Any]) -> NoReturn:
    """Run `hitl-tui` with the requested arguments in a forked child, and exit."""
    from hitl_tui import failpoints
    from hitl_tui.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for path, number in ((os.devnull, 0), (request["out"], 1), (request["err"], 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if clock := request["env"].get(set_clock.VARIABLE):
        set_clock.follow(Path(clock))
    if at := request["env"].get("HITL_TEST_KILL_AT"):
        failpoints.observer = KillSwitch(at).on_step
    try:
        main(request["args"], prog_name="hitl-tui")
        os._exit(0)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001 - an exception in the child must not reach the loop of the server
        sys.excepthook(*sys.exc_info())
        os._exit(99)


def serve() -> None:
    """Fork a child per request until stdin ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    import langchain.agents.middleware
    import langgraph.prebuilt

    import hitl_tui.worker.process

    assert langchain.agents.middleware and langgraph.prebuilt and hitl_tui.worker.process
    gc.freeze()
    folders: dict[int, Path] = {}

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                file = folders[pid] / f"{pid}.part"
                file.write_text(str(os.waitstatus_to_exitcode(status)))
                file.rename(folders[pid] / str(pid))

    signal.signal(signal.SIGCHLD, reap)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        with client, client.makefile("rw") as lines:
            request = json.loads(lines.readline())
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if pid == 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                os.close(listener.fileno())  # or the address would outlive this server
                os.close(client.fileno())
                run_child(request)
            folders[pid] = Path(request["exits"])
            lines.write(f"{pid}\n")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


if __name__ == "__main__":
    serve()
