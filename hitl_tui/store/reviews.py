"""Reviews and their actions: read, insert and end them. `decisions` decides them, `reconcile` makes them what a snapshot says."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import (
    PROGRAM,
    Action,
    Actor,
    ActorKind,
    Answer,
    Attempt,
    CallVariant,
    Confidence,
    Context,
    Decision,
    DecisionKind,
    Identified,
    Message,
    Outcome,
    PartialApproval,
    Pause,
    PauseKind,
    Progress,
    ProposalVersion,
    QueueFacts,
    Review,
    ReviewRow,
    ReviewState,
    Routed,
    Verdict,
    worst,
)
from hitl_tui.policy import escalation
from hitl_tui.store import audit, policy_log
from hitl_tui.store.agents import READ_ONLY
from hitl_tui.store.changefeed import Rev
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.damaged_files import UNREADABLE, read_tolerantly

PROGRESS = "v.decision, v.decided_by, v.decided_by_kind, v.decided_with, v.slots, v.decided_slots, v.approvals"
"""Columns that `read_progress` reads."""
TOOLS = "(SELECT json_group_array(json_array(name, risk)) FROM (SELECT name, risk FROM actions WHERE review = v.id ORDER BY slot))"
TOOL_NAMES = "(SELECT group_concat(name, char(10)) FROM (SELECT name FROM actions WHERE review = v.id ORDER BY slot))"
BRIEF_ARGS = 1000
"""Characters of a call's arguments, as JSON, that the queue reads to show where neighbours differ."""
BRIEF_CALLS = 6
"""Different calls of a review that it reads them of, irreversible ones first."""
VARIANTS = (
    f"(SELECT json_group_array(json_array(name, args, count)) FROM (SELECT name, substr(args, 1, {BRIEF_ARGS}) AS args, count(*) AS count "
    f"FROM actions WHERE review = v.id GROUP BY digest ORDER BY risk IS NOT 'irreversible', min(slot) LIMIT {BRIEF_CALLS}))"
)
FIRST_ARGS = f"(SELECT substr(args, 1, {BRIEF_ARGS}) FROM actions WHERE review = v.id AND slot = 0)"
ROW = (
    "v.id, v.run, v.agent, v.kind, v.state, v.title, v.summary, v.slots, v.opened_at, v.risk, v.confidence, v.note, v.effective_at, "
    "v.route, v.recipient, v.escalated, v.claimed_by, v.claimed_until, v.deadline_at, v.deadline_then, v.policy_note, "
    f"{TOOLS}, {VARIANTS}, coalesce({READ_ONLY.format(run='v.run')}, ''), {PROGRESS}"
)
"""Columns that `read_row` reads."""
URGENT = "state = 'open' AND (escalated != '' OR deadline_at IS NOT NULL OR risk = 'irreversible')"
"""What the index `reviews_urgent` holds."""
ACTION = (
    "slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest, confidence, confidence_source, "
    "confidence_note, risk, outcome, rule, reason, reviewers, declared, spot_check, signed, decider, separate, blind, grant_id"
)
"""Columns that `read_action` reads and `action_values` gives."""
DECISION = "id, review, slot, kind, args, message, actor, digest, at, viewed_ms, actor_kind, template, seen, reading_ms, identified"
"""Columns that `read_decision` reads."""
WORSE = (Outcome.AUTO, Outcome.DENY, Outcome.ASK, Outcome.TAKEOVER)
"""Outcomes by how much a person has to do, least first."""


# Read


PAGE_OF_IDS = """
SELECT json_group_array(id) FROM (SELECT id FROM reviews WHERE state = 'open' AND id > :after ORDER BY id LIMIT 20000)
"""
PAGE_OF_TOOLS = f"""
SELECT agent, tools, json_group_array(id) FROM (
    SELECT v.id, v.agent, {TOOL_NAMES} AS tools FROM reviews v WHERE v.state = 'open' AND v.id > :after ORDER BY v.id LIMIT 1000
) GROUP BY agent, tools
"""
PAGE_OF_URGENT = f"""
SELECT id, '', '', risk, escalated, deadline_at FROM reviews INDEXED BY reviews_urgent WHERE {URGENT} AND id > :after ORDER BY id LIMIT 1000
"""


async def waiting_ids(store: Store) -> array[int]:
    """Ids of all open reviews, oldest first.

    They take eight bytes each, so a hundred thousand of them are small.
    """
    ids = array("q")
    last = 0
    while True:  # a page at a time: a cursor kept open would hide from this connection what is written meanwhile
        [(text,)] = await store.all(PAGE_OF_IDS, {"after": last})
        page = sorted(json.loads(text))  # one row, because each row is a turn of the thread that reads and one of the event loop's
        ids.extend(page)
        if len(page) < 20_000:
            break
        last = ids[-1]
    return ids


async def urgent(store: Store) -> list[QueueFacts]:
    """What orders the open reviews that are escalated, have a deadline or are irreversible, oldest first; their tools are left empty."""
    found: list[QueueFacts] = []
    while True:  # a page at a time, as in `waiting_ids`; small ones, so that the caller's event loop is not held up
        page = await store.all(PAGE_OF_URGENT, {"after": found[-1].id if found else 0})
        found += [QueueFacts(*row) for row in page]
        if len(page) < 1000:
            return found


async def by_tools(store: Store) -> dict[tuple[str, str], list[int]]:
    """Ids of the open reviews, oldest first, by agent and tools; the tools as in `QueueFacts`."""
    found: dict[tuple[str, str], list[int]] = {}
    last = 0
    while True:  # pages as in `urgent`
        count = 0
        for agent, tools, ids in await store.all(PAGE_OF_TOOLS, {"after": last}):
            page = sorted(json.loads(ids))
            found.setdefault((agent, tools), []).extend(page)
            count, last = count + len(page), max(last, page[-1])
        if count < 1000:
            return found


async def first_args(store: Store, ids: Sequence[int]) -> list[str]:
    """The arguments of each review's first call as JSON, cut off after `BRIEF_ARGS` characters."""
    marks = ", ".join("?" * len(ids))
    return [
        text or "" for (text,) in await store.all(f"SELECT {FIRST_ARGS} FROM reviews v WHERE v.id IN ({marks}) ORDER BY v.id", tuple(ids))
    ]


async def rows(store: Store, ids: Sequence[int]) -> list[ReviewRow]:
    """These reviews as the queue shows them, in order of id."""
    marks = ", ".join("?" * len(ids))
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({marks}) ORDER BY v.id", tuple(ids))
    return _listed(found)


WAITING = f"""
SELECT {ROW} FROM reviews v WHERE v.id IN (  -- a state each, on its own index: applied reviews are not read
    SELECT id FROM (SELECT id FROM reviews INDEXED BY reviews_waiting WHERE state = 'open' ORDER BY id LIMIT :limit)
    UNION ALL SELECT id FROM reviews INDEXED BY reviews_decided WHERE state = 'decided'
    UNION ALL SELECT id FROM reviews INDEXED BY reviews_submitted WHERE state = 'submitted'
) ORDER BY v.id LIMIT :limit
"""
OF_RUN = f"SELECT {ROW} FROM reviews v WHERE v.run = :run ORDER BY v.id"
CHANGED = f"SELECT {ROW} FROM reviews v WHERE v.id IN (SELECT review FROM changes WHERE seq > :after) ORDER BY v.id"


async def waiting(store: Store, limit: int) -> list[ReviewRow]:
    """The oldest open or not yet applied reviews."""
    return _listed(await store.all(WAITING, {"limit": limit}))


async def of_run(store: Store, run: int) -> list[ReviewRow]:
    """Every review a run ever opened."""
    return _listed(await store.all(OF_RUN, {"run": run}))


async def changed(store: Store, after: Rev) -> list[ReviewRow]:
    """Reviews that changed since then."""
    return _listed(await store.all(CHANGED, {"after": after.change}))


WHOLE = f"""
SELECT r.thread, v.interrupt, v.node, v.path, v.decided_at, v.submitted_at, v.applied_at, d.value, {ROW}
FROM reviews v JOIN runs r ON r.id = v.run JOIN details d ON d.review = v.id WHERE v.id = :review
"""
DECISIONS_OF = f"SELECT {DECISION} FROM decisions WHERE review = :review AND NOT superseded"
ACTIONS_OF = f"SELECT {ACTION} FROM actions WHERE review = :review ORDER BY slot"
UNDECIDED_ACTIONS = f"""
SELECT {ACTION} FROM actions a
WHERE review = :review AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.review = a.review AND d.slot = a.slot AND NOT d.superseded)
ORDER BY slot
"""


async def get(store: Store, review: int) -> Review | None:
    """One review whole, without its context."""
    row = await store.one(WHOLE, {"review": review})
    if row is None:
        return None
    thread, interrupt, node, path, decided_at, submitted_at, applied_at, value, *short = row
    actions = await actions_of(store, review)
    found = await store.all(DECISIONS_OF, {"review": review})
    decisions = {one.slot: one for one in map(read_decision, found)}
    return Review(
        read_row(short), thread, interrupt, node, tuple(json.loads(path)), json.loads(value), actions, decisions,
        decided_at, submitted_at, applied_at,
    )  # fmt: skip


async def context(store: Store, review: int) -> Context:
    """A review's context; empty when it is unknown."""
    row = await store.one("SELECT context FROM details WHERE review = ?", (review,))
    return read_context(json.loads(row[0])) if row else Context()


REASONINGS = """
SELECT review, json_extract(context, '$.reasoning') FROM details WHERE review IN (SELECT value FROM json_each(?))
"""


async def reasonings(store: Store, ids: Sequence[int]) -> dict[int, str]:
    """What the agents of these reviews said before they proposed the calls, by review."""
    return {int(review): str(text or "") for review, text in await store.all(REASONINGS, (json.dumps(list(ids)),))}


BLIND = """
SELECT a.slot FROM actions a JOIN reviews v ON v.id = a.review
WHERE a.review = :review AND a.blind AND v.state = 'open'
    AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.review = a.review AND d.slot = a.slot AND NOT d.superseded)
"""


async def blind_slots(store: Store, review: int) -> set[int]:
    """Slots of the undecided calls of an open review that two people answer blind."""
    return {int(slot) for (slot,) in await store.all(BLIND, {"review": review})}


async def actions_of(store: Store, review: int) -> tuple[Action, ...]:
    """Every action of a review, in order."""
    return tuple(read_action(row) for row in await store.all(ACTIONS_OF, {"review": review}))


VERSIONS = """
WITH past AS (
    SELECT v.id, a.slot, a.name, a.args AS proposal, d.args, d.message, d.actor, d.at,
        d.kind = 'reject' AND (d.args IS NOT NULL OR v.kind = 'draft') AS sent_back
    FROM reviews this
    JOIN reviews v ON v.run = this.run AND v.id < this.id AND v.state = 'applied'
    JOIN actions a ON a.review = v.id
    JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded
    WHERE this.id = :review AND a.name IN (SELECT name FROM actions WHERE review = :review)
)
SELECT id, slot, name, proposal, args, message, actor, at FROM past
WHERE sent_back AND id >= (SELECT coalesce(max(o.id), 0) FROM past o WHERE o.name = past.name AND NOT o.sent_back)
ORDER BY id, slot
"""
"""Drafts and calls of a review's tools that were sent back. A draft is sent back by every rejection, a call by one with new arguments."""


async def versions(store: Store, review: int) -> list[ProposalVersion]:
    """Earlier versions of what a review asks that a person sent back, oldest first: those since another decision on the same tool."""
    return [
        ProposalVersion(id_, slot, name, json.loads(proposal), json.loads(proposal if left is None else left), note or "", actor, at)
        for id_, slot, name, proposal, left, note, actor, at in await store.all(VERSIONS, {"review": review})
    ]


def undecided_actions(db: Transaction, review: int) -> list[Action]:
    """Within a transaction: the actions of a review that have no decision."""
    return [read_action(row) for row in db.rows(UNDECIDED_ACTIONS, {"review": review})]


async def gates(store: Store, run: int) -> set[str]:
    """Interrupts of the static gates that the run has reached and not passed."""
    found = await store.all("SELECT interrupt FROM reviews WHERE run = ? AND kind IN ('gate', 'tool_gate') AND state != 'applied'", (run,))
    return {str(row[0]) for row in found}


async def earlier_doubt(store: Store, sent: Collection[int]) -> str:
    """Why what these reviews ask may have run before they were asked, as they said; empty if none did."""
    sql = "SELECT note FROM reviews WHERE id IN (SELECT value FROM json_each(?)) AND may_have_run ORDER BY id LIMIT 1"
    found = await store.one(sql, (json.dumps(list(sent)),))
    return str(found[0]) if found else ""


async def submitted(store: Store, run: int) -> dict[int, str]:
    """Reviews whose answer was sent and whose outcome is unknown, with their interrupts."""
    found = await store.all("SELECT id, interrupt FROM reviews WHERE run = ? AND state = 'submitted'", (run,))
    return {int(review): str(interrupt) for review, interrupt in found}


async def unsent(store: Store, run: int) -> dict[int, str]:
    """Reviews whose answer is not given or not sent yet, with their interrupts."""
    found = await store.all("SELECT id, interrupt FROM reviews WHERE run = ? AND state IN ('open', 'decided')", (run,))
    return {int(review): str(interrupt) for review, interrupt in found}


# Write, within a transaction


INSERT = """
INSERT INTO reviews (
    run, agent, interrupt, kind, node, path, title, summary, slots, risk, confidence, note, may_have_run, policy_note, opened_at, repeats,
    route, recipient, deadline_at, deadline_then, deadline_rule
) VALUES (
    :run, :agent, :interrupt, :kind, :node, :path, :title, :summary, :slots, :risk, :confidence, :note, :may_have_run, :policy_note,
    :opened_at, :repeats, :route, :recipient, :deadline_at, :deadline_then, :deadline_rule
)
"""
INSERT_DETAILS = "INSERT INTO details (review, value, context) VALUES (:review, :value, :context)"
INSERT_ACTION = f"INSERT INTO actions (review, {ACTION}) VALUES (?{', ?' * (ACTION.count(',') + 1)})"


def insert(db: Transaction, run: int, agent: str, pause: Pause, routed: Routed) -> tuple[int, float]:
    """Store a new review with the policy's verdicts. Returns its id, and the Unix time at which it was opened."""
    first, plain, now = pause.actions[0], canonical_json.storable, time.time()
    actions = [_with_verdict(action, routed.verdicts.get(action.slot)) for action in pause.actions]
    due = escalation.earliest_deadline(routed.verdicts)
    values = {
        "run": run,
        "agent": agent,
        "interrupt": pause.interrupt,
        "kind": pause.kind,
        "node": plain(pause.node),
        "path": canonical_json.dumps(list(pause.path)),
        "title": plain(first.name),
        "summary": canonical_json.one_line(first.args),
        "slots": len(pause.actions),
        "risk": worst([action.risk for action in actions]) if routed.verdicts else pause.risk,
        "confidence": pause.confidence,
        "note": plain(pause.warning),
        "may_have_run": pause.may_have_run,
        "policy_note": plain(routed.note),
        "opened_at": now,
        "repeats": pause.repeats,
        "route": max((verdict.outcome for verdict in routed.verdicts.values()), key=WORSE.index, default=None),
        "recipient": plain(escalation.recipient(routed.verdicts)),
        "deadline_at": now + (due.deadline_s or 0.0) if due else None,
        "deadline_then": due.then if due else "",
        "deadline_rule": due.rule if due else "",
    }
    review = int(db.execute(INSERT, values).lastrowid or 0)
    details = {"review": review, "value": canonical_json.dumps(pause.value), "context": canonical_json.dumps(asdict(pause.context))}
    db.execute(INSERT_DETAILS, details)
    db.executemany(INSERT_ACTION, [(review, *action_values(action)) for action in actions])
    if not db.row("SELECT attention FROM runs WHERE id = ?", (run,))[0]:
        policy_log.count(db, routed.verdicts.values(), now)
    body = {name: values[name] for name in ("kind", "title", "interrupt", "route")}
    note = "; ".join(filter(None, [str(values["note"]), str(values["policy_note"])]))
    calls = [_demanded(action) for action in actions]
    to_sign = {"signed": slots} if (slots := [action.slot for action in actions if action.signed]) else {}
    granted = {str(action.slot): action.grant for action in actions if action.grant is not None}
    body |= {"note": note, "calls": calls, **to_sign, **({"grants": granted} if granted else {})}
    audit.note(db, now, "opened", Actor(f"agent:{agent}", ActorKind.AGENT), body, run, review)
    return review, now


END = "UPDATE reviews SET state = :state, note = :note, may_have_run = :may_have_run, applied_at = :applied_at WHERE id = :review"
END_CHAIN = "UPDATE escalations SET next_at = NULL WHERE review = :review AND next_at IS NOT NULL"
END_LOST_CHECK = """
UPDATE runs SET state = 'cancelled', ended_at = coalesce(ended_at, (SELECT opened_at FROM reviews WHERE id = :review))
WHERE id = :run AND attention AND state = 'waiting'
"""


def end(db: Transaction, review: int, state: ReviewState, note: str, at: float | None = None, may_have_run: bool = False) -> None:
    """Bring a review to one of its final states; its escalations go no further, and an attention check's run ends with it."""
    now = time.time() if at is None else at
    run, was = db.row("SELECT run, state FROM reviews WHERE id = :review", {"review": review})
    applied_at = now if state is ReviewState.APPLIED else None
    db.execute(END, {"review": review, "state": state, "note": note, "may_have_run": may_have_run, "applied_at": applied_at})
    if was == state:
        return
    audit.note(db, now, state, PROGRAM, {"note": note}, run, review)
    db.execute(END_CHAIN, {"review": review})
    if state is not ReviewState.APPLIED:  # a check that was lost ends without a result
        db.execute(END_LOST_CHECK, {"review": review, "run": run})


def _demanded(action: Action) -> list[Any]:
    """An action's digest, and what a rule demands of the people who decide it, as the audit has them; defaults at the end are left out."""
    demands = [action.decider, list(action.separate)] if action.decider or action.separate else []
    return [action.digest, action.reviewers, *demands]


def _with_verdict(action: Action, verdict: Verdict | None) -> Action:
    action = replace(action, declared=action.risk)
    if verdict is None:
        return action
    judged = replace(action, outcome=verdict.outcome, rule=verdict.rule, reason=verdict.reason, reviewers=verdict.reviewers)
    judged = replace(
        judged,
        decider=canonical_json.storable(verdict.to),
        separate=verdict.separate,
        signed=verdict.signed,
        blind=verdict.blind,
        grant=verdict.grant,
    )
    return replace(judged, risk=verdict.risk or action.risk, spot_check=verdict.spot_check)


# Rows to model objects


def _listed(found: Iterable[Any]) -> list[ReviewRow]:
    """The reviews of rows of `ROW`. One that is damaged says so and hides no other; what cannot be read at all is left out."""
    listed = []
    for row in found:
        review, is_whole = read_tolerantly(read_row, row)
        if review is not None:
            listed.append(review if is_whole else replace(review, warning=UNREADABLE))
    return listed


def read_row(row: Any) -> ReviewRow:
    """The review of a row of `ROW`."""
    (id_, run, agent, kind, state, title, summary, slots, opened_at, risk, confidence, note, effective_at, route, recipient, escalated,
     claimed_by, claimed_until, deadline_at, deadline_then, policy_note, tools, variants, read_only, *progress) = row  # fmt: skip
    return ReviewRow(
        id_, run, agent, PauseKind(kind), ReviewState(state), title, summary, slots, opened_at, risk, confidence, note,
        read_progress(progress), effective_at, route and Outcome(route), recipient, escalated, claimed_by, claimed_until, deadline_at,
        deadline_then, policy_note, tuple((name, tool_risk) for name, tool_risk in json.loads(tools)),
        tuple(CallVariant(name, args, count) for name, args, count in json.loads(variants)), read_only,
    )  # fmt: skip


def read_progress(row: Sequence[Any]) -> Progress:
    """The progress of a row of `PROGRESS`."""
    decision, by, by_kind, others, slots, decided_slots, approvals = row
    partial = () if approvals == "[]" else _approvals(approvals)
    return Progress(decision, by, ActorKind(by_kind), tuple(json.loads(others)), slots, decided_slots, partial)


def _approvals(text: str) -> tuple[PartialApproval, ...]:
    return tuple(PartialApproval(DecisionKind(kind), needed, tuple(people)) for kind, needed, people in json.loads(text))


def progress_of(db: Transaction, review: int) -> Progress:
    """Within a transaction: how far a review is decided."""
    return read_progress(db.row(f"SELECT {PROGRESS} FROM reviews v WHERE v.id = ?", (review,)))


def read_decision(row: Any) -> Decision:
    """The decision of a row of `DECISION`."""
    id_, review, slot, kind, args, message, actor, digest, at, viewed_ms, actor_kind, template, seen, reading_ms, how = row
    answer, identified = answer_of(kind, args, message, template), how and Identified(how)
    return Decision(id_, review, slot, answer, actor, digest, at, viewed_ms, ActorKind(actor_kind), seen, reading_ms, identified)


def answer_of(kind: str, args: str | None, message: str | None, template: str | None = None) -> Answer:
    """The answer of a stored decision or approval."""
    return Answer(
        DecisionKind(kind), None if args is None else json.loads(args), message, None if template is None else json.loads(template)
    )


def action_values(a: Action) -> tuple[Any, ...]:
    """An action's columns, `ACTION`."""
    plain, dumps = canonical_json.storable, canonical_json.dumps
    return (
        a.slot, plain(a.name), dumps(a.args), dumps(list(a.allowed)), plain(a.description), dumps(a.args_schema), dumps(a.answer_schema),
        dumps(list(a.choices)), a.tool_call and plain(a.tool_call), dumps(dict(a.means)), a.digest, a.confidence.value, a.confidence.source,
        plain(a.confidence.note), a.risk and plain(a.risk), a.outcome, plain(a.rule), plain(a.reason), a.reviewers,
        a.declared and plain(a.declared), a.spot_check, a.signed, a.decider, dumps(list(a.separate)), a.blind, a.grant,
    )  # fmt: skip


def read_action(row: Any) -> Action:
    """The action of a row of `ACTION`."""
    (slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest, confidence, source, why, risk,
     outcome, rule, reason, reviewers, declared, spot_check, signed, decider, separate, blind, grant) = row  # fmt: skip
    return Action(
        slot, name, json.loads(args), tuple(DecisionKind(k) for k in json.loads(allowed)), description, json.loads(args_schema),
        json.loads(answer_schema), tuple(json.loads(choices)), tool_call, digest, json.loads(means), Confidence(confidence, source, why),
        risk, outcome and Outcome(outcome), rule, reason, reviewers, declared, bool(spot_check), bool(signed),
        decider=decider, separate=tuple(json.loads(separate)), blind=bool(blind), grant=grant,
    )  # fmt: skip


def conversation_of(text: str | None) -> tuple[Message, ...] | None:
    """A conversation as it is stored in a context; None for none."""
    return tuple(map(_message, json.loads(text))) or None if text else None


def _message(raw: Mapping[str, Any]) -> Message:
    return Message(**{**raw, "calls": tuple((name, args) for name, args in raw["calls"])})


def read_context(raw: Mapping[str, Any]) -> Context:
    """A stored context."""
    return Context(
        conversation=tuple(map(_message, raw["conversation"])),
        reasoning=raw["reasoning"],
        attempts=tuple(Attempt(**a) for a in raw["attempts"]),
        error=raw["error"],
        state=raw["state"],
        before=tuple(raw["before"]),
        after=tuple(raw["after"]),
        model=raw["model"],
    )
