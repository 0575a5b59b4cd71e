"""What a worker does with decided reviews: find those whose grace time is over, and send each once, under a key that stays.

The life of a review from here: `decided → submitted`. What became of the answers is in `reconcile`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hitl_tui.model import Answer, BlockedCall, DecisionKind, Json, PauseKind, ReviewState, Run, Submission
from hitl_tui.store.connection import Store
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.reviews import PROGRESS, actions_of, answer_of, read_progress
from hitl_tui.store.runs import COLUMNS as RUN
from hitl_tui.store.runs import read_run

ANSWERS = """
SELECT v.id, v.kind, v.interrupt, v.node, v.decided_at, v.repeats, d.slot, a.tool_call, f.id, q.interrupt, d.kind, d.args, d.message,
    d.template, d.digest
FROM reviews v
JOIN decisions d ON d.review = v.id AND NOT d.superseded
JOIN actions a ON a.review = v.id AND a.slot = d.slot
JOIN decisions f ON f.id = coalesce(d.repeats, d.id)
JOIN reviews q ON q.id = f.review
"""
"""Decisions with what names their act: `f` is the first decision of the same act, and `q` the review that it answered."""
BLOCKED = f"""
SELECT a.tool_call, a.name, a.args, v.state, v.id, d.kind, d.args, d.actor, {PROGRESS} FROM (
    SELECT max(v.id) AS review, a.slot FROM reviews v JOIN actions a ON a.review = v.id
    WHERE v.run = ? AND v.state != 'stale' AND a.tool_call IS NOT NULL GROUP BY a.tool_call, a.name
) AS last
JOIN reviews v ON v.id = last.review
JOIN actions a ON a.review = v.id AND a.slot = last.slot
LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded
WHERE v.state IN ('open', 'decided') OR d.kind IS NOT 'approve'
"""


AS_TOLD = """
SELECT a.name, d.kind, d.actor, d.args, d.message
FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review IN (SELECT value FROM json_each(?)) AND NOT d.superseded ORDER BY d.review, d.slot
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was decided of one review, as the worker needs it."""

    review: int
    interrupt: str
    node: str
    decided_at: float
    by_slot: Mapping[int, Answer]
    digests: Mapping[int, str]
    keys: Mapping[int, str]
    """By slot, what names a decision everywhere and for good: the interrupt's id, and the decision's number here.

    Re-approving an unchanged, possibly executed call reuses its key, so idempotent tools run once.
    """
    calls: Mapping[int, str]
    """Ids of the tool calls, by slot, where they are known."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What names the decisions a run goes on with."""

    whole: str | None = None
    """All of them, joined by `+`."""
    by_call: Mapping[str, str] = field(default_factory=dict)
    """By tool call, where it is known."""


def keys_of(answered: Iterable[Answers]) -> Keys:
    """The keys of all these answers."""
    said = list(answered)
    whole = "+".join(dict.fromkeys(key for one in said for key in one.keys.values())) or None
    return Keys(whole, {call: one.keys[slot] for one in said for slot, call in one.calls.items()})


def ready(store: Store, project: int, agents: Sequence[str], going: Sequence[int]) -> tuple[Run, list[Answers]] | None:
    """A waiting run of these agents of this project with its reviews whose decision is effective, or None.

    `going` are runs the worker is driving already.
    """
    now = time.time()
    found = store.read_now(
        f"SELECT {RUN} FROM reviews v JOIN runs ON runs.id = v.run WHERE v.state = 'decided' AND v.effective_at <= ? AND runs.project = ? "
        "AND runs.state = 'waiting' AND NOT runs.attention "
        f"AND runs.agent IN ({', '.join('?' * len(agents))}) AND runs.id NOT IN ({', '.join('?' * len(going))}) "
        "AND NOT EXISTS (SELECT 1 FROM takeovers t WHERE t.run = runs.id AND t.state IN ('open', 'handed_back', 'submitted')) "
        f"AND {NOT_PAUSED.format(agent='runs.agent')} "
        "ORDER BY v.effective_at LIMIT 1",
        (now, project, *agents, *going),
    )
    if not found:
        return None
    run = read_run(found[0])
    decided = "WHERE v.run = ? AND v.state = 'decided' AND v.effective_at <= ? ORDER BY v.id, d.slot"
    answers = _answers(store.read_now(ANSWERS + decided, (run.id, now)))
    return (run, answers) if answers else None


def next_effective(store: Store) -> float | None:
    """When the next decision's grace time ends, as Unix time; None when no grace time runs."""
    [(found,)] = store.read_now("SELECT min(effective_at) FROM reviews WHERE state = 'decided' AND effective_at > ?", (time.time(),))
    return found if found is None else float(found)


async def last_sent(store: Store, run: int) -> tuple[Keys, list[Submission]]:
    """The decisions the run went on with last, with their keys; none when it never asked, or was asked the same again since."""
    last = "WHERE v.run = :run AND v.submitted_at = (SELECT max(submitted_at) FROM reviews WHERE run = :run) ORDER BY v.id, d.slot"
    found = await store.all(ANSWERS + last, {"run": run})
    kinds = {row[0]: PauseKind(row[1]) for row in found}
    sent = _answers(found)
    return keys_of(sent), [
        Submission(s.review, s.interrupt, kinds[s.review], s.node, await actions_of(store, s.review), s.by_slot) for s in sent
    ]


async def submit(store: Store, worker: str, decided: Sequence[Answers]) -> set[int]:
    """Write the ledger before LangGraph is called, and take the run's lease, in one transaction.

    Returns the reviews that were still decided in these very words; none when another worker was first, or the agent was paused.
    """
    now, sent = time.time(), set[int]()
    async with store.transaction() as db:
        for said in decided:
            still = db.row("SELECT run FROM reviews WHERE id = ? AND state = 'decided' AND decided_at = ?", (said.review, said.decided_at))
            if still is None:
                continue
            (run,) = still
            db.execute(
                "UPDATE runs SET state = 'running', worker = ?, activity = 'resuming', leased_at = ? "
                f"WHERE id = ? AND state = 'waiting' AND worker IS NULL AND {NOT_PAUSED.format(agent='runs.agent')}",
                (worker, now, run),
            )
            if db.row("SELECT 1 FROM runs WHERE id = ? AND worker = ?", (run, worker)):
                db.execute(
                    "UPDATE reviews SET state = 'submitted', submitted_at = ?, submitted_by = ? WHERE id = ?", (now, worker, said.review)
                )
                sent.add(said.review)
    return sent


def forbidden(store: Store, run: int) -> list[BlockedCall]:
    """Tool calls that were refused or edited by the last person asked, or that nobody has decided yet."""
    return [_blocked_call(row) for row in store.read_now(BLOCKED, (run,))]


def _blocked_call(row: Any) -> BlockedCall:
    call, name, args, state, review, kind, instead, actor, *progress = row
    answer = answer_of(kind or DecisionKind.REJECT, instead, None)
    proposed = answer_of(DecisionKind.EDIT, args, None).args
    if kind is None and state == ReviewState.APPLIED:
        return BlockedCall(call, name, proposed, None, f"it was {read_progress(progress).told()}", review)
    if kind is None or state in (ReviewState.OPEN, ReviewState.DECIDED):
        return BlockedCall(call, name, proposed, None, "its review waits for a decision", review)
    did = {"edit": "edited", "respond": "answered in place of"}.get(kind, "rejected")
    return BlockedCall(call, name, proposed, answer.args if kind == DecisionKind.EDIT else None, f"{actor} {did} it", review)


def _answers(found: Sequence[Any]) -> list[Answers]:
    by_review: dict[int, Answers] = {}
    for review, kind, interrupt, node, decided_at, gate_key, slot, call, first, asked_as, said_as, args, message, template, digest in found:
        said = by_review.get(review, Answers(review, interrupt, node, decided_at, {}, {}, {}, {}))
        own = f"{asked_as.removeprefix('gate:')}.{first}"
        by_review[review] = replace(
            said,
            by_slot={**said.by_slot, slot: answer_of(said_as, args, message, template)},
            digests={**said.digests, slot: digest},
            keys={**said.keys, slot: gate_key if gate_key and kind == PauseKind.GATE else own},
            calls=said.calls if call is None else {**said.calls, slot: call},
        )
    return list(by_review.values())


async def as_told(store: Store, reviews: Sequence[int]) -> list[Json]:
    """The decisions of these reviews for the trace, in order: tool, kind, `by` whom, and the message or other arguments, if any."""
    rows = await store.all(AS_TOLD, (json.dumps(list(reviews)),))
    told = []
    for tool, kind, by, args, message in rows:
        answer = answer_of(kind, args, message)
        told.append({"tool": tool, "kind": kind, "by": by, "message": answer.message, "args": answer.args})
    return told
