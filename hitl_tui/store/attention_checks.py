"""Rows of attention checks: what decides when one is due, inserting one, and ending it. People learn that a review was one afterwards.

Triggers keep a check from ever reaching an agent, whatever program writes (`schema/triggers/attention_checks.sql`). The wrong calls are
made in `oversight/attention_checks.py`, and put into the queue by `worker/attention_checks.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, ActorKind, AttentionCheck, DecisionKind, Json, Pause, PauseKind, Review, ReviewState, Routed
from hitl_tui.oversight import attention_checks
from hitl_tui.store import audit, reviews, run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.maintenance.prune import PRUNED

SOURCES = 20
"""How many of the last approved calls a check can be made from."""
QUICK_S, QUICKEST = 0.5, 0.3
"""Seconds that no run is too quick for; and the share of the usual time in which a run may still be done."""
EVENTS = 500
"""Lines of the source's trace that are copied."""
CALLS = json.dumps([kind for kind in PauseKind if kind.is_tool_call])
FOUND = "SELECT review, wrong, actor, said, caught, found_at FROM attention_checks WHERE caught IS NOT NULL"
DID = {
    DecisionKind.APPROVE: "approved", DecisionKind.EDIT: "edited", DecisionKind.REJECT: "rejected", DecisionKind.RESPOND: "answered",
}  # fmt: skip


# When one is due

BY_PEOPLE = """
FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run
WHERE d.id > :last AND r.project = :project AND NOT r.attention AND d.actor_kind = 'person'
"""
CHECKS = """
SELECT count(*), coalesce(max(t.last), 0), coalesce(max(v.state = 'open'), 0)
FROM attention_checks t JOIN reviews v ON v.id = t.review JOIN runs r ON r.id = v.run WHERE r.project = ?
"""
APPROVED_CALLS = f"""
SELECT v.id {BY_PEOPLE}
    AND d.kind = 'approve' AND NOT d.superseded AND v.slots = 1 AND v.kind IN (SELECT value FROM json_each(:calls)) AND v.note = ''
    AND v.state = 'applied' AND coalesce(v.route, 'ask') = 'ask' AND v.escalated = '' AND r.input != :pruned
ORDER BY d.id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class PastChecks:
    """The attention checks of a project so far."""

    count: int
    last: int
    """The newest decision when the last check was made; 0 before any."""
    is_open: bool
    """Whether one waits for people now."""


def newest_decision(store: Store) -> int:
    """The number of the newest decision; 0 before any. Reads at once."""
    [(newest,)] = store.read_now("SELECT coalesce(max(id), 0) FROM decisions")
    return int(newest)


def past_checks(store: Store, project: int) -> PastChecks:
    """The attention checks of a project so far. Reads at once."""
    [(count, last, is_open)] = store.read_now(CHECKS, (project,))
    return PastChecks(int(count), int(last), bool(is_open))


async def decisions_since(store: Store, project: int, last: int, limit: int) -> int:
    """How many decisions people made about a project's runs after decision `last`, counted up to `limit`."""
    count = f"SELECT count(*) FROM (SELECT 1 {BY_PEOPLE} LIMIT :limit)"
    (found,) = await store.one(count, {"last": last, "project": project, "limit": limit})
    return int(found)


async def sources(store: Store, project: int) -> list[Review]:
    """The last single tool calls of a project that policy asked people about and that they approved unchanged, newest first."""
    values = {"last": 0, "project": project, "calls": CALLS, "pruned": PRUNED, "limit": SOURCES}
    found = [await reviews.get(store, int(review)) for (review,) in await store.all(APPROVED_CALLS, values)]
    return [review for review in found if review is not None]


# Inserting one

KNOWN = "SELECT count(*) FROM runs WHERE attention AND project = (SELECT project FROM runs WHERE id = ?)"
INSERT_RUN = """
INSERT INTO runs (
    project, agent, thread, title, input, state, attention, gates_before, gates_after, tags, time_limit_s, launched_by, created_at,
    started_at
)
SELECT project, agent, :thread, title, input, 'waiting', 1, gates_before, gates_after, tags, time_limit_s, launched_by, :created, :started
FROM runs WHERE id = :source
"""
COURSE = "SELECT created_at, coalesce(started_at, created_at) FROM runs WHERE id = ?"
NEWEST = """
SELECT max(coalesce((SELECT max(at) FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT 1)), 0),
    coalesce((SELECT created_at FROM runs ORDER BY id DESC LIMIT 1), 0))
"""
"""When the newest run was launched or the newest entry was logged: a run that is inserted now was launched afterwards."""
LAUNCHES = """
SELECT e.gap FROM (
    SELECT seq, kind, run, at - lag(at) OVER (ORDER BY seq) AS gap FROM (SELECT seq, kind, run, at FROM audit ORDER BY seq DESC LIMIT 500)
) e JOIN runs r ON r.id = e.run
WHERE e.kind = 'launched' AND e.gap IS NOT NULL AND NOT r.attention ORDER BY e.seq DESC LIMIT 20
"""
"""Seconds between each of the last launches of real runs and the entry before it."""
SHORTEST_GAP_S, LONGEST_GAP_S = 1.0, 300.0
OPENING_S = 5.0
"""Most time between the end of a run's trace and the opening of its review."""
INSERT = """
INSERT INTO attention_checks (review, source, wrong, correct, made_at, last)
VALUES (:review, :source, :wrong, :correct, :now, (SELECT coalesce(max(id), 0) FROM decisions))
"""
TRACE = """
SELECT seq, at, kind, node, path, body FROM events WHERE run = :run AND at <= :until ORDER BY seq LIMIT :limit
"""
INSERT_EVENT = "INSERT INTO events (run, seq, at, kind, node, path, body) VALUES (:run, :seq, :at, :kind, :node, :path, :body)"


async def insert(
    store: Store, source: Review, pause: Pause, routed: Routed, wrong: attention_checks.WrongCall, number: int, seed: str
) -> int | None:
    """Put a project's check of that number into the queue: a review of a run of its own that looks like the source's run.

    Nothing may tell it from the runs around it: its ids are of the same kind, and its times fit those of the runs and entries before it.

    Returns the review; None if another worker has inserted a check meanwhile, or if there can be no such thread.
    """
    now, correct = time.time(), source.actions[0].args
    async with store.transaction() as db:
        (known,) = db.row(KNOWN, (source.row.run,))
        thread = attention_checks.different_id(source.thread, seed)
        if known != number or db.row("SELECT 1 FROM runs WHERE thread = ?", (thread,)):
            return None
        trace = _trace(db, source)
        course = _course(db, source, trace)
        [(newest,)] = db.rows(NEWEST)
        created, started, *times, _ = attention_checks.different_times(course, now - newest, now, seed)
        made = db.execute(INSERT_RUN, {"thread": thread, "created": created, "started": started, "source": source.row.run})
        run = int(made.lastrowid or 0)
        run_states.note_launch(db, run)
        later_s = now - course[-1]
        review, _ = reviews.insert(db, run, source.row.agent, pause, routed)
        values = {"source": source.row.id, "wrong": wrong.clause, "correct": canonical_json.dumps(correct), "now": now}
        db.execute(INSERT, {"review": review, **values})
        for at, (seq, _, kind, node, path, body) in zip(times, trace, strict=True):
            told = json.loads(body) if kind == "input" else _told(json.loads(body), correct, wrong.args, seed, later_s)
            line = {"run": run, "seq": seq, "at": at, "kind": kind, "node": node, "path": path, "body": canonical_json.dumps(told)}
            db.execute(INSERT_EVENT, line)
        return review


async def can_look_real(store: Store, source: Review, now: float, seed: str) -> bool:
    """Whether a run of about the source's length fits between the newest entry of the audit and `now`.

    As much time as before some other run passes first: a run that always follows a decision at once would be told by that.
    """
    run = await store.one(COURSE, (source.row.run,))
    (newest,) = await store.one(NEWEST)
    length_s = source.row.opened_at - run[0] if run else 0.0
    gaps = sorted(gap for (gap,) in await store.all(LAUNCHES))
    share = attention_checks.pick(f"{seed}\0gap", 1000) / 1000  # the same at every look, or short gaps would be found first
    gap_s = min(gaps[int(share * len(gaps))], LONGEST_GAP_S) if gaps else 0.0
    if gap_s < SHORTEST_GAP_S:
        return bool(length_s < QUICK_S or now - newest >= QUICKEST * length_s)
    return bool(now - newest >= gap_s + length_s)


def _course(db: Transaction, source: Review, trace: Sequence[Any]) -> list[float]:
    """When the source's run was created and started, the times of its trace, and when its review was opened."""
    created, started = db.row(COURSE, (source.row.run,))
    times = [created, started, *(at for _, at, *_ in trace)]
    return [*times, min(max(max(times), source.row.opened_at), max(times) + OPENING_S)]


def _told(body: Any, correct: Json, wrong: Json, seed: str, later_s: float) -> Any:
    """The body of an event with the wrong arguments, other ids, and other durations."""
    body = attention_checks.replace_everywhere(body, correct, wrong)
    if isinstance(body, dict):
        for key in body.keys() & {"task", "id"}:
            body[key] = (
                attention_checks.different_id(body[key], f"{seed}\0{body[key]}", later_s) if isinstance(body[key], str) else body[key]
            )
        if isinstance(body.get("ms"), int):
            body["ms"] += attention_checks.pick(f"{seed}\0{body.get('task')}", 1 + body["ms"] // 4)
    return body


def _trace(db: Transaction, source: Review) -> list[Any]:
    """The source's trace up to the first pause of its run, as `(seq, at, kind, node, path, body)`."""
    rows = db.rows(TRACE, {"run": source.row.run, "until": source.row.opened_at + 1, "limit": EVENTS})
    pauses = (number for number, (_, _, kind, *_) in enumerate(rows, 1) if kind == "paused")
    return rows[: next(pauses, len(rows))]


# Ending one

DECIDED = """
SELECT d.actor, d.actor_kind, d.kind, d.at, t.correct, a.args, d.args FROM attention_checks t
JOIN decisions d ON d.review = t.review AND NOT d.superseded
JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE t.review = ?
"""
WAITING = """
SELECT t.review FROM attention_checks t JOIN reviews v ON v.id = t.review
WHERE t.caught IS NULL AND v.state = 'open' AND (v.id = :review OR v.run = :run)
"""
END = """
UPDATE attention_checks SET actor = :actor, actor_key = :actor_key, said = :said, caught = :caught, found_at = :at
WHERE review = :review
"""
APPLY_REVIEW = """
UPDATE reviews SET effective_at = :at, decided_at = coalesce(decided_at, :at), claimed_by = NULL, claimed_key = NULL,
    claimed_until = NULL, decision = iif(decision = '', :said, decision), decided_by = iif(decision = '', :actor, decided_by),
    decided_by_kind = iif(decision = '', :actor_kind, decided_by_kind)
WHERE id = :review
"""
END_RUN = "UPDATE runs SET state = 'done', ended_at = :at, activity = '', result = :result WHERE id = :run"
OPEN = "SELECT 1 FROM attention_checks t JOIN reviews v ON v.id = t.review WHERE v.id = ? AND v.state = 'open'"


def waits(db: Transaction, run: int) -> bool:
    """Within a transaction: whether the run only carries a check that nobody has acted on."""
    return bool(db.row("SELECT 1 FROM runs WHERE id = ? AND attention AND state = 'waiting'", (run,)))


def found_by_decision(db: Transaction, review: int) -> None:
    """End a check that was just decided, within the same transaction: it has no grace time, and cannot be undone."""
    row = db.row(DECIDED, (review,))
    if row is None:
        return
    actor, actor_kind, kind, at, correct, shown, edited = row
    is_caught = kind != DecisionKind.APPROVE
    if kind == DecisionKind.EDIT:
        is_caught = not attention_checks.still_wrong(correct, shown, edited)
    _end(db, review, Actor(actor, ActorKind(actor_kind)), DID[DecisionKind(kind)], is_caught, at)


def caught(db: Transaction, actor: str, said: str, *, run: int | None = None, review: int | None = None) -> bool:
    """Within a transaction: end a check that a person stopped without deciding it. False if the run or review has none that waits."""
    found = db.rows(WAITING, {"review": review, "run": run})
    for (check,) in found:
        _end(db, check, Actor(actor), canonical_json.storable(said), True, time.time())
    return bool(found)


def _end(db: Transaction, review: int, by: Actor, said: str, is_caught: bool, at: float) -> None:
    """Store how a check ended, apply its review, and end the run that carried it."""
    run, wrong, source = db.row(
        "SELECT v.run, t.wrong, t.source FROM attention_checks t JOIN reviews v ON v.id = t.review WHERE v.id = ?", (review,)
    )
    values = {
        "review": review, "actor": by.name, "actor_key": by.key, "actor_kind": by.kind, "said": said, "caught": is_caught, "at": at,
    }  # fmt: skip
    db.execute(END, values)
    audit.note(db, at, "attention", by, {"caught": int(is_caught), "said": said, "wrong": wrong, "source": source}, run, review)
    db.execute("UPDATE decisions SET effective_at = :at WHERE review = :review AND NOT superseded", values)
    db.execute(APPLY_REVIEW, values)
    reviews.end(db, review, ReviewState.APPLIED, _note_of(db, review), at)
    result = canonical_json.dumps({"attention_check": f"{'caught' if is_caught else 'missed'}: {wrong}"})
    db.execute(END_RUN, {"at": at, "result": result, "run": run})


def _note_of(db: Transaction, review: int) -> str:
    return str(db.row("SELECT note FROM reviews WHERE id = ?", (review,))[0])


def expire(db: Transaction, review: int, note: str) -> bool:
    """Within a transaction: end a check that nobody acted on in time, without a result. False if the review is no open check."""
    if not db.row(OPEN, (review,)):
        return False
    reviews.end(db, review, ReviewState.EXPIRED, canonical_json.storable(note))
    return True


def carried(store: Store, run: int) -> bool:
    """Whether a run only carried a check, and has ended. Reads at once."""
    return bool(store.read_now("SELECT 1 FROM runs WHERE id = ? AND attention AND state != 'waiting'", (run,)))


def of_review(store: Store, review: int) -> AttentionCheck | None:
    """The result of a review that was an attention check; None while it waits, and for every other review. Reads at once."""
    return _read(store.read_now(f"{FOUND} AND review = ?", (review,)))


def of_run(store: Store, run: int) -> AttentionCheck | None:
    """The result of the attention check that a run carried; None while it waits, and for every other run. Reads at once."""
    return _read(store.read_now(f"{FOUND} AND review IN (SELECT id FROM reviews WHERE run = ?)", (run,)))


def _read(rows: Sequence[Any]) -> AttentionCheck | None:
    return next((AttentionCheck(review, wrong, actor, said, bool(found), at) for review, wrong, actor, said, found, at in rows), None)
