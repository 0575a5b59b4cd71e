"""Escalations: a review put before somebody in particular, and the chain it goes along while nobody claims it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hitl_tui import canonical_json
from hitl_tui.formatting import long_duration
from hitl_tui.model import UNTIL_HANDED_BACK, Actor, ActorKind, Answer, DecisionKind, Escalation, PauseKind
from hitl_tui.policy.escalation import first_step, next_step
from hitl_tui.store import attention_checks, audit, decisions
from hitl_tui.store.claims import keep_off
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.notifications import add as add_notices
from hitl_tui.store.reviews import undecided_actions

if TYPE_CHECKING:
    from hitl_tui.policy.schema import ChainStep

ROW = "id, review, run, at, recipient, actor, why, note, step, next_at, acknowledged_at, acknowledged_by, actor_kind"
ANYBODY = "anybody"
CHAIN = Actor("policy:escalation", ActorKind.POLICY)
"""Who escalates when nobody claimed something."""


# What people do


async def escalate(store: Store, review: int, to: str, actor: str, note: str, now: float) -> None:
    """Put an open review before somebody, or with an empty `to` before anybody, and give back the claim that the one who does so has.

    Raises:
        Refused: there is no such review, or somebody else has it.
        Stale: it is not open.
    """
    async with store.transaction() as db:
        keep_off(db, review, actor, now)
        if attention_checks.caught(db, actor, f"escalated to {to or ANYBODY}", review=review):
            return
        decisions.release_claim(db, review, Actor(actor), now, "escalated to somebody else")
        add(db, review, to, Actor(actor), f"{actor} escalated it", now, note)


async def of_review(store: Store, review: int) -> list[Escalation]:
    """Every escalation of a review, oldest first."""
    return [read_escalation(row) for row in await store.all(f"SELECT {ROW} FROM escalations WHERE review = ? ORDER BY id", (review,))]


def read_escalation(row: Any) -> Escalation:
    """The escalation of a row of `ROW`."""
    found = Escalation(*row)
    return replace(found, actor_kind=ActorKind(found.actor_kind))


def add(db: Transaction, review: int, to: str, by: Actor, why: str, at: float, note: str = "", step: int | None = None) -> None:
    """Escalate a review within a transaction; the chain of an earlier escalation ends with it."""
    plain = canonical_json.storable
    to = plain(to)
    db.execute("UPDATE escalations SET next_at = NULL WHERE review = ? AND next_at IS NOT NULL", (review,))
    actor, why, note = plain(by.name), plain(why), plain(note)
    db.execute(
        "INSERT INTO escalations (review, run, at, recipient, actor, actor_kind, why, note, step) "
        "SELECT id, run, ?, ?, ?, ?, ?, ?, ? FROM reviews WHERE id = ?",
        (at, to, actor, by.kind, why, note, step, review),
    )
    audit.note_review(db, at, "escalated", Actor(actor, by.kind), {"to": to, "why": why, "note": note, "step": step}, review)
    db.execute("UPDATE reviews SET escalated = ? WHERE id = ?", (to or ANYBODY, review))


# What the worker does

NEW = "escalations e INDEXED BY escalations_new JOIN runs r ON r.id = e.run WHERE NOT e.taken_up AND r.project = ?"
WAITING = (  # of those that nobody claimed, and whose review still asks
    "escalations e INDEXED BY escalations_next JOIN runs r ON r.id = e.run JOIN reviews v ON v.id = e.review "
    "WHERE e.acknowledged_at IS NULL AND e.next_at IS NOT NULL AND r.project = ? AND v.state = 'open'"
)


def new(store: Store, project: int) -> list[int]:
    """Escalations of this project's runs that no worker has taken up."""
    return [int(row[0]) for row in store.read_now(f"SELECT e.id FROM {NEW} ORDER BY e.id", (project,))]


def unclaimed(store: Store, project: int, now: float) -> list[int]:
    """Escalations of this project's runs that nobody has claimed in time."""
    return [int(row[0]) for row in store.read_now(f"SELECT e.id FROM {WAITING} AND e.next_at <= ? ORDER BY e.next_at", (project, now))]


def next_due(store: Store, project: int, now: float) -> float | None:
    """When the next one's time is over, as Unix time."""
    found = store.read_now(f"SELECT e.next_at FROM {WAITING} AND e.next_at > ? ORDER BY e.next_at LIMIT 1", (project, now))
    return float(found[0][0]) if found else None


async def take_up(
    store: Store,
    escalation: int,
    chain: Sequence[ChainStep],
    channels: Sequence[str],
    due_at: float,
    now: float,
    knows: Callable[[str], bool] = lambda _: True,
) -> bool:
    """Put a new escalation to the chain, and have people told of it by these channels from that Unix time on; once, whoever else does
    the same. `knows` says whether a name can mean anybody: what an agent asks for by another goes where the chain begins.

    False when somebody else has.
    """
    async with store.transaction() as db:
        found = db.rows(
            "UPDATE escalations SET taken_up = 1 WHERE id = ? AND NOT taken_up "
            "RETURNING review, recipient, step, acknowledged_at, actor_kind",
            (escalation,),
        )
        if not found:
            return False
        review, to, step, acknowledged_at, actor_kind = found[0]
        if not db.rows("SELECT 1 FROM reviews WHERE id = ? AND state = 'open'", (review,)):
            return True
        add_notices(db, escalation, channels, due_at)
        newer = db.rows("SELECT 1 FROM escalations WHERE review = ? AND id > ? LIMIT 1", (review, escalation))
        if not newer and acknowledged_at is None:
            if to and actor_kind == ActorKind.AGENT and not knows(to):
                note = f"it asked for {to!r}, and there is no such group, nor is anybody of that name in one"
                db.execute("UPDATE escalations SET note = ? WHERE id = ?", (note, escalation))
                to = ""
            _put_to_chain(db, escalation, review, to, step, chain, now)
        return True


def _put_to_chain(db: Transaction, escalation: int, review: int, to: str, step: int | None, chain: Sequence[ChainStep], now: float) -> None:
    if step is None:
        at, why, was = db.row("SELECT at, why, recipient FROM escalations WHERE id = ?", (escalation,))
        to, step = first_step(chain, to)
        db.execute("UPDATE escalations SET recipient = ?, step = ? WHERE id = ?", (to, step, escalation))
        if to != was:
            audit.note_review(db, at, "escalated", CHAIN, {"to": to, "why": why, "note": "", "step": step}, review)
        db.execute("UPDATE reviews SET escalated = ?1 WHERE id = ?2 AND escalated != ?1", (to or ANYBODY, review))
    if (later := next_step(chain, step)) is not None:
        db.execute("UPDATE escalations SET next_at = ? WHERE id = ?", (now + later[1], escalation))


async def go_on(store: Store, escalation: int, chain: Sequence[ChainStep], now: float) -> bool:
    """Let what nobody claimed in time go to the next step of the chain; once, whoever else does the same. False when it goes no further:
    somebody has it by now, or the chain has become shorter.
    """
    async with store.transaction() as db:
        found: list[Any] = db.rows(
            "UPDATE escalations SET next_at = NULL WHERE id = ? AND next_at <= ? AND acknowledged_at IS NULL "
            "AND review IN (SELECT id FROM reviews WHERE state = 'open') RETURNING review, step",
            (escalation, now),
        )
        if not found:
            return False
        review, step = found[0]
        has_it = db.rows("SELECT claimed_by FROM reviews WHERE id = ? AND claimed_until > ?", (review, now))
        if has_it:  # since before it was escalated
            db.execute("UPDATE escalations SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?", (now, has_it[0][0], escalation))
            return False
        later = next_step(chain, step)
        if later is None:
            return False
        number, after_s = later
        why = f"nobody claimed it within {long_duration(after_s)}" if after_s else "so the policy's chain says"
        add(db, review, chain[number].to, CHAIN, why, now, step=number)
        return True


# Deadlines: what is not decided in time goes to somebody else or is rejected, never approved

TIMED = (
    "reviews v INDEXED BY reviews_deadline JOIN runs r ON r.id = v.run WHERE v.state = 'open' AND v.deadline_at IS NOT NULL "
    f"AND coalesce(v.claimed_until, 0) < {UNTIL_HANDED_BACK} AND r.project = ?"
)
"""Reviews with a deadline; it stands still while a person has taken the run over."""


def overdue(store: Store, project: int, now: float) -> list[int]:
    """Open reviews of this project's runs whose deadline is over."""
    return [
        int(row[0])
        for row in store.read_now(f"SELECT v.id FROM {TIMED} AND v.deadline_at <= ? ORDER BY v.deadline_at LIMIT 100", (project, now))
    ]


def next_deadline(store: Store, project: int, now: float) -> float | None:
    """When the next deadline is, as Unix time."""
    found = store.read_now(f"SELECT v.deadline_at FROM {TIMED} AND v.deadline_at > ? ORDER BY v.deadline_at LIMIT 1", (project, now))
    return float(found[0][0]) if found else None


async def enforce(store: Store, review: int, now: float) -> bool:
    """Do what the policy says of a review that nobody decided in time; once, whoever else does the same.

    False when there was nothing to do: it was decided first, or its deadline has been seen to.
    """
    async with store.transaction() as db:
        found: list[Any] = db.rows(
            "SELECT deadline_at - opened_at, deadline_then, deadline_rule, recipient, note, kind FROM reviews "
            "WHERE id = ? AND state = 'open' AND deadline_at <= ? AND coalesce(claimed_until, 0) < ?",
            (review, now, UNTIL_HANDED_BACK),
        )
        if not found:
            return False
        length_s, then, rule, to, note, kind = found[0]
        db.execute("UPDATE reviews SET deadline_at = NULL WHERE id = ?", (review,))
        why = f"nobody decided it within {long_duration(round(length_s, 3))}"
        if attention_checks.lapsed(db, review, why):
            return True
        by = Actor(f"timeout:{rule}", ActorKind.TIMEOUT)
        keeps = _keeps_from_rejecting(db, review, note, kind) if then == "reject" else ""
        if then == "reject" and not keeps:
            _reject(db, review, by, f"{why} (rule {rule!r})", now)
        else:
            add(db, review, to, by, f"{why}; it is not rejected, for {keeps}" if keeps else why, now)
        return True


def _keeps_from_rejecting(db: Transaction, review: int, note: str, kind: str) -> str:
    """Why a person must look though time is up, as a clause; empty when nobody must."""
    if note:
        return f"it has a warning: {note}"
    held = db.rows(
        "SELECT t.actor FROM takeovers t JOIN reviews v ON v.run = t.run WHERE v.id = ? "
        "AND t.state IN ('open', 'handed_back', 'submitted')",
        (review,),
    )
    if held:
        return f"{held[0][0]} has taken the run over"
    if kind == PauseKind.DRAFT:
        return "the agent would only write another draft"
    stubborn = [action.name for action in undecided_actions(db, review) if DecisionKind.REJECT not in action.allowed]
    return f"the graph takes no rejection of {canonical_json.one_line(stubborn[0], 40)}" if stubborn else ""


def _reject(db: Transaction, review: int, by: Actor, reason: str, now: float) -> None:
    for action in undecided_actions(db, review):
        decisions.record(db, decisions.Given(review, action, Answer(DecisionKind.REJECT, message=reason), by, now, now))
    decisions.conclude(db, review)
