"""Whether a worker's process is alive: it locks a file in the home as long as it lives.

A heartbeat does not tell, because an agent may hold the GIL for longer than any interval, and a stopped process sends none. A process id
does not either: it means another process, or none, in another PID namespace. The lock ends with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

import psutil

from hitl_tui.errors import BadHome
from hitl_tui.home import Home
from hitl_tui.model import Worker
from hitl_tui.store import Store, agents

HOST = socket.gethostname()
OLD_LEASE_S = 30.0
"""Silence after which a worker of an older version on another host counts as dead; those lock nothing."""


class AliveLock:
    """The lock of this process. It is kept over `execve` where the descriptor is passed on, and never reaches a forked child."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor
        os.register_at_fork(after_in_child=self._drop)

    @classmethod
    def take(cls, home: Home, name: str) -> AliveLock:
        """Lock a new file of this name.

        Raises:
            BadHome: the home's file system has no locks, or cannot be written.
        """
        path = home.workers / name
        try:
            home.workers.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadHome(f"{path} cannot be locked: {error.strerror}", "choose a home on a file system with locks (--home DIR)") from None
        return cls(path, descriptor)

    @classmethod
    def inherit(cls, home: Home, name: str, descriptor: int) -> AliveLock:
        """Go on with the lock that this process had before it was replaced."""
        os.set_inheritable(descriptor, False)
        return cls(home.workers / name, descriptor)

    @property
    def name(self) -> str:
        """The file's name in the home's `workers/`."""
        return self._path.name

    def remove(self) -> None:
        """Delete the file, when the process ends as it should."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _drop(self) -> None:
        """In a forked child: a child that outlives the worker must not keep it alive."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def is_gone(home: Home, worker: Worker, host: str) -> bool:
    """Whether the worker is dead. One that cannot be told from a living one is not."""
    if worker.lock is None:
        return _is_old_one_gone(worker, host)
    try:
        descriptor = os.open(home.workers / worker.lock, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


async def served_targets(store: Store, home: Home) -> set[str]:
    """The targets of projects whose agents a living service runs."""
    return {target for target, worker, host in await agents.services(store) if not is_gone(home, worker, host)}


def forget(home: Home, worker: Worker) -> None:
    """Delete the lock file of a worker that is gone."""
    if worker.lock is not None:
        with contextlib.suppress(OSError):
            (home.workers / worker.lock).unlink()


def started(pid: int) -> float:
    """Creation time of a process; with the pid it identifies the process."""
    return float(psutil.Process(pid).create_time())


def _is_old_one_gone(worker: Worker, host: str) -> bool:
    if host != HOST:
        return time.time() - worker.beat_at > OLD_LEASE_S
    try:
        process = psutil.Process(worker.pid)
        return abs(process.create_time() - worker.started) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
