"""Runs: queued by a launch, leased by a worker, and ended.

A worker drives a run while the run's `worker` names it: that is the lease. `lease` counts the leases of a run, also those that were taken
away, so that a worker that has lost a run notices (`Store.under`).
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Stale
from hitl_tui.model import NOT_RESPONDING_S, Actor, Context, Json, Lease, ReviewState, Run, RunHead, RunOptions, RunState
from hitl_tui.store import attention_checks, audit, reviews, run_states
from hitl_tui.store.changefeed import Rev
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.damaged_files import UNREADABLE, read_tolerantly
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.run_states import LIVE_TAKEOVER

TAKEN_BY = f"(SELECT actor FROM takeovers WHERE takeovers.run = runs.id AND takeovers.state IN {LIVE_TAKEOVER})"
COLUMNS = ", ".join(
    f"runs.{name}"
    for name in (
        "id", "project", "agent", "thread", "title", "input", "state", "activity", "error", "traceback", "result", "crashes",
        "created_at", "started_at", "ended_at", "resuming", "cancelling", "gates_before", "gates_after", "time_limit_s", "cut",
        "tags", "context", "config", "limits", "lease", "retry_lease",
    )
) + f", {TAKEN_BY}, (SELECT beat_at FROM workers WHERE workers.id = runs.worker)"  # fmt: skip
"""Columns that `read_run` reads."""
BUSY = "('running', 'waiting')"
OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
NOW = "unix_time()"
GIVE_BACK = f"worker = NULL, leased_at = NULL, worked_s = worked_s + max(0.0, coalesce({NOW} - leased_at, 0.0))"
"""Ends a lease, and adds its length to the time the run has worked."""
GIVE_BACK_LATE = GIVE_BACK.replace(NOW, f"min({NOW}, coalesce((SELECT beat_at FROM workers w WHERE w.id = runs.worker), 0.0))")
"""Ends the lease of a process that died at an unknown time: its last heartbeat counts."""
SENT_AND_OVER = "the run {} while this was being applied; it may have run"

# Launching and reading

INSERT = """
INSERT INTO runs (
    project, agent, thread, title, input, created_at, gates_before, gates_after, tags, context, config, limits, time_limit_s, launched_by
) VALUES (
    :project, :agent, :thread, :title, :input, :created_at, :gates_before, :gates_after, :tags, :context, :config, :limits, :time_limit_s,
    :launched_by
)
"""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to queue."""

    project: int | None
    """None: that of the worker that takes it."""
    agent: str
    thread: str
    title: str
    input: Json
    """`{"text": …}` or `{"input": …}`."""


async def insert(store: Store, runs: Sequence[NewRun], options: RunOptions = RunOptions(), by: str = "") -> list[int]:
    """Queue runs that a person launched (`by`); all or none. Returns their ids."""
    made = []
    shared = {
        "gates_before": canonical_json.dumps(list(options.gates_before)),
        "gates_after": canonical_json.dumps(list(options.gates_after)),
        "tags": canonical_json.dumps(list(options.tags)),
        "context": None if options.context is None else canonical_json.dumps(options.context),
        "config": None if options.config is None else canonical_json.dumps(options.config),
        "limits": canonical_json.dumps(list(options.limits)),
        "time_limit_s": options.time_limit_s,
        "launched_by": by,
    }
    async with store.transaction() as db:
        for run in runs:
            own = {
                "project": run.project, "agent": run.agent, "thread": run.thread, "title": run.title,
                "input": canonical_json.dumps(run.input),
            }  # fmt: skip
            made.append(int(db.execute(INSERT, {**shared, **own, "created_at": time.time()}).lastrowid or 0))
            run_states.note_launch(db, made[-1])
    return made


async def get(store: Store, run: int) -> Run | None:
    """One run; None if there is none of that id."""
    row = await store.one(f"SELECT {COLUMNS} FROM runs WHERE id = ?", (run,))
    return read_run(row) if row else None


async def newest(store: Store, limit: int, states: Sequence[RunState] = ()) -> list[Run]:
    """The newest runs, newest first, of the given states or of all."""
    where = "WHERE state IN (SELECT value FROM json_each(:states))" if states else ""
    newest = f"SELECT {COLUMNS} FROM runs {where} ORDER BY id DESC LIMIT :limit"
    return _listed(await store.all(newest, {"states": json.dumps(states), "limit": limit}))


async def last_launched(store: Store, by: str) -> Run | None:
    """The run that a person launched last."""
    row = await store.one(f"SELECT {COLUMNS} FROM runs WHERE launched_by = ? ORDER BY id DESC LIMIT 1", (by,))
    return read_run(row) if row else None


async def last_ended(store: Store, limit: int) -> list[Run]:
    """The runs that ended last, newest first."""
    ended = f"SELECT {COLUMNS} FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ?"
    return _listed(await store.all(ended, (limit,)))


async def ids(store: Store) -> array[int]:
    """Ids of all runs, oldest first."""
    return array("q", [id_ for (id_,) in await store.all("SELECT id FROM runs ORDER BY id")])


async def rows(store: Store, ids: Sequence[int]) -> list[Run]:
    """These runs, in order of id."""
    these = f"SELECT {COLUMNS} FROM runs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    return _listed(await store.all(these, (json.dumps(list(ids)),)))


async def changed(store: Store, after: Rev) -> list[Run]:
    """Runs that changed after that revision."""
    newer = f"SELECT {COLUMNS} FROM runs WHERE id IN (SELECT run FROM changes WHERE seq > ?) ORDER BY id"
    return _listed(await store.all(newer, (after.change,)))


async def count(store: Store) -> dict[RunState, int]:
    """Number of runs by state, of the states `queued`, `running` and `waiting`."""
    rows = await store.all("SELECT state, count(*) FROM runs WHERE state IN ('queued', 'running', 'waiting') GROUP BY state")
    return {RunState(state): n for state, n in rows}


# Leases

TAKEABLE = f"""
FROM runs q
WHERE state = 'queued' AND NOT cancelling AND (project = :project OR project IS NULL)
    AND agent IN (SELECT value FROM json_each(:agents))
    AND NOT EXISTS (
        SELECT 1 FROM runs o WHERE o.thread = q.thread AND o.id != q.id
            AND (o.state IN {BUSY} OR (o.state = 'queued' AND o.id < q.id))
    )
    AND {NOT_PAUSED.format(agent="q.agent")}
"""
"""Queued runs that a worker can lease: a run waits for the others of its thread."""
TAKE = """
UPDATE runs SET state = 'running', worker = :worker, lease = lease + 1, leased_at = :now, project = :project,
    started_at = coalesce(started_at, :now), ended_at = NULL, error = '', traceback = '', activity = 'starting'
WHERE id = ({}) RETURNING {}
"""


async def lease_next(store: Store, worker: str, project: int, agents: Sequence[str], alone: bool, suspect: bool = False) -> Run | None:
    """Lease the oldest queued run that this worker can drive; None if there is none.

    A run that was leased when a worker died (`crashes`) is only taken by a worker that drives nothing else (`alone`), so that it is
    certainly the cause of a second death. With `suspect`, only such a run is taken.
    """
    crashes = "AND crashes > 0" if suspect else "" if alone else "AND crashes = 0"
    next_one = f"SELECT id {TAKEABLE} {crashes} ORDER BY id LIMIT 1"
    values = {"worker": worker, "project": project, "agents": json.dumps(list(agents)), "now": time.time()}
    if not store.read_now(next_one, values):  # the usual answer, and it costs no write lock
        return None
    async with store.transaction() as db:
        taken = db.row(TAKE.format(next_one, COLUMNS), values)
        if taken is None:
            return None
        run = read_run(taken)
        run_states.changed(db, run.id, RunState.QUEUED, RunState.RUNNING)
        return run


async def has_suspect(store: Store, project: int, agents: Sequence[str]) -> bool:
    """Whether a run is queued that only a worker that drives nothing else may take."""
    values = {"project": project, "agents": json.dumps(list(agents))}
    return bool(await store.all(f"SELECT 1 {TAKEABLE} AND crashes > 0 LIMIT 1", values))


async def settle(store: Store, run: int, worker: str, state: RunState, head: RunHead | None = None, **columns: Any) -> None:
    """End a turn: store the run's state and end the lease. Does nothing if another worker has the lease.

    Args:
        head: where a run stands that has ended.
        columns: any of `error`, `traceback`, `result` (as JSON), `activity`, `resuming`, `cut`.
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
    """Within a transaction: end the worker's lease, and store the run's state and columns. False if another worker has the lease."""
    values = {**columns, "id": run, "its_worker": worker}
    was = db.row(f"SELECT state FROM runs WHERE id = :id AND coalesce(worker, :its_worker) = :its_worker AND state IN {BUSY}", values)
    if was is None:
        return False
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    db.execute(f"UPDATE runs SET {GIVE_BACK}, {sets} WHERE id = :id", values)
    run_states.changed(db, run, was[0], state)
    return True


def _close_reviews(db: Transaction, run: int, state: RunState) -> None:
    """End the reviews of a run that has ended. The outcome of an answer that was sent stays unknown."""
    sent = SENT_AND_OVER.format("failed" if state is RunState.FAILED else f"was {state}")
    for review, its in db.rows("SELECT id, state FROM reviews WHERE run = ? AND state IN ('open', 'decided', 'submitted')", (run,)):
        if its == ReviewState.SUBMITTED:
            reviews.end(db, review, ReviewState.FAILED, sent)
        else:
            reviews.end(db, review, ReviewState.STALE, f"the run is {state}")


# Retrying and cancelling

REQUEUE = """
UPDATE runs SET state = 'queued', resuming = 1, cancelling = 0, crashes = 0, worked_s = 0, ended_at = NULL, retry_lease = lease + 1
WHERE id = ? AND state IN ('failed', 'cancelled') AND NOT attention
"""
IDLE = "state IN ('queued', 'waiting') AND worker IS NULL"
CANCEL = f"""
UPDATE runs SET state = 'cancelled', ended_at = :now, activity = '', cancelling = 0, resuming = 0 WHERE id = :run AND {IDLE}
"""


async def requeue(store: Store, run: int, by: str) -> bool:
    """Retry a failed or cancelled run from its checkpoint for a person. False if it is neither."""
    async with store.transaction() as db:
        is_queued = queue_again(db, run)
        if is_queued:
            audit.note(db, time.time(), "retried", Actor(by), {}, run)
        return is_queued


def queue_again(db: Transaction, run: int) -> bool:
    """Within a transaction: queue a failed or cancelled run again, from its checkpoint. False if it is neither."""
    was = db.row("SELECT state FROM runs WHERE id = ?", (run,))
    if was is None or not db.execute(REQUEUE, (run,)).rowcount:
        return False
    run_states.changed(db, run, was[0], RunState.QUEUED)
    return True


async def cancel(store: Store, run: int, by: str = "") -> bool:
    """Cancel a run: at once if no worker drives it, otherwise its worker does. False if it has ended already.

    `by` is who asked for it, for the audit; empty for a worker that does what somebody asked for before.
    """
    now = time.time()
    async with store.transaction() as db:
        if by and attention_checks.caught(db, by, "cancelled", run=run):
            return True
        idle = db.row(f"SELECT state FROM runs WHERE id = ? AND {IDLE}", (run,))
        cursor = db.execute(CANCEL, {"run": run, "now": now})
        at_once = idle is not None
        if not at_once:
            cursor = db.execute(f"UPDATE runs SET cancelling = 1 WHERE id = ? AND state IN {BUSY}", (run,))
        if cursor.rowcount and by:
            audit.note(db, now, "cancelled", Actor(by), {"at_once": at_once}, run)
        if idle is not None:
            run_states.changed(db, run, idle[0], RunState.CANCELLED)
            _close_reviews(db, run, RunState.CANCELLED)
        return cursor.rowcount > 0


def cancelling(store: Store, worker: str) -> list[int]:
    """Runs to cancel: those that this worker drives, and those that stopped before they could be cut off. Reads at once."""
    found = store.read_now("SELECT id FROM runs WHERE cancelling AND coalesce(worker, :worker) = :worker", {"worker": worker})
    return [int(run) for (run,) in found]


# Leases of workers that stop, died, or do not answer

LOST = """
SELECT json_extract(d.value, '$[0]') FROM json_each(:driven) d JOIN runs r ON r.id = json_extract(d.value, '$[0]')
WHERE r.lease != json_extract(d.value, '$[1]') OR coalesce(r.worker, json_extract(d.value, '$[2]')) != json_extract(d.value, '$[2]')
"""

OVERDUE = "SELECT id, cancelling, state FROM runs WHERE worker = ? AND (cancelling OR error != '')"
END_OVERDUE = f"""
UPDATE runs SET state = :state, ended_at = :now, {GIVE_BACK}, lease = lease + 1, activity = '',
    error = CASE WHEN cancelling THEN '' ELSE error END, cancelling = 0, resuming = 0, crashes = 0, cut = 1
WHERE id = :run
"""
PUT_BACK = f"""
UPDATE runs SET state = 'queued', {GIVE_BACK_LATE}, lease = lease + 1, resuming = 1, cut = 1, crashes = crashes + :blame, activity = ''
WHERE worker = :worker RETURNING id
"""


async def release(store: Store, worker: str, active: Collection[int] = (), blamed: Collection[int] = ()) -> list[int]:
    """Queue the runs that this worker leased and no longer drives. Returns them.

    Args:
        active: the runs that it drives. It may change until the transaction begins, and is read within it: otherwise a run that the
            worker takes meanwhile would be queued again, and driven twice.
        blamed: runs that count one more crash, because they kept the worker from storing how they ended.
    """
    columns = {"activity": "", "error": "", "cut": True, "resuming": True, "state": RunState.QUEUED, "ended_at": None}
    async with store.transaction() as db:
        leased = db.rows("SELECT id, crashes FROM runs WHERE worker = ?", (worker,))
        idle = [(int(run), {**columns, "crashes": crashes + (run in blamed)}) for run, crashes in leased if run not in active]
        return [run for run, values in idle if _give_back(db, run, worker, RunState.QUEUED, values)]


SILENT = """
SELECT r.state, w.id, w.beat_at FROM runs r LEFT JOIN workers w ON w.id = r.worker WHERE r.id = :run
"""
TAKE_AWAY = f"""
UPDATE runs SET state = 'queued', {GIVE_BACK}, lease = lease + 1, resuming = 1, cut = 1, activity = '', error = '' WHERE id = :run
"""


async def take_away(store: Store, run: int, by: str) -> None:
    """Release a run from a worker that does not answer, for a person. It is queued, and goes on from its checkpoint with another worker.

    Raises:
        Stale: no worker drives it, or its worker answers.
    """
    async with store.transaction() as db:
        state, worker, beat_at = db.row(SILENT, {"run": run})
        if state != RunState.RUNNING or worker is None:
            raise Stale(f"no worker drives run r{run}: it is {state}", "nothing was changed")
        silence = time.time() - beat_at
        if silence <= NOT_RESPONDING_S:
            raise Stale(f"run r{run} is driven by a worker that answers", "`hitl-tui cancel` ends the run")
        db.execute(TAKE_AWAY, {"run": run})
        run_states.changed(db, run, RunState.RUNNING, RunState.QUEUED)
        audit.note(db, time.time(), "run_released", Actor(by), {"worker": worker, "silent_s": round(silence)}, run)


def lost(store: Store, driven: Mapping[int, Lease]) -> list[int]:
    """Those of the runs that this worker drives whose lease it has lost. Reads at once."""
    values = {"driven": json.dumps([[lease.run, lease.number, lease.worker] for lease in driven.values()])}
    return [int(run) for (run,) in store.read_now(LOST, values)] if driven else []


async def recover(store: Store, worker: str, blame: bool = True) -> list[int]:
    """Queue or end the runs of a worker whose process is gone, and delete the worker. Returns the runs.

    A run that was to be cancelled is cancelled; one over its time limit (`time_limits.mark`) fails. If there was such a run, the process
    was most likely ended because of it. Otherwise, with `blame`, each run counts one more crash.
    """
    async with store.transaction() as db:
        due = db.rows(OVERDUE, (worker,))
        for run, cancelling, was in due:
            state = RunState.CANCELLED if cancelling else RunState.FAILED
            db.execute(END_OVERDUE, {"state": state, "now": time.time(), "run": run})
            run_states.changed(db, run, was, state)
            _close_reviews(db, run, state)
        queued = [run for (run,) in db.rows(PUT_BACK, {"blame": blame and not due, "worker": worker})]
        for run in queued:
            run_states.changed(db, run, RunState.RUNNING, RunState.QUEUED)
        db.execute("DELETE FROM workers WHERE id = ?", (worker,))
        return [int(run) for run in (*(run for run, *_ in due), *queued)]


# What is left to do

WORK_LEFT = f"""
WITH mine AS (SELECT value FROM json_each(:agents))
SELECT EXISTS (
    SELECT 1 FROM runs WHERE state = 'running' AND agent IN (SELECT value FROM mine) AND (project = :project OR project IS NULL)
) OR EXISTS (
    SELECT 1 FROM runs q WHERE state = 'queued' AND agent IN (SELECT value FROM mine) AND (project = :project OR project IS NULL)
        AND {NOT_PAUSED.format(agent="q.agent")}
        AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.thread = q.thread AND o.id != q.id AND o.state = 'waiting')
) OR EXISTS (
    SELECT 1 FROM reviews v JOIN runs r ON r.id = v.run
    WHERE r.agent IN (SELECT value FROM mine) AND r.project = :project AND {NOT_PAUSED.format(agent="r.agent")} AND v.state = 'decided'
) OR EXISTS (
    SELECT 1 FROM reviews v JOIN runs r ON r.id = v.run
    WHERE r.agent IN (SELECT value FROM mine) AND r.project = :project AND {NOT_PAUSED.format(agent="r.agent")} AND v.state = 'submitted'
) OR EXISTS (
    SELECT 1 FROM takeovers t JOIN runs r ON r.id = t.run
    WHERE t.state = 'handed_back' AND NOT t.unconfirmed
        AND r.agent IN (SELECT value FROM mine) AND r.project = :project AND {NOT_PAUSED.format(agent="r.agent")}
)
"""
"""One state in each part: only then does SQLite use the index kept for it."""
ORPHANS = """
SELECT id, agent FROM runs
WHERE state = 'queued' AND project IS NULL AND agent NOT IN (SELECT value FROM json_each(?))
"""
INSERT_HEAD = """
INSERT INTO heads (run, checkpoint, nodes, context, words, calls) VALUES (:run, :checkpoint, :nodes, :context, :words, :calls)
"""


async def work_left(store: Store, project: int, agents: Sequence[str]) -> bool:
    """Whether a worker of this project could do anything: a run is queued or running, or a decision or takeover is not applied yet.

    Paused agents do not count, nor runs queued behind a run of their thread that waits for a person.
    """
    [found] = await store.one(WORK_LEFT, {"project": project, "agents": json.dumps(list(agents))})
    return bool(found)


async def orphans(store: Store, agents: Sequence[str]) -> list[tuple[int, str]]:
    """Queued runs, as `(id, agent)`, that belong to no project yet and whose agent is none of these."""
    return [(int(run), str(agent)) for run, agent in await store.all(ORPHANS, (json.dumps(list(agents)),))]


def put_head(db: Transaction, run: int, head: RunHead | None) -> None:
    """Store where a run stands; None if unknown. An empty context means that of the run's newest review, and is not stored twice."""
    db.execute("DELETE FROM heads WHERE run = ?", (run,))
    if head is None:
        return
    plain = canonical_json.storable
    context = None if head.context == Context() else canonical_json.dumps(asdict(head.context))
    calls = [{"id": plain(call.id), "name": plain(call.name), "args": call.args} for call in head.calls]
    values = {
        "run": run,
        "checkpoint": head.checkpoint,
        "nodes": canonical_json.dumps(list(head.nodes)),
        "context": context,
        "words": None if head.text is None else plain(head.text),
        "calls": canonical_json.dumps(calls),
    }
    db.execute(INSERT_HEAD, values)


def _listed(found: Iterable[Any]) -> list[Run]:
    """The runs of rows of `COLUMNS`. One that is damaged says so and hides no other; what cannot be read at all is left out."""
    listed = []
    for row in found:
        run, is_whole = read_tolerantly(read_run, row)
        if run is not None:
            listed.append(run if is_whole else replace(run, title=f"{run.title} ({UNREADABLE})"))
    return listed


def read_run(row: Any) -> Run:
    """The run of a row of `COLUMNS`."""
    (id_, project, agent, thread, title, given, state, activity, error, traceback, result, crashes, created, started, ended, resuming,
     cancelling, gates_before, gates_after, time_limit_s, cut, tags, context, config, limits, lease, retry_lease, taken_by,
     beat_at) = row  # fmt: skip
    return Run(
        id_, project, agent, thread, title, json.loads(given), RunState(state), activity, error, traceback,
        json.loads(result) if result is not None else None, crashes, created, started, ended, bool(resuming), bool(cancelling),
        RunOptions(
            tuple(json.loads(gates_before)), tuple(json.loads(gates_after)), time_limit_s, tuple(json.loads(tags)),
            context and json.loads(context), config and json.loads(config), tuple(json.loads(limits)),
        ),
        bool(cut), taken_by, lease, beat_at, retry_lease == lease,
    )  # fmt: skip
