"""What a worker does with decided reviews: find those whose grace time has ended, and submit each once, under a key that stays the same.

The life of a review from here: `decided → submitted`. What becomes of submitted answers is in `reconcile`.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hitl_tui.model import (
    EVERYBODY,
    PROGRAM,
    Answer,
    BlockedCall,
    DecisionKind,
    Json,
    PauseKind,
    People,
    ReviewState,
    Run,
    Submission,
)
from hitl_tui.store import approvals, audit, clock, decisions
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.reviews import PROGRESS, actions_of, answer_of, read_progress
from hitl_tui.store.run_states import LIVE_TAKEOVER
from hitl_tui.store.runs import COLUMNS as RUN
from hitl_tui.store.runs import read_run


@dataclass(frozen=True, slots=True)
class DecidedReview:
    """The answers to one review, as the worker needs them."""

    review: int
    kind: PauseKind
    interrupt: str
    node: str
    decided_at: float
    answers: Mapping[int, Answer] = field(default_factory=dict)
    """By slot."""
    digests: Mapping[int, str] = field(default_factory=dict)
    """Digests of the actions that were decided, by slot."""
    keys: Mapping[int, str] = field(default_factory=dict)
    """Idempotency keys by slot: the interrupt's id and the number of the decision here, which together are unique everywhere.

    Re-approving an unchanged, possibly executed call reuses its key, so idempotent tools run once.
    """
    calls: Mapping[int, str] = field(default_factory=dict)
    """Ids of the tool calls by slot, where known."""
    told: Sequence[Json] = ()
    """The decisions for the trace, in the order of their slots: `{tool, kind, by, message, args, template?}`; message or args is None."""
    decisions: Mapping[int, int] = field(default_factory=dict)
    """Ids of the decisions by slot: unlike the keys, they differ when the same is decided again."""
    actors: Mapping[int, str] = field(default_factory=dict)
    """Who decided, by slot."""
    rows: Sequence[Any] = ()
    """The rows of `DECIDED` from which all of this was read."""


@dataclass(frozen=True, slots=True)
class IdempotencyKeys:
    """Keys of the decisions that a run continues with."""

    whole: str | None = None
    """All of them, joined by `+`."""
    by_call: Mapping[str, str] = field(default_factory=dict)
    """By tool call id, where known."""
    decisions: str = ""
    """The decisions' ids, joined by `+`."""
    by: str = ""
    """Who made them, joined by commas."""


def idempotency_keys(decided: Iterable[DecidedReview]) -> IdempotencyKeys:
    """The keys of all these decisions; none if calls share an id: a tool would take one of them for a repetition of the other."""
    reviews = list(decided)
    whole = "+".join(dict.fromkeys(key for review in reviews for key in review.keys.values())) or None
    decisions = "+".join(str(one) for review in reviews for one in review.decisions.values())
    by = ", ".join(dict.fromkeys(actor for review in reviews for actor in review.actors.values()))
    by_call = [(call, review.keys[slot]) for review in reviews for slot, call in review.calls.items()]
    if len({call for call, _ in by_call}) < len(by_call):
        return IdempotencyKeys(decisions=decisions, by=by)
    return IdempotencyKeys(whole, dict(by_call), decisions, by)


# Reading what was decided

DECIDED = """
SELECT v.id, v.kind, v.interrupt, v.node, v.decided_at, v.repeats, d.slot, a.tool_call, first.id, first_review.interrupt, d.kind, d.args,
    d.message, d.template, d.digest, a.name, d.id, d.actor
FROM reviews v
JOIN decisions d ON d.review = v.id AND NOT d.superseded
JOIN actions a ON a.review = v.id AND a.slot = d.slot
JOIN decisions first ON first.id = coalesce(d.repeats, d.id)
JOIN reviews first_review ON first_review.id = first.review
"""
"""Decisions, each with the first decision of the same act, whose key they share."""
OF_REVIEW = f"{DECIDED} WHERE v.id = :review ORDER BY d.slot"
EFFECTIVE = f"{DECIDED} WHERE v.run = :run AND v.state = 'decided' AND v.effective_at <= :now ORDER BY v.id, d.slot"
LAST_SENT = f"""
{DECIDED}
WHERE v.run = :run AND v.submitted_at IS NOT NULL AND (v.sent_under, v.submitted_at) IS (
    SELECT sent_under, submitted_at FROM reviews WHERE run = :run AND submitted_at IS NOT NULL
    ORDER BY coalesce(sent_under, 0) DESC, submitted_at DESC LIMIT 1
)
ORDER BY v.id, d.slot
"""
"""By the lease under which they were sent, and not only by the time, which can be set back."""
READY = f"""
SELECT {RUN} FROM reviews v JOIN runs ON runs.id = v.run
WHERE v.state = 'decided' AND v.effective_at <= :now AND runs.project = :project
    AND runs.state = 'waiting' AND NOT runs.attention
    AND runs.agent IN (SELECT value FROM json_each(:agents))
    AND runs.id NOT IN (SELECT value FROM json_each(:active))
    AND NOT EXISTS (SELECT 1 FROM takeovers t WHERE t.run = runs.id AND t.state IN {LIVE_TAKEOVER})
    AND {NOT_PAUSED.format(agent="runs.agent")}
ORDER BY v.effective_at LIMIT 1
"""
BLOCKED = f"""
SELECT a.tool_call, a.name, a.args, v.state, v.id, d.kind, d.args, d.actor, {PROGRESS} FROM (
    SELECT v.id AS review, a.slot, row_number() OVER (PARTITION BY a.tool_call, a.name, a.digest ORDER BY v.id DESC, a.slot DESC) AS place
    FROM reviews v JOIN actions a ON a.review = v.id
    WHERE v.run = ? AND v.state != 'stale' AND a.tool_call IS NOT NULL
) AS asked
JOIN reviews v ON v.id = asked.review
JOIN actions a ON a.review = v.id AND a.slot = asked.slot
LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded
WHERE asked.place = 1 OR v.state IN ('open', 'decided', 'submitted')
ORDER BY v.id, a.slot
"""
"""The newest asking for each call: several calls of a message may have one id, and differ in their arguments.

Beside them what is asked or carried out now: an equal call of the same message may have been asked later.
"""
DID = {"edit": "edited", "respond": "answered in place of"}


def ready(store: Store, project: int, agents: Sequence[str], active: Sequence[int]) -> tuple[Run, list[DecidedReview]] | None:
    """A waiting run of these agents of this project with its reviews whose decision is effective, or None. Reads at once.

    `active` are the runs that the worker drives already.
    """
    now = store.now()
    values = {"now": now, "project": project, "agents": json.dumps(list(agents)), "active": json.dumps(list(active))}
    for row in store.read_now(READY, values):
        run = read_run(row)
        decided = _decided_reviews(store.read_now(EFFECTIVE, {"run": run.id, "now": now}))
        return (run, decided) if decided else None
    return None


def next_effective(store: Store) -> float | None:
    """When the next grace time ends, as Unix time; None if none is running."""
    [(found,)] = store.read_now("SELECT min(effective_at) FROM reviews WHERE state = 'decided' AND effective_at > ?", (store.now(),))
    return found if found is None else float(found)


async def last_sent(store: Store, run: int) -> tuple[IdempotencyKeys, list[Submission]]:
    """The decisions that the run continued with last, and their keys; none if it never asked, or its reviews were opened again since."""
    sent = _decided_reviews(await store.all(LAST_SENT, {"run": run}))
    return idempotency_keys(sent), [
        Submission(one.review, one.interrupt, one.kind, one.node, await actions_of(store, one.review), one.answers) for one in sent
    ]


def blocked_calls(store: Store, run: int) -> list[BlockedCall]:
    """Tool calls of a run that the last person asked refused or edited, or that nobody has decided yet. Reads at once."""
    rows = store.read_now(BLOCKED, (run,))
    allowed, sent = defaultdict[Any, list[Json]](list), defaultdict[Any, list[Json]](list)
    for call, name, args, state, _, kind, instead, *_ in rows:
        if kind in (DecisionKind.APPROVE, DecisionKind.EDIT) and state not in (ReviewState.OPEN, ReviewState.DECIDED):
            runs = _as_proposed(args if kind == DecisionKind.APPROVE else instead)
            allowed[call, name].append(runs)
            sent[call, name] += [runs] if state == ReviewState.SUBMITTED else []
    newest = {row[:2]: row for row in rows}
    refused = [row for row in rows if row[3] in (ReviewState.OPEN, ReviewState.DECIDED) or row[5] != DecisionKind.APPROVE]
    return [
        replace(_blocked_call(row), is_newest=row is newest[row[:2]], allowed=tuple(allowed[row[:2]]), sent=tuple(sent[row[:2]]))
        for row in refused
    ]


def _blocked_call(row: Any) -> BlockedCall:
    call, name, args, state, review, kind, instead, actor, *progress = row
    answer = answer_of(kind or DecisionKind.REJECT, instead, None)
    proposed = _as_proposed(args)
    if kind is None and state == ReviewState.APPLIED:
        return BlockedCall(call, name, proposed, None, f"it was {read_progress(progress).told()}", review)
    if kind is None or state in (ReviewState.OPEN, ReviewState.DECIDED):
        return BlockedCall(call, name, proposed, None, "its review waits for a decision", review)
    edited = answer.args if kind == DecisionKind.EDIT else None
    return BlockedCall(call, name, proposed, edited, f"{actor} {DID.get(kind, 'rejected')} it", review)


def _as_proposed(args: str) -> Json:
    return answer_of(DecisionKind.EDIT, args, None).args


def _decided_reviews(rows: Iterable[Any]) -> list[DecidedReview]:
    """The reviews of rows of `DECIDED`."""
    by_review: dict[int, list[Any]] = {}
    for row in rows:
        by_review.setdefault(row[0], []).append(row)
    return [_decided_review(found) for found in by_review.values()]


def _decided_review(rows: Sequence[Any]) -> DecidedReview:
    """The review of its rows of `DECIDED`."""
    answers, digests, keys, calls, told, decisions, actors = {}, {}, {}, {}, [], {}, {}
    for (_, kind, _, _, _, gate_key, slot, call, first, first_interrupt, answer_kind, args, message, template, digest, tool, decision,
         actor) in rows:  # fmt: skip
        answers[slot] = answer_of(answer_kind, args, message, template)
        digests[slot], decisions[slot], actors[slot] = digest, decision, actor
        keys[slot] = gate_key if gate_key and kind == PauseKind.GATE else f"{first_interrupt.removeprefix('gate:')}.{first}"
        if call is not None:
            calls[slot] = call
        told.append(_for_trace(tool, actor, answers[slot]))
    review, kind, interrupt, node, decided_at, *_ = rows[0]
    return DecidedReview(review, PauseKind(kind), interrupt, node, decided_at, answers, digests, keys, calls, told, decisions, actors, rows)


def _for_trace(tool: str, actor: str, answer: Answer) -> Json:
    template = {} if answer.template is None else {"template": answer.template}
    return {"tool": tool, "kind": answer.kind, "by": actor, "message": answer.message, "args": answer.args, **template}


# Submitting

UNCHANGED = """
SELECT run FROM reviews WHERE id = :review AND state = 'decided' AND decided_at = :decided_at AND effective_at <= :now
"""
LEASE = f"""
UPDATE runs SET state = 'running', worker = :worker, lease = lease + 1, activity = 'resuming', leased_at = :now
WHERE id = :run AND state = 'waiting' AND worker IS NULL AND {NOT_PAUSED.format(agent="runs.agent")}
"""
SUBMIT = """
UPDATE reviews SET state = 'submitted', submitted_at = :now, submitted_by = :worker,
    sent_under = (SELECT lease FROM runs WHERE id = :run)
WHERE id = :review
"""


async def submit(store: Store, worker: str, decided: Sequence[DecidedReview], people: People = EVERYBODY) -> set[int]:
    """Mark reviews as submitted before LangGraph is called, and lease their run, in one transaction.

    What people may not have decided, or what was written past the console, is not submitted: its review is opened again with a note.

    The caller calls `Store.wait_for_disk` before anything is sent to an agent: the disk must have stored what was decided and submitted.

    Returns the reviews whose decision was unchanged; none if another worker was first, the agent is paused, or the grace time still runs
    because the clock was set back.
    """
    sent, leased = set[int](), set[int]()
    async with store.transaction(disk_later=True) as db:
        now, effective = time.time(), clock.now(db.rows)
        for one in decided:
            unchanged = db.row(UNCHANGED, {"review": one.review, "decided_at": one.decided_at, "now": effective})
            if unchanged is None or not _is_as_read(db, one):
                continue
            if problem := approvals.problem_of(db, one.review, unchanged[0], people):
                ask_again(db, one.review, problem, now)
                continue
            values = {"run": unchanged[0], "review": one.review, "worker": worker, "now": now}
            if values["run"] in leased or db.execute(LEASE, values).rowcount:
                leased.add(values["run"])
                db.execute(SUBMIT, values)
                sent.add(one.review)
    return sent


def _is_as_read(db: Transaction, one: DecidedReview) -> bool:
    """Whether the answers in the tables are still those that were read, and will be sent."""
    return db.rows(OF_REVIEW, {"review": one.review}) == list(one.rows)


ASKED_AGAIN = """
UPDATE reviews SET note = :note, route = CASE WHEN route IN ('auto', 'deny') THEN 'ask' ELSE route END WHERE id = :review
"""
ASK_PERSON = """
UPDATE actions SET outcome = 'ask', rule = 'safety', reason = :note || ': a person must look, though ' || reason
WHERE review = :review AND outcome IN ('auto', 'deny')
"""


def ask_again(db: Transaction, review: int, problem: str, now: float) -> None:
    """Open a decided review again whose answers must not be sent, with the reason. Within a transaction."""
    values = {"review": review, "note": f"asked again, nothing ran: {problem}"}
    db.execute("UPDATE decisions SET superseded = 1 WHERE review = :review", values)
    decisions.withdraw_all(db, review, now, problem)
    decisions.reopen(db, review)
    db.execute(ASKED_AGAIN, values)
    db.execute(ASK_PERSON, values)
    audit.note_review(db, now, "not_authorized", PROGRAM, {"why": problem}, review)
