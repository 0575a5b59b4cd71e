"""Brings the reviews of a run in line with its thread's snapshot: opens, closes, or opens them again with a warning."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hitl_tui import canonical_json
from hitl_tui.model import (
    PROGRAM,
    Answer,
    DecisionKind,
    Outcome,
    Pause,
    RemarkSource,
    ReviewOutcome,
    ReviewState,
    Routed,
    RunHead,
    RunState,
    digest_of,
)
from hitl_tui.policy import escalation
from hitl_tui.store import audit, clock, decisions, escalations, grants, limits, reject_loops, remarks, reviews, run_states, runs
from hitl_tui.store.connection import Store, Transaction

BY_POLICY = {Outcome.AUTO: DecisionKind.APPROVE, Outcome.DENY: DecisionKind.REJECT}
"""Outcomes that policy decides without a person, and how."""
RUN_CUT_OFF = "may have run once: the run was cut off, and asks again what it had an answer to"
RUN_AGAIN = "may have run once: what may have run was let run again, and asks again what it had an answer to"
OLD_CHECKPOINT = "may have run once: it was answered before, and the thread's checkpoint is older than that"
LOST_DATABASE = "may have run once: what was decided of this run was lost with an earlier hitl.db"
RENEW_NOTE = "UPDATE reviews SET note = :note, may_have_run = :may_have_run WHERE id = :review AND note != :note"
ADD_CAUTION = """
UPDATE reviews SET note = CASE note WHEN '' THEN :caution ELSE note || '; ' || :caution END
WHERE id = :review AND instr(note, :caution) = 0
"""
WAITS = f"""
UPDATE runs SET state = 'waiting', {runs.GIVE_BACK}, activity = '', error = '', resuming = 0, crashes = 0, cut = 0
WHERE id = :run AND worker = :worker
"""
DOUBT_CALL = """
UPDATE decisions SET doubtful = 1 WHERE NOT superseded AND (review, slot) IN (
    SELECT a.review, a.slot FROM reviews v JOIN actions a ON a.review = v.id
    WHERE v.run = :run AND v.submitted_at IS NOT NULL AND a.tool_call = :call
)
"""
NOT_SENT = """
UPDATE reviews SET state = 'decided', note = :note, may_have_run = 0, applied_at = NULL, submitted_at = NULL, submitted_by = NULL
WHERE id = :review
"""
ASK_AGAIN = """
UPDATE reviews SET note = :note, may_have_run = :may_have_run, applied_at = NULL, submitted_by = NULL,
    route = CASE WHEN route IN ('auto', 'deny') THEN 'ask' ELSE route END
WHERE id = :review
"""
ASK_PERSON = """
UPDATE actions SET outcome = 'ask', rule = 'safety', reason = :note || ': a person must look, though ' || reason
WHERE review = :review AND outcome IN ('auto', 'deny')
"""
ASKED_BEFORE = """
SELECT 1 FROM reviews v JOIN actions a ON a.review = v.id
WHERE v.run = :run AND v.node = :node AND v.interrupt != :interrupt AND v.submitted_at IS NOT NULL AND a.slot = 0
    AND a.digest IN (:digest, :first_digest) LIMIT 1
"""
ANSWERED_BEFORE = """
SELECT state, note FROM reviews
WHERE run = :run AND interrupt = :interrupt AND (state = 'applied' OR may_have_run) ORDER BY id DESC LIMIT 1
"""

Judge = Callable[[Pause], Routed]


async def reconcile(
    store: Store,
    run: int,
    agent: str,
    worker: str,
    pauses: Sequence[Pause],
    outcomes: Mapping[int, ReviewOutcome],
    doubtful: Sequence[int] = (),
    judge: Judge | None = None,
    head: RunHead | None = None,
    loop_after: int = 0,
) -> None:
    """Close reviews that are no longer pending, open new ones, and make the run `waiting`.

    Args:
        pauses: the pending pauses of the snapshot.
        outcomes: of submitted reviews; other reviews that are no longer pending become stale.
        doubtful: reviews whose decisions may have had their effect although they are asked again.
        judge: the policy, which judges each new pause. Its decisions are stored in the same transaction as the review.
        head: where the run stands.
        loop_after: rejections of a call after which it goes to a takeover; 0 for never.
    """
    pending = {pause.interrupt: pause for pause in pauses}
    async with store.transaction() as db:
        again = RUN_CUT_OFF if doubtful else RUN_AGAIN if _was_doubtful(db, outcomes) else ""
        if again:
            pauses = [_warned(pause, _asked_before(db, run, pause, again)) for pause in pauses]
        _doubt(db, run, doubtful, [a.tool_call for pause in pauses if pause.note for a in pause.actions if a.tool_call])
        _apply(db, outcomes)
        live = db.rows("SELECT id, interrupt FROM reviews WHERE run = ? AND state IN ('open', 'decided', 'submitted')", (run,))
        known = {str(interrupt): int(review) for review, interrupt in live}
        for interrupt, review in known.items():
            if interrupt not in pending:
                reviews.end(db, review, ReviewState.STALE, "answered elsewhere or superseded")
        for pause in pauses:
            if pause.interrupt not in known:
                _open(db, run, agent, pause, judge, loop_after)
            elif pause.note:
                review = known[pause.interrupt]
                values = {"review": review, "note": pause.warning, "may_have_run": pause.may_have_run}
                if db.execute(RENEW_NOTE, values).rowcount:
                    _note_asking(db, review, pause.warning, pause.may_have_run)
            elif pause.caution:
                db.execute(ADD_CAUTION, {"review": known[pause.interrupt], "caution": canonical_json.storable(pause.caution)})
        (was,) = db.row("SELECT state FROM runs WHERE id = ?", (run,))
        if db.execute(WAITS, {"run": run, "worker": worker}).rowcount:
            run_states.changed(db, run, was, RunState.WAITING)
        runs.put_head(db, run, head)


async def close(store: Store, outcomes: Mapping[int, ReviewOutcome]) -> None:
    """Store the outcome of submitted reviews, with a note."""
    async with store.transaction() as db:
        _apply(db, outcomes)


@dataclass(frozen=True, slots=True)
class RefusedDecision:
    """Why a decision does not count, and what its rules demand now."""

    note: str
    """For people, as a clause."""
    raised: Mapping[int, tuple[int, bool]] = field(default_factory=dict)
    """By slot of the calls of which more is demanded than when the review opened: how many reviewers, and whether it must be signed."""


RAISE = "UPDATE actions SET reviewers = :reviewers, signed = :signed WHERE review = :review AND slot = :slot"


async def refuse(store: Store, refused: Mapping[int, RefusedDecision]) -> None:
    """Open decided reviews again whose decision does not count, each with a note that says why; nothing was sent."""
    async with store.transaction() as db:
        for review, why in refused.items():
            if db.row("SELECT 1 FROM reviews WHERE id = ? AND state = 'decided'", (review,)):
                plain = canonical_json.storable(why.note)
                ids = [decision for (decision,) in db.rows("SELECT id FROM decisions WHERE review = ? AND NOT superseded", (review,))]
                raised = {"raised": {str(slot): list(now) for slot, now in why.raised.items()}} if why.raised else {}
                audit.note_review(db, time.time(), "not_accepted", PROGRAM, {"note": plain, "decisions": ids, **raised}, review)
                for slot, (reviewers, signed) in why.raised.items():
                    db.execute(RAISE, {"review": review, "slot": slot, "reviewers": reviewers, "signed": signed})
                _ask_again(db, review, ReviewOutcome(ReviewState.OPEN, plain))


def _apply(db: Transaction, outcomes: Mapping[int, ReviewOutcome]) -> None:
    for review, outcome in outcomes.items():
        if outcome.state is ReviewState.DECIDED:  # it never reached the graph
            db.execute(NOT_SENT, {"review": review, "note": outcome.note})
            audit.note_review(db, time.time(), "not_sent", PROGRAM, {"note": outcome.note}, review)
        elif outcome.state is ReviewState.OPEN:
            _ask_again(db, review, outcome)
        else:
            reviews.end(db, review, outcome.state, outcome.note, may_have_run=outcome.may_have_run)


def _ask_again(db: Transaction, review: int, outcome: ReviewOutcome) -> None:
    """Open a submitted review again with a warning. A person must decide it, also what policy had decided."""
    values = {"review": review, "note": outcome.note, "may_have_run": outcome.may_have_run}
    db.execute("UPDATE decisions SET superseded = 1 WHERE review = ?", (review,))
    decisions.withdraw_all(db, review, time.time(), outcome.note)
    decisions.reopen(db, review)
    db.execute(ASK_AGAIN, values)
    db.execute(ASK_PERSON, values)
    _note_asking(db, review, outcome.note, outcome.may_have_run)


def _note_asking(db: Transaction, review: int, note: str, may_have_run: bool) -> None:
    """Log that a review is asked again."""
    audit.note_review(db, time.time(), "asked_again", PROGRAM, {"note": note, "may_have_run": may_have_run}, review)


def _open(db: Transaction, run: int, agent: str, pause: Pause, judge: Judge | None, loop_after: int) -> None:
    pause = _warned(pause, _known_doubt(db, run, pause.interrupt))
    routed = limits.applied(db, run, agent, pause, judge(pause) if judge else Routed({}))
    routed = reject_loops.applied(db, run, pause, routed, loop_after)
    routed = grants.checked(db, routed, clock.now(db.rows))
    review, now = reviews.insert(db, run, agent, pause, routed)
    for slot, (body, problem) in routed.read.items():
        remarks.insert(db, review, slot, RemarkSource.READER, body, problem, now)
    decided = False
    for action in pause.actions:
        verdict = routed.verdicts.get(action.slot)
        if verdict and (kind := BY_POLICY.get(verdict.outcome)):
            reason = canonical_json.storable(verdict.reason) if kind is DecisionKind.REJECT else None
            answer = Answer(kind, message=reason, template=verdict.template)
            is_recorded = decisions.record(db, decisions.Given(review, action, answer, grants.by_of(verdict), now, now))
            if is_recorded and verdict.grant is not None:
                grants.take(db, verdict.grant, now)
            decided |= is_recorded
    if decided:
        decisions.conclude(db, review)
    if call := escalation.escalation_of(agent, pause, routed.verdicts):
        escalations.add(db, review, call.to, call.by, call.why, now)


def _warned(pause: Pause, note: str) -> Pause:
    """The pause with a warning that it may have run once, unless it has another note or there is none to add."""
    return pause if pause.note or not note else replace(pause, note=note, may_have_run=True)


def _doubt(db: Transaction, run: int, answered: Sequence[int], calls: Sequence[str]) -> None:
    """Mark decisions that may have had their effect: those of these reviews, and those on tool calls that are asked again."""
    db.executemany("UPDATE decisions SET doubtful = 1 WHERE review = ? AND NOT superseded", [(review,) for review in answered])
    db.executemany(DOUBT_CALL, [{"run": run, "call": call} for call in calls])


def _was_doubtful(db: Transaction, answered: Collection[int]) -> bool:
    """Whether one of these answers was to a review that may have run once, so that its effect may have happened before."""
    doubtful = "SELECT 1 FROM reviews WHERE id IN (SELECT value FROM json_each(?)) AND may_have_run"
    return bool(db.row(doubtful, (json.dumps(list(answered)),)))


def _asked_before(db: Transaction, run: int, pause: Pause, note: str) -> str:
    """The note if a run asks under a new interrupt id what was answered before; otherwise empty."""
    node, first = canonical_json.storable(pause.node), pause.actions[0]
    digests = {"digest": first.digest, "first_digest": digest_of(first.name, first.args, 1)}
    return note if db.row(ASKED_BEFORE, {"run": run, "node": node, "interrupt": pause.interrupt, **digests}) else ""


def _known_doubt(db: Transaction, run: int, interrupt: str) -> str:
    """The warning about a new pause that may have been answered before: its checkpoint is older, or an earlier hitl.db was lost."""
    if found := db.row(ANSWERED_BEFORE, {"run": run, "interrupt": interrupt}):
        state, note = found
        return OLD_CHECKPOINT if state == ReviewState.APPLIED else str(note)
    (is_adopted,) = db.row("SELECT json_extract(input, '$.adopted') IS NOT NULL FROM runs WHERE id = ?", (run,))
    return LOST_DATABASE if is_adopted else ""
