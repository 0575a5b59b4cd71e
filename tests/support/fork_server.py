"""Starts processes of ours quickly: LangGraph is imported once, here, and each process is a fork of this process.

It reads one JSON order a line ({"args", "env", "cwd", "out", "err", "exits"}), answers with the pid, and leaves each child's exit code in
the folder `exits`, in a file named after the pid.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


class Fuse:
    """Kills its own process at a step: `submitted`, or `submitted:2` for the second time."""

    def __init__(self, at: str) -> None:
        step, _, times = at.partition(":")
        self._step = step
        self._left = int(times or 1)

    def burn(self, step: str) -> None:
        """A step was reached."""
        self._left -= step == self._step
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def be_child(order: dict[str, Any]) -> NoReturn:
    """Become what `hitl-tui` with these arguments is."""
    from hitl_tui import failpoints
    from hitl_tui.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for path, number in ((os.devnull, 0), (order["out"], 1), (order["err"], 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), number)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    if at := order["env"].get("HITL_TEST_KILL_AT"):
        failpoints.observer = Fuse(at).burn
    try:
        main(order["args"], prog_name="hitl-tui")
        os._exit(0)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001 - nothing of the child may reach the loop below
        sys.excepthook(*sys.exc_info())
        os._exit(99)


def forge() -> None:
    """Fork until the orders end."""
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
                note = folders[pid] / f"{pid}.part"
                note.write_text(str(os.waitstatus_to_exitcode(status)))
                note.rename(folders[pid] / str(pid))

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        order = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            be_child(order)
        folders[pid] = Path(order["exits"])
        print(pid, flush=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


if __name__ == "__main__":
    forge()
