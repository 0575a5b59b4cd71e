"""Decisions of reviews: stored with their audit entry in one transaction, by whoever decides, and undone while there is time.

The life of a review up to here: `open → decided`. What a worker does with decided reviews is in `submissions`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused, Stale
from hitl_tui.model import (
    PROGRAM,
    Action,
    Actor,
    Answer,
    DecisionKind,
    Endorsement,
    PauseKind,
    ReviewState,
    Viewing,
    effect_of,
)
from hitl_tui.store import attention_checks, audit, errors, levels
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import PROGRESS, answer_of, progress_of, read_progress

INSERT = """
INSERT INTO decisions (
    review, slot, agent, tool, kind, args, message, actor, actor_kind, actor_key, digest, effect, at, effective_at, viewed_ms, repeats,
    seen, reading_ms, template
) VALUES (
    :review, :slot, (SELECT agent FROM reviews WHERE id = :review), :tool, :kind, :args, :message, :actor, :actor_kind, :actor_key,
    :digest, :effect, :at, :effective_at, :viewed_ms, :repeats, :seen, :reading_ms, :template
)
"""
OPEN = """
SELECT v.state, v.note, v.decided_at, v.claimed_by, v.claimed_key, v.claimed_until, t.actor, t.actor_key
FROM reviews v LEFT JOIN takeovers t ON t.run = v.run AND t.state IN ('open', 'handed_back', 'submitted')
WHERE v.id = :review
"""
"""Whether a review can be decided: its state, who has claimed it, and who has taken its run over."""
NEEDED = """
SELECT a.reviewers FROM reviews v JOIN actions a ON a.review = v.id
WHERE v.id = :review AND v.state = 'open' AND a.slot = :slot AND a.digest = :digest
"""
SAME_ACT = """
SELECT coalesce(o.repeats, max(o.id)) FROM reviews v
JOIN actions a ON a.review = v.id AND a.slot = :slot
JOIN reviews w ON w.run = v.run
JOIN decisions o ON o.review = w.id AND o.doubtful AND o.effect = :effect
JOIN actions b ON b.review = o.review AND b.slot = o.slot
WHERE v.id = :review AND (b.tool_call = a.tool_call OR (b.review = a.review AND b.slot = a.slot))
"""
"""An earlier decision of the same effect on the same call, which may have had it already."""
ENDORSE = """
INSERT INTO endorsements (
    review, slot, kind, args, message, actor, actor_key, digest, effect, at, viewed_ms, seen, reading_ms, template
) VALUES (
    :review, :slot, :kind, :args, :message, :actor, :actor_key, :digest, :effect, :at, :viewed_ms, :seen, :reading_ms, :template
)
"""
UNDECIDED = "NOT EXISTS (SELECT 1 FROM decisions d WHERE d.review = e.review AND d.slot = e.slot AND NOT d.superseded)"
APPROVALS = f"""
SELECT min(e.kind), a.reviewers, json_group_array(e.actor) FROM endorsements e
JOIN actions a ON a.review = e.review AND a.slot = e.slot
WHERE e.review = :review AND e.withdrawn_at IS NULL AND {UNDECIDED}
GROUP BY e.slot, e.effect ORDER BY min(e.id)
"""
WITH = """
SELECT DISTINCT e.actor FROM endorsements e JOIN decisions d ON d.review = e.review AND d.slot = e.slot
WHERE e.review = :review AND e.withdrawn_at IS NULL AND NOT d.superseded AND d.effect = e.effect AND e.actor_key != :actor_key
ORDER BY e.id
"""
REVIEW = "SELECT kind, slots, EXISTS (SELECT 1 FROM attention_checks t WHERE t.review = v.id) FROM reviews v WHERE v.id = ?"
WORDS = {DecisionKind.APPROVE: "approved", DecisionKind.EDIT: "edited", DecisionKind.REJECT: "rejected", DecisionKind.RESPOND: "answered"}


NOT_MEASURED = Viewing()


@dataclass(frozen=True, slots=True)
class Given:
    """One action's answer on its way into the tables."""

    review: int
    action: Action
    """As whoever decides knew it."""
    answer: Answer
    by: Actor
    at: float
    effective_at: float
    viewing: Viewing = NOT_MEASURED
    together: int = 1
    """Calls that were decided by the same key."""

    @property
    def effect(self) -> str:
        """Digest of what it makes happen."""
        return effect_of(self.action, self.answer)

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
            "digest": self.action.digest,
            "effect": self.effect,
            "at": self.at,
            "effective_at": self.effective_at,
            "viewed_ms": self.viewing.viewed_ms,
            "seen": self.viewing.seen,
            "reading_ms": self.viewing.reading_ms,
            "template": None if self.answer.template is None else canonical_json.dumps(self.answer.template),
            "together": self.together,
        }


@dataclass(frozen=True, slots=True)
class ReviewAnswers:
    """What a person answers of one review, and what they saw."""

    review: int
    answers: Mapping[int, Answer]
    """By slot."""
    shown: Mapping[int, Action]
    grace_s: float
    """Seconds in which it can be undone; all its calls share them."""
    viewings: Mapping[int, Viewing]
    """How each call was viewed, by slot."""


# What a reviewer does


async def decide(
    store: Store,
    review: int,
    answers: Mapping[int, Answer],
    shown: Mapping[int, Action],
    actor: str,
    grace_s: float,
    viewing: Viewing = NOT_MEASURED,
) -> ReviewState:
    """Store a person's answers by slot, all or none; the last one missing decides the whole review. `shown` is what the person saw.

    Where an action needs several people, the first of them endorse it, and the last one's approval is the decision.

    Returns:
        The review's state at the end of the transaction: later, a worker may have submitted it.

    Raises:
        Refused: somebody else has claimed it, or this person has said the same already where several people are needed.
        Stale: it is no longer open, an action is not the one that was shown, or its run is taken over.
    """
    async with store.transaction() as db:
        _decide(db, ReviewAnswers(review, answers, shown, grace_s, dict.fromkeys(answers, viewing)), Actor(actor), time.time())
        (state,) = db.row("SELECT state FROM reviews WHERE id = ?", (review,))
    return ReviewState(state)


async def decide_many(store: Store, chosen: Sequence[ReviewAnswers], actor: str) -> dict[int, Refused]:
    """Store a person's answers to several reviews in one transaction; each call has its own decision and audit entry.

    Returns the error of each review that could not be decided, which `decide` would have raised; the others are decided.
    """
    now, by, refused = time.time(), Actor(actor), dict[int, Refused]()
    together = sum(len(one.answers) for one in chosen)
    async with store.transaction() as db:
        for one in chosen:
            try:
                _decide(db, one, by, now, together)
            except Refused as error:  # before anything of this review is written
                refused[one.review] = error
    return refused


def _decide(db: Transaction, chosen: ReviewAnswers, by: Actor, now: float, together: int = 1) -> None:
    """`decide` within a transaction; nothing is written where it raises. `together`: calls decided by the same key."""
    review, shown, until = chosen.review, chosen.shown, now + chosen.grace_s
    reviewers = _must_be_decidable(db, review, {slot: shown[slot].digest for slot in chosen.answers}, by, now)
    given = {
        slot: Given(review, shown[slot], answer, by, now, until, chosen.viewings[slot], together) for slot, answer in chosen.answers.items()
    }
    deciding = [one for slot, one in given.items() if _is_enough(db, one, reviewers[slot])]
    endorsing = [one for one in given.values() if one not in deciding and not _has_said(db, one)]
    if not deciding and not endorsing:
        told = progress_of(db, review).told()
        raise Refused(f"you said so of review {review} already: it has {told}", "another person must approve the same")
    for one in endorsing:
        _endorse(db, one)
    for one in deciding:
        record(db, one)
    conclude(db, review)


def _must_be_decidable(db: Transaction, review: int, digests: Mapping[int, str], by: Actor, now: float) -> dict[int, int]:
    """How many people each action needs, by slot.

    Raises:
        Refused: there is no such review, or somebody else has claimed it.
        Stale: it is no longer open, an action is not the one with this digest, or its run is taken over, by whomever.
    """
    found = db.row(OPEN, {"review": review})
    if found is None:
        raise errors.unknown(review)
    state, note, decided_at, claimant, claimed_key, until, holder, holder_key = found
    if state != ReviewState.OPEN:
        raise errors.closed(review, state, note, progress_of(db, review).told(), decided_at)
    rows = db.rows("SELECT slot, digest, reviewers FROM actions WHERE review = ?", (review,))
    live = {slot: (digest, needed) for slot, digest, needed in rows}
    changed = [slot for slot, digest in digests.items() if slot not in live or live[slot][0] != digest]
    if changed:
        raise Stale(f"action {changed} of review {review} is not the one that was shown", "look at it again")
    if holder:
        raise errors.taken_over(review, holder, holder_key == by.key)
    if claimant and until > now and claimed_key != by.key:
        raise errors.claimed(review, claimant, until)
    return {slot: needed for slot, (_, needed) in live.items()}


def _is_enough(db: Transaction, given: Given, needed: int) -> bool:
    """Whether this answer decides its action: one person may refuse it, and the last of those it needs may approve it."""
    if needed < 2 or given.answer.kind is DecisionKind.REJECT:
        return True
    if not given.by.is_person:
        return False
    (others,) = db.row(
        "SELECT count(*) FROM endorsements WHERE review = :review AND slot = :slot AND withdrawn_at IS NULL AND digest = :digest "
        "AND effect = :effect AND actor_key != :actor_key",
        given.values(),
    )
    return bool(others >= needed - 1)


def _has_said(db: Transaction, given: Given) -> bool:
    """Whether this person's endorsement of the same stands already."""
    return bool(
        db.row(
            "SELECT 1 FROM endorsements WHERE review = :review AND slot = :slot AND withdrawn_at IS NULL AND digest = :digest "
            "AND effect = :effect AND actor_key = :actor_key",
            given.values(),
        )
    )


def _endorse(db: Transaction, given: Given) -> None:
    """Store one of several approvals that an action needs, in place of this person's earlier one; their claim ends with it."""
    values = given.values()
    _supersede_slot(db, given)
    _replace_endorsement(db, given)
    number = db.execute(ENDORSE, values).lastrowid
    audit.note_review(db, given.at, "endorsed", given.by, {"endorsement": number, **_body(values)}, given.review)
    release_claim(db, given.review, given.by, given.at, "another person must approve the same")


def _replace_endorsement(db: Transaction, given: Given) -> None:
    db.execute(
        "UPDATE endorsements SET withdrawn_at = :at WHERE review = :review AND slot = :slot AND actor_key = :actor_key "
        "AND withdrawn_at IS NULL",
        given.values(),
    )


def release_claim(db: Transaction, review: int, by: Actor, at: float, reason: str) -> None:
    """Give back this actor's claim within a transaction, if there is one; the audit says why."""
    found = db.row("SELECT claimed_until FROM reviews WHERE id = ? AND claimed_key = ?", (review, by.key))
    if found is None:
        return
    db.execute("UPDATE reviews SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL WHERE id = ?", (review,))
    if found[0] > at:
        audit.note_review(db, at, "released", by, {"reason": reason}, review)


async def undo(store: Store, review: int, actor: str) -> None:
    """Take back what this person said last of the review: while its grace time runs, or as long as it leaves actions undecided.

    Raises:
        Refused: there is nothing of theirs to take back.
        Stale: it is too late.
    """
    async with store.transaction() as db:
        _undo(db, review, Actor(actor), time.time())


async def undo_many(store: Store, reviews: Sequence[int], actor: str) -> dict[int, Refused]:
    """`undo` of several reviews in one transaction; the error of each that could not be taken back, the others are."""
    now, by, refused = time.time(), Actor(actor), dict[int, Refused]()
    async with store.transaction() as db:
        for review in reviews:
            try:
                _undo(db, review, by, now)
            except Refused as error:  # before anything of this review is written
                refused[review] = error
    return refused


def _undo(db: Transaction, review: int, by: Actor, now: float) -> None:
    """`undo` within a transaction; nothing is written where it raises."""
    found = db.row("SELECT state, effective_at FROM reviews WHERE id = ?", (review,))
    if found is None:
        raise errors.unknown(review)
    state, effective_at = found
    if state not in (ReviewState.OPEN, ReviewState.DECIDED) or (state == ReviewState.DECIDED and effective_at <= now):
        raise _too_late(db, review)
    mine, whose = _last_decided(db, review, by)
    endorsed_at = _last_endorsed(db, review, by) if state == ReviewState.OPEN else None
    if not mine and endorsed_at is None:
        raise Refused(f"review {review} has nothing of yours to take back: {whose}", "nothing was changed")
    if endorsed_at is not None and not (mine and mine[0][1] > endorsed_at):
        _withdraw(db, review, by, endorsed_at, now)
        mine = [(id_, at) for id_, at in mine if at == endorsed_at]
    for id_, _ in mine:
        db.execute("UPDATE decisions SET superseded = 1, undone_at = ? WHERE id = ?", (now, id_))
        audit.note_review(db, now, "undone", by, {"decision": id_}, review)
        levels.restore(db, id_, now)
    reopen(db, review)


def _last_decided(db: Transaction, review: int, by: Actor) -> tuple[list[tuple[int, float]], str]:
    """The last decisions, with their times, when they are this person's; and whose they are, as a clause."""
    last = db.rows(
        "SELECT id, at, actor, actor_key FROM decisions WHERE review = :review AND NOT superseded AND at = "
        "(SELECT max(at) FROM decisions WHERE review = :review AND NOT superseded)",
        {"review": review},
    )
    if not last:
        return [], "nothing is decided"
    return [(id_, at) for id_, at, _, key in last if key == by.key], f"the last decision is {last[0][2]}'s"


def _last_endorsed(db: Transaction, review: int, by: Actor) -> float | None:
    """When this person last endorsed an action that is undecided still, as Unix time."""
    (at,) = db.row(
        f"SELECT max(e.at) FROM endorsements e WHERE e.review = ? AND e.actor_key = ? AND e.withdrawn_at IS NULL AND {UNDECIDED}",
        (review, by.key),
    )
    return None if at is None else float(at)


def _withdraw(db: Transaction, review: int, by: Actor, said_at: float, now: float) -> None:
    """Withdraw what this person endorsed at that time and is undecided still."""
    found = db.rows(
        "SELECT e.id, e.slot FROM endorsements e WHERE e.review = ? AND e.withdrawn_at IS NULL AND e.actor_key = ? AND e.at = ? "
        f"AND {UNDECIDED}",
        (review, by.key, said_at),
    )
    for id_, slot in found:
        _withdraw_one(db, review, id_, slot, by, now, None)


def withdraw_all(db: Transaction, review: int, now: float, note: str) -> None:
    """Withdraw every endorsement of a review within a transaction, whoever made it."""
    for id_, slot in db.rows("SELECT id, slot FROM endorsements WHERE review = ? AND withdrawn_at IS NULL", (review,)):
        _withdraw_one(db, review, id_, slot, PROGRAM, now, note or None)


def _withdraw_one(db: Transaction, review: int, endorsement: int, slot: int, by: Actor, now: float, note: str | None) -> None:
    db.execute("UPDATE endorsements SET withdrawn_at = ? WHERE id = ?", (now, endorsement))
    audit.note_review(db, now, "withdrawn", by, {"endorsement": endorsement, "slot": slot, "note": note}, review)


def _too_late(db: Transaction, review: int) -> Stale:
    if db.row("SELECT 1 FROM attention_checks WHERE review = ? AND caught IS NOT NULL", (review,)):
        return Stale(f"review {review} was an attention check: nothing was going to run, and there is nothing to take back")
    state, note, decided_at, *progress = db.row(
        f"SELECT v.state, v.note, v.decided_at, {PROGRESS} FROM reviews v WHERE v.id = ?", (review,)
    )
    because = {
        ReviewState.DECIDED: "its grace time is over and it is about to be applied",
        ReviewState.SUBMITTED: "it is being applied now",
        ReviewState.APPLIED: "it was applied",
    }.get(state, f"it is {state}" + (f": {note}" if note else ""))
    decided = f"review {review} was {read_progress(progress).told()}{errors.when(decided_at)}, and "
    return Stale((decided if decided_at else f"review {review} cannot be taken back: ") + because, "nothing was changed")


# What every decision means, whoever makes it


def record(db: Transaction, given: Given) -> bool:
    """Store one action's decision within a transaction, in place of an earlier one; `conclude` must follow once all of them are stored.

    False, and nothing is stored, where the review is not open or the action another one, where more people must approve it first, and
    where a rule or a deadline would decide an attention check.
    """
    needed = db.row(NEEDED, given.values())
    if needed is None or not _is_enough(db, given, needed[0]):
        return False
    if not given.by.is_person and attention_checks.is_check(db, given.review):
        return False
    _supersede_slot(db, given)
    values = given.values()
    (repeats,) = db.row(SAME_ACT, values)
    decision = int(db.execute(INSERT, {**values, "repeats": repeats}).lastrowid or 0)
    audit.note_review(db, given.at, "decided", given.by, {"decision": decision, **_body(values)}, given.review)
    if given.by.is_person:
        _replace_endorsement(db, given)
        db.execute(
            "UPDATE escalations SET acknowledged_at = :at, acknowledged_by = :actor, next_at = NULL "
            "WHERE review = :review AND acknowledged_at IS NULL",
            values,
        )
        if given.answer.kind is not DecisionKind.APPROVE:
            levels.lower_for_decision(db, decision)
    return True


def _body(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit says of a decision or an endorsement."""
    told = {name: values[name] for name in ("slot", "kind", "digest", "args", "message", "viewed_ms")}
    told |= {name: values[name] for name in ("seen", "reading_ms", "template") if values[name] is not None}
    return {**told, "together": values["together"]} if values["together"] > 1 else told


def _supersede_slot(db: Transaction, given: Given) -> None:
    """An action of an open review is decided again: the earlier decision counts no more."""
    for (id_,) in db.rows("SELECT id FROM decisions WHERE review = :review AND slot = :slot AND NOT superseded", given.values()):
        db.execute("UPDATE decisions SET superseded = 1 WHERE id = ?", (id_,))
        levels.restore(db, id_, given.at)


def conclude(db: Transaction, review: int) -> None:
    """Decide the whole review once all of its actions are decided; else store how far people have come. Within a transaction."""
    decided = db.rows(
        "SELECT kind, args IS NOT NULL, actor, actor_kind, actor_key, at, effective_at FROM decisions "
        "WHERE review = ? AND NOT superseded ORDER BY id",
        (review,),
    )
    kind, slots, is_check = db.row(REVIEW, (review,))
    if len(decided) < slots:
        _store_progress(db, review, len(decided))
        return
    *_, actor, actor_kind, actor_key, at, _ = decided[-1]
    others = [name for (name,) in db.rows(WITH, {"review": review, "actor_key": actor_key})]
    db.execute(
        "UPDATE reviews SET state = 'decided', decided_at = :at, effective_at = :effective_at, decision = :decision, decided_by = :actor, "
        "decided_by_kind = :actor_kind, decided_with = :others, decided_slots = slots, approvals = '[]' "
        "WHERE id = :review AND state = 'open'",
        {
            "review": review,
            "at": at,
            "effective_at": max(one[-1] for one in decided),  # its calls share the longest grace time
            "decision": _in_a_word([(DecisionKind(said), bool(has_args)) for said, has_args, *_ in decided], PauseKind(kind)),
            "actor": actor,
            "actor_kind": actor_kind,
            "others": json.dumps(others),
        },
    )
    if is_check:
        attention_checks.found_by_decision(db, review)


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


def _store_progress(db: Transaction, review: int, decided: int) -> None:
    approvals = [(kind, needed, json.loads(people)) for kind, needed, people in db.rows(APPROVALS, {"review": review})]
    db.execute(
        "UPDATE reviews SET decision = '', decided_by = '', decided_with = '[]', decided_slots = ?, approvals = ? WHERE id = ?",
        (decided, json.dumps(approvals), review),
    )


def reopen(db: Transaction, review: int) -> None:
    """Open a decided review again within a transaction; what stands of its decisions and endorsements is how far people have come."""
    db.execute("UPDATE reviews SET state = 'open', decided_at = NULL, effective_at = NULL WHERE id = ?", (review,))
    (decided,) = db.row("SELECT count(*) FROM decisions WHERE review = ? AND NOT superseded", (review,))
    _store_progress(db, review, decided)


# Read


async def endorsements(store: Store, review: int) -> list[Endorsement]:
    """The approvals of a review that stand, oldest first; also those that a decision has come of."""
    found = await store.all(
        "SELECT slot, kind, args, message, template, actor, at FROM endorsements WHERE review = ? AND withdrawn_at IS NULL ORDER BY id",
        (review,),
    )
    return [Endorsement(slot, answer_of(*answer), actor, at) for slot, *answer, actor, at in found]


async def unsent(store: Store) -> int:
    """How many reviews are decided and not yet sent."""
    return int((await store.one("SELECT count(*) FROM reviews WHERE state = 'decided'"))[0])
