"""What rules demand of a hand-back (rights, signatures, a second person), checked against the audit log.

A row that somebody wrote by hand, past the console, is not in the log, or its person had no right to write it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.errors import NotAllowed
from hitl_tui.model import HandBack, Json, People, Role, Takeover, call_id, digest_of
from hitl_tui.model.signatures import HAND_BACK
from hitl_tui.people.rights import refusal, refusal_of_call
from hitl_tui.store import approvals, audit_verify, notifications
from hitl_tui.store.connection import Store, Transaction

ASKED = """
SELECT v.id, a.slot, a.reviewers, a.decider, a.separate, a.signed
FROM reviews v JOIN runs r ON r.id = v.run JOIN actions a ON a.review = v.id
WHERE v.run = :run AND (v.state IN ('open', 'decided') OR (v.state = 'stale' AND r.state != 'waiting')) ORDER BY v.id, a.slot
"""
"""What a takeover decides. A run that was cancelled or failed closed its reviews, and its graph may still stand where it asked."""
OPENED = """
SELECT t.review, v.run IS t.run, v.state IN ('open', 'decided') OR EXISTS (
    SELECT 1 FROM audit e WHERE e.review = t.review AND e.kind = v.state
)
FROM audit t LEFT JOIN reviews v ON v.id = t.review WHERE t.run = :run AND t.kind = 'opened' ORDER BY t.review
"""
"""Reviews that the log says a run has opened: whether they are there, and whether one that its row calls ended has ended."""
LOGGED = """
SELECT seq, actor, body FROM audit WHERE run = :run AND kind = :kind AND json_extract(body, '$.takeover') = :takeover
ORDER BY seq DESC LIMIT 1
"""
SINCE = """
SELECT seq, kind, actor, body FROM audit WHERE seq > :since AND run = :run AND json_extract(body, '$.takeover') = :takeover ORDER BY seq
"""


WAITING = """
SELECT t.id, t.run, r.agent, t.actor, t.handed_back_at, (
    SELECT json_group_array(c.actor) FROM audit c WHERE c.run = t.run AND c.kind = 'confirmed'
        AND c.seq > (SELECT max(h.seq) FROM audit h WHERE h.run = t.run AND h.kind = 'handed_back')
), EXISTS (SELECT 1 FROM reviews v WHERE v.run = t.run AND v.state = 'open')
FROM takeovers t JOIN runs r ON r.id = t.run WHERE t.unconfirmed AND t.state = 'handed_back' ORDER BY t.id
"""
"""Those that wait, each with who has confirmed it so far, and whether the queue has a row of its run."""
UNANNOUNCED = """
SELECT t.id FROM takeovers t INDEXED BY takeovers_unannounced JOIN runs r ON r.id = t.run
WHERE NOT t.announced AND r.project = ? ORDER BY t.id
"""
ANNOUNCED = "UPDATE takeovers SET announced = 1 WHERE id = ? AND NOT announced RETURNING 1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that a run asks about, and what its rule demands."""

    name: str
    """Like `12#1`."""
    review: int
    demands: approvals.Demands
    signed: bool


@dataclass(frozen=True, slots=True)
class HandBackEntry:
    """An entry of the log with which somebody handed a run back, or confirmed that."""

    seq: int
    actor: str
    body: Mapping[str, Any]


def asked(rows: Sequence[Any]) -> list[Asked]:
    """The calls of rows of `ASKED`."""
    return [
        Asked(call_id(review, slot), review, approvals.Demands(reviewers, decider, tuple(json.loads(separate))), bool(signed))
        for review, slot, reviewers, decider, separate, signed in rows
    ]


def asked_now(store: Store, run: int) -> list[Asked]:
    """What a takeover of a run decides. Reads at once."""
    return asked(store.read_now(ASKED, {"run": run}))


def waiting(store: Store, reviewer: str, people: People) -> list[HandBack]:
    """The hand-backs that wait for other people, oldest first, as this person sees them. Reads at once."""
    return [_hand_back(store, row, reviewer, people) for row in store.read_now(WAITING)]


def _hand_back(store: Store, row: Any, reviewer: str, people: People) -> HandBack:
    takeover, run, agent, author, at, confirmed, is_listed = row
    calls, is_mine = asked_now(store, run), people.same_person(author, reviewer)
    has_agreed = is_mine or any(people.same_person(name, reviewer) for name in json.loads(confirmed))
    may = all(refusal_of_call(people, reviewer, one.demands.decider, one.name) is None for one in calls)
    recipients = tuple(dict.fromkeys(one.demands.decider for one in calls if one.demands.decider))
    review = calls[0].review if calls else None
    return HandBack(takeover, run, agent, author, at or 0.0, review, recipients, may and not has_agreed, is_mine, bool(is_listed))


def unannounced(store: Store, project: int) -> list[int]:
    """Ids of the takeovers of this project's runs of whose hand-back nobody was notified yet. Reads at once."""
    return [int(takeover) for (takeover,) in store.read_now(UNANNOUNCED, (project,))]


async def announce(store: Store, takeover: int, channels: Sequence[str], due_at: float) -> bool:
    """Notify people of a hand-back by these channels, from that Unix time on. False if another worker has."""
    async with store.transaction() as db:
        is_first = bool(db.rows(ANNOUNCED, (takeover,)))
        if is_first:
            notifications.add_hand_back(db, takeover, channels, due_at)
        return is_first


def refusal_of_run(db: Transaction, run: int, name: str, people: People) -> NotAllowed | None:
    """Why this person may not decide what a run asks; None if they may."""
    refusals = (refusal_of_call(people, name, one.demands.decider, one.name) for one in asked(db.rows(ASKED, {"run": run})))
    return next((refused for refused in refusals if refused), None)


def missing(db: Transaction, people: People, run: int, author: str, confirming: Collection[str]) -> str:
    """Which call needs other people too, like `12#1`; empty if those who handed back and confirmed are enough.

    The author of the plan counts as who wrote what runs, where that is kept separate.
    """
    for one in asked(db.rows(ASKED, {"run": run})):
        demands = one.demands
        if demands.is_one_enough:
            continue
        launcher = db.row(approvals.LAUNCHER, {"run": run})
        if "launch" in demands.separate and launcher is None:  # nobody knows who launched it
            return one.name
        members = [name for name in confirming if refusal_of_call(people, name, demands.decider, "") is None]
        agreeing = {people.key_of(name) for name in (author, *members)}
        involved = {people.key_of(name) for name in launcher or () if name} if "launch" in demands.separate else set()
        involved |= {people.key_of(author)} if "edit" in demands.separate else set()
        if len(agreeing) < demands.reviewers or (demands.separate and not agreeing - involved):
            return one.name
    return ""


def plan_digest(plan: Json) -> str:
    """Digest of a plan's JSON, which those who confirm it have seen."""
    return digest_of(HAND_BACK, json.loads(canonical_json.dumps(plan)))


def entries(rows: Any, takeover: Takeover) -> tuple[HandBackEntry | None, list[HandBackEntry], bool]:
    """The entry with which a run was handed back, those that confirm its plan, and whether the log says nothing else of it since.

    `rows` runs a query with its values: in a transaction, or at once.
    """
    values = {"run": takeover.run, "takeover": takeover.id}
    handed = next(iter(rows(LOGGED, {**values, "kind": "handed_back"})), None)
    if handed is None:
        return None, [], False
    seq, actor, body = handed[0], handed[1], json.loads(handed[2])
    digest, since = plan_digest(body["plan"]), list(rows(SINCE, {**values, "since": seq}))
    confirmed = [HandBackEntry(at, name, json.loads(text)) for at, kind, name, text in since if kind == "confirmed"]
    return HandBackEntry(seq, actor, body), [one for one in confirmed if one.body["plan"] == digest], len(confirmed) == len(since)


def problem_of(db: Transaction, takeover: Takeover, people: People) -> str:
    """Why a plan must not be applied, as a clause; empty if it may be.

    It must be in the log as it is, by a person who may take over and decide what the run asks, and confirmed by those whom rules demand.
    """
    by_hand = f"the takeover by {takeover.actor} {approvals.BY_HAND}"
    if refused := refusal(people, takeover.actor, Role.TAKE_OVER):
        return refused.happened
    if not _is_logged(db, takeover):
        return by_hand
    if changed := _changed(db, takeover.run):
        return changed
    if refused := refusal_of_run(db, takeover.run, takeover.actor, people):
        return refused.happened
    _, confirmed, is_last = entries(db.rows, takeover)
    if not is_last:
        return by_hand
    if call := missing(db, people, takeover.run, takeover.actor, [one.actor for one in confirmed]):
        return f"{call} needs the approval of other people too"
    return ""


def _is_logged(db: Transaction, takeover: Takeover) -> bool:
    values = {"run": takeover.run, "takeover": takeover.id}
    taken, handed = (db.row(LOGGED, {**values, "kind": kind}) for kind in ("taken_over", "handed_back"))
    plan = json.dumps(takeover_plan.as_json(takeover.plan), sort_keys=True)
    (stored,) = db.row("SELECT plan FROM takeovers WHERE id = ?", (takeover.id,))
    same = taken and handed and taken[1] == handed[1] == takeover.actor and json.loads(taken[2])["head"] == takeover.head
    if not same or json.dumps(json.loads(handed[2])["plan"], sort_keys=True) != plan:
        return False
    return bool(stored == canonical_json.dumps(json.loads(stored)))


def _changed(db: Transaction, run: int) -> str:
    """What was changed past the console of what a run asks, as a clause; empty if nothing was."""
    for review, is_there, is_logged in db.rows(OPENED, {"run": run}):
        if not is_there:
            return f"review {review} of run r{run} is in the log, and gone from its table"
        if not is_logged:
            return f"the log does not say that review {review} has ended"
        _, opened, raised, calls, is_same = db.row(approvals.OPENED, {"review": review})
        signed = [slot for (slot,) in db.rows("SELECT slot FROM actions WHERE review = ? AND signed ORDER BY slot", (review,))]
        is_kept = opened is None or audit_verify.demanded(opened, raised) == (json.loads(calls), signed)
        if not (is_same and is_kept):  # versions before 0.2.0 logged no calls
            return f"what the rules demand of review {review} was changed in hitl.db"
    return ""
