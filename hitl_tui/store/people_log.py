"""Versions of people.toml: the log says which of them count, so that whoever can write into the home cannot add a key of their own.

A version counts if it is the first one, if its file belongs to another account, if nobody in the version before could sign it, or if a
person with the role `people` has signed it with a key of the version before.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hitl_tui import openssh
from hitl_tui.errors import Refused
from hitl_tui.model import PROGRAM, Actor, Identified, People, PersonKey, Role
from hitl_tui.model.signatures import people_text
from hitl_tui.people.file import PeopleFile, PeopleStatus, read_text
from hitl_tui.people.parser import parse_with_problems
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.signatures import hash_of

LAST = """
SELECT json_extract(a.body, '$.hash'), p.text FROM audit a INDEXED BY audit_people
LEFT JOIN people_versions p ON p.digest = json_extract(a.body, '$.hash')
WHERE a.kind = 'people' AND json_extract(a.body, '$.because') IS NOT NULL ORDER BY a.seq DESC LIMIT 1
"""
NEWEST = "SELECT json_extract(body, '$.hash') FROM audit INDEXED BY audit_people WHERE kind = 'people' ORDER BY seq DESC LIMIT 1"
KEEP = "INSERT INTO people_versions (digest, text) VALUES (?, ?) ON CONFLICT DO NOTHING"
WAITS = "people.toml was changed, and the version before counts until that is signed"
ACCEPT = "somebody with the role `people` signs it: hitl-tui people accept"


class Because(StrEnum):
    """Why a version of people.toml counts."""

    FIRST = "first"
    """There was none before: it is trusted as it was found."""
    ACCOUNT = "account"
    """Its file belongs to another account, and this one cannot write it."""
    NOBODY = "nobody"
    """Nobody in the version before could sign it."""
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class _Version:
    """The last version that counts."""

    digest: str
    """Empty where its file was removed."""
    people: People


class TrustedPeople:
    """The people of a home, as of the last version of people.toml that counts."""

    def __init__(self, store: Store, file: PeopleFile) -> None:
        self._store = store
        self._file = file
        self._read: _Version | None = None

    def current(self) -> People:
        """The people who count now. While a change waits for its signature, they have what both that version and the one before give."""
        status, last = self._file.now(), self._last()
        return status.people if last is None or self._counts(status, last) else in_both(last.people, status.people)

    def waiting(self) -> bool:
        """Whether people.toml was changed, and nobody has signed the change."""
        return not self._counts(self._file.now(), self._last())

    def _counts(self, status: PeopleStatus, last: _Version | None) -> bool:
        """Whether the file counts as it is. One with a mistake does: by it, nobody has a right."""
        return bool(status.people.problem) or last is None or last.digest == status.digest or self._because(last) is not None

    def _because(self, last: _Version | None) -> Because | None:
        """Why a new version would count without a signature; None if it does not."""
        if last is None:
            return Because.FIRST
        if belongs_to_another(self._file.path):
            return Because.ACCOUNT
        return None if signers(last.people, time.time()) else Because.NOBODY

    def _last(self) -> _Version | None:
        rows = self._store.read_now(LAST)
        if not rows:
            return None
        digest, text = rows[0]
        if self._read is None or self._read.digest != digest:
            self._read = _Version(digest, people_of(text or ""))
        return self._read

    async def note(self) -> None:
        """Log that people.toml changed, with its digest and why the change counts, if it does; once for each version."""
        status = self._file.now()
        if status.people.problem or [status.digest] == [hash_ for (hash_,) in self._store.read_now(NEWEST)]:
            return
        if not status.digest and not self._store.read_now(NEWEST):
            return  # there never was one
        async with self._store.transaction() as db:
            if db.row(NEWEST) != (status.digest,):
                because = self._because(self._last())
                self._keep(db, status)
                audit.note(db, time.time(), "people", PROGRAM, _body(status, because))

    async def accept(self, signature: openssh.Signature, text: str, by: str) -> None:
        """Store the signature of the change that waits, and let the version count.

        Raises:
            Refused: people.toml has changed once more since it was signed.
        """
        status, last = self._file.now(), self._last()
        if last is None or text_differs(text, last.digest, status.digest):
            raise Refused("people.toml was changed again while it was signed", "read it, then accept it again")
        async with self._store.transaction() as db:
            made = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", (text, signature.text)).lastrowid
            self._keep(db, status)
            body = {**_body(status, Because.SIGNED), "signature": made, "signature_hash": hash_of(text, signature.text)}
            audit.note(db, time.time(), "people", Actor(by, identified=Identified.SIGNED), body)

    async def to_sign(self, by: str) -> tuple[str, People]:
        """The text to sign for the change that waits, and the people of the version before, by whose keys it is signed.

        Raises:
            Refused: nothing waits, the file has a mistake, or this person may not change people.
        """
        status, last = self._file.now(), self._last()
        if status.people.problem:
            raise Refused(status.people.problem, "correct it first")
        if last is None or self._counts(status, last):
            raise Refused("people.toml is as it was accepted", "nothing was changed")
        if not last.people.may(by, Role.PEOPLE):
            raise Refused(f"{by} may not change people: the version before gives no such role", "ask somebody with the role `people`")
        home, head = audit.home_id(self._store), audit.head(self._store.path)
        return people_text(home, str(head), last.digest, status.digest, by, time.time()), last.people

    def _keep(self, db: Transaction, status: PeopleStatus) -> None:
        if status.digest:
            db.execute(KEEP, (status.digest, read_text(self._file.path)))


def _body(status: PeopleStatus, because: Because | None) -> dict[str, Any]:
    return {"hash": status.digest, "persons": len(status.people.persons), **({"because": because} if because else {})}


def text_differs(text: str, before: str, after: str) -> bool:
    """Whether a signed text is not about this change of people.toml."""
    found = json.loads(text)
    return bool((found["before"], found["people"]) != (before, after))


def people_of(text: str) -> People:
    """The people of a version; of one that was removed, everybody, as without the file."""
    return parse_with_problems(text)[0] if text else People()


def in_both(before: People, now: People) -> People:
    """What both versions of people.toml let people do: what the later one takes away counts at once, what it gives does not yet."""
    persons = [(one, other) for one in before.persons if (other := now.find(one.name)) is not None]
    return replace(
        before,
        persons=tuple(
            replace(
                one,
                groups=tuple(group for group in one.groups if group in other.groups),
                roles=tuple(role for role in one.roles if role in other.roles),
                keys=tuple(_earlier(key, same) for key in one.keys for same in other.keys if same.material == key.material),
            )
            for one, other in persons
        ),
        trust_names=before.trust_names and now.trust_names,
        sign="always" if "always" in (before.sign, now.sign) else "rules",
    )


def _earlier(key: PersonKey, other: PersonKey) -> PersonKey:
    revoked = [one.revoked for one in (key, other) if one.revoked is not None]
    return replace(key, revoked=min(revoked, default=None))


def signers(people: People, now: float) -> list[str]:
    """Who could sign a change of people.toml at that Unix time: those with the role `people` and a key that counts."""
    from hitl_tui.store.signature_checks import Keys

    return [person.name for person in people.persons if Role.PEOPLE in person.roles and Keys(people, now).of(person.name)]


def belongs_to_another(path: Path) -> bool:
    """Whether a file belongs to another account and this one can neither write nor replace it."""
    try:
        found, folder = path.stat(), path.parent.stat()
    except OSError:
        return False
    owns_folder = folder.st_uid == os.geteuid() and not folder.st_mode & 0o1000
    return found.st_uid != os.geteuid() and not os.access(path, os.W_OK) and (found.st_uid == 0 or not owns_folder)
