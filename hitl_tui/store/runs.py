"""Runs: queued by a launch, taken under a lease by a worker, ended once."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.filter_language import Filter
from hitl_tui.model import Actor, Context, Json, ReviewState, Run, RunHead, RunOptions, RunState
from hitl_tui.store import attention_checks, audit, reviews, run_states
from hitl_tui.store.changefeed import Rev
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.history import lower_glob
from hitl_tui.store.pauses import NOT_PAUSED

TAKEN_BY = "(SELECT actor FROM takeovers WHERE takeovers.run = runs.id AND takeovers.state IN ('open', 'handed_back', 'submitted'))"
COLUMNS = ", ".join(
    f"runs.{name}"
    for name in (
        "id", "project", "agent", "thread", "title", "input", "state", "activity", "error", "traceback", "result", "crashes",
        "created_at", "started_at", "ended_at", "resuming", "cancelling", "gates_before", "gates_after", "time_limit_s", "cut",
        "tags",
    )
) + f", {TAKEN_BY}"  # fmt: skip
BUSY = "('running', 'waiting')"
OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
NOW = "((julianday('now') - 2440587.5) * 86400.0)"
GIVE_BACK = f"worker = NULL, leased_at = NULL, worked_s = worked_s + max(0.0, coalesce({NOW} - leased_at, 0.0))"
"""The end of a lease, and of the time the run worked under it."""
GIVE_BACK_LATE = GIVE_BACK.replace(NOW, f"min({NOW}, coalesce((SELECT beat_at FROM workers w WHERE w.id = runs.worker), 0.0))")
"""The same for a process that is gone, nobody knows since when: it worked until it last said so."""
REQUEUE = (
    "UPDATE runs SET state = 'queued', resuming = 1, cancelling = 0, crashes = 0, worked_s = 0, ended_at = NULL "
    "WHERE id = ? AND state IN ('failed', 'cancelled') AND NOT attention"
)
SENT_AND_OVER = "the run {} while this was being applied; it may have run"
TAKEABLE = (
    "state = 'queued' AND NOT cancelling AND agent IN ({marks}) AND (project = ? OR project IS NULL) "
    f"AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.thread = q.thread AND o.id != q.id AND (o.state IN {BUSY} "
    f"OR (o.state = 'queued' AND o.id < q.id))) AND {NOT_PAUSED.format(agent='q.agent')}"
)


async def insert(
    store: Store, runs: Sequence[tuple[int | None, str, str, str, Json]], options: RunOptions = RunOptions(), by: str = ""
) -> list[int]:
    """Queue runs given as (project, agent, thread, title, input), by whom; all or none. Returns their ids."""
    made = []
    lists = [canonical_json.dumps(list(given)) for given in (options.gates_before, options.gates_after, options.tags)]
    async with store.transaction() as db:
        for project, agent, thread, title, given in runs:
            cursor = db.execute(
                "INSERT INTO runs (project, agent, thread, title, input, created_at, gates_before, gates_after, tags, time_limit_s, "
                "launched_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (project, agent, thread, title, canonical_json.dumps(given), time.time(), *lists, options.time_limit_s, by),
            )
            made.append(int(cursor.lastrowid or 0))
            run_states.note_launch(db, made[-1])
    return made


async def get(store: Store, run: int) -> Run | None:
    """One run."""
    row = await store.one(f"SELECT {COLUMNS} FROM runs WHERE id = ?", (run,))
    return read_run(row) if row else None


async def newest(store: Store, limit: int, states: Sequence[RunState] = ()) -> list[Run]:
    """The newest runs first, of the given states or of all."""
    where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
    rows = await store.all(f"SELECT {COLUMNS} FROM runs {where} ORDER BY id DESC LIMIT ?", (*states, limit))
    return [read_run(row) for row in rows]


async def last_launched(store: Store, by: str) -> Run | None:
    """The run that a person launched last."""
    row = await store.one(f"SELECT {COLUMNS} FROM runs WHERE launched_by = ? ORDER BY id DESC LIMIT 1", (by,))
    return read_run(row) if row else None


async def last_ended(store: Store, limit: int) -> list[Run]:
    """The runs that ended last, newest first."""
    ended = f"SELECT {COLUMNS} FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ?"
    return [read_run(row) for row in await store.all(ended, (limit,))]


async def ids(store: Store) -> array[int]:
    """Ids of all runs, oldest first."""
    return array("q", [row[0] for row in await store.all("SELECT id FROM runs ORDER BY id")])


FILTERED = {"agent": "r.agent", "run": "r.id", "by": "r.launched_by"}
"""Fields of a filter that runs have, besides times → column."""
WORDS = "lower('r' || r.id || char(10) || r.agent || char(10) || r.state || char(10) || r.title || char(10) || r.error)"
"""What the words of a filter are looked for in."""


async def matching(store: Store, wanted: Filter) -> array[int]:
    """Ids of the runs that match a filter with no other fields than `FILTERED`, oldest first."""
    where, values = _filtered(wanted)
    return array("q", [row[0] for row in await store.all(f"SELECT r.id FROM runs r WHERE {where} ORDER BY r.id", values)])


def fitting(store: Store, wanted: Filter, ids: Sequence[int]) -> set[int]:
    """Those of these few runs that match; at once."""
    where, values = _filtered(wanted)
    asked = f"SELECT r.id FROM runs r WHERE r.id IN (SELECT value FROM json_each(?)) AND {where}"
    return {int(row[0]) for row in store.read_now(asked, (json.dumps(list(ids)), *values))}


def _filtered(wanted: Filter) -> tuple[str, tuple[Any, ...]]:
    """The condition on a run `r`, and its values."""
    clauses: list[tuple[str, Sequence[Any]]] = []
    for term in wanted.terms:
        column, each = FILTERED[term.field], "{} = ?" if term.field == "run" else "lower({}) GLOB ?"
        clause = " OR ".join([each.format(column)] * len(term.values))
        values = [int(value) if term.field == "run" else lower_glob(value) for value in term.values]
        clauses.append((f"NOT ({clause})" if term.negated else f"({clause})", values))
    clauses += [(f"instr({WORDS}, lower(?))", [word]) for word in wanted.words]
    clauses += [(f"NOT instr({WORDS}, lower(?))", [word]) for word in wanted.without]
    clauses += [("r.created_at >= ?", [wanted.since])] if wanted.since is not None else []
    clauses += [("r.created_at <= ?", [wanted.until])] if wanted.until is not None else []
    return " AND ".join(clause for clause, _ in clauses) or "TRUE", tuple(value for _, values in clauses for value in values)


async def rows(store: Store, ids: Sequence[int]) -> list[Run]:
    """These runs, in order of id."""
    marks = ", ".join("?" * len(ids))
    return [read_run(row) for row in await store.all(f"SELECT {COLUMNS} FROM runs WHERE id IN ({marks}) ORDER BY id", tuple(ids))]


async def changed(store: Store, after: Rev) -> list[Run]:
    """Runs that changed since then."""
    rows = await store.all(f"SELECT {COLUMNS} FROM runs WHERE id IN (SELECT run FROM changes WHERE seq > ?) ORDER BY id", (after.change,))
    return [read_run(row) for row in rows]


async def count(store: Store) -> dict[RunState, int]:
    """How many runs there are of each state that is not over."""
    rows = await store.all("SELECT state, count(*) FROM runs WHERE state IN ('queued', 'running', 'waiting') GROUP BY state")
    return {RunState(state): n for state, n in rows}


async def take_next(store: Store, worker: str, project: int, agents: Sequence[str], alone: bool, suspect: bool = False) -> Run | None:
    """Lease the oldest queued run this worker can drive, or None.

    A run queued behind another of its thread waits for it. One that was there when a worker died (`crashes`) is only taken by a
    worker that drives nothing else (`alone`), so that a second death is certainly its own doing; with `suspect`, no other is.
    """
    crashes = "AND crashes > 0" if suspect else "" if alone else "AND crashes = 0"
    next_one = f"SELECT id FROM runs q WHERE {_takeable(agents)} {crashes} ORDER BY id LIMIT 1"
    wanted = (*agents, project)
    if not store.read_now(next_one, wanted):  # the usual answer, and it costs no write lock
        return None
    now = time.time()
    async with store.transaction() as db:
        taken = db.rows(
            "UPDATE runs SET state = 'running', worker = ?, leased_at = ?, project = ?, started_at = coalesce(started_at, ?), "
            f"ended_at = NULL, error = '', traceback = '', activity = 'starting' WHERE id = ({next_one}) RETURNING {COLUMNS}",
            (worker, now, project, now, *wanted),
        )
        if not taken:
            return None
        run = read_run(taken[0])
        run_states.changed(db, run.id, RunState.QUEUED, RunState.RUNNING)
        return run


async def suspect_waits(store: Store, project: int, agents: Sequence[str]) -> bool:
    """Whether a run is queued that only a worker with nothing else to do may take."""
    row = await store.one(f"SELECT EXISTS (SELECT 1 FROM runs q WHERE {_takeable(agents)} AND crashes > 0)", (*agents, project))
    return bool(row[0])


def _takeable(agents: Sequence[str]) -> str:
    return TAKEABLE.format(marks=", ".join("?" * len(agents)))


async def settle(store: Store, run: int, worker: str, state: RunState, head: RunHead | None = None, **columns: Any) -> None:
    """End a turn: store the state the run is in now, and give the lease back. Nothing happens when another worker has the lease.

    `head` is where a run stands that is over.
    """
    known = {"error", "traceback", "result", "activity", "resuming", "cut"}
    if not columns.keys() <= known:
        raise ValueError(f"no such columns: {columns.keys() - known}")
    if "result" in columns:
        columns["result"] = canonical_json.dumps(columns["result"])
    columns = {"activity": "", "error": "", "cut": False, **columns, "state": state, "ended_at": time.time() if state in OVER else None}
    if state in OVER:
        columns |= {"cancelling": False, "resuming": False, "crashes": 0}  # `cut` stays: a retry must know
    async with store.transaction() as db:
        if _give_back(db, run, worker, state, columns) and state in OVER:
            _close_reviews(db, run, state)
            put_head(db, run, head)


def _give_back(db: Transaction, run: int, worker: str, state: RunState, columns: Mapping[str, Any]) -> bool:
    """Within a transaction: end the worker's lease, and store the run's state and columns; False when another worker has the lease."""
    was = db.row(f"SELECT state FROM runs WHERE id = ? AND coalesce(worker, ?) = ? AND state IN {BUSY}", (run, worker, worker))
    if was is None:
        return False
    sets = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE runs SET {GIVE_BACK}, {sets} WHERE id = ?", (*columns.values(), run))
    run_states.changed(db, run, was[0], state)
    return True


def _close_reviews(db: Transaction, run: int, state: RunState) -> None:
    """End what a run that is over still asked; what became of an answer on its way, nobody will see."""
    sent = SENT_AND_OVER.format("failed" if state is RunState.FAILED else f"was {state}")
    for review, its in db.rows("SELECT id, state FROM reviews WHERE run = ? AND state IN ('open', 'decided', 'submitted')", (run,)):
        if its == ReviewState.SUBMITTED:
            reviews.end(db, review, ReviewState.FAILED, sent)
        else:
            reviews.end(db, review, ReviewState.STALE, f"the run is {state}")


async def say_activity(store: Store, activity: Mapping[int, str]) -> None:
    """What running runs do now."""
    async with store.transaction() as db:
        db.executemany("UPDATE runs SET activity = ? WHERE id = ? AND state = 'running'", [(doing, run) for run, doing in activity.items()])


async def requeue(store: Store, run: int, by: str) -> bool:
    """Let a failed or cancelled run go on from its checkpoint, as somebody wants; False when it is neither."""
    async with store.transaction() as db:
        is_queued = queue_again(db, run)
        if is_queued:
            audit.note(db, time.time(), "retried", Actor(by), {}, run)
        return is_queued


def queue_again(db: Transaction, run: int) -> bool:
    """Within a transaction: let a failed or cancelled run go on from its checkpoint; False when it is neither."""
    was = db.row("SELECT state FROM runs WHERE id = ?", (run,))
    if was is None or not db.execute(REQUEUE, (run,)).rowcount:
        return False
    run_states.changed(db, run, was[0], RunState.QUEUED)
    return True


async def ask_cancel(store: Store, run: int, by: str = "") -> bool:
    """Ask for a run's end: at once when nothing drives it, else by its worker; False when it is over already.

    The log says `by` whom; a worker that does what somebody asked before names nobody.
    """
    now = time.time()
    async with store.transaction() as db:
        if by and attention_checks.caught(db, by, "cancelled", run=run):
            return True
        idle = db.row("SELECT state FROM runs WHERE id = ? AND state IN ('queued', 'waiting') AND worker IS NULL", (run,))
        cursor = db.execute(
            "UPDATE runs SET state = 'cancelled', ended_at = ?, activity = '', cancelling = 0, resuming = 0 "
            "WHERE id = ? AND state IN ('queued', 'waiting') AND worker IS NULL",
            (now, run),
        )
        at_once = idle is not None
        if not at_once:
            cursor = db.execute(f"UPDATE runs SET cancelling = 1 WHERE id = ? AND state IN {BUSY}", (run,))
        if cursor.rowcount and by:
            audit.note(db, now, "cancelled", Actor(by), {"at_once": at_once}, run)
        if idle is not None:
            run_states.changed(db, run, idle[0], RunState.CANCELLED)
            _close_reviews(db, run, RunState.CANCELLED)
        return cursor.rowcount > 0


async def cancelling(store: Store, worker: str) -> list[int]:
    """Runs that somebody wants ended: those this worker drives, and those that came to rest before they could be cut off."""
    rows = await store.all("SELECT id FROM runs WHERE cancelling AND coalesce(worker, ?) = ?", (worker, worker))
    return [int(row[0]) for row in rows]


async def release(store: Store, worker: str, active: Collection[int] = ()) -> list[int]:
    """Put back what this worker leased and no longer drives. Returns the runs.

    `active` are the runs that it drives. It may change until the transaction begins, and is read within it: a run that the worker takes
    meanwhile would otherwise be put back under its feet, and driven twice.
    """
    columns = {"activity": "", "error": "", "cut": True, "resuming": True, "state": RunState.QUEUED, "ended_at": None}
    async with store.transaction() as db:
        leased = [int(run) for (run,) in db.rows("SELECT id FROM runs WHERE worker = ?", (worker,))]
        return [run for run in leased if run not in active and _give_back(db, run, worker, RunState.QUEUED, columns)]


async def recover(store: Store, worker: str, blame: bool = True) -> list[int]:
    """Put back, or end, what a process drove that is gone, and forget its worker. Returns the runs.

    A run that was to be cancelled is; one that was marked as ended (`hangs.mark`) fails. Where there was such a run, the process was most
    likely ended for its sake. Else, unless nobody is to `blame`, each run is marked with one more crash.
    """
    async with store.transaction() as db:
        due = db.rows("SELECT id, cancelling, state FROM runs WHERE worker = ? AND (cancelling OR error != '')", (worker,))
        for run, cancelling, was in due:
            state = RunState.CANCELLED if cancelling else RunState.FAILED
            db.execute(
                f"UPDATE runs SET state = ?, ended_at = ?, {GIVE_BACK}, activity = '', "
                "error = CASE WHEN cancelling THEN '' ELSE error END, cancelling = 0, resuming = 0, crashes = 0, cut = 1 WHERE id = ?",
                (state, time.time(), run),
            )
            run_states.changed(db, run, was, state)
            _close_reviews(db, run, state)
        rows = db.rows(
            f"UPDATE runs SET state = 'queued', {GIVE_BACK_LATE}, resuming = 1, cut = 1, crashes = crashes + ?, activity = '' "
            "WHERE worker = ? RETURNING id",
            (blame and not due, worker),
        )
        for (run,) in rows:
            run_states.changed(db, run, RunState.RUNNING, RunState.QUEUED)
        db.execute("DELETE FROM workers WHERE id = ?", (worker,))
        return [int(row[0]) for row in (*due, *rows)]


async def work_left(store: Store, project: int, agents: Sequence[str]) -> bool:
    """Whether anything is queued, running, or decided and not yet applied that a worker of this project could do.

    A run queued behind one of its thread that waits for a person is not for the worker to do, and nothing of a paused agent is.
    """
    marks = ", ".join("?" * len(agents))
    mine = f"agent IN ({marks}) AND (project = ? OR project IS NULL)"
    goes_on = NOT_PAUSED.format(agent="r.agent")
    unapplied = (
        f"EXISTS (SELECT 1 FROM reviews v JOIN runs r ON r.id = v.run WHERE r.agent IN ({marks}) AND r.project = ? AND {goes_on} "
        "AND v.state = "
    )
    row = await store.one(  # one state each: only then does SQLite use the index kept for it
        f"SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND {mine}) "
        f"OR EXISTS (SELECT 1 FROM runs q WHERE state = 'queued' AND {mine} AND {NOT_PAUSED.format(agent='q.agent')} AND NOT EXISTS ("
        "SELECT 1 FROM runs o WHERE o.thread = q.thread AND o.id != q.id AND o.state = 'waiting')) "
        f"OR {unapplied} 'decided') OR {unapplied} 'submitted') "
        f"OR EXISTS (SELECT 1 FROM takeovers t JOIN runs r ON r.id = t.run WHERE t.state = 'handed_back' AND r.agent IN ({marks}) "
        f"AND r.project = ? AND {goes_on})",
        (*agents, project) * 5,
    )
    return bool(row[0])


async def orphans(store: Store, agents: Sequence[str]) -> list[tuple[int, str]]:
    """Queued runs, as (id, agent), that belong to no project yet and whose agent is none of these."""
    marks = ", ".join("?" * len(agents))
    return [
        (int(run), str(agent))
        for run, agent in await store.all(
            f"SELECT id, agent FROM runs WHERE state = 'queued' AND project IS NULL AND agent NOT IN ({marks})", tuple(agents)
        )
    ]


def put_head(db: Transaction, run: int, head: RunHead | None) -> None:
    """Store where a run stands; None when nobody knows. An empty context is that of the run's newest review, and not stored twice."""
    db.execute("DELETE FROM heads WHERE run = ?", (run,))
    if head is None:
        return
    plain = canonical_json.storable
    context = None if head.context == Context() else canonical_json.dumps(asdict(head.context))
    calls = [{"id": plain(call.id), "name": plain(call.name), "args": call.args} for call in head.calls]
    db.execute(
        "INSERT INTO heads (run, checkpoint, nodes, context, words, calls) VALUES (?, ?, ?, ?, ?, ?)",
        (
            run,
            head.checkpoint,
            canonical_json.dumps(list(head.nodes)),
            context,
            None if head.text is None else plain(head.text),
            canonical_json.dumps(calls),
        ),
    )


def read_run(row: Any) -> Run:
    """A row of COLUMNS."""
    (id_, project, agent, thread, title, given, state, activity, error, traceback, result, crashes, created, started, ended, resuming,
     cancelling, gates_before, gates_after, time_limit_s, cut, tags, taken_by) = row  # fmt: skip
    return Run(
        id_, project, agent, thread, title, json.loads(given), RunState(state), activity, error, traceback,
        json.loads(result) if result is not None else None, crashes, created, started, ended, bool(resuming), bool(cancelling),
        RunOptions(tuple(json.loads(gates_before)), tuple(json.loads(gates_after)), time_limit_s, tuple(json.loads(tags))),
        bool(cut), taken_by,
    )  # fmt: skip
