"""Decisions of reviews: stored with their audit entries in one transaction, and undone while there is time.

The life of a review up to here: `open → decided`. What a worker does with decided reviews is in `submissions`.
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import NotAllowed, Refused, Stale
from hitl_tui.model import (
    EVERYBODY,
    PROGRAM,
    Action,
    Actor,
    ActorKind,
    Answer,
    DecisionKind,
    Endorsement,
    Identified,
    PauseKind,
    People,
    ReviewState,
    Viewing,
    call_id,
    effect_of,
)
from hitl_tui.people.rights import refusal_of_call
from hitl_tui.store import agents, approvals, attention_checks, audit, audit_verify, errors, grants, levels
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import PROGRESS, answer_of, progress_of, read_progress
from hitl_tui.store.signatures import SignedStatements

WORDS = {DecisionKind.APPROVE: "approved", DecisionKind.EDIT: "edited", DecisionKind.REJECT: "rejected", DecisionKind.RESPOND: "answered"}
DIGEST = re.compile("(?:[0-9]+:)?[0-9a-f]{64}")
NOT_MEASURED = Viewing()


@dataclass(frozen=True)
class Given:
    """One action's answer on its way into the tables."""

    review: int
    action: Action
    """As it was shown."""
    answer: Answer
    by: Actor
    at: float
    effective_at: float
    viewing: Viewing = NOT_MEASURED
    together: int = 1
    """Calls that were decided by the same key."""
    signed: SignedStatements | None = None
    """The signature over it and what was decided with it."""

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """Its columns, by name."""
        has_args = self.answer.args is not None or self.answer.kind is DecisionKind.RESPOND
        return {
            "review": self.review,
            "slot": self.action.slot,
            "tool": canonical_json.storable(self.action.name),
            "kind": self.answer.kind,
            "args": canonical_json.dumps(self.answer.args) if has_args else None,
            "message": self.answer.message,
            "actor": self.by.name,
            "actor_kind": self.by.kind,
            "actor_key": self.by.key,
            "identified": self.by.identified,
            "digest": self.action.digest,
            "effect": effect_of(self.action, self.answer),
            "at": self.at,
            "effective_at": self.effective_at,
            "viewed_ms": self.viewing.viewed_ms,
            "seen": self.viewing.seen,
            "reading_ms": self.viewing.reading_ms,
            "template": None if self.answer.template is None else canonical_json.dumps(self.answer.template),
        }

    def audit_body(self) -> dict[str, Any]:
        """What the audit says of it."""
        body = {name: self.values[name] for name in ("slot", "kind", "digest", "args", "message", "viewed_ms")}
        body |= {name: self.values[name] for name in ("seen", "reading_ms", "template", "identified") if self.values[name] is not None}
        return {**body, "together": self.together} if self.together > 1 else body

    def sign(self, db: Transaction) -> tuple[dict[str, Any], dict[str, Any]]:
        """Store its signature, if it has one. Returns the columns and the body of its audit entry with it."""
        if self.signed is None:
            return {**self.values, "signature": None}, self.audit_body()
        number = self.signed.store(db)
        return {**self.values, "signature": number}, {**self.audit_body(), "signature": number, "signature_hash": self.signed.hash}


@dataclass(frozen=True, slots=True)
class ReviewAnswers:
    """A person's answers to calls of one review, and what they saw."""

    review: int
    answers: Mapping[int, Answer]
    """By slot."""
    shown: Mapping[int, Action]
    """By slot, as the person saw them."""
    grace_s: float
    """Seconds in which it can be undone; all its calls share them."""
    viewings: Mapping[int, Viewing]
    """By slot, how each call that is answered was viewed."""


# A review as the transaction finds it


FIND_REVIEW = """
SELECT v.id, v.run, v.agent, v.kind, v.slots, v.state, v.note, v.decided_at, v.claimed_by, v.claimed_key, v.claimed_until, t.actor,
    t.actor_key,
    EXISTS (SELECT 1 FROM attention_checks c WHERE c.review = v.id),
    EXISTS (SELECT 1 FROM escalations e WHERE e.review = v.id AND e.acknowledged_at IS NULL)
FROM reviews v LEFT JOIN takeovers t ON t.run = v.run AND t.state IN ('open', 'handed_back', 'submitted')
WHERE v.id = :review
"""
FIND_CALLS = """
SELECT a.slot, a.digest, a.reviewers, a.decider, a.separate, d.id, a.tool_call, a.blind, a.rule
FROM actions a LEFT JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded
WHERE a.review = :review ORDER BY a.slot
"""


@dataclass(frozen=True, slots=True)
class _LiveCall:
    """An action as the transaction finds it."""

    slot: int
    digest: str
    demands: approvals.Demands
    decision: int | None
    """The decision in force."""
    tool_call: str | None
    """Id of the tool call, which several calls of a message may have."""
    rule: str
    """The rule that matched it; empty if there was none."""


@dataclass(frozen=True, slots=True)
class _LiveReview:
    """A review as the transaction finds it."""

    calls: Mapping[int, _LiveCall]
    """By slot."""
    id: int
    run: int
    agent: str
    kind: str
    slots: int
    state: str
    note: str
    decided_at: float | None
    claimed_by: str | None
    claimed_key: str | None
    claimed_until: float | None
    taken_over_by: str | None
    taken_over_key: str | None
    is_check: bool
    is_escalated: bool
    """Whether nobody has acknowledged an escalation of it."""

    @property
    def needs_several(self) -> bool:
        """Whether a call may need the approval of several people; only then there are endorsements."""
        return not all(call.demands.is_one_enough for call in self.calls.values())


def _find(db: Transaction, review: int) -> _LiveReview:
    """Read a review.

    Raises:
        Refused: there is no such review.
    """
    found = db.row(FIND_REVIEW, {"review": review})
    if found is None:
        raise errors.unknown(review)
    calls = [
        _LiveCall(slot, digest, approvals.Demands(reviewers, decider, tuple(json.loads(separate)), bool(blind)), decision, tool_call, rule)
        for slot, digest, reviewers, decider, separate, decision, tool_call, blind, rule in db.rows(FIND_CALLS, {"review": review})
    ]
    return _LiveReview({call.slot: call for call in calls}, *found)


# What a reviewer does


async def decide(
    store: Store, chosen: ReviewAnswers, by: Actor, signed: SignedStatements | None = None, people: People = EVERYBODY
) -> ReviewState:
    """Store a person's answers to a review, all or none; the last one missing decides the whole review.

    Where an action needs several people, the first of them endorse it, and the last one's approval is the decision.

    The caller calls `Store.wait_for_disk` before it says that it is decided.

    Returns:
        The review's state at the end of the transaction: later, a worker may have submitted it.

    Raises:
        NotAllowed: this person has no right to decide it; that is logged.
        Refused: somebody else has claimed it, or this person has already endorsed the same where several people are needed.
        Stale: it is no longer open, an action is not the one that was shown, or its run is taken over.
    """
    now = time.time()
    async with store.transaction(disk_later=True) as db:
        try:
            return _decide(db, chosen, by, now, people, signed=signed)
        except NotAllowed as error:  # before anything is written
            approvals.note_refusal(db, now, by, "decide", error, chosen.review)
            refused = error
    raise refused


async def decide_many(
    store: Store, chosen: Sequence[ReviewAnswers], by: Actor, signed: SignedStatements | None = None, people: People = EVERYBODY
) -> dict[int, Refused]:
    """Store a person's answers to several reviews in one transaction; each call has its own decision and audit entry.

    Returns the error of each review that could not be decided, which `decide` would have raised; the others are decided. The caller calls
    `Store.wait_for_disk`.
    """
    now, refused = time.time(), dict[int, Refused]()
    together = sum(len(one.answers) for one in chosen)
    async with store.transaction(disk_later=True) as db:
        for one in chosen:
            try:
                _decide(db, one, by, now, people, together, signed)
            except Refused as error:  # before anything of this review is written
                refused[one.review] = error
                if isinstance(error, NotAllowed):
                    approvals.note_refusal(db, now, by, "decide", error, one.review)
    return refused


def _decide(
    db: Transaction,
    chosen: ReviewAnswers,
    by: Actor,
    now: float,
    people: People,
    together: int = 1,
    signed: SignedStatements | None = None,
) -> ReviewState:
    """`decide` within a transaction; nothing is written where it raises. `together`: calls decided by the same key."""
    shown, until = chosen.shown, now + chosen.grace_s
    found = _find(db, chosen.review)
    _must_be_decidable(db, found, {slot: shown[slot].digest for slot in chosen.answers}, by, now)
    _must_be_allowed(found, chosen.answers, by, people)
    _must_answer_alike(found, chosen.answers)
    _must_be_intact(db, found.id, chosen.answers)
    deciding, endorsing, disagreeing = [], [], []
    for slot, answer in chosen.answers.items():
        given = Given(found.id, shown[slot], answer, by, now, until, chosen.viewings[slot], together, signed)
        blind = approvals.blind_answer(db, people, found.calls[slot].demands, given.values)
        if blind and blind.differs_from:
            disagreeing.append((given, blind))
        if not blind and approvals.is_enough(db, people, found.calls[slot].demands, found.run, given.values):
            deciding.append(given)
        elif not any(people.same_person(name, by.name) for (name,) in db.rows(approvals.LIVE_APPROVALS, given.values)):
            endorsing.append(given)
    if not deciding and not endorsing:
        progress = progress_of(db, found.id).told()
        raise Refused(f"you said so of review {found.id} already: it has {progress}", "another person must approve the same")
    for one in (*endorsing, *deciding):
        _withdraw_former(db, one, people)
    for one in endorsing:
        _endorse(db, found, one)
    for one in deciding:
        _record(db, found, one)
    if disagreeing:
        _escalate_disagreement(db, found, *disagreeing[0])
    return _conclude(db, found)


def _escalate_disagreement(db: Transaction, found: _LiveReview, given: Given, blind: approvals.BlindAnswer) -> None:
    """Tell people that two blind answers differ: by the escalation chain, or whom the call's rule names."""
    from hitl_tui.store import escalations  # it imports this module

    call, answer = found.calls[given.action.slot], DecisionKind(given.values["kind"])
    did = f"{blind.differs_from} {WORDS[DecisionKind(blind.other)]} and {given.by.name} {WORDS[answer]}"
    why = f"two blind answers differ: {did} {call_id(found.id, call.slot)}"
    escalations.add(db, found.id, call.demands.decider, Actor(f"policy:{call.rule}", ActorKind.POLICY), why, given.at)


def _must_be_decidable(db: Transaction, found: _LiveReview, digests: Mapping[int, str], by: Actor, now: float) -> None:
    """Check that this person can decide the calls with these digests, by slot.

    Raises:
        Refused: somebody else has claimed it.
        Stale: it is no longer open, an action is not the one with this digest, or its run is taken over, also by this person.
    """
    if found.state != ReviewState.OPEN:
        raise errors.closed(found.id, found.state, found.note, progress_of(db, found.id).told(), found.decided_at)
    changed = [slot for slot, digest in digests.items() if slot not in found.calls or found.calls[slot].digest != digest]
    if changed:
        raise Stale(f"action {changed} of review {found.id} is not the one that was shown", "look at it again")
    agents.must_be_decidable(db, found.run)
    if found.taken_over_by:
        raise errors.taken_over(found.id, found.taken_over_by, found.taken_over_key == by.key)
    if found.claimed_by and found.claimed_until is not None and found.claimed_until > now and found.claimed_key != by.key:
        raise errors.claimed(found.id, found.claimed_by, found.claimed_until)


def _must_be_allowed(found: _LiveReview, slots: Iterable[int], by: Actor, people: People) -> None:
    """Check that a person may decide these calls.

    Raises:
        NotAllowed: they may not.
    """
    for slot in slots if people.is_checked else ():
        if refused := refusal_of_call(people, by.name, found.calls[slot].demands.decider, call_id(found.id, slot)):
            raise refused


def _must_be_intact(db: Transaction, review: int, slots: Iterable[int]) -> None:
    """Check that the calls are those whose digests were taken: a changed row would show one call, and another one would run.

    Raises:
        Stale: a call is not; nobody can decide it.
    """
    for slot in slots:
        name, args, digest = db.row("SELECT name, args, digest FROM actions WHERE review = ? AND slot = ?", (review, slot))
        if DIGEST.fullmatch(digest) and not audit_verify.fits(name, args, digest):
            raise Stale(
                f"{call_id(review, slot)} is not what the agent asked: its row in hitl.db was changed",
                "`hitl-tui audit verify` says more; cancel the run, or retry it to be asked anew",
            )


def _must_answer_alike(found: _LiveReview, answers: Mapping[int, Answer]) -> None:
    """Check that calls with the same id get one answer together: LangGraph keeps results, refusals and edits by id.

    Raises:
        Refused: some of them are not answered, or differently.
    """
    by_id: dict[str, list[int]] = {}
    for slot, call in found.calls.items():
        if call.tool_call is not None:
            by_id.setdefault(call.tool_call, []).append(slot)
    for slots in by_id.values():
        given = [answers[slot] for slot in slots if slot in answers]
        if len(slots) > 1 and given and (len(given) < len(slots) or any(one != given[0] for one in given)):
            numbers = " and ".join(str(slot + 1) for slot in slots)
            hint = f"decide them together, as with `hitl-tui decide {found.id} approve`"
            raise Refused(f"calls {numbers} of review {found.id} share one id, so the graph gives them one answer", hint)


WITHDRAW_OWN = """
UPDATE endorsements SET withdrawn_at = :at WHERE review = :review AND slot = :slot AND actor_key = :actor_key AND withdrawn_at IS NULL
"""
ENDORSE = """
INSERT INTO endorsements (
    review, slot, kind, args, message, actor, actor_key, digest, effect, at, viewed_ms, seen, reading_ms, template, identified,
    signature
) VALUES (
    :review, :slot, :kind, :args, :message, :actor, :actor_key, :digest, :effect, :at, :viewed_ms, :seen, :reading_ms, :template,
    :identified, :signature
)
"""


OTHER_NAMES = (
    "SELECT id, actor FROM endorsements WHERE review = :review AND slot = :slot AND actor_key != :actor_key AND withdrawn_at IS NULL"
)


def _withdraw_former(db: Transaction, given: Given, people: People) -> None:
    """Withdraw what this person approved under another name of theirs."""
    for endorsement, name in db.rows(OTHER_NAMES, given.values) if people.is_checked else ():
        if people.same_person(name, given.by.name):
            _withdraw_one(db, given.review, endorsement, given.action.slot, given.by, given.at, None)


def _endorse(db: Transaction, found: _LiveReview, given: Given) -> None:
    """Store one of several approvals that an action needs, in place of this person's earlier one; their claim ends with it."""
    _supersede(db, found.calls[given.action.slot].decision, given.at)
    db.execute(WITHDRAW_OWN, given.values)
    values, body = given.sign(db)
    endorsement = db.execute(ENDORSE, values).lastrowid
    audit.note(db, given.at, "endorsed", given.by, {"endorsement": endorsement, **body}, found.run, found.id)
    release_claim(db, found.id, given.by, given.at, "another person must approve the same")


OWN_CLAIM = "SELECT claimed_until FROM reviews WHERE id = :review AND claimed_key = :key"
END_CLAIM = "UPDATE reviews SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL WHERE id = :review"


def release_claim(db: Transaction, review: int, by: Actor, at: float, reason: str) -> None:
    """End this actor's claim within a transaction, if there is one; the audit gives the reason."""
    claim = db.row(OWN_CLAIM, {"review": review, "key": by.key})
    if claim is None:
        return
    db.execute(END_CLAIM, {"review": review})
    (until,) = claim
    if until > at:
        audit.note_review(db, at, "released", by, {"reason": reason}, review)


# Undo


async def undo(store: Store, review: int, actor: str) -> None:
    """Take back this person's last decisions or endorsements of a review: in its grace time, or while an action is undecided.

    Raises:
        Refused: there is nothing of theirs to take back.
        Stale: it is too late.
    """
    async with store.transaction() as db:
        _undo(db, review, Actor(actor), time.time())


async def undo_many(store: Store, reviews: Sequence[int], actor: str) -> dict[int, Refused]:
    """`undo` several reviews in one transaction. Returns the error of each that could not be undone; the others are."""
    now, by, refused = time.time(), Actor(actor), dict[int, Refused]()
    async with store.transaction() as db:
        for review in reviews:
            try:
                _undo(db, review, by, now)
            except Refused as error:  # before anything of this review is written
                refused[review] = error
    return refused


UNDO = "UPDATE decisions SET superseded = 1, undone_at = :at WHERE id = :decision"


def _undo(db: Transaction, review: int, by: Actor, now: float) -> None:
    """`undo` within a transaction; nothing is written where it raises."""
    found = db.row("SELECT state, effective_at FROM reviews WHERE id = :review", {"review": review})
    if found is None:
        raise errors.unknown(review)
    state, effective_at = found
    if state not in (ReviewState.OPEN, ReviewState.DECIDED) or (state == ReviewState.DECIDED and effective_at <= now):
        raise _too_late(db, review)
    mine, whose = _last_decided(db, review, by)
    endorsed, endorsed_at = (_last_endorsed(db, review, by) if state == ReviewState.OPEN else None) or (None, 0.0)
    if not mine and endorsed is None:
        raise Refused(f"review {review} has nothing of yours to take back: {whose}", "nothing was changed")
    if endorsed is not None and not (mine and mine[0][1] != endorsed_at and _came_later(db, review, mine[0][0], endorsed)):
        _withdraw(db, review, by, endorsed_at, now)
        mine = [(decision, at) for decision, at in mine if at == endorsed_at]
    for decision, _ in mine:
        db.execute(UNDO, {"decision": decision, "at": now})
        audit.note_review(db, now, "undone", by, {"decision": decision}, review)
        levels.restore(db, decision, now)
    reopen(db, review)


LAST_DECIDED = """
SELECT id, at, actor, actor_key FROM decisions
WHERE review = :review AND NOT superseded
    AND at = (SELECT at FROM decisions WHERE review = :review AND NOT superseded ORDER BY id DESC LIMIT 1)
ORDER BY id DESC
"""
"""Those of the last one's time, which were stored together. The last one is that of the highest number: clocks are set back."""


def _last_decided(db: Transaction, review: int, by: Actor) -> tuple[list[tuple[int, float]], str]:
    """The ids and times of the last decisions, if they are this person's; and whose they are, as a clause."""
    last = db.rows(LAST_DECIDED, {"review": review})
    if not last:
        return [], "nothing is decided"
    return [(decision, at) for decision, at, _, key in last if key == by.key], f"the last decision is {last[0][2]}'s"


UNDECIDED = "NOT EXISTS (SELECT 1 FROM decisions d WHERE d.review = e.review AND d.slot = e.slot AND NOT d.superseded)"
LAST_ENDORSED = f"""
SELECT e.id, e.at FROM endorsements e
WHERE e.review = :review AND e.actor_key = :key AND e.withdrawn_at IS NULL AND {UNDECIDED}
ORDER BY e.id DESC LIMIT 1
"""
CAME_LATER = """
SELECT (SELECT max(seq) FROM audit WHERE review = :review AND kind = 'decided' AND json_extract(body, '$.decision') = :decision)
    > (SELECT max(seq) FROM audit WHERE review = :review AND kind = 'endorsed' AND json_extract(body, '$.endorsement') = :endorsement)
"""
ENDORSED_THEN = f"""
SELECT e.id, e.slot FROM endorsements e
WHERE e.review = :review AND e.actor_key = :key AND e.at = :at AND e.withdrawn_at IS NULL AND {UNDECIDED}
"""


def _last_endorsed(db: Transaction, review: int, by: Actor) -> tuple[int, float] | None:
    """This person's last endorsement of an action that is still undecided: its number, and its Unix time."""
    found = db.row(LAST_ENDORSED, {"review": review, "key": by.key})
    return (int(found[0]), float(found[1])) if found else None


def _came_later(db: Transaction, review: int, decision: int, endorsement: int) -> bool:
    """Whether a decision was stored after an endorsement, by their order in the log."""
    return bool(db.row(CAME_LATER, {"review": review, "decision": decision, "endorsement": endorsement})[0])


def _withdraw(db: Transaction, review: int, by: Actor, endorsed_at: float, now: float) -> None:
    """Withdraw this person's endorsements of that time whose actions are still undecided."""
    for endorsement, slot in db.rows(ENDORSED_THEN, {"review": review, "key": by.key, "at": endorsed_at}):
        _withdraw_one(db, review, endorsement, slot, by, now, None)


def withdraw_all(db: Transaction, review: int, now: float, note: str) -> None:
    """Withdraw every endorsement of a review within a transaction."""
    for endorsement, slot in db.rows("SELECT id, slot FROM endorsements WHERE review = ? AND withdrawn_at IS NULL", (review,)):
        _withdraw_one(db, review, endorsement, slot, PROGRAM, now, note or None)


def _withdraw_one(db: Transaction, review: int, endorsement: int, slot: int, by: Actor, now: float, note: str | None) -> None:
    db.execute("UPDATE endorsements SET withdrawn_at = :at WHERE id = :endorsement", {"at": now, "endorsement": endorsement})
    audit.note_review(db, now, "withdrawn", by, {"endorsement": endorsement, "slot": slot, "note": note}, review)


END_OF_REVIEW = f"SELECT v.state, v.note, v.decided_at, {PROGRESS} FROM reviews v WHERE v.id = :review"


def _too_late(db: Transaction, review: int) -> Stale:
    if db.row("SELECT 1 FROM attention_checks WHERE review = ? AND caught IS NOT NULL", (review,)):
        return Stale(f"review {review} was an attention check: nothing was going to run, and there is nothing to take back")
    state, note, decided_at, *progress = db.row(END_OF_REVIEW, {"review": review})
    because = {
        ReviewState.DECIDED: "its grace time is over and it is about to be applied",
        ReviewState.SUBMITTED: "it is being applied now",
        ReviewState.APPLIED: "it was applied",
    }.get(state, f"it is {state}" + (f": {note}" if note else ""))
    decided = f"review {review} was {read_progress(progress).told()}{errors.when(decided_at)}, and "
    return Stale((decided if decided_at else f"review {review} cannot be taken back: ") + because, "nothing was changed")


# What every decision does, by a person or by the policy


def record(db: Transaction, given: Given) -> bool:
    """Store one action's decision within a transaction, in place of an earlier one; `conclude` must follow once all of them are stored.

    Returns False, and stores nothing, if the review is not open, the action is another one or needs more approvals, or if a rule or a
    deadline would decide an attention check.
    """
    found = _find(db, given.review)
    call = found.calls.get(given.action.slot)
    if found.state != ReviewState.OPEN or call is None or call.digest != given.action.digest:
        return False
    enough = approvals.is_enough(db, EVERYBODY, call.demands, found.run, given.values)
    if not enough or (found.is_check and not given.by.is_person):
        return False
    _record(db, found, given)
    return True


INSERT = """
INSERT INTO decisions (
    review, slot, agent, tool, kind, args, message, actor, actor_kind, actor_key, digest, effect, at, effective_at, viewed_ms, seen,
    reading_ms, template, identified, signature, repeats
) VALUES (
    :review, :slot, :agent, :tool, :kind, :args, :message, :actor, :actor_kind, :actor_key, :digest, :effect, :at, :effective_at,
    :viewed_ms, :seen, :reading_ms, :template, :identified, :signature,
    (  -- an earlier decision of the same effect on the same call, which may have had it already
        SELECT coalesce(o.repeats, max(o.id)) FROM reviews w
        JOIN decisions o ON o.review = w.id AND o.doubtful AND o.effect = :effect
        JOIN actions b ON b.review = o.review AND b.slot = o.slot
        JOIN actions a ON a.review = :review AND a.slot = :slot
        WHERE w.run = :run AND (b.tool_call = a.tool_call OR (b.review = a.review AND b.slot = a.slot))
    )
)
"""
ACKNOWLEDGE = """
UPDATE escalations SET acknowledged_at = :at, acknowledged_by = :actor, next_at = NULL WHERE review = :review AND acknowledged_at IS NULL
"""


def _record(db: Transaction, found: _LiveReview, given: Given) -> None:
    """Store a decision that may be made, with its audit entry."""
    call = found.calls[given.action.slot]
    _supersede(db, call.decision, given.at)
    values, body = given.sign(db)
    decision = int(db.execute(INSERT, {**values, "run": found.run, "agent": found.agent}).lastrowid or 0)
    audit.note(db, given.at, "decided", given.by, {"decision": decision, **body}, found.run, found.id)
    if not given.by.is_person:
        return
    if not call.demands.is_one_enough:
        db.execute(WITHDRAW_OWN, given.values)
    if found.is_escalated:
        db.execute(ACKNOWLEDGE, given.values)
    if given.answer.kind is not DecisionKind.APPROVE:
        levels.lower_for_decision(db, decision)
        grants.revoke_for_decision(db, decision, given.answer.kind, given.by, given.review)


def _supersede(db: Transaction, decision: int | None, at: float) -> None:
    """End the decision that is in force, if any: its action is decided again."""
    if decision is not None:
        db.execute("UPDATE decisions SET superseded = 1 WHERE id = :decision", {"decision": decision})
        levels.restore(db, decision, at)


def conclude(db: Transaction, review: int) -> None:
    """Decide the whole review once all of its actions are decided; else store how far people have come. Within a transaction."""
    _conclude(db, _find(db, review))


IN_FORCE = """
SELECT kind, args IS NOT NULL, actor, actor_kind, actor_key, at, effective_at FROM decisions
WHERE review = :review AND NOT superseded ORDER BY id
"""
WITH = """
SELECT DISTINCT e.actor FROM endorsements e JOIN decisions d ON d.review = e.review AND d.slot = e.slot
WHERE e.review = :review AND e.withdrawn_at IS NULL AND NOT d.superseded AND d.effect = e.effect AND e.actor_key != :actor_key
ORDER BY e.id
"""
"""The other people whose approval was needed."""
DECIDE = """
UPDATE reviews SET state = 'decided', decided_at = :at, effective_at = :effective_at, decision = :decision, decided_by = :actor,
    decided_by_kind = :actor_kind, decided_with = :others, decided_slots = slots, approvals = '[]'
WHERE id = :review AND state = 'open'
"""


def _conclude(db: Transaction, found: _LiveReview) -> ReviewState:
    """`conclude`; returns the review's state."""
    decided = db.rows(IN_FORCE, {"review": found.id})
    if len(decided) < found.slots:
        _store_progress(db, found.id, len(decided))
        return ReviewState.OPEN
    _, _, actor, actor_kind, actor_key, at, _ = decided[-1]
    others = db.rows(WITH, {"review": found.id, "actor_key": actor_key}) if found.needs_several else []
    values = {
        "review": found.id,
        "at": at,
        "effective_at": max(effective_at for *_, effective_at in decided),  # its calls share the longest grace time
        "decision": _in_a_word([(DecisionKind(kind), bool(has_args)) for kind, has_args, *_ in decided], PauseKind(found.kind)),
        "actor": actor,
        "actor_kind": actor_kind,
        "others": json.dumps([name for (name,) in others]),
    }
    db.execute(DECIDE, values)
    if not found.is_check:
        return ReviewState.DECIDED
    attention_checks.found_by_decision(db, found.id)
    return ReviewState.APPLIED


def _in_a_word(decided: Sequence[tuple[DecisionKind, bool]], kind: PauseKind) -> str:
    """What was decided of all actions: their kinds, and whether arguments came with them."""
    kinds = {said for said, _ in decided}
    if len(kinds) > 1:
        return "decided"
    if kinds == {DecisionKind.REJECT} and (  # for revision
        kind is PauseKind.DRAFT or all(has_args for _, has_args in decided)
    ):
        return "sent back"
    return WORDS[kinds.pop()]


APPROVALS = f"""
SELECT CASE WHEN a.blind AND (
        SELECT count(DISTINCT o.actor_key) FROM endorsements o WHERE o.review = e.review AND o.slot = e.slot AND o.withdrawn_at IS NULL
    ) < 2 THEN 'respond' ELSE min(e.kind) END, max(a.reviewers, count(*) + 1), json_group_array(e.actor) FROM endorsements e
JOIN actions a ON a.review = e.review AND a.slot = e.slot
WHERE e.review = :review AND e.withdrawn_at IS NULL AND {UNDECIDED}
GROUP BY e.slot, e.effect ORDER BY min(e.id)
"""
"""Of the first of two blind answers it is not told what it is."""
STORE_PROGRESS = """
UPDATE reviews SET decision = '', decided_by = '', decided_with = '[]', decided_slots = :decided, approvals = :approvals WHERE id = :review
"""


def _store_progress(db: Transaction, review: int, decided: int) -> None:
    approvals = [(kind, needed, json.loads(people)) for kind, needed, people in db.rows(APPROVALS, {"review": review})]
    db.execute(STORE_PROGRESS, {"review": review, "decided": decided, "approvals": json.dumps(approvals)})


REOPEN = "UPDATE reviews SET state = 'open', decided_at = NULL, effective_at = NULL WHERE id = :review"
COUNT_IN_FORCE = "SELECT count(*) FROM decisions WHERE review = :review AND NOT superseded"


def reopen(db: Transaction, review: int) -> None:
    """Open a decided review again within a transaction, and store how far people have come without what was undone."""
    db.execute(REOPEN, {"review": review})
    (decided,) = db.row(COUNT_IN_FORCE, {"review": review})
    _store_progress(db, review, decided)


# Read


ENDORSEMENTS = """
SELECT slot, kind, args, message, template, actor, at, identified FROM endorsements
WHERE review = :review AND withdrawn_at IS NULL ORDER BY id
"""


async def endorsements(store: Store, review: int) -> list[Endorsement]:
    """The approvals of a review that are not withdrawn, oldest first; also those that led to a decision."""
    found = await store.all(ENDORSEMENTS, {"review": review})
    return [Endorsement(slot, answer_of(*answer), actor, at, how and Identified(how)) for slot, *answer, actor, at, how in found]


async def unsent(store: Store) -> int:
    """How many reviews are decided and not yet sent."""
    return int((await store.one("SELECT count(*) FROM reviews WHERE state = 'decided'"))[0])
