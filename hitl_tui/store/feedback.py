"""Ratings: given, replaced and taken back, what they come to for a decision, and the reasons that people gave for rejections."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Actor, Feedback, Rating, Subject, person_key
from hitl_tui.store import audit, errors, levels
from hitl_tui.store.connection import Store, Transaction

COLUMNS = "id, run, review, slot, event, rating, comment, tags, actor, at"
MINE = (
    "run = ? AND coalesce(review, 0) = coalesce(?, 0) AND coalesce(slot, -1) = coalesce(?, -1) AND coalesce(event, -1) = coalesce(?, -1) "
    "AND actor_key = ? AND withdrawn_at IS NULL"
)
WHOLE_RUN = "f.review IS NULL AND f.event IS NULL AND f.withdrawn_at IS NULL"
OPINIONS = "SELECT decision, rating, max(id) FROM ({ratings}) GROUP BY decision, actor_key"
"""What each person says of a decision: of itself, or else of its whole run."""
OWN = "id + 4611686018427387904"
"""The rank of a rating on the decision itself: above any on its run."""
ON_ANY = OPINIONS.format(  # CROSS JOIN: from the ratings, which are few, to the decisions
    ratings=f"SELECT decision, actor_key, rating, {OWN} AS id FROM feedback WHERE decision IS NOT NULL AND withdrawn_at IS NULL "
    "UNION ALL SELECT d.id, f.actor_key, f.rating, f.id FROM feedback f CROSS JOIN reviews v ON v.run = f.run "
    f"CROSS JOIN decisions d ON d.review = v.id AND NOT d.superseded WHERE {WHOLE_RUN}"
)
ON_SOME = OPINIONS.format(  # the other way round
    ratings=f"SELECT decision, actor_key, rating, {OWN} AS id FROM feedback WHERE decision IN ({{marks}}) AND withdrawn_at IS NULL "
    "UNION ALL SELECT d.id, f.actor_key, f.rating, f.id FROM decisions d CROSS JOIN reviews v ON v.id = d.review "
    f"CROSS JOIN feedback f ON f.run = v.run WHERE d.id IN ({{marks}}) AND NOT d.superseded AND {WHOLE_RUN}"
)
LAST_REASONS = 300


async def rate(store: Store, subject: Subject, rating: Rating, comment: str, tags: Sequence[str], actor: str) -> Feedback:
    """A rating in place of what the same person gave the subject before.

    Raises:
        Refused: there is no such subject, or nothing of it that a rating could be on.
    """
    now = time.time()
    async with store.transaction() as db:
        decision = _decision(db, subject)
        _withdraw(db, subject, actor, now)
        tagged = canonical_json.dumps(list(tags))
        made = db.execute(
            "INSERT INTO feedback (run, review, slot, event, decision, rating, comment, tags, actor, actor_key, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (subject.run, subject.review, subject.slot, subject.event, decision, rating, comment, tagged, actor, person_key(actor), now),
        )
        number = int(made.lastrowid or 0)
        said = {"slot": subject.slot, "event": subject.event, "rating": rating, "comment": comment, "tags": list(tags)}
        audit.note(db, now, "rated", Actor(actor), {"feedback": number, **said}, subject.run, subject.review)
        if rating < 0 and decision is not None:
            levels.lower_for_feedback(db, decision, number, actor, now)
        return Feedback(number, subject, rating, comment, tuple(tags), actor, now)


async def withdraw(store: Store, subject: Subject, actor: str) -> bool:
    """Take a person's rating back; whether there was one."""
    async with store.transaction() as db:
        return _withdraw(db, subject, actor, time.time())


def of(store: Store, subject: Subject, actor: str) -> Feedback | None:
    """The rating that a person has on the subject, at once; None when there is none."""
    found = store.read_now(f"SELECT {COLUMNS} FROM feedback WHERE {MINE}", _mine(subject, actor))
    return _feedback(found[0]) if found else None


async def of_run(store: Store, run: int) -> list[Feedback]:
    """Every rating on a run, its messages and decisions, oldest first."""
    return await _in_force(store, "run = ?", run)


async def of_review(store: Store, review: int) -> list[Feedback]:
    """Every rating on what was decided of a review, oldest first."""
    return await _in_force(store, "run = (SELECT run FROM reviews WHERE id = ?1) AND review = ?1", review)


async def opinions(store: Store, decisions: Sequence[int]) -> dict[int, Rating]:
    """What people think of these decisions, as far as anybody has said: down when that is somebody's last word, else up."""
    marks = ", ".join("?" * len(decisions))
    words = ON_SOME.format(marks=marks)
    found = await store.all(f"SELECT decision, min(rating) FROM ({words}) GROUP BY decision", (*decisions, *decisions))
    return {int(decision): rating for decision, rating in found}


def reasons(store: Store, agent: str, tool: str) -> list[str]:
    """What people wrote when they rejected the last calls of an agent's tool for good, newest first; at once."""
    found = store.read_now(
        "SELECT d.message FROM decisions d WHERE d.agent = ? AND d.tool = ? AND d.kind = 'reject' AND d.message IS NOT NULL "
        "AND NOT d.superseded AND d.args IS NULL AND d.actor_kind = 'person' AND d.review NOT IN (SELECT review FROM attention_checks) "
        "ORDER BY d.id DESC LIMIT ?",
        (agent, tool, LAST_REASONS),
    )
    return [str(message) for (message,) in found]


def _decision(db: Transaction, subject: Subject) -> int | None:
    """The decision that a rating on the subject is on; None where it is on a message or a whole run.

    Raises:
        Refused: no rating can be on it.
    """
    [*run] = db.rows("SELECT attention AND state != 'waiting' FROM runs WHERE id = ?", (subject.run,))
    if not run:
        raise Refused(f"there is no run r{subject.run}", "`hitl-tui runs` lists them")
    if subject.review is not None:
        return _decided(db, subject.run, subject.review, subject.slot)
    if run[0][0]:  # while it waits, nothing tells it from others
        raise Refused(f"run r{subject.run} carries an attention check", "no agent made it: there is nothing to rate")
    if subject.event is not None and not db.rows("SELECT 1 FROM events WHERE run = ? AND seq = ?", (subject.run, subject.event)):
        raise Refused(f"the trace of run r{subject.run} has no line {subject.event}", "`hitl-tui show` lists them, unless they were pruned")
    return None


def _decided(db: Transaction, run: int, review: int, slot: int | None) -> int:
    [*found] = db.rows(
        "SELECT a.slot, d.id, EXISTS (SELECT 1 FROM attention_checks WHERE review = v.id AND caught IS NOT NULL) FROM reviews v "
        "JOIN actions a ON a.review = v.id LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded "
        "WHERE v.id = ? AND v.run = ?",
        (review, run),
    )
    if not found:
        raise errors.unknown(review)
    decisions = {known: decision for known, decision, _ in found}
    if slot not in decisions:
        raise Refused(f"review {review} has no action {slot}", f"it has {', '.join(map(str, decisions))}")
    if found[0][2]:
        raise Refused(f"review {review} is an attention check", "no agent made it: there is nothing to rate")
    if decisions[slot] is None:
        raise Refused(f"{review}#{slot} is not decided", "a rating is on what was decided: decide it first")
    return int(decisions[slot])


def _withdraw(db: Transaction, subject: Subject, actor: str, now: float) -> bool:
    gone = db.rows(f"UPDATE feedback SET withdrawn_at = ? WHERE {MINE} RETURNING id, actor", (now, *_mine(subject, actor)))
    for number, name in gone:
        audit.note(db, now, "unrated", Actor(name), {"feedback": number}, subject.run, subject.review)
    return bool(gone)


async def _in_force(store: Store, where: str, number: int) -> list[Feedback]:
    found = await store.all(f"SELECT {COLUMNS} FROM feedback WHERE {where} AND withdrawn_at IS NULL ORDER BY id", (number,))
    return [_feedback(row) for row in found]


def _mine(subject: Subject, actor: str) -> tuple[Any, ...]:
    return subject.run, subject.review, subject.slot, subject.event, person_key(actor)


def _feedback(row: Any) -> Feedback:
    id_, run, review, slot, event, rating, comment, tags, actor, at = row
    return Feedback(id_, Subject(run, review, slot, event), rating, comment, tuple(json.loads(tags)), actor, at)
