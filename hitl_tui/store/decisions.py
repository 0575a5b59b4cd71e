"""What people said of reviews: stored, taken back while there is time, and sent once, under a key that stays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Action, Answer, Ban, DecisionKind, PauseKind, ReviewState, Run, Sent
from hitl_tui.store import attention_findings, endorsements, error_context
from hitl_tui.store.answers import DECIDE, ENDORSE, SAID_ALREADY, answer_of, parsed, row_of
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import actions_of
from hitl_tui.store.runs import COLUMNS as RUN
from hitl_tui.store.runs import read_run

SAID = (
    "reviews v JOIN decisions d ON d.review = v.id AND NOT d.superseded JOIN actions a ON a.review = v.id AND a.slot = d.slot "
    "JOIN decisions f ON f.id = coalesce(d.repeats, d.id) JOIN reviews q ON q.id = f.review"
)
ANSWERS = (
    "v.id, v.kind, v.interrupt, v.node, v.decided_at, v.repeats, d.slot, a.tool_call, f.id, q.interrupt, d.kind, d.args, d.message, "
    "d.digest"
)

# What a reviewer does


async def decide(
    store: Store,
    review: int,
    answers: Mapping[int, Answer],
    shown: Mapping[int, Action],
    actor: str,
    grace_s: float,
    looked_ms: int | None,
) -> None:
    """Store answers by slot, all or none; the last one missing makes the whole review `decided`. `shown` is what the reviewer saw.

    Where an action needs several people, the first of them endorse it, and the last one's word is the decision.

    Raises:
        Refused: somebody else has claimed it, or this person has said the same already where several people are needed.
        Stale: it is no longer open, or an action is not the one that was shown.
    """
    now = time.time()
    digests = {slot: shown[slot].digest for slot in answers}
    values = {slot: row_of(review, shown[slot], a, actor, now, now + grace_s, looked_ms) for slot, a in answers.items()}
    if len(values) == 1 and await store.write_soon(DECIDE, *values.values()):  # a transaction of its own
        return
    async with store.transaction() as db:
        endorsed = {slot for slot, one in values.items() if (await db.execute(ENDORSE, one)).rowcount}
        said = {slot for slot in values if slot not in endorsed and await db.execute_fetchall(SAID_ALREADY, values[slot])}
        if len(said) == len(values):
            await _explain(store, review, digests, actor, now)
        deciding = [slot for slot in values if slot not in endorsed | said]
        slots = ", ".join("?" * len(deciding))  # make way first: the one that completes the review closes it to the others
        await db.execute(
            f"UPDATE decisions SET superseded = 1 WHERE review = ? AND slot IN ({slots}) AND NOT superseded "
            "AND (SELECT state FROM reviews WHERE id = review) = 'open'",
            (review, *deciding),
        )
        for slot in deciding:
            if not (await db.execute(DECIDE, values[slot])).rowcount:
                await _explain(store, review, digests, actor, now)


async def undo(store: Store, review: int, actor: str) -> None:
    """Take back what this reviewer said last of the review: while its grace time runs, or as long as it leaves actions undecided.

    Raises:
        Refused: there is nothing of theirs to take back.
        Stale: it is too late.
    """
    now = time.time()
    async with store.transaction() as db:
        found = list(await db.execute_fetchall("SELECT state, effective_at FROM reviews WHERE id = ?", (review,)))
        if not found:
            raise error_context.unknown(review)
        state, effective_at = found[0]
        if state not in (ReviewState.OPEN, ReviewState.DECIDED) or (state == ReviewState.DECIDED and effective_at <= now):
            await _too_late(store, review)
        mine, whose = await _last_decided(db, review, actor)
        spoke_at = await endorsements.last_of(db, review, actor) if state == ReviewState.OPEN else None
        if not mine and spoke_at is None:
            raise Refused(f"review {review} has nothing of yours to take back: {whose}", "nothing was changed")
        if spoke_at is not None and not (mine and mine[0][1] > spoke_at):
            await endorsements.withdraw(db, review, now, actor, spoke_at)
            mine = [(id_, at) for id_, at in mine if at == spoke_at]
        await db.executemany("UPDATE decisions SET superseded = 1, undone_at = ? WHERE id = ?", [(now, id_) for id_, _ in mine])
        await db.execute(
            "UPDATE reviews SET state = 'open', decided_at = NULL, effective_at = NULL, "
            "decided = (SELECT told FROM progress WHERE review = ?1) WHERE id = ?1",
            (review,),
        )


async def _last_decided(db: Transaction, review: int, actor: str) -> tuple[list[tuple[int, float]], str]:
    """The last decisions, with their times, when they are this person's; and whose they are, as a clause."""
    last = await db.execute_fetchall(
        "SELECT id, at, actor, actor = ?2 COLLATE NOCASE FROM decisions WHERE review = ?1 AND NOT superseded AND at = "
        "(SELECT max(at) FROM decisions WHERE review = ?1 AND NOT superseded)",
        (review, actor),
    )
    if not last:
        return [], "nothing is decided"
    return [(id_, at) for id_, at, _, is_mine in last if is_mine], f"the last decision is {last[0][2]}'s"


async def _too_late(store: Store, review: int) -> None:
    if attention_findings.of_review(store, review):
        raise Stale(f"review {review} was an attention check: nothing was going to run, and there is nothing to take back")
    state, note, decided, decided_at = await store.one("SELECT state, note, decided, decided_at FROM reviews WHERE id = ?", (review,))
    because = {
        ReviewState.DECIDED: "its grace time is over and it is about to be applied",
        ReviewState.SUBMITTED: "it is being applied now",
        ReviewState.APPLIED: "it was applied",
    }.get(state, f"it is {state}" + (f": {note}" if note else ""))
    said = (
        f"review {review} was {decided}{error_context.when(decided_at)}, and " if decided_at else f"review {review} cannot be taken back: "
    )
    raise Stale(said + because, "nothing was changed")


async def unsent(store: Store) -> int:
    """How many reviews are decided and not yet sent."""
    return int((await store.one("SELECT count(*) FROM reviews WHERE state = 'decided'"))[0])


async def state_of(store: Store, review: int) -> ReviewState:
    """Where a known review is."""
    return ReviewState((await store.one("SELECT state FROM reviews WHERE id = ?", (review,)))[0])


async def _explain(store: Store, review: int, digests: Mapping[int, str], actor: str, now: float) -> None:
    """Say why a decision was not stored."""
    found = await store.all(
        "SELECT v.state, v.note, v.decided, v.decided_at, v.claimed_by, v.claimed_until, v.claimed_by = ?2 COLLATE NOCASE, "
        "a.slot, a.digest FROM reviews v JOIN actions a ON a.review = v.id WHERE v.id = ?1",
        (review, actor),
    )
    if not found:
        raise error_context.unknown(review)
    state, note, decided, decided_at, holder, until, is_mine = found[0][:7]
    if state != ReviewState.OPEN:
        raise error_context.closed(review, state, note, decided, decided_at)
    live = {slot: digest for *_, slot, digest in found}
    changed = [slot for slot, digest in digests.items() if live.get(slot) != digest]
    if changed:
        raise Stale(f"action {changed} of review {review} is not the one that was shown", "look at it again")
    if holder and until > now and not is_mine:
        raise error_context.held(review, holder, until)
    if any(one.slot in digests and one.actor.lower() == actor.lower() for one in await endorsements.of(store, review)):
        raise Refused(f"you said so of review {review} already: it has {decided}", "another person must approve the same")
    raise Stale(f"somebody decided review {review} at the same moment, and took it back", "look at it again")


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
    keys: Mapping[int, str]
    """By slot, what names a decision everywhere and for ever: the question's own id, and the decision's number here.

    Who says the same again of what may have run once means the same act: it has the same key, and a tool that remembers it acts once.
    """
    calls: Mapping[int, str]
    """Ids of the tool calls, by slot, where they are known."""


def ready(store: Store, project: int, agents: Sequence[str], going: Sequence[int]) -> tuple[Run, list[Answers]] | None:
    """A waiting run of these agents of this project with its reviews whose decision is effective, or None.

    `going` are runs the worker is at already.
    """
    now = time.time()
    found = store.glance(
        f"SELECT {ANSWERS}, {RUN} FROM {SAID} JOIN runs ON runs.id = v.run "
        "WHERE v.state = 'decided' AND v.effective_at <= ? AND v.run = ("
        "SELECT o.run FROM reviews o JOIN runs r ON r.id = o.run WHERE o.state = 'decided' AND o.effective_at <= ? AND r.project = ? "
        "AND r.state = 'waiting' AND NOT r.attention "
        f"AND r.agent IN ({', '.join('?' * len(agents))}) AND r.id NOT IN ({', '.join('?' * len(going))}) "
        "AND NOT EXISTS (SELECT 1 FROM takeovers t WHERE t.run = r.id AND t.state IN ('open', 'handed_back', 'submitted')) "
        "ORDER BY o.effective_at LIMIT 1) ORDER BY v.id, d.slot",
        (now, now, project, *agents, *going),
    )
    return (read_run(found[0][14:]), _answers(found)) if found else None


def next_effective(store: Store) -> float | None:
    """When the next decision's grace time ends, as Unix time; None when no grace time runs."""
    [(found,)] = store.glance("SELECT min(effective_at) FROM reviews WHERE state = 'decided' AND effective_at > ?", (time.time(),))
    return found if found is None else float(found)


def _answers(found: Sequence[Any]) -> list[Answers]:
    by_review: dict[int, Answers] = {}
    for review, kind, interrupt, node, decided_at, gate_key, slot, call, first, asked_as, said_as, args, message, digest, *_ in found:
        said = by_review.get(review, Answers(review, interrupt, node, decided_at, {}, {}, {}, {}))
        own = f"{asked_as.removeprefix('gate:')}.{first}"
        by_review[review] = replace(
            said,
            by_slot={**said.by_slot, slot: answer_of(said_as, args, message)},
            digests={**said.digests, slot: digest},
            keys={**said.keys, slot: gate_key if gate_key and kind == PauseKind.GATE else own},
            calls=said.calls if call is None else {**said.calls, slot: call},
        )
    return list(by_review.values())


@dataclass(frozen=True, slots=True)
class Keys:
    """What names the decisions a run goes on with."""

    whole: str | None = None
    """All of them, joined by `+`."""
    by_call: Mapping[str, str] = field(default_factory=dict)
    """By tool call, where it is known."""


def keys_of(answered: Iterable[Answers]) -> Keys:
    """The keys of all these answers."""
    said = list(answered)
    whole = "+".join(dict.fromkeys(key for one in said for key in one.keys.values())) or None
    return Keys(whole, {call: one.keys[slot] for one in said for slot, call in one.calls.items()})


async def last_sent(store: Store, run: int) -> tuple[Keys, list[Sent]]:
    """The decisions the run went on with last, with their keys; none when it never asked, or was asked the same again since."""
    found = await store.all(
        f"SELECT {ANSWERS} FROM {SAID} WHERE v.run = ?1 AND v.submitted_at = "
        "(SELECT max(submitted_at) FROM reviews WHERE run = ?1) ORDER BY v.id, d.slot",
        (run,),
    )
    kinds = {row[0]: PauseKind(row[1]) for row in found}
    sent = _answers(found)
    return keys_of(sent), [Sent(s.review, s.interrupt, kinds[s.review], s.node, await actions_of(store, s.review), s.by_slot) for s in sent]


async def submit(store: Store, worker: str, decided: Sequence[Answers]) -> set[int]:
    """Write the ledger before LangGraph is called, and with it take the run's lease (by a trigger: one statement, one commit).

    Returns the reviews that were still decided in these very words; none when another worker was first.
    """
    marks, pairs = ", ".join("?" * len(decided)), ", ".join(["(?, ?)"] * len(decided))
    rows = await store.write_rows_soon(
        "UPDATE reviews SET state = 'submitted', submitted_at = ?, submitted_by = ? "
        f"WHERE state = 'decided' AND id IN ({marks}) AND (id, decided_at) IN (VALUES {pairs}) RETURNING id",
        (time.time(), worker, *(said.review for said in decided), *(part for said in decided for part in (said.review, said.decided_at))),
    )
    return {int(row[0]) for row in rows}


def forbidden(store: Store, run: int) -> list[Ban]:
    """Tool calls that were refused or edited by whoever was asked last, or that nobody has decided yet."""
    found = store.glance(
        "SELECT a.tool_call, a.name, a.args, v.state, v.id, d.kind, d.args, d.actor, v.decided FROM ("
        "SELECT max(v.id) AS review, a.slot FROM reviews v JOIN actions a ON a.review = v.id "
        "WHERE v.run = ? AND v.state != 'stale' AND a.tool_call IS NOT NULL GROUP BY a.tool_call, a.name) AS last "
        "JOIN reviews v ON v.id = last.review JOIN actions a ON a.review = v.id AND a.slot = last.slot "
        "LEFT JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded "
        "WHERE v.state IN ('open', 'decided') OR d.kind IS NOT 'approve'",
        (run,),
    )
    return [_ban(row) for row in found]


def _ban(row: Any) -> Ban:
    call, name, args, state, review, kind, instead, actor, decided = row
    if kind is None and state == ReviewState.APPLIED:
        return Ban(call, name, parsed(args), None, f"it was {decided}", review)
    if kind is None or state in (ReviewState.OPEN, ReviewState.DECIDED):
        return Ban(call, name, parsed(args), None, "its review waits for a decision", review)
    did = {"edit": "edited", "respond": "answered in place of"}.get(kind, "rejected")
    return Ban(call, name, parsed(args), parsed(instead) if kind == DecisionKind.EDIT else None, f"{actor} {did} it", review)
