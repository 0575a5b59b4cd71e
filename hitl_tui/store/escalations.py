"""Escalations of reviews to a person or a group, the chain that an unclaimed one follows, and deadlines of reviews."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hitl_tui import canonical_json
from hitl_tui.answer_templates import filled_in, with_templates
from hitl_tui.errors import Refused
from hitl_tui.formatting import long_duration
from hitl_tui.model import UNTIL_HANDED_BACK, Action, Actor, ActorKind, Answer, DecisionKind, Escalation, PauseKind
from hitl_tui.policy.escalation import first_step, next_step
from hitl_tui.store import attention_checks, audit, decisions
from hitl_tui.store.claims import require_unclaimed
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.notifications import add as add_notices
from hitl_tui.store.reviews import undecided_actions
from hitl_tui.store.run_states import LIVE_TAKEOVER

if TYPE_CHECKING:
    from hitl_tui.policy.schema import ChainStep, Policy

SELECT = """
SELECT id, review, run, at, recipient, actor, why, note, step, next_at, acknowledged_at, acknowledged_by, actor_kind FROM escalations
"""
INSERT = """
INSERT INTO escalations (review, run, at, recipient, actor, actor_kind, why, note, step)
SELECT id, run, :at, :to, :actor, :actor_kind, :why, :note, :step FROM reviews WHERE id = :review
"""
SHOW_RECIPIENT = "UPDATE reviews SET escalated = :to WHERE id = :review"
END_CHAIN = "UPDATE escalations SET next_at = NULL WHERE review = ? AND next_at IS NOT NULL"
ANYBODY = "anybody"
CHAIN = Actor("policy:escalation", ActorKind.POLICY)
"""The actor of an escalation that follows because nobody claimed the one before."""


# What people do


async def escalate(store: Store, review: int, to: str, actor: str, note: str, now: float) -> None:
    """Escalate an open review to a person or group, or to anybody if `to` is empty, and release the actor's own claim.

    Raises:
        Refused: there is no such review, or somebody else has claimed it.
        Stale: it is not open.
    """
    async with store.transaction() as db:
        require_unclaimed(db, review, actor, now)
        if attention_checks.caught(db, actor, f"escalated to {to or ANYBODY}", review=review):
            return
        decisions.release_claim(db, review, Actor(actor), now, "escalated to somebody else")
        add(db, review, to, Actor(actor), f"{actor} escalated it", now, note)


async def of_review(store: Store, review: int) -> list[Escalation]:
    """Every escalation of a review, oldest first."""
    return [_read(row) for row in await store.all(f"{SELECT} WHERE review = ? ORDER BY id", (review,))]


async def get(store: Store, escalation: int) -> Escalation:
    """One escalation, which exists."""
    return _read(await store.one(f"{SELECT} WHERE id = ?", (escalation,)))


def _read(row: Any) -> Escalation:
    found = Escalation(*row)
    return replace(found, actor_kind=ActorKind(found.actor_kind))


def add(db: Transaction, review: int, to: str, by: Actor, why: str, at: float, note: str = "", step: int | None = None) -> None:
    """Escalate a review within a transaction. This ends the chain of an earlier escalation."""
    plain = canonical_json.storable
    to, actor = plain(to), plain(by.name)
    body = {"to": to, "why": plain(why), "note": plain(note), "step": step}
    db.execute(END_CHAIN, (review,))
    db.execute(INSERT, {**body, "review": review, "at": at, "actor": actor, "actor_kind": by.kind})
    audit.note_review(db, at, "escalated", Actor(actor, by.kind), body, review)
    db.execute(SHOW_RECIPIENT, {"to": to or ANYBODY, "review": review})


# What the worker does

NEW = """
SELECT e.id FROM escalations e INDEXED BY escalations_new JOIN runs r ON r.id = e.run
WHERE NOT e.taken_up AND r.project = ? ORDER BY e.id
"""
UNCLAIMED = """
FROM escalations e INDEXED BY escalations_next JOIN runs r ON r.id = e.run JOIN reviews v ON v.id = e.review
WHERE e.acknowledged_at IS NULL AND e.next_at IS NOT NULL AND r.project = :project AND v.state = 'open'
"""
TAKE_UP = """
UPDATE escalations SET taken_up = 1 WHERE id = ? AND NOT taken_up RETURNING review, recipient, step, acknowledged_at, actor_kind
"""
NEWER = "SELECT 1 FROM escalations WHERE review = :review AND id > :id LIMIT 1"
SET_NOTE = "UPDATE escalations SET note = :note WHERE id = :id"
SET_STEP = "UPDATE escalations SET recipient = :to, step = :step WHERE id = :id"
SET_NEXT = "UPDATE escalations SET next_at = :at WHERE id = :id"
LEAVE_STEP = """
UPDATE escalations SET next_at = NULL
WHERE id = :id AND next_at <= :now AND acknowledged_at IS NULL AND review IN (SELECT id FROM reviews WHERE state = 'open')
RETURNING review, step
"""
CLAIMANT = "SELECT claimed_by FROM reviews WHERE id = :review AND claimed_until > :now"
ACKNOWLEDGE = "UPDATE escalations SET acknowledged_at = :now, acknowledged_by = :actor WHERE id = :id"


def new(store: Store, project: int) -> list[int]:
    """Ids of the escalations of this project's runs that no worker has taken up. Reads at once."""
    return [int(id_) for (id_,) in store.read_now(NEW, (project,))]


def unclaimed(store: Store, project: int, now: float) -> list[int]:
    """Ids of the escalations of this project's runs that nobody has claimed in time. Reads at once."""
    due = f"SELECT e.id {UNCLAIMED} AND e.next_at <= :now ORDER BY e.next_at"
    return [int(id_) for (id_,) in store.read_now(due, {"project": project, "now": now})]


def next_due(store: Store, project: int, now: float) -> float | None:
    """When the time to claim the next one ends, as Unix time. Reads at once."""
    later = f"SELECT e.next_at {UNCLAIMED} AND e.next_at > :now ORDER BY e.next_at LIMIT 1"
    return next((float(at) for (at,) in store.read_now(later, {"project": project, "now": now})), None)


async def take_up(
    store: Store,
    escalation: int,
    chain: Sequence[ChainStep],
    channels: Sequence[str],
    due_at: float,
    now: float,
    knows: Callable[[str], bool] = lambda _: True,
) -> bool:
    """Start the chain of a new escalation, and notify people by these channels from that Unix time on. False if another worker has.

    `knows` tells whether a name is a known person or group. If an agent asks for an unknown one, the escalation goes to the start of
    the chain.
    """
    async with store.transaction() as db:
        found = db.row(TAKE_UP, (escalation,))
        if found is None:
            return False
        review, to, step, acknowledged_at, actor_kind = found
        if not db.row("SELECT 1 FROM reviews WHERE id = ? AND state = 'open'", (review,)):
            return True
        add_notices(db, escalation, channels, due_at)
        if acknowledged_at is None and not db.row(NEWER, {"review": review, "id": escalation}):
            if to and actor_kind == ActorKind.AGENT and not knows(to):
                note = f"it asked for {to!r}, and there is no such group, nor is anybody of that name in one"
                db.execute(SET_NOTE, {"note": note, "id": escalation})
                to = ""
            _put_to_chain(db, escalation, review, to, step, chain, now)
        return True


def _put_to_chain(db: Transaction, escalation: int, review: int, to: str, step: int | None, chain: Sequence[ChainStep], now: float) -> None:
    if step is None:
        at, why, was = db.row("SELECT at, why, recipient FROM escalations WHERE id = ?", (escalation,))
        to, step = first_step(chain, to)
        db.execute(SET_STEP, {"to": to, "step": step, "id": escalation})
        if to != was:
            audit.note_review(db, at, "escalated", CHAIN, {"to": to, "why": why, "note": "", "step": step}, review)
        db.execute(f"{SHOW_RECIPIENT} AND escalated != :to", {"to": to or ANYBODY, "review": review})
    if (later := next_step(chain, step)) is not None:
        _, after_s = later
        db.execute(SET_NEXT, {"at": now + after_s, "id": escalation})


async def advance(store: Store, escalation: int, chain: Sequence[ChainStep], now: float) -> bool:
    """Escalate what nobody claimed in time to the next step of the chain.

    False if nothing was done: another worker was first, somebody has claimed the review, or the chain has no further step.
    """
    async with store.transaction() as db:
        found = db.row(LEAVE_STEP, {"id": escalation, "now": now})
        if found is None:
            return False
        review, step = found
        claimed = db.row(CLAIMANT, {"review": review, "now": now})
        if claimed:  # since before it was escalated
            db.execute(ACKNOWLEDGE, {"now": now, "actor": claimed[0], "id": escalation})
            return False
        later = next_step(chain, step)
        if later is None:
            return False
        number, after_s = later
        why = f"nobody claimed it within {long_duration(after_s)}" if after_s else "so the policy's chain says"
        add(db, review, chain[number].to, CHAIN, why, now, step=number)
        return True


# Deadlines: what is not decided in time is escalated or rejected, never approved

TIMED = f"""
FROM reviews v INDEXED BY reviews_deadline JOIN runs r ON r.id = v.run
WHERE v.state = 'open' AND v.deadline_at IS NOT NULL AND coalesce(v.claimed_until, 0) < {UNTIL_HANDED_BACK} AND r.project = :project
"""
"""Reviews with a deadline, which does not apply while the run is taken over."""
OVERDUE = """
SELECT deadline_at - opened_at, deadline_then, deadline_rule, recipient, note, kind, agent FROM reviews
WHERE id = :review AND state = 'open' AND deadline_at <= :now AND coalesce(claimed_until, 0) < :until
"""
TAKEN_OVER_BY = f"""
SELECT t.actor FROM takeovers t JOIN reviews v ON v.run = t.run WHERE v.id = ? AND t.state IN {LIVE_TAKEOVER}
"""


def overdue(store: Store, project: int, now: float) -> list[int]:
    """Open reviews of this project's runs whose deadline has passed; at most 100. Reads at once."""
    due = f"SELECT v.id {TIMED} AND v.deadline_at <= :now ORDER BY v.deadline_at LIMIT 100"
    return [int(review) for (review,) in store.read_now(due, {"project": project, "now": now})]


def next_deadline(store: Store, project: int, now: float) -> float | None:
    """The next deadline, as Unix time. Reads at once."""
    later = f"SELECT v.deadline_at {TIMED} AND v.deadline_at > :now ORDER BY v.deadline_at LIMIT 1"
    return next((float(at) for (at,) in store.read_now(later, {"project": project, "now": now})), None)


async def enforce_deadline(store: Store, review: int, now: float, policy: Policy) -> bool:
    """Escalate or reject a review that nobody decided in time, as the policy says.

    A question is rejected only with what its answer template or the question itself gives for that.

    False if nothing was done: it was decided first, or another worker enforced its deadline.
    """
    async with store.transaction() as db:
        found = db.row(OVERDUE, {"review": review, "now": now, "until": UNTIL_HANDED_BACK})
        if found is None:
            return False
        length_s, then, rule, to, note, kind, agent = found
        db.execute("UPDATE reviews SET deadline_at = NULL WHERE id = ?", (review,))
        why = f"nobody decided it within {long_duration(round(length_s, 3))}"
        if attention_checks.expire(db, review, why):
            return True
        by, reason = Actor(f"timeout:{rule}", ActorKind.TIMEOUT), f"{why} (rule {rule!r})"
        if then == "reject":
            try:
                rejections = _rejections(db, review, PauseKind(kind), agent, note, Answer(DecisionKind.REJECT, message=reason), by, policy)
            except Refused as error:
                why = f"{why}; it is not rejected, for {error.happened}"
            else:
                for action, answer in rejections:
                    decisions.record(db, decisions.Given(review, action, answer, by, now, now))
                decisions.conclude(db, review)
                return True
        add(db, review, to, by, why, now)
        return True


def _rejections(
    db: Transaction, review: int, kind: PauseKind, agent: str, note: str, said: Answer, by: Actor, policy: Policy
) -> list[tuple[Action, Answer]]:
    """The undecided actions of a review with their rejections.

    Raises:
        Refused: it cannot be rejected without a person.
    """
    if obstacle := _obstacle_to_rejecting(db, review, note, kind):
        raise Refused(obstacle)
    undecided = [with_templates(action, kind, agent, policy) for action in undecided_actions(db, review)]
    stubborn = [action.name for action in undecided if DecisionKind.REJECT not in (*action.allowed, *action.templates)]
    if stubborn:
        raise Refused(f"the graph takes no rejection of {canonical_json.one_line(stubborn[0], 40)}")
    return [(action, filled_in(action, said, by.name)) for action in undecided]


def _obstacle_to_rejecting(db: Transaction, review: int, note: str, kind: PauseKind) -> str:
    """Why a review cannot be rejected without a person, as a clause; empty if it can."""
    if note:
        return f"it has a warning: {note}"
    if taken := db.row(TAKEN_OVER_BY, (review,)):
        return f"{taken[0]} has taken the run over"
    return "the agent would only write another draft" if kind is PauseKind.DRAFT else ""
