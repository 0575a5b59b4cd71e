"""Workers. One drives a run while the run's `worker` names it: that is the lease, and the heartbeat keeps it."""

from __future__ import annotations

import time
from typing import Any

from hitl_tui.model import Worker
from hitl_tui.store.connection import Store

LEASE_S = 30.0
"""How long a lease lasts without its worker's heartbeat."""


async def register(store: Store, worker: Worker, host: str) -> None:
    """Make the worker known before it takes anything."""
    await store.write(
        "INSERT INTO workers (id, project, host, pid, started, concurrency, beat_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (worker.id, worker.project, host, worker.pid, worker.started, worker.concurrency, time.time()),
    )


async def beat(store: Store, worker: str) -> None:
    """Say that the worker lives, which keeps its leases."""
    await store.write("UPDATE workers SET beat_at = ? WHERE id = ?", (time.time(), worker))


async def list_workers(store: Store) -> list[tuple[Worker, str]]:
    """Every known worker with its host, dead ones included until somebody recovers them."""
    rows = await store.all(
        "SELECT w.id, w.project, p.label, w.pid, w.started, w.concurrency, w.beat_at, "
        "(SELECT count(*) FROM runs r WHERE r.worker = w.id), w.host "
        "FROM workers w JOIN projects p ON p.id = w.project ORDER BY w.id"
    )
    return [(_worker(row), str(row[8])) for row in rows]


def _worker(row: Any) -> Worker:
    id_, project, label, pid, started, concurrency, beat_at, running, _ = row
    return Worker(id_, project, label, pid, started, concurrency, beat_at, running)
