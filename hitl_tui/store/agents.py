"""Projects, their agents as a worker last found them, and workers with their heartbeats.

Whether a worker lives does not show in its heartbeat (`worker/liveness.py`). One without a heartbeat is shown as not responding.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Actor, Agent, Worker, graph_of
from hitl_tui.store import audit, changefeed
from hitl_tui.store.connection import Store, Transaction

SELECT = """
SELECT a.project, a.name, p.label, a.description, a.input_schema, a.takes_text, a.error, a.traceback, a.state_schema, a.tools,
    a.context_schema
FROM agents a JOIN projects p ON p.id = a.project
"""
REGISTER_PROJECT = """
INSERT INTO projects (target, label, seen_at) VALUES (:target, :label, :now)
ON CONFLICT (target) DO UPDATE SET label = excluded.label, seen_at = excluded.seen_at RETURNING id
"""
OWN_NAME = "SELECT name FROM agent_names WHERE project = :project AND graph = :graph"
IS_SHARED = "SELECT 1 FROM agent_names WHERE graph = :graph"
IS_TAKEN = "SELECT 1 FROM agent_names WHERE name = :name"
NAME = "INSERT INTO agent_names (name, project, graph) VALUES (:name, :project, :graph)"
INSERT = """
INSERT INTO agents (project, name, description, input_schema, takes_text, error, traceback, state_schema, tools, context_schema)
VALUES (:project, :name, :description, :input_schema, :takes_text, :error, :traceback, :state_schema, :tools, :context_schema)
"""
FORMER_NAMES = "SELECT name FROM agent_names WHERE project = :project AND name = graph AND instr(name, '@')"
"""Names from before a project was known to have moved, of which only runs have some left."""
NAMESAKES = """
SELECT p.target FROM projects p JOIN agent_names n ON n.project = p.id
WHERE p.id != :project AND n.graph IN (SELECT value FROM json_each(:graphs)) AND NOT EXISTS (SELECT 1 FROM runs WHERE project = :project)
GROUP BY p.id ORDER BY p.seen_at DESC, p.id DESC
"""
MERGE = (
    "UPDATE runs SET project = :kept WHERE project = :gone",
    "DELETE FROM agents WHERE project = :gone",
    "UPDATE OR IGNORE agent_names SET project = :kept WHERE project = :gone",
    "UPDATE agent_names SET project = :kept, graph = name WHERE project = :gone",  # kept: no other agent may get the name
    "DELETE FROM thread_versions WHERE project = :gone",
    "DELETE FROM projects WHERE id = :gone",
)
"""What makes two projects one."""
TARGET = """
SELECT p.target FROM reviews v JOIN runs r ON r.id = v.run JOIN projects p ON p.id = r.project WHERE v.id = ?
"""
REGISTER_WORKER = """
INSERT INTO workers (id, project, host, pid, started, concurrency, beat_at, lock, service)
VALUES (:id, :project, :host, :pid, :started, :concurrency, :now, :lock, :service)
"""
WORKERS = """
SELECT w.id, w.project, p.label, w.pid, w.started, w.concurrency, w.beat_at, (SELECT count(*) FROM runs r WHERE r.worker = w.id),
    w.code_changed, w.lock, w.service, w.host
FROM workers w JOIN projects p ON p.id = w.project ORDER BY w.id
"""


async def register_project(store: Store, target: str, label: str) -> int:
    """Store that a project was seen. Returns its id, a new one for a new target."""
    [(project,)] = await store.write_rows(REGISTER_PROJECT, {"target": target, "label": label, "now": time.time()})
    return int(project)


async def replace_agents(
    store: Store, project: int, agents: Sequence[Agent], error: str = "", warnings: Sequence[str] = ()
) -> dict[str, str]:
    """Store the agents of a project, given with the names of their graphs. Returns their graphs by the names that runs have for them.

    These are their names in this home. Each keeps its own for good, so that levels, lessons and statistics, which belong to a name, are
    those of one agent. A run may also have the graph's name, if agents of several projects had that before this home told them apart.

    Args:
        error: why the project cannot be read at all.
        warnings: what of its settings has no effect.
    """
    async with store.transaction() as db:
        values = {"error": error, "warnings": canonical_json.dumps(list(warnings)), "now": time.time(), "project": project}
        db.execute("UPDATE projects SET error = :error, warnings = :warnings, seen_at = :now WHERE id = :project", values)
        db.execute("DELETE FROM agents WHERE project = ?", (project,))
        names = {_name(db, project, agent.name): agent.name for agent in agents}
        given = zip(names, agents, strict=True)
        db.executemany(INSERT, [{**_values(agent), "project": project, "name": name} for name, agent in given])
        former = {str(name): graph_of(str(name)) for (name,) in db.rows(FORMER_NAMES, {"project": project})}
        still = {name: graph for name, graph in former.items() if graph in names.values()}
        return still | names | {agent.name: agent.name for agent in agents if db.row(IS_TAKEN, {"name": agent.name}) is None}


async def namesakes(store: Store, project: int, graphs: Sequence[str]) -> list[str]:
    """Targets of other projects that have agents of these names, the last seen first; none once the project has runs of its own."""
    values = {"project": project, "graphs": json.dumps(list(graphs))}
    return [str(target) for (target,) in await store.all(NAMESAKES, values)]


async def move_project(store: Store, old: str, new: str, label: str, actor: str) -> None:
    """Store that a project is at another place: its agents keep their names, and so runs, levels, lessons and assistants.

    If the new place was loaded already, its runs become the project's, under the names that they have.

    Args:
        old: its target until now.
        new: its target from now on.
        label: its name from now on.

    Raises:
        Refused: it is not known, or a worker has the new place loaded.
    """
    now = time.time()
    async with store.transaction() as db:
        kept = db.row("SELECT id FROM projects WHERE target = :target", {"target": old})
        if kept is None:
            raise Refused(f"no project {old} is known", "`hitl-tui agents` lists the agents by project")
        if found := db.row("SELECT id FROM projects WHERE target = :target", {"target": new}):
            if db.row("SELECT 1 FROM workers WHERE project = :project", {"project": found[0]}):
                raise Refused(f"a worker runs the agents of {new}", "end it or its console, then say it again")
            for statement in MERGE:
                db.execute(statement, {"kept": kept[0], "gone": found[0]})
        db.execute("UPDATE projects SET target = :new, label = :label WHERE id = :kept", {"new": new, "label": label, "kept": kept[0]})
        audit.note(db, now, "project_moved", Actor(actor), {"from": old, "to": new})
        changefeed.touch(db)


def _name(db: Transaction, project: int, graph: str) -> str:
    """The name of a project's graph in this home: its own, unless another project's has that already."""
    if known := db.row(OWN_NAME, {"project": project, "graph": graph}):
        return str(known[0])
    name = graph
    if "@" in graph or db.row(IS_SHARED, {"graph": graph}):
        (label,) = db.row("SELECT label FROM projects WHERE id = ?", (project,))
        name = f"{graph}@{str(label).replace(' ', '-').replace('@', '-')}"
        name = name if db.row(IS_TAKEN, {"name": name}) is None else f"{name}-{project}"
    db.execute(NAME, {"name": name, "project": project, "graph": graph})
    return name


async def list_agents(store: Store, name: str | None = None) -> list[Agent]:
    """Every agent of every project, or only the one of that name; if there is none, those whose graph has that name."""
    found = [_agent(row) for row in await store.all(f"{SELECT} ORDER BY p.label, a.name")]
    if name is None:
        return found
    return [agent for agent in found if agent.name == name] or [agent for agent in found if agent.graph == name]


async def of_project(store: Store, target: str) -> list[Agent]:
    """The agents of one project."""
    return [_agent(row) for row in await store.all(f"{SELECT} WHERE p.target = ? ORDER BY a.name", (target,))]


async def targets(store: Store) -> list[str]:
    """Every project's target, the last seen first."""
    return [str(target) for (target,) in await store.all("SELECT target FROM projects ORDER BY seen_at DESC, id DESC")]


async def target_of(store: Store, review: int) -> str:
    """The target of a review's project; empty if unknown."""
    row = await store.one(TARGET, (review,))
    return str(row[0]) if row else ""


async def services(store: Store) -> list[tuple[str, Worker, str]]:
    """Every worker that no console owns, with its project's target and its host, including dead ones until their runs are recovered."""
    found = [(worker, host) for worker, host in await list_workers(store) if worker.service]
    targets = dict(await store.all("SELECT id, target FROM projects")) if found else {}
    return [(str(targets[worker.project]), worker, host) for worker, host in found]


async def project_errors(store: Store, targets: Sequence[str]) -> list[tuple[str, str]]:
    """Label and error of those of the targets that cannot be read."""
    broken = "SELECT label, error FROM projects WHERE error != '' AND target IN (SELECT value FROM json_each(?))"
    return [(str(label), str(error)) for label, error in await store.all(broken, (json.dumps(list(targets)),))]


async def project_warnings(store: Store) -> list[tuple[str, str]]:
    """Label and sentence for each setting of a project that has no effect."""
    found = await store.all("SELECT label, warnings FROM projects WHERE warnings != '[]' ORDER BY label, id")
    return [(str(label), str(warning)) for label, warnings in found for warning in json.loads(warnings)]


async def warnings_of(store: Store, target: str) -> list[str]:
    """The same of one project."""
    found = await store.one("SELECT warnings FROM projects WHERE target = ?", (target,))
    return [str(warning) for warning in json.loads(found[0])] if found else []


async def note_outage(store: Store, project: int, why: str, since: float | None) -> None:
    """Store why the server of a project cannot be used, and since when (Unix time); an empty `why` if it can.

    A reason without a time is for good: its threads are shown, and nothing can be decided (`read_only`).
    """
    values = {"project": project, "why": canonical_json.storable(why), "since": since}
    await store.write("UPDATE projects SET outage = :why, outage_since = :since WHERE id = :project", values)


async def outages(store: Store, targets: Sequence[str]) -> list[tuple[str, str, float]]:
    """Label, reason, and since when (Unix time), of those of the targets whose server cannot be used now."""
    out = (
        "SELECT label, outage, outage_since FROM projects "
        "WHERE outage_since IS NOT NULL AND target IN (SELECT value FROM json_each(?)) ORDER BY label"
    )
    return [(str(label), str(why), float(since)) for label, why, since in await store.all(out, (json.dumps(list(targets)),))]


READ_ONLY = "(SELECT p.outage FROM runs r JOIN projects p ON p.id = r.project WHERE r.id = {run} AND p.outage_since IS NULL)"
"""Why nothing can be decided on the server of a run: empty if it can, NULL if the run has no project."""


def must_be_decidable(db: Transaction, run: int) -> None:
    """Check that decisions of a run can be carried out where it is.

    Raises:
        Refused: its server is only shown.
    """
    found = db.row(f"SELECT {READ_ONLY.format(run=':run')}", {"run": run})
    if found[0]:
        raise Refused(f"nothing can be decided on the server of run r{run}: {found[0]}", "decide where it was started")


def _values(a: Agent) -> dict[str, Any]:
    plain = canonical_json.storable
    return {
        "name": a.name,
        "description": plain(a.description),
        "input_schema": canonical_json.dumps(a.input_schema),
        "takes_text": a.takes_text,
        "error": plain(a.error),
        "traceback": plain(a.traceback),
        "state_schema": canonical_json.dumps(a.state_schema),
        "tools": canonical_json.dumps(dict(a.tools)),
        "context_schema": canonical_json.dumps(a.context_schema),
    }


def _agent(row: Any) -> Agent:
    """The agent of a row of `SELECT`."""
    project, name, label, description, schema, takes_text, error, traceback, state, tools, context = row
    state_schema = state and json.loads(state)
    return Agent(
        name, project, label, description, json.loads(schema), bool(takes_text), error, traceback, state_schema, json.loads(tools),
        context and json.loads(context),
    )  # fmt: skip


# Workers


async def register_worker(store: Store, worker: Worker, host: str) -> None:
    """Store a worker before it leases anything."""
    values = {
        "id": worker.id, "project": worker.project, "host": host, "pid": worker.pid, "started": worker.started,
        "concurrency": worker.concurrency, "now": time.time(), "lock": worker.lock,
        "service": worker.service,
    }  # fmt: skip
    await store.write(REGISTER_WORKER, values)


BEAT = "UPDATE workers SET beat_at = :now, concurrency = :concurrency, code_changed = :code_changed WHERE id = :id"


async def beat(store: Store, worker: str, concurrency: int, code_changed: bool = False) -> bool:
    """Write the worker's heartbeat, and whether its code was edited since it was loaded. False if it was taken for dead."""
    async with store.transaction() as db:
        values = {"now": time.time(), "concurrency": concurrency, "code_changed": code_changed, "id": worker}
        return db.execute(BEAT, values).rowcount > 0


UNSERVED = """
SELECT a.name, p.target FROM agents a JOIN projects p ON p.id = a.project
WHERE a.error = '' AND p.target NOT IN (SELECT value FROM json_each(:own))
    AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.project = p.id AND w.beat_at > :since)
"""
GONE_S = 60.0
"""Age of a worker's last heartbeat beyond which it is taken for gone, where nothing depends on it."""


async def unserved(store: Store, own: Collection[str]) -> dict[str, str]:
    """The agents that no worker runs, with their project's target. Those of the targets in `own` have a worker that may still start."""
    values = {"own": json.dumps(list(own)), "since": time.time() - GONE_S}
    return {str(name): str(target) for name, target in await store.all(UNSERVED, values)}


async def list_workers(store: Store) -> list[tuple[Worker, str]]:
    """Every worker with its host, including dead ones until their runs are recovered."""
    return [
        (Worker(id_, project, label, pid, started, concurrency, beat_at, running, bool(code_changed), lock, bool(service)), str(host))
        for id_, project, label, pid, started, concurrency, beat_at, running, code_changed, lock, service, host in await store.all(WORKERS)
    ]
