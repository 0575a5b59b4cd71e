"""Projects, the agents they hold as a worker last found them, and the workers themselves.

A worker drives a run while the run's `worker` names it: that is the lease, and the heartbeat keeps it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Agent, Worker
from hitl_tui.store.connection import Store

COLUMNS = "a.project, a.name, p.label, a.description, a.input_schema, a.takes_text, a.error, a.traceback, a.state_schema, a.tools"

LEASE_S = 30.0
"""How long a lease lasts without its worker's heartbeat."""


async def register_project(store: Store, target: str, label: str) -> int:
    """The project's id; a new one for a target not seen before."""
    rows = await store.write_rows(
        "INSERT INTO projects (target, label, seen_at) VALUES (?, ?, ?) "
        "ON CONFLICT (target) DO UPDATE SET label = excluded.label, seen_at = excluded.seen_at RETURNING id",
        (target, label, time.time()),
    )
    return int(rows[0][0])


async def replace_agents(store: Store, project: int, agents: Sequence[Agent], error: str = "") -> None:
    """What the project holds now; `error` says why it cannot be read at all."""
    async with store.transaction() as db:
        db.execute("UPDATE projects SET error = ?, seen_at = ? WHERE id = ?", (error, time.time(), project))
        db.execute("DELETE FROM agents WHERE project = ?", (project,))
        db.executemany(
            "INSERT INTO agents (project, name, description, input_schema, takes_text, error, traceback, state_schema, tools) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(project, *_values(agent)) for agent in agents],
        )


async def list_agents(store: Store, name: str | None = None) -> list[Agent]:
    """Every agent of every project, or those of one name."""
    where, values = ("WHERE a.name = ?", (name,)) if name is not None else ("", ())
    rows = await store.all(f"SELECT {COLUMNS} FROM agents a JOIN projects p ON p.id = a.project {where} ORDER BY p.label, a.name", values)
    return [_agent(row) for row in rows]


async def of_project(store: Store, target: str) -> list[Agent]:
    """The agents of one project."""
    rows = await store.all(
        f"SELECT {COLUMNS} FROM agents a JOIN projects p ON p.id = a.project WHERE p.target = ? ORDER BY a.name", (target,)
    )
    return [_agent(row) for row in rows]


async def targets(store: Store) -> list[str]:
    """Every project's target, the one seen last first."""
    return [str(row[0]) for row in await store.all("SELECT target FROM projects ORDER BY seen_at DESC, id DESC")]


async def target_of(store: Store, review: int) -> str:
    """The target of a review's project; empty where nobody knows."""
    row = await store.one(
        "SELECT p.target FROM reviews v JOIN runs r ON r.id = v.run JOIN projects p ON p.id = r.project WHERE v.id = ?", (review,)
    )
    return str(row[0]) if row else ""


async def project_errors(store: Store, targets: Sequence[str]) -> list[tuple[str, str]]:
    """Label and error of those of the targets that cannot be read."""
    marks = ", ".join("?" * len(targets))
    rows = await store.all(f"SELECT label, error FROM projects WHERE error != '' AND target IN ({marks})", tuple(targets))
    return [(str(label), str(error)) for label, error in rows]


def _values(a: Agent) -> tuple[Any, ...]:
    plain = canonical_json.storable
    return (
        a.name,
        plain(a.description),
        canonical_json.dumps(a.input_schema),
        a.takes_text,
        plain(a.error),
        plain(a.traceback),
        canonical_json.dumps(a.state_schema),
        canonical_json.dumps(dict(a.tools)),
    )


def _agent(row: Any) -> Agent:
    project, name, label, description, schema, takes_text, error, traceback, state, tools = row
    state_schema = state and json.loads(state)
    return Agent(name, project, label, description, json.loads(schema), bool(takes_text), error, traceback, state_schema, json.loads(tools))


# Workers


async def register_worker(store: Store, worker: Worker, host: str) -> None:
    """Make the worker known before it takes anything."""
    await store.write(
        "INSERT INTO workers (id, project, host, pid, started, concurrency, beat_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (worker.id, worker.project, host, worker.pid, worker.started, worker.concurrency, time.time()),
    )


async def beat(store: Store, worker: str, code_changed: bool = False) -> None:
    """Say that the worker lives, which keeps its leases, and whether its code was edited since it was loaded."""
    await store.write("UPDATE workers SET beat_at = ?, code_changed = ? WHERE id = ?", (time.time(), code_changed, worker))


async def list_workers(store: Store) -> list[tuple[Worker, str]]:
    """Every known worker with its host, dead ones included until somebody recovers them."""
    rows = await store.all(
        "SELECT w.id, w.project, p.label, w.pid, w.started, w.concurrency, w.beat_at, "
        "(SELECT count(*) FROM runs r WHERE r.worker = w.id), w.code_changed, w.host "
        "FROM workers w JOIN projects p ON p.id = w.project ORDER BY w.id"
    )
    return [(_read_worker(row), str(row[9])) for row in rows]


def _read_worker(row: Any) -> Worker:
    id_, project, label, pid, started, concurrency, beat_at, running, code_changed, _ = row
    return Worker(id_, project, label, pid, started, concurrency, beat_at, running, bool(code_changed))
