"""Runs in a person's hands: taken from their agents, handed back with what was done in the agent's place, and what came of that."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.errors import Refused, Stale
from hitl_tui.model import (
    UNTIL_HANDED_BACK,
    Actor,
    Call,
    Context,
    ReviewState,
    Run,
    RunHead,
    RunState,
    Takeover,
    TakeoverPlan,
    person_key,
    same_person,
)
from hitl_tui.store import attention_checks, audit, reviews, run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.errors import when
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.reviews import PROGRESS, read_context, read_progress
from hitl_tui.store.run_states import end_takeover
from hitl_tui.store.runs import BUSY, GIVE_BACK, read_run
from hitl_tui.store.runs import COLUMNS as RUN

COLUMNS = "t.id, t.run, t.actor, t.at, t.head, t.plan, t.state, t.note, t.typed"
LIVE = "state IN ('open', 'handed_back', 'submitted')"
AT_REST = (RunState.WAITING, RunState.FAILED, RunState.CANCELLED)

# What a person does


async def take(store: Store, run: int, actor: str, reason: str) -> Takeover | None:
    """Put a run that rests into a person's hands, its open reviews with it; the same again for who has it already.

    None when it was an attention check, which ends with that.

    Raises:
        Refused: it moves, is over, or is somebody else's and there is no reason to take it from them.
    """
    now = time.time()
    async with store.transaction() as db:
        _must_rest(db, run)
        if attention_checks.waits(db, run):
            _must_be_free(db, run, actor, None, reason)
            attention_checks.caught(db, actor, "taken over", run=run)
            return None
        head = db.rows("SELECT checkpoint FROM heads WHERE run = ?", (run,))
        if not head:
            raise Refused(f"run r{run} has no checkpoint that could be taken over", "launch it anew")
        before = _live(db, run)
        if before and before.state != "open":
            raise Stale(f"run r{run} is moving: {before.actor} has handed it back", "wait for what it does then")
        if before and same_person(before.actor, actor):
            return before
        _must_be_free(db, run, actor, before, reason)
        if before:
            end_takeover(db, before.id, "discarded", f"taken by {actor}: {reason}")
        cursor = db.execute(
            "INSERT INTO takeovers (run, actor, actor_key, at, head, reason, plan, typed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (run, actor, person_key(actor), now, head[0][0], reason, *_left_over(db, run, actor)),
        )
        made = int(cursor.lastrowid or 0)
        audit.note(db, now, "taken_over", Actor(actor), {"takeover": made, "head": head[0][0], "reason": reason}, run)
        db.execute(
            "UPDATE reviews SET claimed_by = ?, claimed_key = ?, claimed_until = ? WHERE run = ? AND state = 'open'",
            (actor, person_key(actor), UNTIL_HANDED_BACK, run),
        )
        rows = db.rows(f"SELECT {COLUMNS} FROM takeovers t WHERE t.id = ?", (made,))
        return _read(rows[0])


def _left_over(db: Transaction, run: int, actor: str) -> tuple[str | None, str | None]:
    """What this person wrote for the run before and nobody carried out, unless they gave it up themselves."""
    found = db.rows(
        "SELECT t.plan, t.typed FROM takeovers t WHERE t.id = (SELECT max(id) FROM takeovers WHERE run = ? AND actor_key = ?) "
        "AND (t.state IN ('failed', 'stale') OR t.state = 'discarded' AND t.note != '') "
        "AND NOT EXISTS (SELECT 1 FROM takeovers o WHERE o.run = t.run AND o.id > t.id AND o.state = 'applied')",
        (run, person_key(actor)),
    )
    return next(((plan, typed) for plan, typed in found), (None, None))


def _must_rest(db: Transaction, run: int) -> None:
    [(state, activity)] = db.rows("SELECT state, activity FROM runs WHERE id = ?", (run,))
    if state == RunState.DONE:
        raise Refused(f"run r{run} is done: there is nothing left to take over", "launch another in its thread to go on")
    if state not in AT_REST:
        doing = f" ({canonical_json.one_line(activity, 60)})" if activity else ""
        raise Refused(f"run r{run} is moving: it is {state}{doing}", "take it over when it waits or has failed")
    moving = db.rows(
        f"SELECT v.id, {PROGRESS} FROM reviews v WHERE v.run = ? AND v.state IN ('decided', 'submitted') AND v.kind != 'failure' LIMIT 1",
        (run,),
    )
    for review, *progress in moving:
        raise Refused(
            f"run r{run} is moving: review {review} was {read_progress(progress).told()}", "undo that, or wait for what the agent does then"
        )


def _must_be_free(db: Transaction, run: int, actor: str, before: Takeover | None, reason: str) -> None:
    """Nobody has it or one of its reviews, or there is a reason to take it from them."""
    if reason.strip():
        return
    if before:
        raise Refused(f"{before.actor} took run r{run} over{when(before.at)}", "take it from them with a reason (--reason)")
    claimed = db.rows(
        "SELECT id, claimed_by FROM reviews WHERE run = ? AND state = 'open' AND claimed_until > ? AND claimed_key != ?",
        (run, time.time(), person_key(actor)),
    )
    for review, by in claimed:
        raise Refused(f"{by} has claimed review {review} of run r{run}", "take the run from them with a reason (--reason)")


async def newest(store: Store, run: int) -> Takeover | None:
    """The run's last take-over, whatever became of it."""
    row = await store.one(f"SELECT {COLUMNS} FROM takeovers t WHERE t.run = ? ORDER BY t.id DESC LIMIT 1", (run,))
    return _read(row) if row else None


async def get(store: Store, takeover: int) -> Takeover:
    """One take-over.

    Raises:
        Refused: there is none of that id.
    """
    row = await store.one(f"SELECT {COLUMNS} FROM takeovers t WHERE t.id = ?", (takeover,))
    if row is None:
        raise Refused(f"there is no take-over {takeover}", "take a run over first")
    return _read(row)


def holder(store: Store, run: int) -> Takeover | None:
    """Who has the run in their hands now."""
    rows = store.read_now(f"SELECT {COLUMNS} FROM takeovers t WHERE t.run = ? AND t.{LIVE}", (run,))
    return _read(rows[0]) if rows else None


async def keep(store: Store, takeover: int, actor: str, plan: TakeoverPlan, typed: Mapping[str, str]) -> bool:
    """Store what is planned so far, and what is only typed; False when it is no longer in this person's hands."""
    values = (canonical_json.dumps(takeover_plan.as_json(plan)), canonical_json.dumps(dict(typed)) if typed else None)
    mine = "WHERE id = ? AND actor_key = ? AND state = 'open'"
    return bool(await store.write(f"UPDATE takeovers SET plan = ?, typed = ? {mine}", (*values, takeover, person_key(actor))))


async def hand_back(store: Store, takeover: int, actor: str, plan: TakeoverPlan) -> bool:
    """Leave the run to its worker, to do what is planned and go on; False when it is no longer in this person's hands."""
    now, written = time.time(), takeover_plan.as_json(plan)
    async with store.transaction() as db:
        changed = db.rows(
            "UPDATE takeovers SET plan = ?, typed = NULL, state = 'handed_back', handed_back_at = ? "
            "WHERE id = ? AND actor_key = ? AND state = 'open' RETURNING run, actor, note",
            (canonical_json.dumps(written), now, takeover, person_key(actor)),
        )
        for run, holder_, note in changed:
            audit.note(db, now, "handed_back", Actor(holder_), {"takeover": takeover, "note": note, "plan": written}, run)
        return bool(changed)


async def discard(store: Store, takeover: int, actor: str) -> bool:
    """Let the run be as it was; False when it is no longer in this person's hands."""
    async with store.transaction() as db:
        rows = db.rows(
            "SELECT 1 FROM takeovers WHERE id = ? AND actor_key = ? AND state IN ('open', 'handed_back')", (takeover, person_key(actor))
        )
        if rows:
            end_takeover(db, takeover, "discarded", "")
        return bool(rows)


# What the worker does


async def head(store: Store, run: int) -> RunHead | None:
    """Where a run stands that rests; None when nobody knows."""
    row = await store.one(
        "SELECT h.checkpoint, h.nodes, coalesce(h.context, (SELECT d.context FROM reviews v JOIN details d ON d.review = v.id "
        "WHERE v.run = h.run ORDER BY v.kind = 'failure', v.id DESC LIMIT 1)), h.words, h.calls, (SELECT a.tools FROM runs r "
        "JOIN agents a ON a.project = r.project AND a.name = r.agent WHERE r.id = h.run) FROM heads h WHERE h.run = ?",
        (run,),
    )
    if row is None:
        return None
    checkpoint, nodes, context, words, calls, tools = row
    around = read_context(json.loads(context)) if context else Context()
    open_calls = tuple(Call(**call) for call in json.loads(calls))
    return RunHead(checkpoint, tuple(json.loads(nodes)), around, words, open_calls, json.loads(tools) if tools else {})


def ready(store: Store, project: int, agents: Sequence[str], going: Sequence[int]) -> tuple[Run, Takeover] | None:
    """A run of these agents of this project that was handed back, or None. `going` are runs the worker is at already."""
    marks, others = ", ".join("?" * len(agents)), ", ".join("?" * len(going))
    rows = store.read_now(
        f"SELECT t.id, {RUN} FROM takeovers t JOIN runs ON runs.id = t.run WHERE t.state = 'handed_back' AND runs.project = ? "
        f"AND runs.worker IS NULL AND runs.agent IN ({marks}) AND runs.id NOT IN ({others}) AND NOT EXISTS (SELECT 1 FROM runs o "
        f"WHERE o.thread = runs.thread AND o.id != runs.id AND o.state IN {BUSY} AND o.worker IS NOT NULL) "
        f"AND {NOT_PAUSED.format(agent='runs.agent')} ORDER BY t.id LIMIT 1",
        (project, *agents, *going),
    )
    for takeover, *run in rows:
        [found] = store.read_now(f"SELECT {COLUMNS} FROM takeovers t WHERE t.id = ?", (takeover,))
        return read_run(run), _read(found)
    return None


async def submit(store: Store, worker: str, takeover: int) -> bool:
    """Write the ledger before LangGraph is called, and with it take the run's lease; False when another was first or it is paused."""
    now, mine = time.time(), "(SELECT run FROM takeovers WHERE id = ? AND state = 'handed_back')"
    async with store.transaction() as db:
        rows = db.rows(
            f"SELECT id, state, error, traceback FROM runs WHERE id = {mine} AND worker IS NULL "
            f"AND state IN ('waiting', 'failed', 'cancelled') AND {NOT_PAUSED.format(agent='runs.agent')}",
            (takeover,),
        )
        for run, *was in rows:
            db.execute(
                "UPDATE takeovers SET state = 'submitted', submitted_by = ?, was = ?, was_error = ?, was_traceback = ? WHERE id = ?",
                (worker, *was, takeover),
            )
            db.execute(
                "UPDATE runs SET state = 'running', worker = ?, leased_at = ?, ended_at = NULL, activity = 'handed back', error = '', "
                "traceback = '' WHERE id = ?",
                (worker, now, run),
            )
            run_states.changed(db, run, was[0], RunState.RUNNING)
        return bool(rows)


async def submitted(store: Store, run: int) -> Takeover | None:
    """A take-over that was being applied, and nobody has seen what came of it."""
    row = await store.one(f"SELECT {COLUMNS} FROM takeovers t WHERE t.run = ? AND t.state = 'submitted'", (run,))
    return _read(row) if row else None


async def applied(store: Store, takeover: Takeover, note: str = "") -> None:
    """The graph has what was done in the agent's place: whatever the run asked is settled by it."""
    now = time.time()
    async with store.transaction() as db:
        end_takeover(db, takeover.id, "applied", note)
        settled = db.rows(
            "SELECT id, note FROM reviews WHERE run = ? AND state IN ('open', 'decided') AND kind != 'failure'", (takeover.run,)
        )
        for review, warning in settled:
            db.execute(
                "UPDATE reviews SET decision = 'taken over', decided_by = ?, decided_by_kind = 'person', decided_with = '[]' WHERE id = ?",
                (takeover.actor, review),
            )
            reviews.end(db, review, ReviewState.APPLIED, warning, now)


async def put_back(store: Store, worker: str, takeover: Takeover, state: str, note: str) -> None:
    """Nothing of it was done: end it as `stale` or `failed`, and let the run be as it was."""
    async with store.transaction() as db:
        end_takeover(db, takeover.id, state, note)
        [(was, error, trace)] = db.rows("SELECT was, was_error, was_traceback FROM takeovers WHERE id = ?", (takeover.id,))
        waits = was == RunState.WAITING
        moved = db.execute(
            f"UPDATE runs SET state = ?, error = ?, traceback = ?, ended_at = ?, cut = cut AND ?, {GIVE_BACK}, activity = '', "
            "resuming = 0, crashes = 0 WHERE id = ? AND worker = ?",
            (was, error, trace, None if waits else time.time(), not waits, takeover.run, worker),
        )
        if moved.rowcount:
            run_states.changed(db, takeover.run, RunState.RUNNING, RunState(was))


def _live(db: Transaction, run: int) -> Takeover | None:
    rows = db.rows(f"SELECT {COLUMNS} FROM takeovers t WHERE t.run = ? AND t.{LIVE}", (run,))
    return _read(rows[0]) if rows else None


def _read(row: Any) -> Takeover:
    id_, run, actor, at, head_, plan, state, note, typed = row
    planned = takeover_plan.parse(json.loads(plan)) if plan else TakeoverPlan()
    return Takeover(id_, run, actor, at, head_, planned, state, note, json.loads(typed) if typed else {})
