"""Remarks on calls, stored once for each call and source, with an audit entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, Actor, ActorKind, Answer, DecisionKind, Json, Outcome, Reading, Remark, RemarkSource, Verdict
from hitl_tui.policy.reader_and_decider import READER, stricter
from hitl_tui.store import audit, decisions, escalations, reviews
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.run_states import LIVE_TAKEOVER

OF_REVIEW = "SELECT slot, source, body, problem, at FROM remarks WHERE review = ? ORDER BY slot, source"
WITHOUT = """
SELECT v.id, v.agent, r.thread, v.run, a.slot, a.name, a.args, a.risk FROM reviews v
JOIN runs r ON r.id = v.run
JOIN actions a ON a.review = v.id
WHERE v.state = 'open' AND v.id > :after AND r.project = :project AND v.kind IN (SELECT value FROM json_each(:kinds))
    AND (:tools IS NULL OR a.name IN (SELECT value FROM json_each(:tools)))
    AND NOT EXISTS (SELECT 1 FROM remarks m WHERE m.review = a.review AND m.slot = a.slot AND m.source = :source)
    AND NOT EXISTS (SELECT 1 FROM attention_checks c WHERE c.review = v.id)
ORDER BY v.id, a.slot LIMIT 1000
"""
INSERT = """
INSERT OR IGNORE INTO remarks (review, slot, source, body, problem, at) VALUES (:review, :slot, :source, :body, :problem, :at)
"""


@dataclass(frozen=True, slots=True)
class CallWithoutRemark:
    """An open call on which a source has made no remark yet."""

    review: int
    agent: str
    thread: str
    run: int
    slot: int
    tool: str
    args: Json
    risk: str | None

    @property
    def key(self) -> tuple[int, int]:
        """Its review and slot."""
        return self.review, self.slot


async def of_review(store: Store, review: int) -> list[Remark]:
    """The remarks on a review's calls, in the order of the calls."""
    return [
        Remark(slot, RemarkSource(source), json.loads(body), problem, at)
        for slot, source, body, problem, at in await store.all(OF_REVIEW, (review,))
    ]


def without(
    store: Store, project: int, source: RemarkSource, kinds: Sequence[str], after: int, tools: Sequence[str] | None = None
) -> list[CallWithoutRemark]:
    """Open calls, in reviews above that number, of which the source has told nothing; at most 1,000. Reads at once.

    Args:
        store: where they are.
        project: theirs.
        source: who should tell.
        kinds: of reviews.
        after: number of a review.
        tools: names of their tools; None for all.
    """
    names = None if tools is None else json.dumps(tools)
    values = {"project": project, "source": source, "tools": names, "kinds": json.dumps(kinds), "after": after}
    found = store.read_now(WITHOUT, values)
    return [
        CallWithoutRemark(review, agent, thread, run, slot, tool, json.loads(args), risk)
        for review, agent, thread, run, slot, tool, args, risk in found
    ]


def newest_review(store: Store) -> int:
    """The highest number of a review; 0 if there is none. Reads at once."""
    return int(store.read_now("SELECT coalesce(max(id), 0) FROM reviews", ())[0][0])


async def add(store: Store, review: int, slot: int, source: RemarkSource, body: Json, problem: str, at: float) -> None:
    """Store a remark on a call, unless another worker was first."""
    async with store.transaction() as db:
        insert(db, review, slot, source, body, problem, at)


def insert(db: Transaction, review: int, slot: int, source: RemarkSource, body: Json, problem: str, at: float) -> bool:
    """`add` within a transaction. False if it was told before."""
    text = canonical_json.dumps(body)
    values = {"review": review, "slot": slot, "source": source, "body": text, "problem": canonical_json.storable(problem), "at": at}
    if not db.execute(INSERT, values).rowcount:
        return False
    told = {"slot": slot, "source": source, "body_sha256": hashlib.sha256(text.encode()).hexdigest(), "problem": values["problem"]}
    audit.note_review(db, at, "remarked", PROGRAM, told, review)
    return True


# A second reader's verdict

READ_CALL = f"""
SELECT v.note, v.recipient, coalesce(v.claimed_until, 0), a.outcome, a.rule, a.reason,
    EXISTS (SELECT 1 FROM takeovers t WHERE t.run = v.run AND t.state IN {LIVE_TAKEOVER})
FROM reviews v JOIN actions a ON a.review = v.id AND a.slot = :slot
WHERE v.id = :review AND v.state = 'open'
"""
TIGHTEN = "UPDATE actions SET outcome = :outcome, rule = :rule, reason = :reason WHERE review = :review AND slot = :slot"
OUTCOMES = "SELECT DISTINCT outcome FROM actions WHERE review = ? AND outcome IS NOT NULL"
ROUTE = "UPDATE reviews SET route = :route WHERE id = :review"
BY_READER = Actor(f"policy:{READER}", ActorKind.POLICY)


async def add_reading(store: Store, review: int, slot: int, reading: Reading, at: float) -> None:
    """Store what a second reader said of an open call, and make what the policy said of it stricter where the reader does.

    A call that the reader denies is rejected, unless somebody has claimed its review, or it has a warning: then it goes to a takeover.
    """
    async with store.transaction() as db:
        body = None if reading.problem else reading.as_json()
        if not insert(db, review, slot, RemarkSource.READER, body, reading.problem, at):
            return
        found, open_calls = db.row(READ_CALL, {"review": review, "slot": slot}), reviews.undecided_actions(db, review)
        action = next((one for one in open_calls if one.slot == slot), None)
        if found is None or action is None:
            return
        note, recipient, claimed_until, outcome, rule, reason, is_taken = found
        may_deny = not (note or is_taken or claimed_until > at) and DecisionKind.REJECT in action.allowed
        before = Verdict(Outcome(outcome or Outcome.ASK), rule, reason or "a person is asked")
        now = stricter(before, reading, may_deny)
        if now is before:
            return
        plain = canonical_json.storable(now.reason)
        db.execute(TIGHTEN, {"outcome": now.outcome, "rule": now.rule, "reason": plain, "review": review, "slot": slot})
        route = max((Outcome(one) for (one,) in db.rows(OUTCOMES, (review,))), key=reviews.WORSE.index)
        db.execute(ROUTE, {"route": route, "review": review})
        if now.outcome is Outcome.TAKEOVER:
            escalations.add(db, review, recipient, BY_READER, plain, at)
        elif decisions.record(db, decisions.Given(review, action, Answer(DecisionKind.REJECT, message=plain), BY_READER, at, at)):
            decisions.conclude(db, review)
