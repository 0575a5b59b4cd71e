"""Versions of people.toml: the log says which of them count, so that whoever can write into the home cannot add a key of their own.

A version counts if it is the first one, if its file belongs to another account, if nobody in the version before could sign it, or if a
person with the role `people` has signed it with a key of the version before.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hitl_tui.errors import BadPeople, Refused
from hitl_tui.model import PROGRAM, Actor, Identified, People, Person, PersonKey, Role, person_key
from hitl_tui.model.signatures import people_text, sha256
from hitl_tui.people.file import PeopleFile, PeopleStatus, read_text
from hitl_tui.people.parser import parse_with_problems
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.signatures import SignedText, hash_of

if TYPE_CHECKING:
    from hitl_tui.openssh import Signature

VERSIONS = """
SELECT a.seq, a.actor, a.body, p.text, s.text, s.signature, (SELECT max(at) FROM audit WHERE seq <= a.seq)
FROM audit a INDEXED BY audit_people
LEFT JOIN people_versions p ON p.digest = json_extract(a.body, '$.hash')
LEFT JOIN signatures s ON s.id = json_extract(a.body, '$.signature')
WHERE a.kind = 'people' ORDER BY a.seq
"""
LAST_ENTRY = "SELECT max(seq) FROM audit INDEXED BY audit_people WHERE kind = 'people'"
NEWEST = "SELECT json_extract(body, '$.hash') FROM audit INDEXED BY audit_people WHERE kind = 'people' ORDER BY seq DESC LIMIT 1"
KEEP = "INSERT INTO people_versions (digest, text) VALUES (?, ?) ON CONFLICT DO NOTHING"
WAITS = "people.toml was changed: what the change gives counts once it is signed"
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
class Version:
    """A version of people.toml that counts."""

    digest: str
    """SHA-256 of the file; empty where it was removed."""
    people: People


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """What the log says of a version, with what is stored of it. Nothing of it is believed unchecked: a program may have written it."""

    seq: int
    actor: str
    body: Mapping[str, Any]
    text: str | None
    """The file; None if it is gone."""
    signed: str | None
    """The text that was signed; None without a signature."""
    signature: str | None
    now: float
    """Unix time of its place in the log."""

    @property
    def digest(self) -> str:
        return str(self.body["hash"])

    @property
    def waits(self) -> bool:
        """Whether it only says that a change was seen, which did not count then."""
        return self.body.get("because") is None

    @property
    def version(self) -> Version:
        return Version(self.digest, people_of(self.text or ""))

    @property
    def to_verify(self) -> tuple[str, str] | None:
        """Text and signature that `ssh-keygen` must verify, if it counts by its signature."""
        return (self.signed or "", self.signature or "") if self.body.get("because") == Because.SIGNED else None

    def problem(self, before: Version | None, home: str, hash_at: Callable[[int], str | None], file: Path) -> str:
        """Why the version does not count after the one before, as a sentence; empty if only `ssh-keygen` can tell."""
        if self.digest and sha256(self.text or "") != self.digest:
            return "the text of that version is gone from its table, or was changed"
        match self.body["because"]:
            case Because.FIRST:
                return "it is no first version, there was one before" if before else ""
            case Because.NOBODY:
                return "somebody could have signed it" if before is None or signers(before.people, self.now) else ""
            case Because.ACCOUNT:
                return "" if belongs_to_another(file) else "its file does not belong to another account"
            case Because.SIGNED if before:
                return self._signature_problem(before, home, hash_at)
        return "the log gives no reason why it counts"

    def _signature_problem(self, before: Version, home: str, hash_at: Callable[[int], str | None]) -> str:
        from hitl_tui import openssh
        from hitl_tui.store.signature_checks import Keys, anchor_problem

        if self.signed is None or self.signature is None or hash_of(self.signed, self.signature) != self.body.get("signature_hash"):
            return "its signature is gone from its table, or was changed"
        try:
            found = json.loads(self.signed)
            expected = people_text(home, str(found["head"]), before.digest, self.digest, self.actor, found["at"])
        except (KeyError, TypeError, ValueError):
            return "its signature is of something else"
        if self.signed != expected:
            return "its signature is of something else"
        if not before.people.may(self.actor, Role.PEOPLE):
            return f"the version before does not let {self.actor} change people"
        key = openssh.key_of(self.signature)
        if key is None:
            return "its signature is none of ssh-keygen's"
        return Keys(before.people, self.now).problem(self.actor, key) or anchor_problem(str(found["head"]), self.seq, hash_at)


def entries_of(read: Callable[[str], Iterable[Any]]) -> list[VersionEntry]:
    """Every entry about people.toml, oldest first."""
    return [VersionEntry(seq, actor, json.loads(body), *rest) for seq, actor, body, *rest in read(VERSIONS)]


NOBODY = Version("gone", People(is_checked=True))
"""Where the log has versions, and none of them is as it was: nobody has a right until a copy of the home is put back."""


class TrustedPeople:
    """The people of a home, as of the last version of people.toml that counts."""

    def __init__(self, store: Store, file: PeopleFile) -> None:
        self._store = store
        self._file = file
        self._read: tuple[int | None, Version | None] = (None, None)
        self._verified: dict[tuple[str, str], bool] = {}

    def current(self) -> People:
        """The people who count now. While a change waits for its signature, they have what both that version and the one before give."""
        status, last = self._file.now(), self._last()
        return status.people if last is None or self._counts(status, last) else in_both(last.people, status.people)

    def waiting(self) -> bool:
        """Whether people.toml was changed, and nobody has signed the change."""
        return not self._counts(self._file.now(), self._last())

    def _counts(self, status: PeopleStatus, last: Version | None) -> bool:
        """Whether the file counts as it is. One with a mistake does: by it, nobody has a right."""
        return bool(status.people.problem) or last is None or last.digest == status.digest or self._because(last) is not None

    def _because(self, last: Version | None) -> Because | None:
        """Why a new version would count without a signature; None if it does not."""
        if last is None or last is NOBODY:
            return None if last else Because.FIRST
        if belongs_to_another(self._file.path):
            return Because.ACCOUNT
        return None if signers(last.people, time.time()) else Because.NOBODY

    def _last(self) -> Version | None:
        """The last version that counts; each is checked again when the log has a new one."""
        [(seq,)] = self._store.read_now(LAST_ENTRY)
        if seq is None:
            return None
        if self._read[0] != seq:
            self._read = (seq, self._checked())
        return self._read[1]

    def _checked(self) -> Version | None:
        last, home, hash_at = None, audit.home_id(self._store), functools.partial(audit.hash_at, self._store)
        entries = entries_of(self._store.read_now)
        for entry in entries:
            if not entry.waits and not entry.problem(last, home, hash_at, self._file.path) and self._is_verified(entry.to_verify):
                last = entry.version
        return NOBODY if last is None and any(not entry.waits for entry in entries) else last

    def _is_verified(self, signed: tuple[str, str] | None) -> bool:
        from hitl_tui import openssh

        if signed is None:
            return True
        if signed not in self._verified:
            key = openssh.key_of(signed[1])
            with contextlib.suppress(openssh.CannotVerify):  # then it does not count, and is tried again
                self._verified[signed] = key is not None and openssh.verify(*signed, key)
        return self._verified.get(signed, False)

    async def note(self) -> None:
        """Log that people.toml changed, with its digest and why the change counts, if it does; once for each version."""
        status, noted = self._file.now(), [digest for (digest,) in self._store.read_now(NEWEST)]
        if status.people.problem or noted == [status.digest] or not (status.digest or noted):  # or there never was one
            return
        text = self._text(status)
        if text is None:
            return  # it is noted once it stays as it is
        async with self._store.transaction() as db:
            if db.row(NEWEST) != (status.digest,):
                because = self._because(self._last())
                _keep(db, status.digest, text)
                audit.note(db, time.time(), "people", PROGRAM, _body(status, because))

    async def accept(self, signature: Signature, text: str, by: str) -> None:
        """Store the signature of the change that waits, and let the version count.

        Raises:
            Refused: people.toml has changed once more since it was signed.
        """
        status, last = self._file.now(), self._last()
        content = self._text(status)
        if last is None or content is None or text_differs(text, last.digest, status.digest):
            raise Refused("people.toml was changed again while it was signed", "read it, then accept it again")
        async with self._store.transaction() as db:
            _keep(db, status.digest, content)
            body = {**_body(status, Because.SIGNED), **SignedText(text, signature.text).store(db)}
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

    def _text(self, status: PeopleStatus) -> str | None:
        """The text of the file, empty if it was removed; None if it has changed since it was read."""
        if not status.digest:
            return ""
        try:
            text = read_text(self._file.path)
        except (OSError, BadPeople):
            return None
        return text if sha256(text) == status.digest else None


def change_waits(db: sqlite3.Connection, file: PeopleFile) -> bool:
    """`TrustedPeople.waiting` of a database that is only read, and that no program need have open."""
    reader: Any = SimpleNamespace(read_now=lambda sql, values=(): db.execute(sql, values).fetchall())
    return TrustedPeople(reader, file).waiting()


def _keep(db: Transaction, digest: str, text: str) -> None:
    if digest:
        db.execute(KEEP, (digest, text))


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
    """What both versions of people.toml let people do: what the later one takes away counts at once, what it gives does not yet.

    Of two people who are one in the later version, that one is left whose name it keeps: together they would still count as two.
    """
    left = dict[str, Person]()
    for one in before.persons:
        other = now.find(one.name)
        if other is not None and (other.key not in left or one.key == other.key):
            left[other.key] = _in_both(one, other)
    return replace(
        before,
        persons=tuple(left.values()),
        trust_names=before.trust_names and now.trust_names,
        sign="always" if "always" in (before.sign, now.sign) else "rules",
        is_waiting=True,
    )


def _in_both(before: Person, now: Person) -> Person:
    kept = {person_key(name) for name in now.names}
    return replace(
        before,
        aliases=tuple(alias for alias in before.aliases if person_key(alias) in kept),
        groups=tuple(group for group in before.groups if group in now.groups),
        roles=tuple(role for role in before.roles if role in now.roles),
        email=before.email if before.email == now.email else "",
        keys=tuple(_earlier(key, same) for key in before.keys for same in now.keys if same.material == key.material),
    )


def _earlier(key: PersonKey, other: PersonKey) -> PersonKey:
    revoked = [one.revoked for one in (key, other) if one.revoked is not None]
    return replace(key, revoked=min(revoked, default=None))


def signers(people: People, now: float) -> list[str]:
    """Who could sign a change of people.toml at that Unix time: those with the role `people` and a key that counts."""
    from hitl_tui.store.signature_checks import Keys

    return [person.name for person in people.persons if Role.PEOPLE in person.roles and Keys(people, now).of(person.name)]


def belongs_to_another(path: Path) -> bool:
    """Whether a file belongs to another account and this one can neither write nor replace it; a link to it must belong to another, too."""
    try:
        owners, folder = {path.stat().st_uid, path.lstat().st_uid}, path.parent.stat()
    except OSError:
        return False
    owns_folder = folder.st_uid == os.geteuid() and not folder.st_mode & 0o1000
    return os.geteuid() not in owners and not os.access(path, os.W_OK) and (owners == {0} or not owns_folder)
