"""Failed runs: who has seen them, and reviews that ask whether to retry them."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import replace

from hitl_tui.model import (
    EVERYBODY,
    Action,
    Actor,
    ActorKind,
    Context,
    DecisionKind,
    Pause,
    PauseKind,
    People,
    ReviewState,
    Routed,
    RunFailure,
    digest_of,
    person_key,
    same_person,
)
from hitl_tui.store import approvals, escalations, reviews, runs, submissions
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import read_context

BY_POLICY = Actor("policy:errors", ActorKind.POLICY)
APPROVE, REJECT = DecisionKind.APPROVE, DecisionKind.REJECT
MEANS = {"approve": "tries it again, from its last checkpoint", "reject": "leaves it failed"}
NEW = "SELECT id FROM runs WHERE state = 'failed' AND NOT failure_seen AND project = ? ORDER BY id"
MARK_JUDGED = "UPDATE runs SET failure_seen = 1 WHERE id = ? AND state = 'failed' AND NOT failure_seen RETURNING agent, error, ended_at"
HEAD = """
SELECT h.checkpoint, h.nodes, coalesce(h.context, (
    SELECT d.context FROM details d JOIN reviews v ON v.id = d.review WHERE v.run = h.run ORDER BY v.id DESC LIMIT 1
))
FROM heads h WHERE h.run = ?
"""
"""Where the run stands; a context that is not stored is that of the run's newest review."""
DECIDED = """
SELECT v.id FROM reviews v INDEXED BY reviews_decided JOIN runs r ON r.id = v.run
WHERE v.state = 'decided' AND v.effective_at <= :now AND v.kind = 'failure' AND r.project = :project ORDER BY v.effective_at
"""
EFFECTIVE = """
SELECT v.run, d.kind FROM reviews v JOIN decisions d ON d.review = v.id AND NOT d.superseded
WHERE v.id = :review AND v.state = 'decided' AND v.effective_at <= :now
"""
UNSEEN_S = 7 * 86_400.0
"""Age from which a failure is no longer news."""
MOST = 1000
"""How many unseen failures are read."""
UNSEEN = """
SELECT r.id, r.agent, r.error, r.ended_at, r.launched_by, d.kind, d.tool
FROM runs r LEFT JOIN decisions d ON d.id = (
    SELECT max(own.id) FROM decisions own JOIN reviews v ON v.id = own.review
    WHERE v.run = r.id AND own.actor_key = :reviewer_key AND NOT own.superseded
)
WHERE r.state = 'failed' AND r.ended_at > :since AND NOT r.attention AND NOT EXISTS (
    SELECT 1 FROM failures_seen s WHERE s.run = r.id AND s.reviewer_key = :reviewer_key AND s.ended_at = r.ended_at
)
ORDER BY r.ended_at DESC LIMIT :most
"""
SEEN = """
INSERT INTO failures_seen (run, reviewer_key, ended_at)
SELECT id, :reviewer_key, ended_at FROM runs WHERE id IN (SELECT value FROM json_each(:runs)) AND state = 'failed'
ON CONFLICT (run, reviewer_key) DO UPDATE SET ended_at = excluded.ended_at
"""


async def unseen(store: Store, reviewer: str) -> list[RunFailure]:
    """Failures of the last `UNSEEN_S` that the person has not seen, newest first."""
    since = time.time() - UNSEEN_S
    rows = await store.all(UNSEEN, {"reviewer_key": person_key(reviewer), "since": since, "most": MOST})
    return [
        RunFailure(run, agent, error, ended_at, kind is not None or same_person(by, reviewer), kind and DecisionKind(kind), tool or "")
        for run, agent, error, ended_at, by, kind, tool in rows
    ]


async def mark_seen(store: Store, reviewer: str, runs: Collection[int]) -> None:
    """Store that the person has seen how these runs failed."""
    await store.write(SEEN, {"reviewer_key": person_key(reviewer), "runs": json.dumps(list(runs))})


def new(store: Store, project: int) -> list[int]:
    """Failed runs of this project that policy has not judged. Reads at once."""
    return [int(run) for (run,) in store.read_now(NEW, (project,))]


async def settle(store: Store, run: int, wanted: bool) -> bool:
    """Mark a failed run as judged by policy, and if policy wants it, open an escalated review of it.

    False if none was opened, also because another worker was first.
    """
    async with store.transaction() as db:
        failed = db.row(MARK_JUDGED, (run,))
        if failed is None or not wanted:
            return False
        agent, error, ended_at = failed
        pause = _pause(db, run, agent, error, ended_at)
        review, now = reviews.insert(db, run, agent, pause, Routed({}))
        escalations.add(db, review, "", BY_POLICY, f"the run failed: {error}", now)
        return True


def _pause(db: Transaction, run: int, agent: str, error: str, ended_at: float) -> Pause:
    """The pause that asks whether to retry a failed run."""
    checkpoint, nodes, known = db.row(HEAD, (run,)) or (f"{run}:{ended_at:.3f}", "[]", None)
    context = replace(read_context(json.loads(known)) if known else Context(), error=error)
    node = next(iter(json.loads(nodes)), agent)
    args = {"error": error}
    action = Action(0, node, args, (APPROVE, REJECT), digest=digest_of(node, args), means=MEANS)
    return Pause(f"failed:{checkpoint}", PauseKind.FAILURE, node, (), args, (action,), context)


def decided(store: Store, project: int, now: float) -> list[int]:
    """Reviews of this project's failed runs whose decision is effective. Reads at once."""
    return [int(review) for (review,) in store.read_now(DECIDED, {"now": now, "project": project})]


async def apply(store: Store, review: int, now: float, people: People = EVERYBODY) -> bool:
    """Retry a failed run or leave it failed, as was decided. False if another worker has, or the decision was undone.

    What nobody had a right to decide is asked again.
    """
    async with store.transaction() as db:
        found = db.row(EFFECTIVE, {"review": review, "now": now})
        if found is None:
            return False
        run, kind = found
        if problem := approvals.problem_of(db, review, run, people):
            submissions.ask_again(db, review, problem, time.time())
            return True
        reviews.end(db, review, ReviewState.APPLIED, "", now)
        if kind == APPROVE:
            runs.queue_again(db, run)
        return True
