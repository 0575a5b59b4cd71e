"""Checks signatures of decisions and hand-backs against the log and people's keys: for the worker, and for `audit verify`."""

from __future__ import annotations

import functools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hitl_tui import openssh
from hitl_tui.errors import Refused
from hitl_tui.formatting import at_time
from hitl_tui.model import Action, ActorKind, Answer, Grant, Json, People, Takeover
from hitl_tui.model.signatures import Statement, covers, grant_problem, hand_back_text, read_statement, state
from hitl_tui.openssh import PublicKey
from hitl_tui.store import audit, grants, hand_backs
from hitl_tui.store.connection import Store
from hitl_tui.store.reviews import answer_of
from hitl_tui.store.signatures import hash_of

# Read


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """A decision or an approval as it is stored, with all that its signature is checked by."""

    review: int
    slot: int
    tool: str
    """Name of the call's tool."""
    digest: str
    """Of the call as it was shown."""
    answer: Answer
    person: str
    entry: int | None
    """Number of its audit entry; None if the log has none, or one with another signature."""
    statement: str | None
    """None if its signature says nothing of this call, or if there is none."""
    signed: str | None
    """The text that was signed."""
    signature: str | None
    kind: ActorKind = ActorKind.PERSON
    """Of whoever decided."""
    is_replay: bool = False
    """Whether an earlier entry of the log has used up what was signed."""


# Check


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose keys count, and when."""

    people: People
    now: float
    """Unix time of the decision's place in the log."""

    def of(self, person: str) -> list[PublicKey]:
        """The keys of a person that count then."""
        found = self.people.find(person)
        usable = [key for key in (found.keys if found else ()) if self._counts(key.added, key.revoked)]
        return [openssh.read_key(key.key) for key in usable]

    def first_of(self, person: str) -> PublicKey:
        """The first key of a person who has one, whether it counts or not."""
        found = self.people.find(person)
        assert found is not None, "asked only of people with keys"
        return openssh.read_key(found.keys[0].key)

    def _counts(self, added: float | None, revoked: float | None) -> bool:
        return (added is None or added <= self.now) and (revoked is None or self.now < revoked)

    def problem(self, person: str, key: PublicKey) -> str:
        """Why this person's signature by this key does not count; empty if it does."""
        if key in self.of(person):
            return ""
        found = self.people.find(person)
        for one in found.keys if found else ():
            if openssh.read_key(one.key) == key:
                revoked = one.revoked is not None and self.now >= one.revoked
                when = one.revoked if revoked else one.added
                return f"its key {key.fingerprint} {'was revoked' if revoked else 'counts only from'} {at_time(when or 0.0, self.now)}"
        owner = next((one.name for one in self.people.persons for k in one.keys if openssh.read_key(k.key) == key), "")
        return f"its key {key.fingerprint} is {owner}'s" if owner else f"its key {key.fingerprint} is not in people.toml"


@dataclass(frozen=True, slots=True)
class SignedHandBack:
    """A hand-back or its confirmation as the log has it, with its signature."""

    takeover: Takeover
    plan: Json
    person: str
    entry: int
    signed: str | None
    """The text that was signed; None if it is not signed, or the signature is another one than the log says."""
    signature: str | None
    is_replay: bool = False
    """Whether an earlier entry of the log has used up what was signed."""


FORGED = "its signature is not of what it says"
REPLAYED = "its signature was used before: each is for one decision"


def verified(one: SignedAnswer | SignedHandBack) -> bool:
    """Whether `ssh-keygen` finds that the key that a signature names has made it of the text that is stored beside it. Takes about 10 ms.

    Raises:
        CannotVerify: `ssh-keygen` is missing.
    """
    key = openssh.key_of(one.signature or "")
    return key is not None and openssh.verify(one.signed or "", one.signature or "", key)


def problem_of(one: SignedAnswer, home: str, hash_at: Callable[[int], str | None], keys: Keys) -> str:
    """Why a signature does not count, as a clause like "it is not signed"; empty if only `verified` can tell.

    Args:
        one: the decision.
        home: the home's id, `audit.home_id`.
        hash_at: gives the hash of the log's entry of a number; None where there is none.
        keys: the keys that count at the decision's place in the log.
    """
    if one.signature is None or one.signed is None:
        return "it is not signed"
    statement = read_statement(one.statement or "")
    if statement is None or not covers(one.signed, one.statement or ""):
        return "its signature is of something else"
    if problem := _differs(one, statement, home, keys.people):
        return problem
    if one.is_replay:
        return REPLAYED
    if one.entry is None:
        return "the log does not say that it was made with this signature"
    if problem := anchor_problem(statement.head, one.entry, hash_at):
        return problem
    key = openssh.key_of(one.signature)
    if key is None:
        return "its signature is none of ssh-keygen's"
    return keys.problem(one.person, key)


def hand_back_problem(one: SignedHandBack, home: str, hash_at: Callable[[int], str | None], keys: Keys) -> str:
    """The same as `problem_of` for a hand-back or its confirmation."""
    if one.signed is None or one.signature is None:
        return "it is not signed"
    try:
        found = json.loads(one.signed)
        head, at = str(found["head"]), found["at"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return "its signature is of something else"
    if one.signed != hand_back_text(home, head, one.takeover, one.plan, one.person, at):
        return "its signature is of something else"
    if one.is_replay:
        return REPLAYED
    if problem := anchor_problem(head, one.entry, hash_at):
        return problem
    key = openssh.key_of(one.signature)
    return keys.problem(one.person, key) if key else "its signature is none of ssh-keygen's"


def hand_back_of(read: Callable[..., Iterable[Any]], takeover: Takeover) -> list[SignedHandBack]:
    """With which a run was handed back and then confirmed, in the order of the log. `read` runs a query with its values."""
    handed, confirmed, _ = hand_backs.entries(read, takeover)
    plan = handed.body["plan"] if handed else None
    return [_signed_hand_back(read, takeover, plan, one) for one in ([handed, *confirmed] if handed else [])]


def _signed_hand_back(
    read: Callable[..., Iterable[Any]], takeover: Takeover, plan: Json, entry: hand_backs.HandBackEntry
) -> SignedHandBack:
    number, expected = entry.body.get("signature"), entry.body.get("signature_hash")
    row = next(iter(read("SELECT text, signature FROM signatures WHERE id = ?", (number,))), None)
    signed, signature = row if row and hash_of(*row) == expected else (None, None)
    before = read(HAND_BACKS_BEFORE, {"run": takeover.run, "takeover": takeover.id, "seq": entry.seq})
    is_replay = _is_replay(signed, [(json.loads(body), *its) for body, *its in before])
    return SignedHandBack(takeover, plan, entry.actor, entry.seq, signed, signature, is_replay)


HAND_BACKS_BEFORE = """
SELECT a.body, s.text, s.signature FROM audit a LEFT JOIN signatures s ON s.id = json_extract(a.body, '$.signature')
WHERE a.run = :run AND a.kind IN ('handed_back', 'confirmed') AND a.seq < :seq AND json_extract(a.body, '$.takeover') = :takeover
"""


def _text_of(body: Mapping[str, Any], signed: str | None, signature: str | None) -> str | None:
    """The text that was signed for an entry of the log; None if it is gone from its table, or was changed."""
    is_kept = signed is not None and signature is not None and hash_of(signed, signature) == body.get("signature_hash")
    return signed if is_kept else None


def _is_replay(text: str | None, earlier: Iterable[tuple[Mapping[str, Any], str | None, str | None]]) -> bool:
    """Whether a signed text was used by an earlier entry, given as body, text and signature; one whose text is gone may have used it.

    Uses are told apart by the text: a signature can be written in several ways, and no text is signed twice, since it names the time.
    """
    return any(_text_of(*entry) in (text, None) for entry in earlier if entry[0].get("signature") is not None)


def _differs(one: SignedAnswer, signed: Statement, home: str, people: People) -> str:
    """In what a statement differs from the decision that it is stored with."""
    action = Action(one.slot, one.tool, None, (), digest=one.digest)
    made = state(home, signed.head, one.review, action, one.answer, signed.person, signed.at, signed.seen)
    if not people.same_person(signed.person, one.person):
        return f"its signature is by {signed.person[:60]}"
    said = {
        "home": "of another home", "review": "of another review", "call": "of another call", "action": "of a call that was changed",
        "decision": "of another decision", "final": "of other arguments", "answer": "of another answer",
    }  # fmt: skip
    return next((f"its signature is {what}" for name, what in said.items() if getattr(signed, name) != getattr(made, name)), "")


def anchor_problem(head: str, entry: int, hash_at: Callable[[int], str | None]) -> str:
    """Why the end of the log that was signed is none before this entry."""
    try:
        found = audit.read_head(head)
    except Refused:
        return "its signature names no entry of the log"
    if found.seq >= entry or (hash_at(found.seq) if found.seq else "") != found.hash:
        return f"the log before it is another one than when it was signed: entry {found.seq} has another hash"
    return ""


# Grants

GRANTED_BY = """
SELECT a.seq, a.body, s.text, s.signature FROM audit a LEFT JOIN signatures s ON s.id = json_extract(a.body, '$.signature')
WHERE a.review = ? AND a.kind = 'granted' ORDER BY a.seq
"""


def problem_of_grant(
    signed: tuple[str, str] | None,
    body: Mapping[str, Any],
    actor: str,
    seq: int,
    home: str,
    hash_at: Callable[[int], str | None],
    keys: Keys,
) -> str:
    """Why a grant's signature does not count, as a clause; empty if only `ssh-keygen` can tell.

    Args:
        signed: the text and the signature; None if there is none.
        body: of the log's entry of the grant, which has the number `seq`.
        actor: who made it.
        seq: number of that entry.
        home: the home's id, `audit.home_id`.
        hash_at: gives the hash of the log's entry of a number; None where there is none.
        keys: the keys that count at the grant's place in the log.
    """
    if signed is None:
        return "it is not signed"
    problem, person, head = grant_problem(signed[0], body, home)
    if problem:
        return problem
    if not keys.people.same_person(person, actor):
        return f"its signature is by {person[:60]}"
    if body.get("signature_hash") != hash_of(*signed):
        return "the log does not say that it was made with this signature"
    if problem := anchor_problem(head, seq, hash_at):
        return problem
    key = openssh.key_of(signed[1])
    return "its signature is none of ssh-keygen's" if key is None else keys.problem(actor, key)


def problem_of_stored_grant(store: Store, grant: Grant, people: People) -> str:
    """Why a stored grant's signature does not count now, as a clause; empty if it does. Takes about 10 ms.

    Raises:
        CannotVerify: `ssh-keygen` is missing.
    """
    signed = grants.signature_of(store, grant.id)
    made = [(seq, (json.loads(body), text, armoured)) for seq, body, text, armoured in store.read_now(GRANTED_BY, (grant.review,))]
    place = next((number for number, (_, (body, *_)) in enumerate(made) if body["grant"] == grant.id), None)
    if place is None:
        return "the log does not have it"
    seq, (body, *_) = made[place]
    keys, hash_at = Keys(people, latest(store)), functools.partial(audit.hash_at, store)
    if problem := problem_of_grant(signed, body, grant.actor, seq, audit.home_id(store), hash_at, keys):
        return problem
    assert signed is not None, "it has no problem"
    if _is_replay(signed[0], [entry for _, entry in made[:place]]):
        return REPLAYED
    key = openssh.key_of(signed[1])
    return "" if key is not None and openssh.verify(*signed, key) else FORGED


# Read what was decided of a review

ROWS = """
SELECT d.id, d.slot, a.name, d.digest, d.kind, d.args, d.message, d.template, d.actor, d.actor_kind, d.signature, t.text, s.text,
    s.signature
FROM decisions d
JOIN actions a ON a.review = d.review AND a.slot = d.slot
LEFT JOIN signatures s ON s.id = d.signature
LEFT JOIN statements t ON t.signature = d.signature AND t.review = d.review AND t.slot = d.slot
WHERE d.review = :review AND NOT d.superseded ORDER BY d.id
"""
APPROVALS = (
    ROWS.replace("decisions d", "endorsements d").replace("d.actor_kind", "'person'").replace("NOT d.superseded", "d.withdrawn_at IS NULL")
)
ENTRIES = """
SELECT a.seq, a.kind, a.body, s.text, s.signature FROM audit a LEFT JOIN signatures s ON s.id = json_extract(a.body, '$.signature')
WHERE a.review = :review AND a.kind IN ('decided', 'undone', 'endorsed', 'withdrawn', 'asked_again', 'not_accepted') ORDER BY a.seq
"""
NEWEST = "SELECT max(at) FROM audit WHERE seq > (SELECT max(seq) FROM audit) - 1000"


@dataclass(frozen=True, slots=True)
class _LogEntry:
    """An entry of a decision or an approval."""

    seq: int
    body: Mapping[str, Any]
    is_replay: bool


@dataclass(frozen=True, slots=True)
class _Log:
    """What the log says of a review now."""

    decided: Mapping[int, _LogEntry]
    """By slot, the entry that decided it last, if nothing has taken that back since."""
    endorsed: Mapping[int, _LogEntry]
    """The same by number of the approval."""


def answers_of(store: Store, review: int) -> tuple[list[SignedAnswer], list[SignedAnswer]]:
    """The decisions in force of a review, and the approvals that are not withdrawn; both also of rules. Reads at once."""
    log = _log_of(store, review)
    given, approved = (store.read_now(sql, {"review": review}) for sql in (ROWS, APPROVALS))
    decisions = [_read(review, row, log.decided.get(row[1]), "decision") for row in given]
    return decisions, [_read(review, row, log.endorsed.get(row[0]), "endorsement") for row in approved]


def _log_of(store: Store, review: int) -> _Log:
    decided, endorsed = dict[int, _LogEntry](), dict[int, _LogEntry]()
    signed: dict[int, list[tuple[dict[str, Any], str | None, str | None]]] = defaultdict(list)
    for seq, kind, text, signed_text, signature in store.read_now(ENTRIES, {"review": review}):
        body = json.loads(text)
        before = signed[body.get("slot", 0)]
        entry = _LogEntry(seq, body, _is_replay(signed_text, before))
        before.append((body, signed_text, signature))
        match kind:
            case "decided":
                decided[body["slot"]] = entry
            case "undone":
                decided = {slot: one for slot, one in decided.items() if one.body["decision"] != body["decision"]}
            case "endorsed":
                endorsed[body["endorsement"]] = entry
            case "withdrawn":
                endorsed.pop(body["endorsement"], None)
            case _:
                decided, endorsed = {}, {}
    return _Log(decided, endorsed)


def _read(review: int, row: Any, entry: _LogEntry | None, named: str) -> SignedAnswer:
    number, slot, tool, digest, kind, args, message, template, actor, actor_kind, signature, statement, signed, armoured = row
    body = entry.body if entry else {}
    fits = entry is not None and body.get(named) == number and body.get("signature") == signature
    if signature is not None:
        fits = fits and body.get("signature_hash") == hash_of(signed or "", armoured or "")
    return SignedAnswer(
        review, slot, tool, digest, answer_of(kind, args, message, template), actor, entry.seq if entry and fits else None, statement,
        signed, armoured, ActorKind(actor_kind), entry is not None and entry.is_replay,
    )  # fmt: skip


def latest(store: Store) -> float:
    """Unix time now, or of the newest entries of the log if that is later: a clock that was set back makes no key count again."""
    [(newest,)] = store.read_now(NEWEST)
    return max(time.time(), newest or 0.0)
