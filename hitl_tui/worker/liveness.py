"""Whether the process that holds a lease still lives. The clock cannot tell: an agent may hold the GIL longer than any heartbeat."""

from __future__ import annotations

import socket
import time

import psutil

from hitl_tui.model import Worker
from hitl_tui.store.workers import LEASE_S

HOST = socket.gethostname()


def started(pid: int) -> float:
    """Creation time of a process, which with the pid is its identity."""
    return float(psutil.Process(pid).create_time())


def is_gone(worker: Worker, host: str) -> bool:
    """Whether the worker has died. On another host only its silence can tell."""
    if host != HOST:
        return time.time() - worker.beat_at > LEASE_S
    try:
        process = psutil.Process(worker.pid)
        return abs(process.create_time() - worker.started) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
