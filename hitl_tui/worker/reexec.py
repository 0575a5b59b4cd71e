"""Restarts the worker in place (`execve`): the only way to end a thread that does not return."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil

CHILDREN_S = 2.0
"""How long to wait for killed children to end."""


class ProcessReplacement:
    """How to start this worker again: command, environment and folder as they were at its start."""

    def __init__(self, command: Sequence[str], doorbell: int | None) -> None:
        self._command = list(command)
        self._doorbell = doorbell
        self._env = dict(os.environ)  # before agents' own .env files came in
        self._folder = Path.cwd()
        self._once = threading.Lock()
        self.wanted = False
        """Whether to replace the process once its loop has ended."""

    def execute(self) -> NoReturn:
        """Replace the process now. Child processes that agents started are killed: the code they belong to is gone."""
        self._once.acquire()  # never released: a second thread that gets here waits for the end
        _end_children()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        if self._doorbell is not None:
            os.set_inheritable(self._doorbell, True)
        with contextlib.suppress(OSError):  # the folder may be gone; paths in the command are absolute
            os.chdir(self._folder)
        try:
            os.execve(self._command[0], self._command, self._env)
        finally:
            os._exit(1)  # the program file is gone: the supervisor starts another


def _end_children() -> None:
    with contextlib.suppress(psutil.Error):
        children = psutil.Process().children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(children, CHILDREN_S)
