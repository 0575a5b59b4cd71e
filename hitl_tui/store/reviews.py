"""Reviews, their actions and decisions: opened and closed by what a thread's snapshot says, decided by people."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hitl_tui import jsontext
from hitl_tui.errors import Refused, Stale
from hitl_tui.model import (
    Action,
    Answer,
    Attempt,
    Ban,
    Context,
    Decision,
    DecisionKind,
    Json,
    Message,
    Pause,
    PauseKind,
    Review,
    ReviewRow,
    ReviewState,
    Run,
    Sent,
)
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.runs import COLUMNS as RUN
from hitl_tui.store.runs import GIVE_BACK, read_run

ROW = (
    "v.id, v.run, v.agent, v.kind, v.state, v.title, v.summary, v.slots, v.opened_at, v.risk, v.confidence, v.note, v.decided, "
    "v.effective_at"
)
ACTION = "slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest"
DECIDE = (
    "INSERT INTO decisions (review, slot, digest, kind, args, message, actor, at, effective_at, looked_ms) "
    "SELECT v.id, a.slot, a.digest, ?, ?, ?, ?, ?, ?, ? FROM reviews v JOIN actions a ON a.review = v.id "
    "WHERE v.id = ? AND v.state = 'open' AND a.slot = ? AND a.digest = ?"
)
REPEATS = (  # the doubtful key, where a decision says what that key stood for: the same of the same call, or that a gate lets it run again
    "CASE WHEN v.kind = 'gate' OR (d.kind IN ('reject', 'respond') AND v.kind IN ('tool_calls', 'tool_approval', 'tool_gate')) "
    "OR EXISTS (SELECT 1 FROM decisions o WHERE instr('.' || replace(v.repeats, '+', '.') || '.', '.' || o.id || '.') "
    "AND o.digest = d.digest AND o.kind = d.kind AND o.args IS d.args AND o.message IS d.message) THEN v.repeats END"
)


# What the console reads


async def waiting_ids(store: Store, holding: str = "") -> array[int]:
    """Ids of all open reviews, or of those whose agent, tool or summary holds a text, oldest first.

    Eight bytes each, so that a hundred thousand fit in memory at no cost.
    """
    ids = array("q")
    where, values = (
        ("", ()) if not holding else (" AND instr(lower(agent || char(10) || title || char(10) || summary), lower(?))", (holding,))
    )
    last = 0
    while True:  # a page at a time: a cursor kept open would hide from this connection what is written meanwhile
        page = await store.all(f"SELECT id FROM reviews WHERE state = 'open' AND id > ?{where} ORDER BY id LIMIT 20000", (last, *values))
        ids.extend(row[0] for row in page)
        if len(page) < 20_000:
            break
        last = ids[-1]
    return ids


async def rows(store: Store, ids: Sequence[int]) -> list[ReviewRow]:
    """These reviews as the queue shows them, in order of id."""
    marks = ", ".join("?" * len(ids))
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({marks}) ORDER BY v.id", tuple(ids))
    return [_row(row) for row in found]


async def waiting(store: Store, limit: int) -> list[ReviewRow]:
    """The oldest open or not yet applied reviews."""
    live = (  # one state each, on the index kept for it: what is applied long since is not read
        "SELECT id FROM (SELECT id FROM reviews INDEXED BY reviews_waiting WHERE state = 'open' ORDER BY id LIMIT :limit) "
        "UNION ALL SELECT id FROM reviews INDEXED BY reviews_decided WHERE state = 'decided' "
        "UNION ALL SELECT id FROM reviews INDEXED BY reviews_submitted WHERE state = 'submitted'"
    )
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN ({live}) ORDER BY v.id LIMIT :limit", {"limit": limit})
    return [_row(row) for row in found]


async def of_run(store: Store, run: int) -> list[ReviewRow]:
    """Every review a run ever opened."""
    return [_row(row) for row in await store.all(f"SELECT {ROW} FROM reviews v WHERE v.run = ? ORDER BY v.id", (run,))]


async def changed(store: Store, after: int) -> list[ReviewRow]:
    """Reviews that changed after that number."""
    found = await store.all(f"SELECT {ROW} FROM reviews v WHERE v.id IN (SELECT review FROM changes WHERE seq > ?) ORDER BY v.id", (after,))
    return [_row(row) for row in found]


async def get(store: Store, review: int) -> Review | None:
    """One review whole, without its context."""
    row = await store.one(
        f"SELECT {ROW}, r.thread, v.interrupt, v.node, v.path, v.decided_at, v.submitted_at, v.applied_at, d.value "
        "FROM reviews v JOIN runs r ON r.id = v.run JOIN details d ON d.review = v.id WHERE v.id = ?",
        (review,),
    )
    if row is None:
        return None
    thread, interrupt, node, path, decided_at, submitted_at, applied_at, value = row[14:]
    actions = await _actions(store, review)
    decisions = {d.slot: d for d in await _decisions(store, review)}
    return Review(
        _row(row[:14]), thread, interrupt, node, tuple(json.loads(path)), json.loads(value), actions, decisions,
        decided_at, submitted_at, applied_at,
    )  # fmt: skip


async def context(store: Store, review: int) -> Context:
    """What surrounds a review; empty when it is unknown."""
    row = await store.one("SELECT context FROM details WHERE review = ?", (review,))
    return _context(json.loads(row[0])) if row else Context()


# What a reviewer does


async def decide(
    store: Store, review: int, answers: Mapping[int, Answer], digests: Mapping[int, str], actor: str, grace_s: float, looked_ms: int | None
) -> None:
    """Store answers by slot, all or none; the last one missing makes the whole review `decided`.

    Raises:
        Stale: it is no longer open, or an action is not the one that was shown.
    """
    now = time.time()
    values = [
        (a.kind, _args(a), a.message, actor, now, now + grace_s, looked_ms, review, slot, digests[slot]) for slot, a in answers.items()
    ]
    if len(values) == 1:  # a transaction of its own
        if not await store.write_soon(f"{DECIDE} RETURNING id", values[0]):
            await _explain(store, review, digests)
        return
    async with store.transaction() as db:
        slots = ", ".join("?" * len(answers))  # make way first: the one that completes the review closes it to the others
        await db.execute(
            f"UPDATE decisions SET superseded = 1 WHERE review = ? AND slot IN ({slots}) AND NOT superseded "
            "AND (SELECT state FROM reviews WHERE id = review) = 'open'",
            (review, *answers),
        )
        for one in values:
            if not (await db.execute(DECIDE, one)).rowcount:
                await _explain(store, review, digests)


async def undo(store: Store, review: int, actor: str) -> None:
    """Take back what this reviewer decided last of the review: while its grace time runs, or as long as other actions are undecided.

    Raises:
        Refused: there is nothing of theirs to take back.
        Stale: it is too late.
    """
    now = time.time()
    async with store.transaction() as db:
        found = list(await db.execute_fetchall("SELECT state, effective_at FROM reviews WHERE id = ?", (review,)))
        if not found:
            raise Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")
        state, effective_at = found[0]
        mine = list(
            await db.execute_fetchall(
                "SELECT id, actor FROM decisions WHERE review = ?1 AND NOT superseded AND at = "
                "(SELECT max(at) FROM decisions WHERE review = ?1 AND NOT superseded)",
                (review,),
            )
        )
        if state not in (ReviewState.OPEN, ReviewState.DECIDED) or (state == ReviewState.DECIDED and effective_at <= now):
            await _too_late(store, review)
        if not mine or mine[0][1] != actor:
            whose = f"the last decision is {mine[0][1]}'s" if mine else "nothing is decided"
            raise Refused(f"review {review} has nothing of yours to take back: {whose}", "nothing was changed")
        await db.executemany("UPDATE decisions SET superseded = 1, undone_at = ? WHERE id = ?", [(now, id_) for id_, _ in mine])
        await db.execute(
            "UPDATE reviews SET state = 'open', decided_at = NULL, effective_at = NULL, decided = coalesce((SELECT count(*) || ' of ' || "
            "slots || ' decided' FROM decisions WHERE review = ?1 AND NOT superseded HAVING count(*) > 0), '') WHERE id = ?1",
            (review,),
        )


async def _too_late(store: Store, review: int) -> None:
    state, note, decided, decided_at = await store.one("SELECT state, note, decided, decided_at FROM reviews WHERE id = ?", (review,))
    why = {
        ReviewState.DECIDED: "its grace time is over and it is about to be applied",
        ReviewState.SUBMITTED: "it is being applied now",
        ReviewState.APPLIED: "it was applied",
    }.get(state, f"it is {state}" + (f": {note}" if note else ""))
    said = f"review {review} was {decided}{_when(decided_at)}, and " if decided_at else f"review {review} cannot be taken back: "
    raise Stale(said + why, "nothing was changed")


def _when(at: float | None) -> str:
    """` at 14:03:22`, with the date when it is another day's; empty when unknown."""
    if at is None:
        return ""
    then = time.localtime(at)
    today = then[:3] == time.localtime()[:3]
    return time.strftime(" at %H:%M:%S" if today else " on %Y-%m-%d at %H:%M:%S", then)


async def state_of(store: Store, review: int) -> ReviewState:
    """Where a known review is."""
    return ReviewState((await store.one("SELECT state FROM reviews WHERE id = ?", (review,)))[0])


def _args(answer: Answer) -> str | None:
    return None if answer.args is None and answer.kind != DecisionKind.RESPOND else jsontext.dumps(answer.args)


async def _explain(store: Store, review: int, digests: Mapping[int, str]) -> None:
    """Say why a decision was not stored."""
    found = await store.all(
        "SELECT v.state, v.note, v.decided, v.decided_at, a.slot, a.digest FROM reviews v JOIN actions a ON a.review = v.id WHERE v.id = ?",
        (review,),
    )
    if not found:
        raise Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")
    state, note, decided, decided_at = found[0][:4]
    if state != ReviewState.OPEN:
        going = state in (ReviewState.DECIDED, ReviewState.SUBMITTED, ReviewState.APPLIED)
        why = f"{state}: {note}" if note and not going else (decided or state) + _when(decided_at)
        raise Stale(f"review {review} is {why}", "nothing was changed")
    live = {slot: digest for *_, slot, digest in found}
    changed = [slot for slot, digest in digests.items() if live.get(slot) != digest]
    if not changed:
        raise Stale(f"somebody decided review {review} at the same moment, and took it back", "look at it again")
    raise Stale(f"action {changed} of review {review} is not the one that was shown", "look at it again")


# What the worker does


@dataclass(frozen=True, slots=True)
class Answers:
    """What was decided of one review, as the worker needs it."""

    review: int
    interrupt: str
    node: str
    decided_at: float
    by_slot: Mapping[int, Answer]
    digests: Mapping[int, str]
    decisions: Mapping[int, int]
    """Ids of the decisions, by slot."""
    repeats: str | None
    """The key of earlier decisions that said the same and may have had their effect."""

    @property
    def key(self) -> str:
        """What names these decisions everywhere and for ever: the question's own id, and the decisions' numbers here.

        Who says the same again of what may have run once means the same act, and a tool that remembers the key acts once.
        """
        return self.repeats or _key(self.interrupt, self.decisions.values())


def ready(store: Store, project: int, agents: Sequence[str], going: Sequence[int]) -> tuple[Run, list[Answers]] | None:
    """A waiting run of these agents of this project with its reviews whose decision is effective, or None.

    `going` are runs the worker is at already.
    """
    now = time.time()
    found = store.glance(
        f"SELECT v.id, v.interrupt, v.node, v.decided_at, {REPEATS}, d.slot, d.id, d.kind, d.args, d.message, d.digest, "
        f"{RUN} FROM reviews v JOIN runs ON runs.id = v.run JOIN decisions d ON d.review = v.id AND NOT d.superseded "
        "WHERE v.state = 'decided' AND v.effective_at <= ? AND v.run = ("
        "SELECT o.run FROM reviews o JOIN runs r ON r.id = o.run WHERE o.state = 'decided' AND o.effective_at <= ? AND r.project = ? "
        f"AND r.state = 'waiting' AND r.agent IN ({', '.join('?' * len(agents))}) AND r.id NOT IN ({', '.join('?' * len(going))}) "
        "ORDER BY o.effective_at LIMIT 1) ORDER BY v.id, d.slot",
        (now, now, project, *agents, *going),
    )
    return (read_run(found[0][11:]), _answers(found)) if found else None


def next_effective(store: Store) -> float | None:
    """When the next decision's grace time ends, as Unix time; None when no grace time runs."""
    [(found,)] = store.glance("SELECT min(effective_at) FROM reviews WHERE state = 'decided' AND effective_at > ?", (time.time(),))
    return found if found is None else float(found)


def _answers(found: Sequence[Any]) -> list[Answers]:
    by_review: dict[int, Answers] = {}
    for review, interrupt, node, decided_at, repeats, slot, id_, kind, args, message, digest, *_ in found:
        said = by_review.get(review, Answers(review, interrupt, node, decided_at, {}, {}, {}, repeats))
        answer = Answer(DecisionKind(kind), _json(args), message)
        by_review[review] = replace(
            said,
            by_slot={**said.by_slot, slot: answer},
            digests={**said.digests, slot: digest},
            decisions={**said.decisions, slot: id_},
            repeats=said.repeats and repeats,
        )
    return list(by_review.values())


def _key(interrupt: str, decisions: Iterable[int]) -> str:
    return f"{interrupt.removeprefix('gate:')}.{'.'.join(map(str, decisions))}"


async def last_sent(store: Store, run: int) -> tuple[str | None, list[Sent]]:
    """The decisions the run went on with last, with their key; none when it never asked, or was asked the same again since."""
    found = await store.all(
        f"SELECT v.id, v.interrupt, v.node, v.decided_at, {REPEATS}, d.slot, d.id, d.kind, d.args, d.message, d.digest, v.kind "
        "FROM reviews v "
        "JOIN decisions d ON d.review = v.id AND NOT d.superseded WHERE v.run = ?1 AND v.submitted_at = "
        "(SELECT max(submitted_at) FROM reviews WHERE run = ?1) ORDER BY v.id, d.slot",
        (run,),
    )
    kinds = {row[0]: PauseKind(row[11]) for row in found}
    sent = _answers(found)
    key = "+".join(dict.fromkeys(said.key for said in sent)) or None
    return key, [Sent(s.review, s.interrupt, kinds[s.review], s.node, await _actions(store, s.review), s.by_slot) for s in sent]


async def _actions(store: Store, review: int) -> tuple[Action, ...]:
    return tuple(_action(row) for row in await store.all(f"SELECT {ACTION} FROM actions WHERE review = ? ORDER BY slot", (review,)))


async def submit(store: Store, worker: str, decided: Sequence[Answers]) -> set[int]:
    """Write the ledger before LangGraph is called, and with it take the run's lease (by a trigger: one statement, one commit).

    Returns the reviews that were still decided in these very words; none when another worker was first.
    """
    marks, pairs = ", ".join("?" * len(decided)), ", ".join(["(?, ?)"] * len(decided))
    rows = await store.write_soon(
        "UPDATE reviews SET state = 'submitted', submitted_at = ?, submitted_by = ? "
        f"WHERE state = 'decided' AND id IN ({marks}) AND (id, decided_at) IN (VALUES {pairs}) RETURNING id",
        (time.time(), worker, *(said.review for said in decided), *(part for said in decided for part in (said.review, said.decided_at))),
    )
    return {int(row[0]) for row in rows}


async def reconcile(
    store: Store,
    run: int,
    agent: str,
    worker: str,
    pauses: Sequence[Pause],
    fate: Mapping[int, tuple[ReviewState, str]],
    repeats: str | None = None,
) -> None:
    """Make the run's reviews what the snapshot says, and the run `waiting`: close what is not pending, open what is new.

    `fate` says what became of submitted reviews; the others that are no longer pending are stale. `repeats` is the key of the decisions
    that those which come back may have had the effect of.
    """
    pending = {pause.interrupt: pause for pause in pauses}
    async with store.transaction() as db:
        await _apply_fate(db, fate, repeats)
        live = await db.execute_fetchall(
            "SELECT id, interrupt FROM reviews WHERE run = ? AND state IN ('open', 'decided', 'submitted')", (run,)
        )
        known = {str(interrupt): int(review) for review, interrupt in live}
        for interrupt, review in known.items():
            if interrupt not in pending:
                await db.execute("UPDATE reviews SET state = 'stale', note = 'answered elsewhere or superseded' WHERE id = ?", (review,))
        for pause in pauses:
            if pause.interrupt not in known:
                await _open(db, run, agent, pause)
            elif pause.note:
                await db.execute("UPDATE reviews SET note = ?1 WHERE id = ?2 AND note != ?1", (pause.note, known[pause.interrupt]))
        await db.execute(
            f"UPDATE runs SET state = 'waiting', {GIVE_BACK}, activity = '', error = '', resuming = 0, crashes = 0, cut = 0 "
            "WHERE id = ? AND worker = ?",
            (run, worker),
        )


async def gates(store: Store, run: int) -> set[str]:
    """Static gates where the run was seen to stand and which nobody has let it pass."""
    found = await store.all("SELECT interrupt FROM reviews WHERE run = ? AND kind IN ('gate', 'tool_gate') AND state != 'applied'", (run,))
    return {str(row[0]) for row in found}


def forbidden(store: Store, run: int) -> list[Ban]:
    """Tool calls that were refused or edited by whoever was asked last, or that nobody has decided yet."""
    found = store.glance(
        "SELECT a.tool_call, a.name, a.args, v.state, v.id, d.kind, d.args, d.actor FROM ("
        "SELECT max(v.id) AS review, a.slot FROM reviews v JOIN actions a ON a.review = v.id "
        "WHERE v.run = ? AND v.state != 'stale' AND a.tool_call IS NOT NULL GROUP BY a.tool_call, a.name) AS last "
        "JOIN reviews v ON v.id = last.review JOIN actions a ON a.review = v.id AND a.slot = last.slot "
        "LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded "
        "WHERE v.state IN ('open', 'decided') OR d.kind IS NOT 'approve'",
        (run,),
    )
    return [_ban(row) for row in found]


def _ban(row: Any) -> Ban:
    call, name, args, state, review, kind, instead, actor = row
    if kind is None or state in (ReviewState.OPEN, ReviewState.DECIDED):
        return Ban(call, name, _json(args), None, "its review waits for a decision", review)
    did = {"edit": "edited", "respond": "answered in place of"}.get(kind, "rejected")
    return Ban(call, name, _json(args), _json(instead) if kind == DecisionKind.EDIT else None, f"{actor} {did} it", review)


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


async def _apply_fate(db: Transaction, fate: Mapping[int, tuple[ReviewState, str]], repeats: str | None = None) -> None:
    now = time.time()
    for review, (state, note) in fate.items():
        applied = now if state == ReviewState.APPLIED else None
        await db.execute("UPDATE reviews SET state = ?, note = ?, applied_at = ? WHERE id = ?", (state, note, applied, review))
        if state == ReviewState.DECIDED:  # it never reached the graph
            await db.execute("UPDATE reviews SET submitted_at = NULL, submitted_by = NULL WHERE id = ?", (review,))
        if state == ReviewState.OPEN:
            await db.execute("UPDATE reviews SET repeats = ? WHERE id = ?", (repeats, review))
            await db.execute("UPDATE decisions SET superseded = 1 WHERE review = ?", (review,))
            await db.execute(
                "UPDATE reviews SET decided = '', decided_at = NULL, effective_at = NULL, submitted_by = NULL WHERE id = ?", (review,)
            )


async def _open(db: Transaction, run: int, agent: str, pause: Pause) -> None:
    first, plain = pause.actions[0], jsontext.plain
    note = pause.note or await _known_doubt(db, run, pause.interrupt)
    cursor = await db.execute(
        "INSERT INTO reviews (run, agent, interrupt, kind, node, path, title, summary, slots, risk, confidence, note, opened_at, "
        "repeats) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (run, agent, pause.interrupt, pause.kind, plain(pause.node), jsontext.dumps(list(pause.path)), plain(first.name),
         jsontext.one_line(first.args), len(pause.actions), pause.risk, pause.confidence, note, time.time(),
         pause.repeats),
    )  # fmt: skip
    review = cursor.lastrowid
    await db.execute(
        "INSERT INTO details (review, value, context) VALUES (?, ?, ?)",
        (review, jsontext.dumps(pause.value), jsontext.dumps(asdict(pause.context))),
    )
    await db.executemany(
        f"INSERT INTO actions (review, {ACTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(review, *_action_values(action)) for action in pause.actions],
    )


async def _known_doubt(db: Transaction, run: int, interrupt: str) -> str:
    """Why a question that is new here may not be new to the world: an older checkpoints.db, or a lost hitl.db."""
    found = await db.execute_fetchall(
        "SELECT EXISTS (SELECT 1 FROM reviews WHERE run = ?1 AND interrupt = ?2 AND state = 'applied'), "
        "(SELECT json_extract(input, '$.adopted') IS NOT NULL FROM runs WHERE id = ?1)",
        (run, interrupt),
    )
    answered, adopted = next(iter(found))
    if answered:
        return "may have run once: it was answered before, and checkpoints.db is older than that"
    return "may have run once: what was decided of this run was lost with an earlier hitl.db" if adopted else ""


def _action_values(a: Action) -> tuple[Any, ...]:
    plain = jsontext.plain
    return (
        a.slot, plain(a.name), jsontext.dumps(a.args), jsontext.dumps(list(a.allowed)), plain(a.description), jsontext.dumps(a.args_schema),
        jsontext.dumps(a.answer_schema), jsontext.dumps(list(a.choices)), a.tool_call and plain(a.tool_call), jsontext.dumps(dict(a.means)),
        a.digest,
    )  # fmt: skip


def _action(row: Any) -> Action:
    slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest = row
    return Action(
        slot, name, json.loads(args), tuple(DecisionKind(k) for k in json.loads(allowed)), description, json.loads(args_schema),
        json.loads(answer_schema), tuple(json.loads(choices)), tool_call, digest, json.loads(means),
    )  # fmt: skip


async def _decisions(store: Store, review: int) -> list[Decision]:
    found = await store.all(
        "SELECT id, review, slot, kind, args, message, actor, digest, at, looked_ms FROM decisions WHERE review = ? AND NOT superseded",
        (review,),
    )
    return [
        Decision(id_, review, slot, Answer(DecisionKind(kind), _json(args), message), actor, digest, at, looked_ms)
        for id_, review, slot, kind, args, message, actor, digest, at, looked_ms in found
    ]


def _json(text: str | None) -> Json:
    return None if text is None else json.loads(text)


def _row(row: Any) -> ReviewRow:
    id_, run, agent, kind, state, title, summary, slots, opened_at, risk, confidence, note, decided, effective_at = row
    return ReviewRow(
        id_,
        run,
        agent,
        PauseKind(kind),
        ReviewState(state),
        title,
        summary,
        slots,
        opened_at,
        risk,
        confidence,
        note,
        decided,
        effective_at,
    )


def _context(raw: dict[str, Any]) -> Context:
    return Context(
        conversation=tuple(Message(**{**m, "calls": tuple((name, args) for name, args in m["calls"])}) for m in raw["conversation"]),
        reasoning=raw["reasoning"],
        attempts=tuple(Attempt(**a) for a in raw["attempts"]),
        error=raw["error"],
        state=raw["state"],
        before=tuple(raw["before"]),
        after=tuple(raw["after"]),
        model=raw["model"],
    )
