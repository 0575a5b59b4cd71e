"""Whether a worker's process is alive. Its heartbeat does not tell, because an agent may hold the GIL for longer than any interval."""

from __future__ import annotations

import socket
import time

import psutil

from hitl_tui.model import Worker
from hitl_tui.store.agents import LEASE_S

HOST = socket.gethostname()


def started(pid: int) -> float:
    """Creation time of a process; with the pid it identifies the process."""
    return float(psutil.Process(pid).create_time())


def is_gone(worker: Worker, host: str) -> bool:
    """Whether the worker is dead. On another host only a missing heartbeat can tell."""
    if host != HOST:
        return time.time() - worker.beat_at > LEASE_S
    try:
        process = psutil.Process(worker.pid)
        return abs(process.create_time() - worker.started) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
