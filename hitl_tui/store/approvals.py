"""What rules demand of the people who decide: checked when they decide, and again before a worker sends their answers to a graph.

A row that somebody wrote by hand, past the console, is not in the log, or its person had no right to write it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.errors import NotAllowed
from hitl_tui.model import Actor, ActorKind, DecisionKind, Outcome, People, call_id, has_digest
from hitl_tui.people.rights import refusal_of_call
from hitl_tui.store import audit, audit_verify, grants
from hitl_tui.store.connection import Transaction

BY_RULES = {(ActorKind.POLICY, DecisionKind.APPROVE): Outcome.AUTO, (ActorKind.POLICY, DecisionKind.REJECT): Outcome.DENY}
"""What an action's outcome must be for a rule to have decided it."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a rule demands of the people who approve an action."""

    reviewers: int = 1
    """How many of them there must be."""
    decider: str = ""
    """The group or person they must belong to; empty for anybody."""
    separate: tuple[str, ...] = ()
    """What keeps a person from being the only one who approves; see `policy.schema.SEPARATE`."""
    blind: bool = False
    """Whether the first two answer without seeing each other's answer."""

    @property
    def is_one_enough(self) -> bool:
        """Whether any one person's approval is enough."""
        return self.reviewers < 2 and not self.separate


LIVE_APPROVALS = """
SELECT actor FROM endorsements
WHERE review = :review AND slot = :slot AND withdrawn_at IS NULL AND digest = :digest AND effect = :effect
"""
LAUNCHER = "SELECT actor FROM audit WHERE kind = 'launched' AND run = :run ORDER BY seq LIMIT 1"
"""As the log has it: the run's row could be changed."""
AUTHOR = """
SELECT actor FROM (
    SELECT actor, at FROM endorsements WHERE review = :review AND slot = :slot AND effect = :effect AND kind = 'edit'
    UNION ALL SELECT actor, at FROM decisions
        WHERE review = :review AND slot = :slot AND effect = :effect AND kind = 'edit' AND actor_kind = 'person'
) ORDER BY at LIMIT 1
"""
"""The first who wrote these arguments."""
HANDED_BACK = "SELECT DISTINCT actor FROM takeovers WHERE run = ? AND state IN ('submitted', 'applied')"


ANSWERED = "SELECT actor, kind, effect FROM endorsements WHERE review = :review AND slot = :slot AND withdrawn_at IS NULL ORDER BY id"


@dataclass(frozen=True, slots=True)
class BlindAnswer:
    """An answer that is given without having seen another's, and that leaves its action open."""

    differs_from: str = ""
    """The person who answered first and said something else; empty if this is the first answer."""
    other: str = ""
    """The `DecisionKind` of that person's answer."""


def blind_answer(db: Transaction, people: People, demands: Demands, values: dict[str, Any]) -> BlindAnswer | None:
    """What an answer is while two people answer blind: None once both have, and for a second answer that agrees with the first.

    The first answer decides nothing, not even a rejection, and neither does a second one that differs from it.

    Args:
        db: the transaction.
        people: those of the home.
        demands: what the action's rule demands.
        values: the answer's columns, as of a decision; it is not stored yet.
    """
    if not demands.blind:
        return None
    given = db.rows(ANSWERED, values)
    others = {people.key_of(name): (name, kind, effect) for name, kind, effect in given if not people.same_person(name, values["actor"])}
    if not others:
        return BlindAnswer()
    if len(others) > 1 or len(given) > len(others):  # this person has answered before, and sees what the other says
        return None
    ((name, kind, effect),) = others.values()
    both_reject = kind == values["kind"] == DecisionKind.REJECT
    return None if both_reject or effect == values["effect"] else BlindAnswer(name, kind)


def is_enough(db: Transaction, people: People, demands: Demands, run: int, values: dict[str, Any]) -> bool:
    """Whether an answer decides its action: one person may refuse it, and those it needs must approve the same.

    Args:
        db: the transaction.
        people: those of the home.
        demands: what the action's rule demands.
        run: the action's run.
        values: the answer's columns, as of a decision; it need not be stored yet.
    """
    if demands.is_one_enough or values["kind"] == DecisionKind.REJECT:
        return True
    if values["actor_kind"] != ActorKind.PERSON:
        return False
    approving = {people.key_of(name) for (name,) in db.rows(LIVE_APPROVALS, values)}
    approving = {key for key in approving if refusal_of_call(people, key, demands.decider, "") is None} | {people.key_of(values["actor"])}
    return len(approving) >= demands.reviewers and is_separate(db.rows, people, demands.separate, run, values, approving)


def is_separate(
    rows: Callable[..., Sequence[Any]],
    people: People,
    separate: Collection[str],
    run: int,
    values: Mapping[str, Any],
    approving: Collection[str],
) -> bool:
    """Whether one of these people, given by their keys, has neither launched the run nor written what runs, as far as that is separate.

    `rows` runs a query with its values: in a transaction, or at once. `values` are the answer's columns, as for `is_enough`.
    """
    if not separate:
        return True
    launcher = next(iter(rows(LAUNCHER, {"run": run})), None)
    if "launch" in separate and launcher is None:  # nobody knows who launched it
        return False
    involved = {people.key_of(name) for name in _involved(rows, separate, launcher, run, values)}
    return bool(set(approving) - involved)


def _involved(
    rows: Callable[..., Sequence[Any]], separate: Collection[str], launcher: Any, run: int, values: Mapping[str, Any]
) -> list[str]:
    """The people who launched the run, or wrote what runs, as far as that is kept separate."""
    found = [name for name in launcher if name] if "launch" in separate else []
    if "edit" not in separate:
        return found
    if values["effect"] != values["digest"]:  # else it runs as the agent proposed it
        authors = [name for (name,) in rows(AUTHOR, values)]
        found += authors or ([values["actor"]] if values["kind"] == DecisionKind.EDIT else [])
    return found + [name for (name,) in rows(HANDED_BACK, (run,))]


# Before a worker sends answers

IN_FORCE = f"""
SELECT d.slot, d.kind, d.actor, d.actor_kind, d.digest, d.effect, a.reviewers, a.decider, a.separate, a.outcome,
    {audit_verify.DECISION_IS_LOGGED}
    AND NOT EXISTS (
        SELECT 1 FROM audit t
        WHERE t.review = d.review AND t.kind = 'undone' AND json_extract(t.body, '$.decision') = d.id
    )
FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.review = :review AND NOT d.superseded ORDER BY d.slot
"""
WRITTEN_APPROVALS = f"""
SELECT r.slot, r.actor FROM endorsements r
WHERE r.review = :review AND r.withdrawn_at IS NULL AND NOT (
    EXISTS (
        SELECT 1 FROM audit t WHERE t.review = r.review AND t.kind = 'endorsed' AND json_extract(t.body, '$.endorsement') = r.id
            AND {audit_verify.SAME_APPROVAL}
            AND NOT EXISTS (  -- given in place of it later
                SELECT 1 FROM audit o WHERE o.review = r.review AND o.kind = 'endorsed' AND o.seq > t.seq AND o.actor = t.actor
                    AND json_extract(o.body, '$.slot') = r.slot
            )
    )
    AND NOT EXISTS (
        SELECT 1 FROM audit t
        WHERE t.review = r.review AND t.kind = 'withdrawn' AND json_extract(t.body, '$.endorsement') = r.id
    )
)
LIMIT 1
"""
"""Approvals that are not in the log as they are in their table."""
APPROVED = """
SELECT slot, actor, kind, args, message, template, digest, effect FROM endorsements WHERE review = :review AND withdrawn_at IS NULL
UNION ALL SELECT slot, actor, kind, args, message, template, digest, effect FROM decisions
    WHERE review = :review AND NOT superseded AND actor_kind = 'person'
"""
OPENED = f"""
SELECT v.slots,
    (SELECT body FROM audit WHERE review = v.id AND kind = 'opened' AND json_extract(body, '$.calls') IS NOT NULL ORDER BY seq LIMIT 1),
    {audit_verify.RAISED.format(review="v.id")},
    (SELECT json_group_array(json_array(digest, reviewers, decider, json(separate)))
        FROM (SELECT digest, reviewers, decider, separate FROM actions WHERE review = v.id ORDER BY slot)),
    (SELECT (t.run, json_extract(t.body, '$.kind'), json_extract(t.body, '$.interrupt')) IS (v.run, v.kind, v.interrupt)
        FROM audit t WHERE t.review = v.id AND t.kind = 'opened' ORDER BY t.seq LIMIT 1)
FROM reviews v WHERE v.id = :review
"""
"""How many calls a review has, what the log says of them (two values), what their rows say now, and whether it asks where and what the
log says."""
BY_HAND = "was written past the console: it is not what the log says"


def problem_of(db: Transaction, review: int, run: int, people: People) -> str:
    """Why the answers in force to a review must not be sent, as a clause; empty if they may be.

    Each must be in the log as it is: by a rule, or by a person who may decide it now, with the approvals that the action's rule demands.
    """
    decided = [_InForce(*row) for row in db.rows(IN_FORCE, {"review": review})]
    if changed := _changed(db, review, decided):
        return changed
    for one in decided:
        which = call_id(review, one.slot)
        if one.actor_kind == ActorKind.GRANT:
            if problem := grants.problem_of_use(db, review, one.slot, people):
                return problem
        elif one.actor_kind != ActorKind.PERSON:
            if not one.is_by_rule:
                return f"no rule decides {which} as it was decided"
        elif refused := refusal_of_call(people, one.actor, one.decider, which):
            return refused.happened
        if not is_enough(db, people, one.demands, run, one.values(review)):
            return f"{which} needs the approval of other people too"
    return ""


@dataclass(frozen=True, slots=True)
class _InForce:
    """A decision in force, with what its action's rule says; the fields are the columns of `IN_FORCE`."""

    slot: int
    kind: str
    actor: str
    actor_kind: str
    digest: str
    effect: str
    reviewers: int
    decider: str
    separate: str
    outcome: str | None
    is_logged: bool

    @property
    def demands(self) -> Demands:
        return Demands(self.reviewers, self.decider, tuple(json.loads(self.separate)))

    def values(self, review: int) -> dict[str, Any]:
        """Its columns by name, as far as `is_enough` reads them."""
        return {
            "review": review, "slot": self.slot, "kind": self.kind, "actor": self.actor, "actor_kind": self.actor_kind,
            "digest": self.digest, "effect": self.effect,
        }  # fmt: skip

    @property
    def is_by_rule(self) -> bool:
        """Whether a rule or a deadline could have decided it so: only a policy lets anything run."""
        by_policy = BY_RULES.get((ActorKind(self.actor_kind), DecisionKind(self.kind)))
        return self.kind == DecisionKind.REJECT if self.actor_kind != ActorKind.POLICY else by_policy == self.outcome


def _changed(db: Transaction, review: int, decided: Sequence[_InForce]) -> str:
    """What was written past the console of a review's demands, decisions and approvals, as a clause; empty if nothing was."""
    values = {"review": review}
    slots, opened, raised, calls, is_same = db.row(OPENED, values)
    if is_same == 0:
        return f"of which run review {review} is, or what it asks, was changed in hitl.db"
    if opened and audit_verify.demanded(opened, raised)[0] != json.loads(calls):
        return f"what the rules demand of review {review} was changed in hitl.db"
    if len(decided) != slots:
        return f"not every call of review {review} is decided"
    for slot, name in db.rows(WRITTEN_APPROVALS, values):
        return f"the approval of {call_id(review, slot)} by {name} {BY_HAND}"
    for one in decided:
        if not one.is_logged:
            return f"the decision on {call_id(review, one.slot)} {BY_HAND}"
    several = {one.slot for one in decided if not one.demands.is_one_enough}
    for slot, name, *answer, digest, effect in db.rows(APPROVED, values) if several else ():
        if slot in several and not _has_effect(db, review, slot, answer, digest, effect):
            return f"what the approval of {call_id(review, slot)} by {name} makes happen was changed in hitl.db"
    return ""


def _has_effect(db: Transaction, review: int, slot: int, answer: Sequence[Any], digest: str, effect: str) -> bool:
    """Whether an effect is that of an answer, given as its kind, arguments, message and template; see `model.effect_of`."""
    kind, args, message, template = answer
    if template is not None:
        return has_digest(effect, kind, json.loads(template))
    if kind == DecisionKind.APPROVE:
        return effect == digest
    given = None if args is None else json.loads(args)
    if kind != DecisionKind.EDIT:
        return has_digest(effect, kind, [message, given])
    (name,) = db.row("SELECT name FROM actions WHERE review = ? AND slot = ?", (review, slot))
    return audit_verify.fits(name, args, effect)


def note_refusal(
    db: Transaction, at: float, by: Actor, what: str, error: NotAllowed, review: int | None = None, run: int | None = None
) -> None:
    """Log that a person was refused something, within a transaction. `what` is the verb: `decide`, `export`."""
    body = {"what": what, "why": error.happened, **({"identified": by.identified} if by.identified else {})}
    if review is not None and run is None:
        audit.note_review(db, at, "refused", by, body, review)
    else:
        audit.note(db, at, "refused", by, body, run, review)
