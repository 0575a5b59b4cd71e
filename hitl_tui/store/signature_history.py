"""Verifies every signature of a home offline, against its log and the versions of people.toml, and writes them for `ssh-keygen`."""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from hitl_tui import openssh
from hitl_tui.model import ActorKind, Json, People, Person, PersonKey, Takeover, TakeoverPlan
from hitl_tui.people.file import PeopleFile
from hitl_tui.store.people_log import Version, belongs_to_another, entries_of, signers
from hitl_tui.store.reviews import answer_of
from hitl_tui.store.signature_checks import (
    FORGED,
    Keys,
    SignedAnswer,
    SignedHandBack,
    hand_back_problem,
    problem_of,
    problem_of_grant,
)  # fmt: skip
from hitl_tui.store.signatures import hash_of

ENTRIES = "SELECT seq, at, kind, actor, actor_kind, review, body FROM audit ORDER BY seq"
SIGNATURE = "SELECT text, signature FROM signatures WHERE id = ?"
STATEMENT = "SELECT text FROM statements WHERE signature = ? AND review = ? AND slot = ?"
CALL = "SELECT name, signed FROM actions WHERE review = ? AND slot = ?"
REFUSED = "SELECT body FROM audit WHERE kind = 'not_accepted'"
APPLIED = "SELECT body FROM audit WHERE kind = 'take_over_applied'"
TAKEN_OVER = """
SELECT run, json_extract(body, '$.head') FROM audit WHERE kind = 'taken_over' AND json_extract(body, '$.takeover') = ? LIMIT 1
"""
ASKED_SIGNED = """
SELECT 1 FROM reviews v JOIN actions a ON a.review = v.id AND a.signed
WHERE v.run = ? AND EXISTS (SELECT 1 FROM audit o WHERE o.review = v.id AND o.kind = 'opened' AND o.seq < ?)
    AND NOT EXISTS (SELECT 1 FROM audit e WHERE e.review = v.id AND e.kind IN ('applied', 'expired', 'failed') AND e.seq < ?)
LIMIT 1
"""
"""A call that had to be signed, and that nothing had ended but the end of its run when the log had so many entries."""


class _History:
    """Walks the log once, from its first entry, and collects what only `ssh-keygen` can tell."""

    def __init__(self, db: sqlite3.Connection, file: PeopleFile) -> None:
        self._db = db
        self._file = file
        self._now = 0.0
        self._version: Version | None = None
        self._home = next((hash_ for (hash_,) in db.execute("SELECT hash FROM audit WHERE seq = 1")), "")
        self._refused = {id_ for (body,) in db.execute(REFUSED) for id_ in json.loads(body).get("decisions", [])}
        self._applied = {json.loads(body)["takeover"] for (body,) in db.execute(APPLIED)}
        self._used: dict[tuple[str, str], int] = {}
        """By signed text and what it was used for: the entry that used it first."""
        self._latest = file.current()
        self._plans: dict[int, Json] = {}
        """By takeover: the plan that was handed back last."""
        self._versions = {entry.seq: entry for entry in entries_of(db.execute)}
        self.to_verify: dict[tuple[str, str], str] = {}
        """What `ssh-keygen` must verify: text and signature, and the place that a sentence names."""

    def problem(self) -> str:
        """The first thing that is wrong without a look at the signatures themselves; empty if nothing is."""
        for seq, at, kind, actor, actor_kind, review, text in self._db.execute(ENTRIES):
            self._now = max(self._now, at)
            problem = ""
            if kind == "people":
                problem = self._people(seq)
            elif kind in ("decided", "endorsed") and actor_kind == ActorKind.PERSON:
                problem = self._decided(seq, actor, review, json.loads(text))
            elif kind == "granted":
                problem = self._granted(seq, actor, json.loads(text))
            elif kind in ("handed_back", "confirmed"):
                problem = self._handed_back(seq, actor, kind, json.loads(text))
            if problem:
                return problem
        status = self._file.now()
        if self._version and not status.people.problem and status.digest != self._version.digest and not self._may_change():
            return "people.toml is not the version that counts: nobody has signed the change"
        return ""

    # Versions of people.toml

    def _people(self, seq: int) -> str:
        entry = self._versions[seq]
        if entry.waits:
            return ""
        if problem := entry.problem(self._version, self._home, self._hash_at, self._file.path):
            return f"entry {seq} (people.toml): {problem}"
        if entry.to_verify:
            self.to_verify[entry.to_verify] = f"entry {seq} (people.toml)"
        self._version = entry.version
        return ""

    def _may_change(self) -> bool:
        """Whether the present file counts without a signature, though no program has logged it yet."""
        assert self._version is not None
        return belongs_to_another(self._file.path) or not signers(self._version.people, self._now)

    # Decisions

    def _decided(self, seq: int, actor: str, review: int, body: dict[str, Any]) -> str:
        slot, signature = body["slot"], body.get("signature")
        number = body.get("decision")
        named = f"{'decision' if number else 'approval'} {number or body.get('endorsement')} (entry {seq})"
        call = self._db.execute(CALL, (review, slot)).fetchone()
        if signature is None:
            always = self._version is not None and self._version.people.sign == "always"
            is_refused = number in self._refused
            return f"{named} is not signed, and had to be" if (always or (call and call[1])) and not is_refused else ""
        if number in self._refused:
            return ""
        signed = self._signature(body)
        if signed is None or call is None:
            return f"{named}: its signature is gone from its table, or was changed"
        if earlier := self._used_before(signed, f"call {review}#{slot}", seq):
            return f"{named}: its signature is that of entry {earlier}"
        statement = self._db.execute(STATEMENT, (signature, review, slot)).fetchone()
        answer = answer_of(body["kind"], body["args"], body["message"], body.get("template"))
        one = SignedAnswer(review, slot, call[0], body["digest"], answer, actor, seq, statement and statement[0], *signed)
        self.to_verify[signed] = named
        problem = problem_of(one, self._home, self._hash_at, Keys(self._people_then(actor), self._now))
        return f"{named}: {problem}" if problem else ""

    def _granted(self, seq: int, actor: str, body: dict[str, Any]) -> str:
        named = f"grant {body.get('grant')} (entry {seq})"
        if body.get("signature") is None:
            always = self._version is not None and self._version.people.sign == "always"
            return f"{named} is not signed, and had to be" if always else ""
        signed = self._signature(body)
        if signed is None:
            return f"{named}: its signature is gone from its table, or was changed"
        if earlier := self._used_before(signed, "grant", seq):
            return f"{named}: its signature is that of entry {earlier}"
        self.to_verify[signed] = named
        problem = problem_of_grant(signed, body, actor, seq, self._home, self._hash_at, Keys(self._people_then(actor), self._now))
        return f"{named}: {problem}" if problem else ""

    def _handed_back(self, seq: int, actor: str, kind: str, body: dict[str, Any]) -> str:
        takeover, named = body["takeover"], f"{'hand-back' if kind == 'handed_back' else 'confirmation'} (entry {seq})"
        if kind == "handed_back":
            self._plans[takeover] = body["plan"]
        run, head = self._db.execute(TAKEN_OVER, (takeover,)).fetchone() or (0, "")
        if body.get("signature") is None:
            if takeover not in self._applied or kind != "handed_back":
                return ""
            always = self._version is not None and self._version.people.sign == "always"
            is_asked = always or self._db.execute(ASKED_SIGNED, (run, seq, seq)).fetchone()
            return f"{named} is not signed, and had to be" if is_asked else ""
        signed = self._signature(body)
        if signed is None:
            return f"{named}: its signature is gone from its table, or was changed"
        earlier = self._used_before(signed, f"takeover {takeover}", seq)
        if takeover not in self._applied:
            return ""
        if earlier:
            return f"{named}: its signature is that of entry {earlier}"
        self.to_verify[signed] = named
        about = Takeover(takeover, run, actor, 0.0, head, TakeoverPlan(), "", "")
        one = SignedHandBack(about, self._plans.get(takeover), actor, seq, *signed)
        problem = hand_back_problem(one, self._home, self._hash_at, Keys(self._people_then(actor), self._now))
        return f"{named}: {problem}" if problem else ""

    def _used_before(self, signed: tuple[str, str], what: str, seq: int) -> int | None:
        """The entry that has used a signed text for the same before; None if this one is the first."""
        earlier = self._used.setdefault((signed[0], what), seq)
        return earlier if earlier != seq else None

    def _people_then(self, actor: str) -> People:
        """The people of the version that counted then; a key of the person that the last version calls revoked is revoked then too."""
        then = self._version.people if self._version else self._latest
        return replace(then, persons=tuple(map(self._with_revoked, then.persons)))

    def _with_revoked(self, person: Person) -> Person:
        revoked = {key.material: key.revoked for one in self._latest.persons for key in one.keys if key.revoked is not None}
        return replace(person, keys=tuple(replace(key, revoked=revoked.get(key.material, key.revoked)) for key in person.keys))

    def _signature(self, body: dict[str, Any]) -> tuple[str, str] | None:
        """Text and signature that an entry names; None if they are gone, or others than the entry says."""
        found = self._db.execute(SIGNATURE, (body["signature"],)).fetchone()
        return (found[0], found[1]) if found and hash_of(*found) == body.get("signature_hash") else None

    def _hash_at(self, seq: int) -> str | None:
        found = self._db.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
        return str(found[0]) if found else None


def found(db: sqlite3.Connection, people_file: Path) -> tuple[int, str]:
    """How many signatures there are, and what is wrong with the first that does not count; an empty sentence if all count.

    Starts `ssh-keygen` once for each signature, a few at a time.

    Raises:
        CannotVerify: `ssh-keygen` is missing.
    """
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'signatures'").fetchone():
        return 0, ""  # a home of an earlier version
    history = _History(db, PeopleFile(people_file.parent))
    if problem := history.problem():
        return len(history.to_verify), problem
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for named, is_good in zip(history.to_verify.values(), pool.map(_is_good, history.to_verify), strict=True):
            if not is_good:
                return len(history.to_verify), f"{named}: {FORGED}"
    return len(history.to_verify), ""


def _is_good(signed: tuple[str, str]) -> bool:
    text, armoured = signed
    key = openssh.key_of(armoured)
    return key is not None and openssh.verify(text, armoured, key)


def export(db: sqlite3.Connection, people: People, folder: Path) -> int:
    """Write every signed text (`1.json`), its signature (`1.sig`) and the keys of the people (`allowed_signers`) into a new folder.

    They are what `ssh-keygen -Y verify` needs. Returns how many signatures there are.

    Raises:
        FileExistsError: there is such a folder already.
    """
    folder.mkdir()
    count = 0
    for number, text, signature in db.execute("SELECT id, text, signature FROM signatures ORDER BY id"):
        (folder / f"{number}.json").write_bytes(text.encode("utf-8", "surrogatepass"))  # without a line break, which would not be signed
        (folder / f"{number}.sig").write_text(signature)
        count += 1
    (folder / "allowed_signers").write_text("".join(_signer(person, key) for person in people.persons for key in person.keys), "utf-8")
    return count


def _signer(person: Person, key: PersonKey) -> str:
    """A line of OpenSSH's allowed signers: a person's key, and when it counts."""
    times = [("valid-after", key.added), ("valid-before", key.revoked)]
    options = [f'namespaces="{openssh.NAMESPACE}"', *(f'{name}="{_utc(at)}"' for name, at in times if at is not None)]
    kind, body = key.material
    return f'"{person.name}" {",".join(options)} {kind} {body}\n'


def _utc(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y%m%d%H%M%SZ")
