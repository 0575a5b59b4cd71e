"""Repairs rows in states that the program never leaves behind, and reports each repair in a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, ReviewState, RunState, Worker
from hitl_tui.store import audit, audit_verify, decisions, reviews, run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.maintenance import contents
from hitl_tui.store.runs import GIVE_BACK, NOW

MAY_HAVE_RUN = "may have run once: its run stopped while it was being applied"
QUEUE = f"state = 'queued', {GIVE_BACK}, lease = lease + 1, resuming = 1, cut = 1, activity = ''"
LIVE = "('open', 'decided', 'submitted')"
OVER = "('done', 'failed', 'cancelled')"
ASKS_GRAPH = "(kind != 'failure' OR run NOT IN (SELECT id FROM runs WHERE state = 'failed'))"
"""Excludes the review of a failed run, which is open while the run stays failed."""


@dataclass(frozen=True, slots=True)
class RepairStep:
    """A kind of inconsistent rows, and the repair of each."""

    sentence: str
    """The report, with `{rows}` and `{their}`."""
    find: str
    """Selects the ids of runs or reviews."""
    fix: Callable[[Transaction, int], object]
    is_of_runs: bool = False


def _queue(db: Transaction, run: int) -> None:
    (was,) = db.row("SELECT state FROM runs WHERE id = ?", (run,))
    db.execute(f"UPDATE runs SET {QUEUE} WHERE id = ?", (run,))
    run_states.changed(db, run, was, RunState.QUEUED)


def _give_back(db: Transaction, run: int) -> None:
    db.execute(f"UPDATE runs SET {GIVE_BACK}, lease = lease + 1 WHERE id = ?", (run,))


def _close(db: Transaction, review: int) -> None:
    state, run_state = db.row("SELECT v.state, r.state FROM reviews v JOIN runs r ON r.id = v.run WHERE v.id = ?", (review,))
    if state == ReviewState.SUBMITTED:
        reviews.end(db, review, ReviewState.FAILED, "the run is over; this may have run")
    else:
        reviews.end(db, review, ReviewState.STALE, f"the run is {run_state}")


def _ask_again(db: Transaction, review: int) -> None:
    db.execute("UPDATE decisions SET superseded = 1 WHERE review = ?", (review,))
    decisions.withdraw_all(db, review, time.time(), MAY_HAVE_RUN)
    decisions.reopen(db, review)
    values = {"note": MAY_HAVE_RUN, "review": review}
    db.execute("UPDATE reviews SET note = :note, may_have_run = 1, submitted_by = NULL WHERE id = :review", values)
    audit.note_review(db, time.time(), "asked_again", PROGRAM, {"note": MAY_HAVE_RUN, "may_have_run": True}, review)


def _open_again(db: Transaction, review: int) -> None:
    decisions.reopen(db, review)
    audit.note_review(db, time.time(), "asked_again", PROGRAM, {"note": "not every decision of it is there", "may_have_run": False}, review)


def _close_in_part(db: Transaction, review: int) -> None:
    reviews.end(db, review, ReviewState.STALE, "was lost in part")


STEPS = (
    RepairStep(
        "{rows} driven by no known worker: queued, to go on from {their} checkpoint",
        "SELECT id FROM runs WHERE state = 'running' AND (worker IS NULL OR worker NOT IN (SELECT id FROM workers))",
        _queue,
        is_of_runs=True,
    ),
    RepairStep(
        "{rows} not running and yet leased: the lease is given back",
        "SELECT id FROM runs WHERE state != 'running' AND worker IS NOT NULL",
        _give_back,
        is_of_runs=True,
    ),
    RepairStep(
        "{rows} live though the run is over: closed",
        f"SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state IN {LIVE} AND r.state IN {OVER} AND {ASKS_GRAPH}",
        _close,
    ),
    RepairStep(
        "{rows} sent while nobody runs the run: back to a person, marked that it may have run once",
        "SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state = 'submitted' AND r.state = 'waiting'",
        _ask_again,
    ),
    RepairStep(
        "{rows} decided, but not every decision is there: open again",
        "SELECT id FROM reviews WHERE state = 'decided' AND slots > "
        "(SELECT count(*) FROM decisions WHERE review = reviews.id AND NOT superseded)",
        _open_again,
    ),
    RepairStep(
        "{rows} without all that was asked: closed, to be asked again",
        f"SELECT id FROM reviews WHERE state IN {LIVE} AND (slots > (SELECT count(*) FROM actions WHERE review = reviews.id) "
        "OR NOT EXISTS (SELECT 1 FROM details WHERE review = reviews.id))",
        _close_in_part,
    ),
    RepairStep(
        "{rows} waiting for nothing: queued, so that a worker looks what {their} checkpoint asks",
        "SELECT id FROM runs WHERE state = 'waiting' AND NOT attention AND NOT EXISTS "
        f"(SELECT 1 FROM reviews WHERE run = runs.id AND state IN {LIVE})",
        _queue,
        is_of_runs=True,
    ),
)
ADOPT = f"""
INSERT INTO runs (id, agent, thread, title, input, state, resuming, created_at)
VALUES (
    (SELECT :was WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = :was)), :agent, :thread, 'found in checkpoints.db', :input, 'queued', 1,
    {NOW}
)
"""
DELETE_HISTORY = (
    "DELETE FROM history",
    "DELETE FROM history_names",
    "INSERT INTO history_text (history_text) VALUES ('delete-all')",
    "DELETE FROM tallies",
    "DELETE FROM beliefs",
    "DELETE FROM cells",
)
HISTORY_CHANGED = "the history was changed, and is not what was decided: it is made anew, with its figures, when somebody looks at it next"


class _DryRun(Exception):
    """Rolls the transaction back."""


async def repair_rows(
    store: Store, is_gone: Callable[[Worker, str], bool], workers: Sequence[tuple[Worker, str]], keep: bool, before: Sequence[str] = ()
) -> list[str]:
    """Repair inconsistent rows, and delete workers that are gone. Returns a line per repair; without `keep` nothing is changed.

    Args:
        is_gone: whether the process of a worker on a host is gone.
        workers: every known worker, with its host.
        before: lines of repairs of the files, which are logged together with those of the rows.
    """
    said: list[str] = []
    try:
        async with store.transaction() as db:
            said += contents.repair(db, _close_in_part)
            for worker, host in workers:
                if is_gone(worker, host):
                    said.append(_forget(db, worker))
            for step in STEPS:
                found = [int(id_) for (id_,) in db.rows(step.find)]
                if found:
                    said.append(_sentence(step.sentence, [f"r{id_}" if step.is_of_runs else str(id_) for id_ in found]))
                for id_ in found:
                    step.fix(db, id_)
            if not keep:
                raise _DryRun
            _note(db, [*before, *said])
    except _DryRun:
        pass
    return said


def _forget(db: Transaction, worker: Worker) -> str:
    driven = [run for (run,) in db.rows("SELECT id FROM runs WHERE worker = ? AND state = 'running'", (worker.id,))]
    for run in driven:
        db.execute("UPDATE runs SET crashes = crashes + 1 WHERE id = ?", (run,))
        _queue(db, run)
    db.execute("DELETE FROM workers WHERE id = ?", (worker.id,))
    runs = f"; what it drove is queued: {_listed([f'r{run}' for run in driven])}" if driven else ""
    return f"the worker of {worker.label} (process {worker.pid}) is gone{runs}"


async def rebuild_history(store: Store, keep: bool) -> list[str]:
    """Delete a history that differs from the decisions, and its statistics; the next reader rebuilds them. Without `keep` only reported."""
    if not (await store.one(audit_verify.CHANGED_HISTORY) or await store.one(audit_verify.DELETED_HISTORY)):
        return []
    if keep:
        async with store.transaction() as db:
            for statement in DELETE_HISTORY:
                db.execute(statement)
            _note(db, [HISTORY_CHANGED])
    return [HISTORY_CHANGED]


async def adopt(store: Store, found: Sequence[tuple[str, str, int]], keep: bool) -> list[str]:
    """Insert runs for waiting threads that `hitl.db` does not know, given as `(thread, agent, former run)`. They ask again.

    A run keeps its former number if that is free, because its checkpoints name it. Without `keep` they are only reported.
    """
    said: list[str] = []
    async with store.transaction() as db:
        for thread, agent, was in found:
            if db.rows("SELECT 1 FROM runs WHERE thread = ?", (thread,)):
                continue
            said.append(f"thread {thread} of {agent} waits, and hitl.db does not know it: it becomes a run, and asks again")
            if keep:
                _make_run(db, thread, agent, was)
        if keep:
            _note(db, said)
    return said


def _make_run(db: Transaction, thread: str, agent: str, was: int) -> None:
    given = canonical_json.dumps({"input": None, "adopted": was})
    made = db.execute(ADOPT, {"thread": thread, "agent": agent, "input": given, "was": was})
    run_states.note_launch(db, int(made.lastrowid or 0))


def _note(db: Transaction, said: Sequence[str]) -> None:
    """Log what was repaired, if anything was."""
    if said:
        audit.note(db, time.time(), "repaired", PROGRAM, {"repairs": [canonical_json.storable(one) for one in said]})


def _sentence(text: str, found: Sequence[str]) -> str:
    run = found[0].startswith("r")
    kind = ("run" if run else "review") if len(found) == 1 else ("runs" if run else "reviews")
    are = "is" if len(found) == 1 else "are"
    return text.format(rows=f"{kind} {_listed(found)} {are}", their="its" if len(found) == 1 else "their")


def _listed(found: Sequence[str]) -> str:
    return ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
