"""Reviews and their actions: opened and closed by what a thread's snapshot says."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace

from hitl_tui import canonical_json
from hitl_tui.model import (
    Action,
    Answer,
    Context,
    Decision,
    DecisionKind,
    Head,
    Outcome,
    Pause,
    Review,
    ReviewRow,
    ReviewState,
    Routed,
    Verdict,
    worst,
)
from hitl_tui.policy import escalation
from hitl_tui.store import endorsements, escalations, run_heads
from hitl_tui.store.answers import DECIDE, answer_of, row_of
from hitl_tui.store.changefeed import Rev
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.review_rows import ACTION, ROW, WIDTH, action_values, read_action, read_context, read_row
from hitl_tui.store.runs import GIVE_BACK

WORSE = (Outcome.AUTO, Outcome.DENY, Outcome.ASK, Outcome.TAKEOVER)
"""The further along, the more a person has to do."""
ANSWERED = {Outcome.AUTO: DecisionKind.APPROVE, Outcome.DENY: DecisionKind.REJECT}
"""What policy decides by itself, and how."""

ASKED_AGAIN = "may have run once: the run was cut off, and asks again what it had an answer to"
LET_AGAIN = "may have run once: what may have run was let run again, and asks again what it had an answer to"

Judge = Callable[[Pause], Routed]


# What the console reads


async def waiting_ids(store: Store) -> array[int]:
    """Ids of all open reviews, oldest first.

    Eight bytes each, so that a hundred thousand fit in memory at no cost.
    """
    ids = array("q")
    last = 0
    while True:  # a page at a time: a cursor kept open would hide from this connection what is written meanwhile
        page = await store.all("SELECT id FROM reviews WHERE state = 'open' AND id > ? ORDER BY id LIMIT 20000", (last,))
        ids.extend(row[0] for row in page)
        if len(page) < 20_000:
            break
        last = ids[-1]
    return ids


async def rows(store: Store, ids: Sequence[int]) -> list[ReviewRow]:
    """These reviews as the queue shows them, in order of id."""
    marks = ", ".join("?" * len(ids))
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({marks}) ORDER BY v.id", tuple(ids))
    return [read_row(row) for row in found]


async def waiting(store: Store, limit: int) -> list[ReviewRow]:
    """The oldest open or not yet applied reviews."""
    live = (  # one state each, on the index kept for it: what is applied long since is not read
        "SELECT id FROM (SELECT id FROM reviews INDEXED BY reviews_waiting WHERE state = 'open' ORDER BY id LIMIT :limit) "
        "UNION ALL SELECT id FROM reviews INDEXED BY reviews_decided WHERE state = 'decided' "
        "UNION ALL SELECT id FROM reviews INDEXED BY reviews_submitted WHERE state = 'submitted'"
    )
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({live}) ORDER BY v.id LIMIT :limit", {"limit": limit})
    return [read_row(row) for row in found]


async def of_run(store: Store, run: int) -> list[ReviewRow]:
    """Every review a run ever opened."""
    return [read_row(row) for row in await store.all(f"SELECT {ROW} FROM reviews v WHERE v.run = ? ORDER BY v.id", (run,))]


async def changed(store: Store, after: Rev) -> list[ReviewRow]:
    """Reviews that changed since then."""
    ids = "SELECT review FROM changes WHERE seq > ? UNION SELECT review FROM audit WHERE seq > ? AND kind = 'decided'"
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({ids}) ORDER BY v.id", after)
    return [read_row(row) for row in found]


async def get(store: Store, review: int) -> Review | None:
    """One review whole, without its context."""
    row = await store.one(
        f"SELECT {ROW}, r.thread, v.interrupt, v.node, v.path, v.decided_at, v.submitted_at, v.applied_at, d.value "
        "FROM reviews v JOIN runs r ON r.id = v.run JOIN details d ON d.review = v.id WHERE v.id = ?",
        (review,),
    )
    if row is None:
        return None
    thread, interrupt, node, path, decided_at, submitted_at, applied_at, value = row[WIDTH:]
    actions = await actions_of(store, review)
    decisions = {d.slot: d for d in await _decisions(store, review)}
    return Review(
        read_row(row[:WIDTH]), thread, interrupt, node, tuple(json.loads(path)), json.loads(value), actions, decisions,
        decided_at, submitted_at, applied_at,
    )  # fmt: skip


async def context(store: Store, review: int) -> Context:
    """What surrounds a review; empty when it is unknown."""
    row = await store.one("SELECT context FROM details WHERE review = ?", (review,))
    return read_context(json.loads(row[0])) if row else Context()


# What the worker does


async def actions_of(store: Store, review: int) -> tuple[Action, ...]:
    """Every action of a review, in order."""
    return tuple(read_action(row) for row in await store.all(f"SELECT {ACTION} FROM actions WHERE review = ? ORDER BY slot", (review,)))


async def undecided_actions(db: Transaction, review: int) -> list[Action]:
    """Within a transaction: the actions of a review that have no decision."""
    found = await db.execute_fetchall(
        f"SELECT {ACTION} FROM actions a WHERE review = ? AND NOT EXISTS "
        "(SELECT 1 FROM decisions d WHERE d.review = a.review AND d.slot = a.slot AND NOT d.superseded) ORDER BY slot",
        (review,),
    )
    return [read_action(row) for row in found]


async def reconcile(
    store: Store,
    run: int,
    agent: str,
    worker: str,
    pauses: Sequence[Pause],
    fate: Mapping[int, tuple[ReviewState, str]],
    doubtful: Sequence[int] = (),
    judge: Judge | None = None,
    head: Head | None = None,
) -> None:
    """Make the run's reviews what the snapshot says, and the run `waiting`: close what is not pending, open what is new.

    `fate` says what became of submitted reviews; the others that are no longer pending are stale. The decisions of `doubtful`
    reviews may have had their effect, though that is asked again. `judge` says what policy makes of a pause that is new: what it decides
    is stored with the review, or neither is. `head` is where the run stands.
    """
    pending = {pause.interrupt: pause for pause in pauses}
    async with store.transaction() as db:
        again = ASKED_AGAIN if doubtful else LET_AGAIN if await _let_again(db, fate) else ""
        if again:
            pauses = [replace(pause, note=pause.note or await _asked_before(db, run, pause, again)) for pause in pauses]
        await _doubt(db, run, doubtful, [a.tool_call for pause in pauses if pause.note for a in pause.actions if a.tool_call])
        await _apply_fate(db, fate)
        live = await db.execute_fetchall(
            "SELECT id, interrupt FROM reviews WHERE run = ? AND state IN ('open', 'decided', 'submitted')", (run,)
        )
        known = {str(interrupt): int(review) for review, interrupt in live}
        for interrupt, review in known.items():
            if interrupt not in pending:
                await db.execute("UPDATE reviews SET state = 'stale', note = 'answered elsewhere or superseded' WHERE id = ?", (review,))
        for pause in pauses:
            if pause.interrupt not in known:
                await _open(db, run, agent, pause, judge)
            elif pause.note:
                await db.execute("UPDATE reviews SET note = ?1 WHERE id = ?2 AND note != ?1", (pause.note, known[pause.interrupt]))
        await db.execute(
            f"UPDATE runs SET state = 'waiting', {GIVE_BACK}, activity = '', error = '', resuming = 0, crashes = 0, cut = 0 "
            "WHERE id = ? AND worker = ?",
            (run, worker),
        )
        await run_heads.put(db, run, head)


async def _doubt(db: Transaction, run: int, answered: Sequence[int], calls: Sequence[str]) -> None:
    """Mark decisions that may have had their effect: those of these reviews, and those about tool calls that are asked again."""
    await db.executemany("UPDATE decisions SET doubtful = 1 WHERE review = ? AND NOT superseded", [(review,) for review in answered])
    await db.executemany(
        "UPDATE decisions SET doubtful = 1 WHERE NOT superseded AND (review, slot) IN (SELECT a.review, a.slot FROM reviews v "
        "JOIN actions a ON a.review = v.id WHERE v.run = ? AND v.submitted_at IS NOT NULL AND a.tool_call = ?)",
        [(run, call) for call in calls],
    )


async def _let_again(db: Transaction, answered: Collection[int]) -> bool:
    """Whether somebody has just answered what may have run once: what happens now may have happened."""
    marks = ", ".join("?" * len(answered))
    found = await db.execute_fetchall(f"SELECT 1 FROM reviews WHERE id IN ({marks}) AND note LIKE 'may have run once%'", (*answered,))
    return bool(found)


async def _asked_before(db: Transaction, run: int, pause: Pause, note: str) -> str:
    """The note, where a run asks under a new id what it had an answer to; else none."""
    found = await db.execute_fetchall(
        "SELECT 1 FROM reviews v JOIN actions a ON a.review = v.id WHERE v.run = ? AND v.node = ? AND v.interrupt != ? "
        "AND v.submitted_at IS NOT NULL AND a.slot = 0 AND a.digest = ? LIMIT 1",
        (run, canonical_json.plain(pause.node), pause.interrupt, pause.actions[0].digest),
    )
    return note if found else ""


async def gates(store: Store, run: int) -> set[str]:
    """Static gates where the run was seen to stand and which nobody has let it pass."""
    found = await store.all("SELECT interrupt FROM reviews WHERE run = ? AND kind IN ('gate', 'tool_gate') AND state != 'applied'", (run,))
    return {str(row[0]) for row in found}


async def submitted(store: Store, run: int) -> dict[int, str]:
    """Reviews, with their interrupts, whose answer was sent and nobody has seen what came of it."""
    return {
        int(row[0]): str(row[1])
        for row in await store.all("SELECT id, interrupt FROM reviews WHERE run = ? AND state = 'submitted'", (run,))
    }


async def close(store: Store, fate: Mapping[int, tuple[ReviewState, str]]) -> None:
    """Say what became of submitted reviews, with a note."""
    async with store.transaction() as db:
        await _apply_fate(db, fate)


async def _apply_fate(db: Transaction, fate: Mapping[int, tuple[ReviewState, str]]) -> None:
    now = time.time()
    for review, (state, note) in fate.items():
        applied = now if state == ReviewState.APPLIED else None
        await db.execute("UPDATE reviews SET state = ?, note = ?, applied_at = ? WHERE id = ?", (state, note, applied, review))
        if state == ReviewState.DECIDED:  # it never reached the graph
            await db.execute("UPDATE reviews SET submitted_at = NULL, submitted_by = NULL WHERE id = ?", (review,))
        if state == ReviewState.OPEN:
            await db.execute("UPDATE decisions SET superseded = 1 WHERE review = ?", (review,))
            await endorsements.withdraw(db, review, now, note=note)
            await db.execute(
                "UPDATE reviews SET decided = '', decided_at = NULL, effective_at = NULL, submitted_by = NULL, "
                "route = CASE WHEN route IN ('auto', 'deny') THEN 'ask' ELSE route END WHERE id = ?",
                (review,),
            )
            await db.execute(  # what policy decided, a person decides now
                "UPDATE actions SET outcome = 'ask', rule = 'safety', reason = ?1 || ': a person must look, though ' || reason "
                "WHERE review = ?2 AND outcome IN ('auto', 'deny')",
                (note, review),
            )


async def _open(db: Transaction, run: int, agent: str, pause: Pause, judge: Judge | None) -> None:
    pause = replace(pause, note=pause.note or await _known_doubt(db, run, pause.interrupt))
    routed = judge(pause) if judge else Routed({})
    review, now = await insert(db, run, agent, pause, routed)
    for action in pause.actions:
        verdict = routed.verdicts.get(action.slot)
        if verdict and (kind := ANSWERED.get(verdict.outcome)):
            answer = Answer(kind, message=canonical_json.plain(verdict.reason) if kind is DecisionKind.REJECT else None)
            await db.execute(DECIDE, row_of(review, action, answer, f"policy:{verdict.rule}", now, now, None))
    if call := escalation.called(agent, pause, routed.verdicts):
        await escalations.add(db, review, call.to, call.actor, call.why, now)


async def insert(db: Transaction, run: int, agent: str, pause: Pause, routed: Routed) -> tuple[int, float]:
    """Store a new review within a transaction, with what policy says of it; its id, and when it was opened."""
    first, plain, now = pause.actions[0], canonical_json.plain, time.time()
    actions = [_with(action, routed.verdicts.get(action.slot)) for action in pause.actions]
    risk = worst([action.risk for action in actions]) if routed.verdicts else pause.risk
    note = plain("; ".join(filter(None, [pause.note, routed.note])))
    due = escalation.soonest(routed.verdicts)
    cursor = await db.execute(
        "INSERT INTO reviews (run, agent, interrupt, kind, node, path, title, summary, slots, risk, confidence, note, opened_at, "
        "repeats, route, recipient, deadline_at, deadline_then, deadline_rule) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (run, agent, pause.interrupt, pause.kind, plain(pause.node), canonical_json.dumps(list(pause.path)), plain(first.name),
         canonical_json.one_line(first.args), len(pause.actions), risk, pause.confidence, note, now,
         pause.repeats, _route(routed.verdicts), plain(escalation.recipient(routed.verdicts)),
         now + (due.deadline_s or 0.0) if due else None, due.then if due else "", due.rule if due else ""),
    )  # fmt: skip
    review = int(cursor.lastrowid or 0)
    await db.execute(
        "INSERT INTO details (review, value, context) VALUES (?, ?, ?)",
        (review, canonical_json.dumps(pause.value), canonical_json.dumps(asdict(pause.context))),
    )
    await db.executemany(
        f"INSERT INTO actions (review, {ACTION}) VALUES (?{', ?' * (ACTION.count(',') + 1)})",
        [(review, *action_values(action)) for action in actions],
    )
    return review, now


def _with(action: Action, verdict: Verdict | None) -> Action:
    action = replace(action, declared=action.risk)
    if verdict is None:
        return action
    said = replace(action, outcome=verdict.outcome, rule=verdict.rule, reason=verdict.reason, reviewers=verdict.reviewers)
    return replace(said, risk=verdict.risk or action.risk, spot_check=verdict.spot_check)


def _route(verdicts: Mapping[int, Verdict]) -> Outcome | None:
    """The worst outcome: of what people have to decide, and where that is nothing, of what policy did."""
    return max((verdict.outcome for verdict in verdicts.values()), key=WORSE.index, default=None)


async def _known_doubt(db: Transaction, run: int, interrupt: str) -> str:
    """Why a question that is new here may not be new to the world: an older checkpoints.db, or a lost hitl.db."""
    found = await db.execute_fetchall(
        "SELECT (SELECT CASE state WHEN 'applied' THEN 'applied' ELSE note END FROM reviews WHERE run = ?1 AND interrupt = ?2 "
        "AND (state = 'applied' OR note LIKE 'may have run once%') ORDER BY id DESC LIMIT 1), "
        "(SELECT json_extract(input, '$.adopted') IS NOT NULL FROM runs WHERE id = ?1)",
        (run, interrupt),
    )
    answered, adopted = next(iter(found))
    if answered and answered != ReviewState.APPLIED:
        return str(answered)
    if answered:
        return "may have run once: it was answered before, and checkpoints.db is older than that"
    return "may have run once: what was decided of this run was lost with an earlier hitl.db" if adopted else ""


async def _decisions(store: Store, review: int) -> list[Decision]:
    found = await store.all(
        "SELECT id, review, slot, kind, args, message, actor, digest, at, looked_ms FROM decisions WHERE review = ? AND NOT superseded",
        (review,),
    )
    return [
        Decision(id_, review, slot, answer_of(kind, args, message), actor, digest, at, looked_ms)
        for id_, review, slot, kind, args, message, actor, digest, at, looked_ms in found
    ]
