"""Grants: made, read, used and revoked. The last use is taken in the transaction that stores the decision: of two workers, one has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui import canonical_json, sanitize
from hitl_tui.errors import Refused, Stale
from hitl_tui.formatting import local_time
from hitl_tui.model import (
    PROGRAM,
    Actor,
    ActorKind,
    DecisionKind,
    Facts,
    Grant,
    GrantUse,
    Identified,
    Json,
    Outcome,
    PauseKind,
    People,
    Risk,
    Role,
    Routed,
    Scope,
    Verdict,
    call_id,
)
from hitl_tui.oversight.grants import PastCall
from hitl_tui.oversight.reading import reading_time_s, words_of_size
from hitl_tui.people.rights import refusal
from hitl_tui.policy.engine import GRANT
from hitl_tui.policy.grants import outside_of
from hitl_tui.store import audit, audit_verify, clock
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.reviews import conversation_of
from hitl_tui.store.signatures import hash_of

COLUMNS = (
    "id, at, actor, review, slot, agent, tool, digest, scope, sources, uses, for_s, expires_at, taken, run, risk, decision, identified, "
    "expired, revoked_at, revoked_by, why"
)
USABLE = "revoked_at IS NULL AND NOT expired AND taken < uses"
LIVE = f"""
SELECT {COLUMNS} FROM grants WHERE agent = :agent AND {USABLE} AND expires_at > :now AND (run IS NULL OR run = :run)
    AND review NOT IN (SELECT review FROM attention_checks) ORDER BY id
"""
"""One that was made from an attention check lets nothing through: no agent wanted that call, and saying so would tell the check."""
SIGNATURE = "SELECT s.text, s.signature FROM grants g JOIN signatures s ON s.id = g.signature WHERE g.id = ?"


def actor_of(grant: int) -> Actor:
    """Who decides by a grant."""
    return Actor(f"grant:{grant}", ActorKind.GRANT)


# Make


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant that is to be made."""

    review: int
    slot: int
    agent: str
    tool: str
    scope: Scope
    uses: int
    for_s: float
    run: int | None = None
    risk: Risk | None = None

    def values(self) -> dict[str, Any]:
        """Its columns, by name."""
        plain = canonical_json.storable
        return {
            "review": self.review, "slot": self.slot, "agent": self.agent, "run": self.run, "tool": plain(self.tool),
            "digest": self.scope.digest, "scope": plain(self.scope.condition), "sources": canonical_json.dumps(dict(self.scope.sources)),
            "risk": self.risk, "uses": self.uses, "for_s": self.for_s,
        }  # fmt: skip


DECISION = "SELECT id FROM decisions WHERE review = :review AND slot = :slot AND NOT superseded"
INSERT = f"""
INSERT INTO grants (at, actor, signature, expires_at, {", ".join(audit_verify.GRANTED)})
VALUES (:at, :actor, :signature, :expires_at, {", ".join(f":{name}" for name in audit_verify.GRANTED)})
"""


async def make(store: Store, new: NewGrant, by: Actor, signed: tuple[str, str] | None = None) -> Grant:
    """Store a grant with its audit entry. `signed`: the text that its maker signed, and the signature."""
    async with store.transaction() as db:
        now = clock.now(db.rows)
        found = db.row(DECISION, {"review": new.review, "slot": new.slot})
        values = {**new.values(), "decision": found[0] if found else None, "identified": by.identified}
        more: dict[str, Any] = {"signature": None}
        if signed:
            number = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", signed).lastrowid
            more = {"signature": number, "signature_hash": hash_of(*signed)}
        row = {**values, "at": now, "actor": by.name, "signature": more["signature"], "expires_at": now + new.for_s}
        grant = int(db.execute(INSERT, row).lastrowid or 0)
        audit.note(db, now, "granted", by, {"grant": grant, **values, **more}, new.run, new.review)
        return read(db.row(f"SELECT {COLUMNS} FROM grants WHERE id = ?", (grant,)))


def read(row: Any) -> Grant:
    """The grant of a row of `COLUMNS`."""
    (id_, at, actor, review, slot, agent, tool, digest, scope, sources, uses, for_s, expires_at, taken, run, risk, decision, how, expired,
     revoked_at, revoked_by, why) = row  # fmt: skip
    return Grant(
        id_, at, actor, review, slot, agent, tool, Scope(digest, scope, json.loads(sources)), uses, for_s, expires_at, taken, run,
        risk and Risk(risk), decision, how and Identified(how), bool(expired), revoked_at, revoked_by, why,
    )  # fmt: skip


# Use


def live(store: Store, agent: str, run: int, people: People) -> list[Grant]:
    """The grants that may let calls of a run through now: of people who may make grants. Reads at once."""
    found = map(read, store.read_now(LIVE, {"agent": agent, "run": run, "now": store.now()}))
    return [grant for grant in found if refusal(people, grant.actor, Role.GRANT) is None]


def signature_of(store: Store, grant: int) -> tuple[str, str] | None:
    """The text that was signed for a grant, and the signature; None if it is not signed. Reads at once."""
    return next(((str(text), str(made)) for text, made in store.read_now(SIGNATURE, (grant,))), None)


LEFT = f"SELECT uses - taken FROM grants WHERE id = :grant AND {USABLE} AND expires_at > :now"
TAKE = "UPDATE grants SET taken = taken + 1 WHERE id = :grant RETURNING taken >= uses"


def checked(db: Transaction, routed: Routed, now: float) -> Routed:
    """Within a transaction: the verdicts, where a call whose grant is over or used up asks a person; `take` follows for the others."""
    left, verdicts = dict[int, int](), dict(routed.verdicts)
    for slot, verdict in verdicts.items():
        if verdict.grant is None:
            continue
        if verdict.grant not in left:
            found = db.row(LEFT, {"grant": verdict.grant, "now": now})
            left[verdict.grant] = found[0] if found else 0
        is_run = verdict.outcome is Outcome.AUTO
        if left[verdict.grant] < 1:
            reason = f"grant {verdict.grant} ended, or is used up"
            verdicts[slot] = replace(verdict, outcome=Outcome.ASK, rule=GRANT, reason=reason, grant=None, spot_check=False)
        left[verdict.grant] -= is_run
    return replace(routed, verdicts=verdicts)


def take(db: Transaction, grant: int, now: float) -> None:
    """Within the transaction that stores its decision: take one use of a grant; the last one is logged."""
    (is_used_up,) = db.row(TAKE, {"grant": grant})
    if is_used_up:
        audit.note(db, now, "grant_used_up", PROGRAM, {"grant": grant})


def by_of(verdict: Verdict) -> Actor:
    """Who decides by a verdict that needs no person."""
    return actor_of(verdict.grant) if verdict.grant is not None else Actor(f"policy:{verdict.rule}", ActorKind.POLICY)


COUNTS = f"""
SELECT r.actor, r.revoked_at IS NULL AND r.expires_at > :now AND d.actor = 'grant:' || r.id, r.tool = a.name AND r.agent = d.agent,
    EXISTS (
        SELECT 1 FROM audit t
        WHERE t.review = r.review AND t.kind = 'granted' AND json_extract(t.body, '$.grant') = r.id AND {audit_verify.SAME_GRANT}
            AND (r.revoked_at IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM audit e WHERE e.kind = 'grant_revoked' AND json_extract(e.body, '$.grant') = r.id
            ))
            AND r.expires_at <= r.at + r.for_s + 1 + coalesce(
                (SELECT sum(json_extract(c.body, '$.by_s')) FROM audit c WHERE c.kind = 'clock' AND c.seq > t.seq), 0
            )
    )
    AND r.uses >= (
        SELECT count(*) FROM actions o JOIN decisions p ON p.review = o.review AND p.slot = o.slot
        WHERE o.grant_id = r.id AND p.actor_kind = 'grant'
    )
FROM decisions d
JOIN actions a ON a.review = d.review AND a.slot = d.slot
LEFT JOIN grants r ON r.id = a.grant_id
WHERE d.review = :review AND d.slot = :slot AND NOT d.superseded AND d.actor_kind = 'grant' AND d.kind = 'approve' AND a.outcome = 'auto'
"""
"""Whether a grant is live, is for such calls, and is what the log says: not revoked there, nor prolonged, nor used too often."""


def problem_of_use(db: Transaction, review: int, slot: int, people: People) -> str:
    """Why a call must not run by its grant after all, as a clause: it ended meanwhile, or its maker may not make grants any more."""
    found = db.row(COUNTS, {"review": review, "slot": slot, "now": clock.now(db.rows)})
    which = call_id(review, slot)
    if found is None or found[0] is None:
        return f"no grant lets {which} through as it was decided"
    actor, is_live, fits, is_logged = found
    if not is_logged or not fits:
        return f"the grant for {which} was written past the console: it is not what the log says"
    if not is_live:
        return f"the grant for {which} has ended"
    refused = refusal(people, actor, Role.GRANT)
    return f"the grant for {which} does not count: {refused.happened}" if refused else ""


# End


REVOKE = """
UPDATE grants SET revoked_at = :now, revoked_by = :by, why = :why WHERE id = :grant AND revoked_at IS NULL
"""
EXPIRED = f"SELECT id FROM grants WHERE {USABLE} AND expires_at <= :now ORDER BY id"
NEXT_END = f"SELECT min(expires_at) FROM grants WHERE {USABLE}"
OF_CALL = """
SELECT a.grant_id, EXISTS (SELECT 1 FROM attention_checks t WHERE t.review = a.review), d.actor_kind, a.spot_check
FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.id = :decision AND a.grant_id IS NOT NULL
"""
SYSTEM = Actor("", ActorKind.SYSTEM)


async def revoke(store: Store, grant: int, by: Actor, why: str) -> Grant:
    """End a grant at once.

    Raises:
        Refused: there is no such grant.
        Stale: it was revoked before.
    """
    async with store.transaction() as db:
        row = db.row(f"SELECT {COLUMNS} FROM grants WHERE id = ?", (grant,))
        if row is None:
            raise Refused(f"there is no grant {grant}", "`hitl-tui grants` lists them")
        if not _revoke(db, grant, by, why, clock.now(db.rows)):
            was = read(row)
            raise Stale(f"grant {grant} was revoked {local_time(was.revoked_at or 0.0)}", was.why)
        return read(db.row(f"SELECT {COLUMNS} FROM grants WHERE id = ?", (grant,)))


def _revoke(db: Transaction, grant: int, by: Actor, why: str, now: float) -> bool:
    why = canonical_json.storable(why)
    if not db.execute(REVOKE, {"grant": grant, "by": by.name, "why": why, "now": now}).rowcount:
        return False
    audit.note(db, now, "grant_revoked", by, {"grant": grant, "why": why})
    return True


def revoke_for_decision(db: Transaction, decision: int, kind: DecisionKind, by: Actor, review: int) -> None:
    """Within the transaction of a person's decision: end the grant that would have let the call through, unless it is approved as it is."""
    found = db.row(OF_CALL, {"decision": decision})
    if found and not found[1] and kind is not DecisionKind.APPROVE:
        did = {"edit": "edited", "reject": "rejected", "respond": "answered in place of"}[kind]
        _revoke(db, found[0], SYSTEM, f"{by.name} {did} what it covers, review {review}", clock.now(db.rows))


def revoke_for_feedback(db: Transaction, decision: int, by: str, review: int | None) -> None:
    """Within the transaction of a thumbs-down: end the grant that let the call through, or would have."""
    found = db.row(OF_CALL, {"decision": decision})
    if found and not found[1]:
        _revoke(db, found[0], SYSTEM, f"{by} gave thumbs down to what it let through, review {review}", clock.now(db.rows))


def next_end(store: Store) -> float | None:
    """Unix time at which the next grant ends; None if none is in force. Reads at once."""
    [(at,)] = store.read_now(NEXT_END)
    return None if at is None else float(at)


async def log_expired(store: Store) -> bool:
    """Log the grants whose time is over, each once. Returns whether there were any."""
    at = next_end(store)
    if at is None or at > store.now():
        return False
    async with store.transaction() as db:
        now = clock.now(db.rows)
        over = [grant for (grant,) in db.rows(EXPIRED, {"now": now})]
        for grant in over:
            db.execute("UPDATE grants SET expired = 1 WHERE id = ?", (grant,))
            audit.note(db, now, "grant_expired", PROGRAM, {"grant": grant})
    return bool(over)


# Read

USED_BY = """
SELECT a.review, a.slot, v.opened_at, substr(a.args, 1, 400), a.spot_check, coalesce(d.kind, '')
FROM actions a JOIN reviews v ON v.id = a.review
LEFT JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded
WHERE a.grant_id = :grant AND v.id NOT IN (SELECT review FROM attention_checks) ORDER BY a.review DESC, a.slot DESC LIMIT 200
"""


async def every(store: Store) -> list[Grant]:
    """All grants, newest first."""
    return [read(row) for row in await store.all(f"SELECT {COLUMNS} FROM grants ORDER BY id DESC")]


async def get(store: Store, grant: int) -> Grant:
    """One grant.

    Raises:
        Refused: there is no such grant.
    """
    row = await store.one(f"SELECT {COLUMNS} FROM grants WHERE id = ?", (grant,))
    if row is None:
        raise Refused(f"there is no grant {grant}", "`hitl-tui grants` lists them")
    return read(row)


def some(store: Store, grants: Collection[int]) -> Sequence[Grant]:
    """These grants. Reads at once."""
    wanted = json.dumps(list(grants))
    return [read(row) for row in store.read_now(f"SELECT {COLUMNS} FROM grants WHERE id IN (SELECT value FROM json_each(?))", (wanted,))]


async def used_by(store: Store, grant: int) -> list[GrantUse]:
    """The calls that a grant let through or would have, newest first."""
    found = await store.all(USED_BY, {"grant": grant})
    return [GrantUse(review, slot, at, args, bool(spot_check), kind) for review, slot, at, args, spot_check, kind in found]


# Evidence

CALLS = f"IN ({', '.join(repr(kind.value) for kind in PauseKind if kind.is_tool_call)})"
PAST = f"""
SELECT d.review, d.slot, d.at, d.kind, EXISTS (
        SELECT 1 FROM feedback f WHERE f.decision = d.id AND f.rating < 0 AND f.withdrawn_at IS NULL
    ), v.agent, a.name, a.args, v.kind, coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END),
    coalesce(a.confidence, v.confidence), v.note, r.input, d.viewed_ms / 1000.0, d.reading_ms / 1000.0, d.actor_key, d.id
FROM decisions d
JOIN reviews v ON v.id = d.review
JOIN actions a ON a.review = d.review AND a.slot = d.slot
JOIN runs r ON r.id = v.run
WHERE d.agent = :agent AND d.tool = :tool AND NOT d.superseded AND d.actor_kind = 'person' AND d.at >= :since AND d.id < :before
    AND d.review NOT IN (SELECT review FROM attention_checks) AND v.kind {CALLS}
ORDER BY d.id DESC LIMIT :limit
"""
PAST_BATCH = 50
MOST_PAST = 1000
"""Past calls that a scope is held against, the newest."""


async def past_calls(store: Store, agent: str, tool: str, since: float, most: int = MOST_PAST) -> list[PastCall]:
    """What people decided about an agent's tool since that Unix time, newest first, with where the values came from."""
    found, before = list[PastCall](), 2**62
    while len(found) < most:
        values = {"agent": agent, "tool": canonical_json.storable(tool), "since": since, "before": before, "limit": PAST_BATCH}
        rows = await store.all(PAST, values)
        contexts = {review: text for review, text in await store.all(CONTEXTS, (json.dumps([row[0] for row in rows]),))}
        found += await asyncio.to_thread(_past, rows, contexts)
        if len(rows) < PAST_BATCH:
            break
        before = rows[-1][-1]
    return found[:most]


CONTEXTS = "SELECT review, json_extract(context, '$.conversation') FROM details WHERE review IN (SELECT value FROM json_each(?))"


def _past(rows: Sequence[Any], contexts: Mapping[int, str]) -> list[PastCall]:
    return [_past_call(row, contexts.get(row[0])) for row in rows]


def _past_call(row: Any, conversation: str | None) -> PastCall:
    review, slot, at, decision, down, agent, tool, args, kind, risk, confidence, note, launched, viewed_s, reading_s, person, _ = row
    value = json.loads(args)
    doubts = (*([note] if note else []), *sanitize.findings(tool, value))
    known = Facts(
        agent, tool, value, PauseKind(kind), Risk(risk) if risk in list(Risk) else None, confidence, doubts,
        known_shape=isinstance(value, dict), conversation=conversation_of(conversation), launch_input=json.loads(launched),
    )  # fmt: skip
    if reading_s is None:
        reading_s = reading_time_s(words_of_size(len(args)))
    return PastCall(review, slot, at, DecisionKind(decision), bool(down), known, outside_of(known), viewed_s, reading_s, person)


TOOLS = "SELECT DISTINCT agent, tool FROM decisions WHERE NOT superseded AND actor_kind = 'person' AND at >= :since ORDER BY agent, tool"
CHECKS = "SELECT count(*), coalesce(sum(caught), 0) FROM attention_checks WHERE caught IS NOT NULL AND found_at >= :since"


async def every_past_call(store: Store, since: float) -> dict[tuple[str, str], list[PastCall]]:
    """`past_calls` of every tool that people decided calls of, by agent and tool."""
    tools = await store.all(TOOLS, {"since": since})
    return {(agent, tool): await past_calls(store, agent, tool, since) for agent, tool in tools}


async def checks(store: Store, since: float) -> tuple[int, int]:
    """How many attention checks people were shown since that Unix time, and how many they caught."""
    shown, caught = await store.one(CHECKS, {"since": since})
    return int(shown), int(caught)


async def made_from(store: Store) -> list[tuple[Grant, Json]]:
    """All grants, oldest first, each with the arguments of the call that it was made from."""
    args = {(review, slot): text for review, slot, text in await store.all(MADE_FROM)}
    return [(one, json.loads(args.get((one.review, one.slot), "null"))) for one in reversed(await every(store))]


MADE_FROM = "SELECT a.review, a.slot, a.args FROM actions a JOIN grants g ON g.review = a.review AND g.slot = a.slot"
