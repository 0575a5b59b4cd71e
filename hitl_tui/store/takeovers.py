"""Takeovers: a run is taken from its agent, handed back with a plan, and the plan is applied by its worker.

The life of a takeover: `open → handed_back → submitted → applied`, with the exits `discarded`, `stale` and `failed`. Where rules demand
it of what the run asks, a takeover that is handed back waits until other people confirm it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.errors import Refused, Stale
from hitl_tui.model import (
    EVERYBODY,
    UNTIL_HANDED_BACK,
    Actor,
    Call,
    Context,
    Json,
    People,
    ReviewState,
    Run,
    RunHead,
    RunState,
    Takeover,
    TakeoverPlan,
    person_key,
    same_person,
)
from hitl_tui.store import agents, approvals, attention_checks, audit, hand_backs, reviews, run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.errors import when
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.reviews import PROGRESS, read_context, read_progress
from hitl_tui.store.run_states import LIVE_TAKEOVER, end_takeover
from hitl_tui.store.runs import BUSY, GIVE_BACK, read_run
from hitl_tui.store.runs import COLUMNS as RUN
from hitl_tui.store.signatures import SignedText

AT_REST = (RunState.WAITING, RunState.FAILED, RunState.CANCELLED)
"""States in which a run can be taken over."""
SELECT = "SELECT t.id, t.run, t.actor, t.at, t.head, t.plan, t.state, t.note, t.typed, t.unconfirmed FROM takeovers t"
LIVE = f"{SELECT} WHERE t.run = :run AND t.state IN {LIVE_TAKEOVER}"

# Taking a run over

INSERT = """
INSERT INTO takeovers (run, actor, actor_key, at, head, reason, plan, typed, identified)
VALUES (:run, :actor, :actor_key, :at, :head, :reason, :plan, :typed, :identified)
"""
CLAIM_REVIEWS = """
UPDATE reviews SET claimed_by = :actor, claimed_key = :actor_key, claimed_until = :until WHERE run = :run AND state = 'open'
"""
UNUSED_PLAN = """
SELECT t.plan, t.typed FROM takeovers t
WHERE t.id = (SELECT max(id) FROM takeovers WHERE run = :run AND actor_key = :actor_key)
    AND (t.state IN ('failed', 'stale') OR (t.state = 'discarded' AND t.note != ''))
    AND NOT EXISTS (SELECT 1 FROM takeovers o WHERE o.run = t.run AND o.id > t.id AND o.state = 'applied')
"""
DECIDED_REVIEW = f"""
SELECT v.id, {PROGRESS} FROM reviews v
WHERE v.run = ? AND v.state IN ('decided', 'submitted') AND v.kind != 'failure' LIMIT 1
"""
CLAIMED_REVIEW = """
SELECT id, claimed_by FROM reviews WHERE run = :run AND state = 'open' AND claimed_until > :now AND claimed_key != :actor_key
"""


async def take(store: Store, run: int, by: Actor, reason: str, people: People = EVERYBODY) -> Takeover | None:
    """Take over a run that is not moving, and claim its open reviews. Returns the existing takeover if this person has it already.

    A hand-back of theirs that nobody has confirmed yet is withdrawn. None if the run was an attention check, which ends with this.

    Raises:
        NotAllowed: this person may not decide what one of its reviews asks; that is logged.
        Refused: the run is moving or done, or it is somebody else's and no reason is given to take it from them.
    """
    now = time.time()
    async with store.transaction() as db:
        refused = hand_backs.refusal_of_run(db, run, by.name, people)
        if refused is None:
            return _take(db, run, by, reason, now)
        approvals.note_refusal(db, now, by, "take over", refused, run=run)
    raise refused


def _take(db: Transaction, run: int, by: Actor, reason: str, now: float) -> Takeover | None:
    """`take` within a transaction; nothing is written where it raises."""
    actor = by.name
    _must_rest(db, run)
    if attention_checks.waits(db, run):
        _must_be_free(db, run, actor, None, reason)
        attention_checks.caught(db, actor, "taken over", run=run)
        return None
    agents.must_be_decidable(db, run)
    head = db.row("SELECT checkpoint FROM heads WHERE run = ?", (run,))
    if head is None:
        raise Refused(f"run r{run} has no checkpoint that could be taken over", "launch it anew")
    before = _live(db, run)
    if before and before.state != "open" and not before.is_unconfirmed:
        raise Stale(f"run r{run} is moving: {before.actor} has handed it back", "wait for what it does then")
    if before and same_person(before.actor, actor):
        return _withdraw(db, before, by, now) if before.is_unconfirmed else before
    _must_be_free(db, run, actor, before, reason)
    if before:
        end_takeover(db, before.id, "discarded", f"taken by {actor}: {reason}")
    return _insert(db, run, by, head[0], reason, now)


def _withdraw(db: Transaction, handed_back: Takeover, by: Actor, now: float) -> Takeover:
    """Take back a hand-back that nobody has confirmed yet: its plan can be written on."""
    values = {"id": handed_back.id, "run": handed_back.run, "activity": UNCONFIRMED}
    db.execute("UPDATE takeovers SET state = 'open', unconfirmed = 0, handed_back_at = NULL WHERE id = :id", values)
    db.execute(NOT_UNCONFIRMED, values)
    audit.note(db, now, "hand_back_withdrawn", by, {"takeover": handed_back.id}, handed_back.run)
    return replace(handed_back, state="open", is_unconfirmed=False)


def _insert(db: Transaction, run: int, by: Actor, checkpoint: str, reason: str, now: float) -> Takeover:
    plan, typed = db.row(UNUSED_PLAN, {"run": run, "actor_key": by.key}) or (None, None)
    values = {
        "run": run, "actor": by.name, "actor_key": by.key, "identified": by.identified,
        "at": now, "head": checkpoint, "reason": reason, "plan": plan,
        "typed": typed, "until": UNTIL_HANDED_BACK,
    }  # fmt: skip
    made = int(db.execute(INSERT, values).lastrowid or 0)
    body = {"takeover": made, "head": checkpoint, "reason": reason, **({"identified": by.identified} if by.identified else {})}
    audit.note(db, now, "taken_over", by, body, run)
    db.execute(CLAIM_REVIEWS, values)
    return _read(db.row(f"{SELECT} WHERE t.id = ?", (made,)))


def _must_rest(db: Transaction, run: int) -> None:
    state, activity = db.row("SELECT state, activity FROM runs WHERE id = ?", (run,))
    if state == RunState.DONE:
        raise Refused(f"run r{run} is done: there is nothing left to take over", "launch another in its thread to go on")
    if state not in AT_REST:
        doing = f" ({canonical_json.one_line(activity, 60)})" if activity else ""
        raise Refused(f"run r{run} is moving: it is {state}{doing}", "take it over when it waits or has failed")
    for review, *progress in db.rows(DECIDED_REVIEW, (run,)):
        raise Refused(
            f"run r{run} is moving: review {review} was {read_progress(progress).told()}", "undo that, or wait for what the agent does then"
        )


def _must_be_free(db: Transaction, run: int, actor: str, before: Takeover | None, reason: str) -> None:
    """Check that nobody else has the run or one of its reviews, unless a reason is given."""
    if reason.strip():
        return
    if before:
        raise Refused(f"{before.actor} took run r{run} over{when(before.at)}", "take it from them with a reason (--reason)")
    for review, by in db.rows(CLAIMED_REVIEW, {"run": run, "now": time.time(), "actor_key": person_key(actor)}):
        raise Refused(f"{by} has claimed review {review} of run r{run}", "take the run from them with a reason (--reason)")


# Reading

HEAD = """
SELECT h.checkpoint, h.nodes,
    coalesce(h.context, (
        SELECT d.context FROM reviews v JOIN details d ON d.review = v.id WHERE v.run = h.run
        ORDER BY v.kind = 'failure', v.id DESC LIMIT 1
    )),
    h.words, h.calls,
    (SELECT a.tools FROM runs r JOIN agents a ON a.project = r.project AND a.name = r.agent WHERE r.id = h.run)
FROM heads h WHERE h.run = ?
"""


async def newest(store: Store, run: int) -> Takeover | None:
    """The run's last takeover, in whatever state."""
    row = await store.one(f"{SELECT} WHERE t.run = ? ORDER BY t.id DESC LIMIT 1", (run,))
    return _read(row) if row else None


async def get(store: Store, takeover: int) -> Takeover:
    """One takeover.

    Raises:
        Refused: there is none of that id.
    """
    row = await store.one(f"{SELECT} WHERE t.id = ?", (takeover,))
    if row is None:
        raise Refused(f"there is no takeover {takeover}", "take a run over first")
    return _read(row)


def live(store: Store, run: int) -> Takeover | None:
    """The run's takeover while it is open or on its way back; None otherwise. Reads at once."""
    return next(map(_read, store.read_now(LIVE, {"run": run})), None)


async def head(store: Store, run: int) -> RunHead | None:
    """Where a run stands that is not moving; None if unknown."""
    row = await store.one(HEAD, (run,))
    if row is None:
        return None
    checkpoint, nodes, context, text, calls, tools = row
    around = read_context(json.loads(context)) if context else Context()
    open_calls = tuple(Call(**call) for call in json.loads(calls))
    return RunHead(checkpoint, tuple(json.loads(nodes)), around, text, open_calls, json.loads(tools) if tools else {})


# Ending a takeover

SAVE_PLAN = "UPDATE takeovers SET plan = :plan, typed = :typed WHERE id = :id AND actor_key = :actor_key AND state = 'open'"
HAND_BACK = """
UPDATE takeovers SET plan = :plan, typed = NULL, state = 'handed_back', handed_back_at = :now
WHERE id = :id AND actor_key = :actor_key AND state = 'open' RETURNING run, actor, note
"""
UNCONFIRMED = "handed back, not confirmed yet"
"""Activity of a run whose hand-back waits for other people."""
WAIT = "UPDATE takeovers SET unconfirmed = 1, announced = 0 WHERE id = :id"
TELL = "UPDATE runs SET activity = :activity WHERE id = :run"
NOT_UNCONFIRMED = "UPDATE runs SET activity = '' WHERE id = :run AND activity = :activity"
DISCARDABLE = "SELECT 1 FROM takeovers WHERE id = :id AND actor_key = :actor_key AND state IN ('open', 'handed_back')"


async def save_plan(store: Store, takeover: int, actor: str, plan: TakeoverPlan, typed: Mapping[str, str]) -> bool:
    """Store the plan, and texts that are not part of it yet. False if this person no longer has the run."""
    values = {
        "id": takeover,
        "actor_key": person_key(actor),
        "plan": canonical_json.dumps(takeover_plan.as_json(plan)),
        "typed": canonical_json.dumps(dict(typed)) if typed else None,
    }
    return bool(await store.write(SAVE_PLAN, values))


async def hand_back(
    store: Store, takeover: int, by: Actor, plan: TakeoverPlan, people: People = EVERYBODY, signed: SignedText | None = None
) -> Takeover | None:
    """Leave the run to its worker, which applies the plan and continues, once those whom rules demand have confirmed it.

    None if this person no longer has the run.
    """
    now, written = time.time(), takeover_plan.as_json(plan)
    values = {"id": takeover, "actor_key": by.key, "plan": canonical_json.dumps(written), "now": now, "activity": UNCONFIRMED}
    async with store.transaction() as db:
        for run, holder, note in db.rows(HAND_BACK, values):
            body = {"takeover": takeover, "note": note, "plan": written, **_how(db, by, signed)}
            audit.note(db, now, "handed_back", Actor(holder), body, run)
            if hand_backs.missing(db, people, run, holder, ()):
                db.execute(WAIT, values)
                db.execute(TELL, {**values, "run": run})
            return _read(db.row(f"{SELECT} WHERE t.id = ?", (takeover,)))
    return None


async def confirm(store: Store, takeover: int, by: Actor, plan: Json, people: People = EVERYBODY, signed: SignedText | None = None) -> bool:
    """Agree to a hand-back that needs other people. True if no more are needed: its worker then applies the plan.

    Args:
        store: the store.
        takeover: the takeover's id.
        by: who confirms it.
        plan: the plan's JSON, as it was shown to them.
        people: those of the home.
        signed: their signature, where one is needed.

    Raises:
        NotAllowed: this person may not decide what the run asks; that is logged.
        Refused: it is their own hand-back, or they have confirmed it already.
        Stale: it waits for nobody, or its plan is another one.
    """
    now = time.time()
    async with store.transaction() as db:
        row = db.row(f"{SELECT} WHERE t.id = ? AND t.state = 'handed_back' AND t.unconfirmed", (takeover,))
        if row is None:
            raise Stale("this hand-back waits for nobody any more", "look at the run again")
        found = _read(row)
        refused = hand_backs.refusal_of_run(db, found.run, by.name, people)
        if refused is None:
            return _confirm(db, found, by, plan, people, signed, now)
        approvals.note_refusal(db, now, by, "confirm", refused, run=found.run)
    raise refused


def _confirm(db: Transaction, found: Takeover, by: Actor, plan: Json, people: People, signed: SignedText | None, now: float) -> bool:
    """`confirm` within a transaction; nothing is written where it raises."""
    shown, is_own = hand_backs.plan_digest(plan), people.same_person(found.actor, by.name)
    if shown != hand_backs.plan_digest(takeover_plan.as_json(found.plan)):
        raise Stale("the plan is not the one that was shown", "look at it again")
    _, before, _ = hand_backs.entries(db.rows, found)
    if is_own or any(people.same_person(one.actor, by.name) for one in before):
        why = "you handed it back yourself" if is_own else "you have confirmed it already"
        raise Refused(why, "another person must confirm it")
    audit.note(db, now, "confirmed", by, {"takeover": found.id, "plan": shown, **_how(db, by, signed)}, found.run)
    if hand_backs.missing(db, people, found.run, found.actor, [*(one.actor for one in before), by.name]):
        return False
    db.execute("UPDATE takeovers SET unconfirmed = 0 WHERE id = ?", (found.id,))
    db.execute(NOT_UNCONFIRMED, {"run": found.run, "activity": UNCONFIRMED})
    return True


def _how(db: Transaction, by: Actor, signed: SignedText | None) -> dict[str, Any]:
    """How somebody was identified, and their signature, for the body of an entry."""
    return {**({"identified": by.identified} if by.identified else {}), **(signed.store(db) if signed else {})}


async def discard(store: Store, takeover: int, actor: str) -> bool:
    """Leave the run as it was before the takeover. False if this person no longer has the run."""
    async with store.transaction() as db:
        is_theirs = bool(db.row(DISCARDABLE, {"id": takeover, "actor_key": person_key(actor)}))
        if is_theirs:
            end_takeover(db, takeover, "discarded", "")
        return is_theirs


# What the worker does

READY = f"""
SELECT t.id, t.run FROM takeovers t JOIN runs ON runs.id = t.run
WHERE t.state = 'handed_back' AND NOT t.unconfirmed AND runs.project = :project AND runs.worker IS NULL
    AND runs.agent IN (SELECT value FROM json_each(:agents))
    AND runs.id NOT IN (SELECT value FROM json_each(:active))
    AND NOT EXISTS (
        SELECT 1 FROM runs o WHERE o.thread = runs.thread AND o.id != runs.id AND o.state IN {BUSY} AND o.worker IS NOT NULL
    )
    AND {NOT_PAUSED.format(agent="runs.agent")}
ORDER BY t.id LIMIT 1
"""
SUBMITTABLE = f"""
SELECT id, state, error, traceback FROM runs
WHERE id = (SELECT run FROM takeovers WHERE id = ? AND state = 'handed_back')
    AND worker IS NULL AND state IN ('waiting', 'failed', 'cancelled') AND {NOT_PAUSED.format(agent="runs.agent")}
"""
SUBMIT = """
UPDATE takeovers SET state = 'submitted', submitted_by = :worker, was = :state, was_error = :error, was_traceback = :traceback
WHERE id = :takeover
"""
LEASE = """
UPDATE runs SET state = 'running', worker = :worker, lease = lease + 1, leased_at = :now, ended_at = NULL,
    activity = 'handed back', error = '', traceback = ''
WHERE id = :run
"""
PENDING_REVIEWS = "SELECT id, note FROM reviews WHERE run = ? AND state IN ('open', 'decided') AND kind != 'failure'"
TAKEN_OVER = """
UPDATE reviews SET decision = 'taken over', decided_by = :actor, decided_by_kind = 'person', decided_with = '[]' WHERE id = :review
"""
RESTORE_RUN = f"""
UPDATE runs SET state = :state, error = :error, traceback = :traceback, ended_at = :ended_at, cut = cut AND :is_over, {GIVE_BACK},
    activity = '', resuming = 0, crashes = 0
WHERE id = :run AND worker = :worker
"""


def ready(store: Store, project: int, agents: Sequence[str], active: Sequence[int]) -> tuple[Run, Takeover] | None:
    """The first handed-back run of these agents of this project, or None. `active` are the runs that the worker drives already."""
    values = {"project": project, "agents": json.dumps(list(agents)), "active": json.dumps(list(active))}
    for takeover, run in store.read_now(READY, values):
        [its_run] = store.read_now(f"SELECT {RUN} FROM runs WHERE id = ?", (run,))
        [itself] = store.read_now(f"{SELECT} WHERE t.id = ?", (takeover,))
        return read_run(its_run), _read(itself)
    return None


async def submit(store: Store, worker: str, handed_back: Takeover, people: People = EVERYBODY) -> bool:
    """Mark it as submitted before LangGraph is called, and lease the run. False if another worker was first or the agent is paused.

    A takeover by somebody who may not take over, or that was written past the console, ends as stale instead, with a note.
    """
    takeover = handed_back.id
    async with store.transaction() as db:
        found = db.row(SUBMITTABLE, (takeover,))
        if found is None:
            return False
        if problem := hand_backs.problem_of(db, handed_back, people):
            end_takeover(db, takeover, "stale", f"nothing was applied: {problem}")
            return False
        run, state, error, trace = found
        values = {"takeover": takeover, "worker": worker, "state": state, "error": error, "traceback": trace}
        db.execute(SUBMIT, values)
        db.execute(LEASE, {"run": run, "worker": worker, "now": time.time()})
        run_states.changed(db, run, state, RunState.RUNNING)
        return True


async def refuse(store: Store, handed_back: Takeover, problem: str) -> None:
    """End a takeover that must not be applied as stale, with the reason, given as a clause."""
    async with store.transaction() as db:
        if db.row(SUBMITTABLE, (handed_back.id,)):
            end_takeover(db, handed_back.id, "stale", f"nothing was applied: {problem}")


async def submitted(store: Store, run: int) -> Takeover | None:
    """The run's takeover whose plan was being applied and has no outcome yet."""
    row = await store.one(f"{SELECT} WHERE t.run = ? AND t.state = 'submitted'", (run,))
    return _read(row) if row else None


async def applied(store: Store, takeover: Takeover, note: str = "") -> None:
    """Store that the graph has the plan. This settles every pending review of the run."""
    now = time.time()
    async with store.transaction() as db:
        end_takeover(db, takeover.id, "applied", note)
        for review, warning in db.rows(PENDING_REVIEWS, (takeover.run,)):
            db.execute(TAKEN_OVER, {"actor": takeover.actor, "review": review})
            reviews.end(db, review, ReviewState.APPLIED, warning, now)


async def restore_run(store: Store, worker: str, takeover: Takeover, state: str, note: str) -> None:
    """End a takeover of which nothing was applied as `stale` or `failed`, and restore the run's earlier state."""
    async with store.transaction() as db:
        end_takeover(db, takeover.id, state, note)
        was, error, trace = db.row("SELECT was, was_error, was_traceback FROM takeovers WHERE id = ?", (takeover.id,))
        is_over = was != RunState.WAITING
        values = {
            "run": takeover.run, "worker": worker, "state": was, "error": error, "traceback": trace,
            "ended_at": time.time() if is_over else None, "is_over": is_over,
        }  # fmt: skip
        if db.execute(RESTORE_RUN, values).rowcount:
            run_states.changed(db, takeover.run, RunState.RUNNING, RunState(was))


def _live(db: Transaction, run: int) -> Takeover | None:
    row = db.row(LIVE, {"run": run})
    return _read(row) if row else None


def _read(row: Any) -> Takeover:
    """The takeover of a row of `SELECT`."""
    id_, run, actor, at, checkpoint, plan, state, note, typed, unconfirmed = row
    planned = takeover_plan.parse(json.loads(plan)) if plan else TakeoverPlan()
    written = json.loads(typed) if typed else {}
    return Takeover(id_, run, actor, at, checkpoint, planned, state, note, written, bool(unconfirmed) and state == "handed_back")
