"""Ratings of decisions, messages and runs, and the reasons that people gave for rejections."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Actor, Feedback, Rating, Subject, call_id, calls_told, person_key
from hitl_tui.store import audit, errors, grants, levels
from hitl_tui.store.connection import Store, Transaction

SELECT = "SELECT id, run, review, slot, event, rating, comment, tags, actor, at FROM feedback"
THEIRS = """
run = :run AND coalesce(review, 0) = coalesce(:review, 0) AND coalesce(slot, -1) = coalesce(:slot, -1)
    AND coalesce(event, -1) = coalesce(:event, -1) AND actor_key = :actor_key AND withdrawn_at IS NULL
"""
"""The rating in force that a person gave a subject."""
INSERT = """
INSERT INTO feedback (run, review, slot, event, decision, rating, comment, tags, actor, actor_key, at)
VALUES (:run, :review, :slot, :event, :decision, :rating, :comment, :tags, :actor, :actor_key, :now)
"""
WITHDRAW = f"UPDATE feedback SET withdrawn_at = :now WHERE {THEIRS} RETURNING id, actor"
DECIDED = """
SELECT a.slot, d.id, EXISTS (SELECT 1 FROM attention_checks WHERE review = v.id AND caught IS NOT NULL)
FROM reviews v
JOIN actions a ON a.review = v.id
LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded
WHERE v.id = :review AND v.run = :run
"""
LAST_REASONS = 300
REASONS = f"""
SELECT d.message FROM decisions d
WHERE d.agent = :agent AND d.tool = :tool AND d.kind = 'reject' AND d.message IS NOT NULL AND NOT d.superseded AND d.args IS NULL
    AND d.actor_kind = 'person' AND d.review NOT IN (SELECT review FROM attention_checks)
ORDER BY d.id DESC LIMIT {LAST_REASONS}
"""

# What each person's rating of a decision is: that on the decision itself, or else that on its whole run

WHOLE_RUN = "f.review IS NULL AND f.event IS NULL AND f.withdrawn_at IS NULL"
OWN_RANK = "id + 4611686018427387904"
"""Ranks a rating on the decision itself above any on its run."""
ON_ANY = f"""
SELECT decision, rating, max(id) FROM (
    SELECT decision, actor_key, rating, {OWN_RANK} AS id FROM feedback WHERE decision IS NOT NULL AND withdrawn_at IS NULL
    UNION ALL
    SELECT d.id, f.actor_key, f.rating, f.id FROM feedback f
    CROSS JOIN reviews v ON v.run = f.run
    CROSS JOIN decisions d ON d.review = v.id AND NOT d.superseded
    WHERE {WHOLE_RUN}
) GROUP BY decision, actor_key
"""
"""Of all rated decisions. CROSS JOIN makes SQLite start from the ratings, which are few."""
ON_SOME = f"""
SELECT decision, rating, max(id) FROM (
    SELECT decision, actor_key, rating, {OWN_RANK} AS id FROM feedback
    WHERE decision IN (SELECT value FROM json_each(:decisions)) AND withdrawn_at IS NULL
    UNION ALL
    SELECT d.id, f.actor_key, f.rating, f.id FROM decisions d
    CROSS JOIN reviews v ON v.id = d.review
    CROSS JOIN feedback f ON f.run = v.run
    WHERE d.id IN (SELECT value FROM json_each(:decisions)) AND NOT d.superseded AND {WHOLE_RUN}
) GROUP BY decision, actor_key
"""
"""Of some decisions. Here SQLite starts from the decisions."""


async def rate(store: Store, subject: Subject, rating: Rating, comment: str, tags: Sequence[str], actor: str) -> Feedback:
    """Rate a subject. This replaces the same person's earlier rating of it.

    Raises:
        Refused: there is no such subject, or it cannot be rated.
    """
    now = time.time()
    async with store.transaction() as db:
        decision = _decision(db, subject)
        _withdraw(db, subject, actor, now)
        values = {
            **_values(subject, actor), "decision": decision, "rating": rating, "comment": comment,
            "tags": canonical_json.dumps(list(tags)), "actor": actor, "now": now,
        }  # fmt: skip
        number = int(db.execute(INSERT, values).lastrowid or 0)
        said = {"slot": subject.slot, "event": subject.event, "rating": rating, "comment": comment, "tags": list(tags)}
        audit.note(db, now, "rated", Actor(actor), {"feedback": number, **said}, subject.run, subject.review)
        if rating < 0 and decision is not None:
            levels.lower_for_feedback(db, decision, number, actor, now)
            grants.revoke_for_feedback(db, decision, actor, subject.review)
        return Feedback(number, subject, rating, comment, tuple(tags), actor, now)


async def withdraw(store: Store, subject: Subject, actor: str) -> bool:
    """Withdraw a person's rating. False if there was none."""
    async with store.transaction() as db:
        return _withdraw(db, subject, actor, time.time())


def of(store: Store, subject: Subject, actor: str) -> Feedback | None:
    """A person's rating of the subject; None if there is none. Reads at once."""
    return next(map(_feedback, store.read_now(f"{SELECT} WHERE {THEIRS}", _values(subject, actor))), None)


async def of_run(store: Store, run: int) -> list[Feedback]:
    """Every rating on a run, its messages and decisions, oldest first."""
    return await _in_force(store, "run = :number", run)


async def of_review(store: Store, review: int) -> list[Feedback]:
    """Every rating on what was decided of a review, oldest first."""
    return await _in_force(store, "run = (SELECT run FROM reviews WHERE id = :number) AND review = :number", review)


async def opinions(store: Store, decisions: Sequence[int]) -> dict[int, Rating]:
    """Ratings of those of these decisions that anybody rated: down if that is anybody's last rating, otherwise up."""
    lowest = f"SELECT decision, min(rating) FROM ({ON_SOME}) GROUP BY decision"
    found = await store.all(lowest, {"decisions": json.dumps(list(decisions))})
    return {int(decision): rating for decision, rating in found}


def reasons(store: Store, agent: str, tool: str) -> list[str]:
    """Reasons of people's last rejections of a tool's calls, newest first; not of calls that were sent back. Reads at once."""
    return [str(message) for (message,) in store.read_now(REASONS, {"agent": agent, "tool": tool})]


def _decision(db: Transaction, subject: Subject) -> int | None:
    """The decision that a rating of the subject is about; None for a message or a whole run.

    Raises:
        Refused: the subject does not exist or cannot be rated.
    """
    run = db.row("SELECT attention AND state != 'waiting' FROM runs WHERE id = ?", (subject.run,))
    if run is None:
        raise Refused(f"there is no run r{subject.run}", "`hitl-tui runs` lists them")
    if subject.review is not None:
        return _decided(db, subject.run, subject.review, subject.slot)
    (is_ended_check,) = run
    if is_ended_check:  # an open one must look like any other run
        raise Refused(f"run r{subject.run} carries an attention check", "no agent made it: there is nothing to rate")
    line = {"run": subject.run, "seq": subject.event}
    if subject.event is not None and not db.row("SELECT 1 FROM events WHERE run = :run AND seq = :seq", line):
        raise Refused(f"the trace of run r{subject.run} has no line {subject.event}", "`hitl-tui show` lists them, unless they were pruned")
    return None


def _decided(db: Transaction, run: int, review: int, slot: int | None) -> int:
    found = db.rows(DECIDED, {"review": review, "run": run})
    if not found:
        raise errors.unknown(review)
    decisions = {known: decision for known, decision, _ in found}
    if slot is None or slot not in decisions:
        raise Refused(f"review {review} has no such call", f"it has {calls_told(len(decisions))}")
    if any(is_ended_check for _, _, is_ended_check in found):
        raise Refused(f"review {review} is an attention check", "no agent made it: there is nothing to rate")
    if decisions[slot] is None:
        raise Refused(f"call {call_id(review, slot)} has no decision yet that could be rated", "decide it first")
    return int(decisions[slot])


def _withdraw(db: Transaction, subject: Subject, actor: str, now: float) -> bool:
    withdrawn = db.rows(WITHDRAW, {**_values(subject, actor), "now": now})
    for number, name in withdrawn:
        audit.note(db, now, "unrated", Actor(name), {"feedback": number}, subject.run, subject.review)
    return bool(withdrawn)


async def _in_force(store: Store, where: str, number: int) -> list[Feedback]:
    found = await store.all(f"{SELECT} WHERE {where} AND withdrawn_at IS NULL ORDER BY id", {"number": number})
    return [_feedback(row) for row in found]


def _values(subject: Subject, actor: str) -> dict[str, Any]:
    """A subject and a person as columns."""
    return {
        "run": subject.run, "review": subject.review, "slot": subject.slot, "event": subject.event, "actor_key": person_key(actor),
    }  # fmt: skip


def _feedback(row: Any) -> Feedback:
    id_, run, review, slot, event, rating, comment, tags, actor, at = row
    return Feedback(id_, Subject(run, review, slot, event), rating, comment, tuple(json.loads(tags)), actor, at)
