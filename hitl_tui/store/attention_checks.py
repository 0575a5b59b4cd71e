"""Attention checks: when one is due, its rows, and how it ends. People learn that a review was one only afterwards.

What keeps a check from ever running is in the schema (`schema/triggers/attention_checks.sql`): no worker, program or mistake gets past it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, ActorKind, AttentionCheck, DecisionKind, Pause, PauseKind, Review, ReviewState, Routed
from hitl_tui.oversight import attention_checks
from hitl_tui.store import audit, reviews, run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.maintenance.prune import PRUNED

LAST = 20
"""A check is made after one of so many last approved calls."""
EVENTS = 500
CALLS = tuple(kind for kind in PauseKind if kind.is_tool_call)
SINCE = (
    "FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run "
    "WHERE d.id > ? AND r.project = ? AND NOT r.attention AND d.actor_kind = 'person'"
)
FOUND = "review, wrong, actor, said, caught, found_at"
DID = {
    DecisionKind.APPROVE: "approved", DecisionKind.EDIT: "edited", DecisionKind.REJECT: "rejected", DecisionKind.RESPOND: "answered",
}  # fmt: skip


# Making one


@dataclass(frozen=True, slots=True)
class Since:
    """Where a project stands since its last check."""

    checks: int
    """How many there were."""
    last: int
    """The newest decision when the last one was made; 0 before any."""
    is_open: bool
    """Whether one waits for people now."""


def newest_decision(store: Store) -> int:
    """The number of the last decision of all; 0 before any."""
    return int(store.read_now("SELECT coalesce(max(id), 0) FROM decisions")[0][0])


def since(store: Store, project: int) -> Since:
    """Where a project stands."""
    [(checks, last, waiting)] = store.read_now(
        "SELECT count(*), coalesce(max(t.last), 0), coalesce(max(v.state = 'open'), 0) "
        "FROM attention_checks t JOIN reviews v ON v.id = t.review JOIN runs r ON r.id = v.run WHERE r.project = ?",
        (project,),
    )
    return Since(int(checks), int(last), bool(waiting))


async def decided(store: Store, project: int, last: int, most: int) -> int:
    """How often people decided something of a project's runs since that decision, counted up to `most`."""
    return int((await store.one(f"SELECT count(*) FROM (SELECT 1 {SINCE} LIMIT ?)", (last, project, most)))[0])


async def home_of(store: Store) -> str:
    """What tells this home from others, and nobody has in their head: the hash of the log's first entry."""
    row = await store.one("SELECT hash FROM audit WHERE seq = 1")
    return str(row[0]) if row else ""


async def sources(store: Store, project: int) -> list[Review]:
    """The last single tool calls of a project that policy asked people about and they approved as they were; the newest first."""
    marks = ", ".join("?" * len(CALLS))
    found = await store.all(
        f"SELECT v.id {SINCE} AND d.kind = 'approve' AND NOT d.superseded AND v.slots = 1 AND v.kind IN ({marks}) AND v.note = '' "
        "AND v.state = 'applied' AND coalesce(v.route, 'ask') = 'ask' AND v.escalated = '' AND r.input != ? ORDER BY d.id DESC LIMIT ?",
        (0, project, *CALLS, PRUNED, LAST),
    )
    made = [await reviews.get(store, int(row[0])) for row in found]
    return [review for review in made if review is not None]


async def put(
    store: Store, source: Review, pause: Pause, routed: Routed, wrong: attention_checks.WrongCall, number: int, seed: str
) -> int | None:
    """Put a project's check of that number into the queue, as a review of a run of its own that looks like the source's.

    None when somebody else has.
    """
    now, correct = time.time(), source.actions[0].args
    async with store.transaction() as db:
        [(known,)] = db.rows(
            "SELECT count(*) FROM runs WHERE attention AND project = (SELECT project FROM runs WHERE id = ?)", (source.row.run,)
        )
        if known != number:
            return None
        trace = _trace(db, source)
        later_s = now - trace[-1][1] if trace else 0.0
        cursor = db.execute(
            "INSERT INTO runs (project, agent, thread, title, input, state, attention, gates_before, gates_after, tags, time_limit_s, "
            "launched_by, created_at, started_at) SELECT project, agent, ?1, title, input, 'waiting', 1, gates_before, gates_after, tags, "
            "time_limit_s, launched_by, min(max(created_at, ?2 - 1), ?2) + ?3, min(max(coalesce(started_at, ?2), ?2 - 1), ?2) + ?3 "
            "FROM runs WHERE id = ?4",
            (attention_checks.different_id(source.thread, seed), trace[0][1] if trace else now, later_s, source.row.run),
        )
        run = int(cursor.lastrowid or 0)
        run_states.note_launch(db, run)
        review, _ = reviews.insert(db, run, source.row.agent, pause, routed)
        db.execute(
            "INSERT INTO attention_checks (review, source, wrong, correct, made_at, last) "
            "VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(id), 0) FROM decisions))",
            (review, source.row.id, wrong.clause, canonical_json.dumps(correct), now),
        )
        for seq, at, kind, node, path, body in trace:
            changed = (
                body
                if kind == "input"
                else canonical_json.dumps(attention_checks.replace_everywhere(json.loads(body), correct, wrong.args))
            )
            db.execute(
                "INSERT INTO events (run, seq, at, kind, node, path, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run, seq, at + later_s, kind, node, path, changed),
            )
        return review


def _trace(db: Transaction, source: Review) -> list[Any]:
    """What led to the source, up to its run's first pause: it led to the check too, as long ago as that was."""
    rows = db.rows(
        "SELECT seq, at, kind, node, path, body FROM events WHERE run = ? AND at <= ? ORDER BY seq LIMIT ?",
        (source.row.run, source.row.opened_at + 1, EVENTS),
    )
    until = next((number for number, row in enumerate(rows, 1) if row[2] == "paused"), len(rows))
    return rows[:until]


# How it ends


def waits(db: Transaction, run: int) -> bool:
    """Within a transaction: whether the run only carries a check that nobody has acted on."""
    return bool(db.row("SELECT 1 FROM runs WHERE id = ? AND attention AND state = 'waiting'", (run,)))


def is_check(db: Transaction, review: int) -> bool:
    """Within a transaction: whether the review is an attention check."""
    return bool(db.row("SELECT 1 FROM attention_checks WHERE review = ?", (review,)))


def found_by_decision(db: Transaction, review: int) -> None:
    """End a check that was just decided, within the same transaction: there is no grace time, and nothing to undo."""
    row = db.row(
        "SELECT d.actor, d.actor_kind, d.kind, d.at, t.correct, a.args, d.args FROM attention_checks t "
        "JOIN decisions d ON d.review = t.review AND NOT d.superseded "
        "JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE t.review = ?",
        (review,),
    )
    if row is None:
        return
    actor, actor_kind, kind, at, correct, shown, edited = row
    is_caught = kind != DecisionKind.APPROVE
    if kind == DecisionKind.EDIT:
        is_caught = not attention_checks.still_wrong(correct, shown, edited)
    _end(db, review, Actor(actor, ActorKind(actor_kind)), DID[DecisionKind(kind)], is_caught, at)


def caught(db: Transaction, actor: str, said: str, *, run: int | None = None, review: int | None = None) -> bool:
    """Within a transaction: a person stopped a check without deciding it, which ends it; False when there is none that waits."""
    found = db.rows(
        "SELECT t.review FROM attention_checks t JOIN reviews v ON v.id = t.review "
        "WHERE t.caught IS NULL AND v.state = 'open' AND (v.id = ? OR v.run = ?)",
        (review, run),
    )
    for (check,) in found:
        _end(db, check, Actor(actor), canonical_json.storable(said), True, time.time())
    return bool(found)


def _end(db: Transaction, review: int, by: Actor, said: str, is_caught: bool, at: float) -> None:
    """Say how a check ended, apply its review, and finish the run that carried it."""
    run, wrong, source = db.row(
        "SELECT v.run, t.wrong, t.source FROM attention_checks t JOIN reviews v ON v.id = t.review WHERE v.id = ?", (review,)
    )
    db.execute(
        "UPDATE attention_checks SET actor = ?, actor_key = ?, said = ?, caught = ?, found_at = ? WHERE review = ?",
        (by.name, by.key, said, is_caught, at, review),
    )
    audit.note(db, at, "attention", by, {"caught": int(is_caught), "said": said, "wrong": wrong, "source": source}, run, review)
    db.execute("UPDATE decisions SET effective_at = ? WHERE review = ? AND NOT superseded", (at, review))
    db.execute(
        "UPDATE reviews SET effective_at = :at, decided_at = coalesce(decided_at, :at), claimed_by = NULL, claimed_key = NULL, "
        "claimed_until = NULL, decision = iif(decision = '', :said, decision), decided_by = iif(decision = '', :actor, decided_by), "
        "decided_by_kind = iif(decision = '', :kind, decided_by_kind) WHERE id = :review",
        {"review": review, "at": at, "said": said, "actor": by.name, "kind": by.kind},
    )
    reviews.end(db, review, ReviewState.APPLIED, _note_of(db, review), at)
    result = canonical_json.dumps({"attention_check": f"{'caught' if is_caught else 'missed'}: {wrong}"})
    db.execute("UPDATE runs SET state = 'done', ended_at = ?, activity = '', result = ? WHERE id = ?", (at, result, run))


def _note_of(db: Transaction, review: int) -> str:
    return str(db.row("SELECT note FROM reviews WHERE id = ?", (review,))[0])


def lapsed(db: Transaction, review: int, note: str) -> bool:
    """Within a transaction: nobody acted on a check in time, which ends it without a finding; False when it is none that waits."""
    if not db.row("SELECT 1 FROM attention_checks t JOIN reviews v ON v.id = t.review WHERE v.id = ? AND v.state = 'open'", (review,)):
        return False
    reviews.end(db, review, ReviewState.EXPIRED, canonical_json.storable(note))
    return True


def carried(store: Store, run: int) -> bool:
    """Whether a run only carried a check, and is over."""
    return bool(store.read_now("SELECT 1 FROM runs WHERE id = ? AND attention AND state != 'waiting'", (run,)))


def of_review(store: Store, review: int) -> AttentionCheck | None:
    """What became of a review that was an attention check; None while it waits, and of every other review."""
    return _read(store.read_now(f"SELECT {FOUND} FROM attention_checks WHERE review = ? AND caught IS NOT NULL", (review,)))


def of_run(store: Store, run: int) -> AttentionCheck | None:
    """The same of the one review of a run."""
    asked = f"SELECT {FOUND} FROM attention_checks WHERE review IN (SELECT id FROM reviews WHERE run = ?) AND caught IS NOT NULL"
    return _read(store.read_now(asked, (run,)))


def _read(rows: Sequence[Any]) -> AttentionCheck | None:
    return next((AttentionCheck(review, wrong, actor, said, bool(found), at) for review, wrong, actor, said, found, at in rows), None)
