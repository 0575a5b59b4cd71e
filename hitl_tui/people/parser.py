"""Strict parser of people.toml: reports every error at once, with its line and a hint. Unknown keys are errors."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui.look_alikes import mixed_scripts, skeleton
from hitl_tui.model import USUAL_ROLES, People, Person, PersonKey, Role, person_key
from hitl_tui.suggest import did_you_mean
from hitl_tui.toml_reader import Path, Problem, TomlReader, key_lines, line_of, load

TOP = ("people", "person")
SETTINGS = ("trust_names", "sign")
PERSON = ("name", "aliases", "groups", "roles", "email", "key")
KEY = ("key", "added", "revoked")
KEY_TYPES = (
    "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
)  # fmt: skip
"""Types of public keys that `ssh-keygen -Y` can sign with."""
RESERVED = re.compile(r"(?:policy|timeout|agent):.*|autonomy|anybody", re.IGNORECASE | re.DOTALL)
"""How policy and agents sign, and what an escalation to nobody by name is called."""
LONGEST_NAME = 60


def parse_with_problems(text: str) -> tuple[People, list[Problem]]:
    """Parse a people.toml, with every mistake and warning in order of lines. Never raises.

    With a mistake, nobody has a right: the people are then none.
    """
    raw, unreadable = load(text)
    if unreadable:
        return People(is_checked=True), [unreadable]
    reader = _PeopleParser(raw, key_lines(text))
    people = reader.people()
    problems = sorted(reader.problems, key=lambda problem: problem.line)
    is_broken = any(problem.is_error for problem in problems)
    return (People(is_checked=True) if is_broken else people), problems


def name_problem(name: str) -> tuple[str, str] | None:
    """Why a person cannot have this name or alias, and what to do; None if they can."""
    if not name or name != " ".join(name.split()) or len(name) > LONGEST_NAME or not name.isprintable() or not person_key(name):
        return f"{name[:LONGEST_NAME]!r} is no name of a person", f"write up to {LONGEST_NAME} visible characters, with single blanks"
    if RESERVED.fullmatch(name):
        return f"{name!r} is how policy and agents sign", "choose another name"
    if scripts := mixed_scripts(name):
        return f"{name!r} mixes letters of {' and '.join(scripts)}", "write it in one script: letters that look alike could be another name"
    return None


class _PeopleParser(TomlReader):
    def __init__(self, raw: dict[str, Any], lines: Mapping[Path, int]) -> None:
        super().__init__(lines)
        self._raw = raw
        self._owners: dict[str, tuple[str, int]] = {}
        """By canonical name or alias: whose it is, and the line."""
        self._looks: dict[str, tuple[str, str, int]] = {}
        """By how a name looks: the name, its canonical form, and the line."""
        self._keys: dict[tuple[str, str], int] = {}
        """By public key: the line."""

    def _name(self, path: Path) -> str:
        return str(path[-1]) if len(path) > 2 and isinstance(path[-1], str) else super()._name(path)

    def people(self) -> People:
        raw = self._table((), self._raw, TOP)
        settings = self._table(("people",), raw.get("people", {}), SETTINGS)
        usual = People()
        persons = self._read((), raw, "person", self._persons, ())
        if not persons and not self.problems:
            self._wrong((), "it names nobody: nobody could decide", "add a [[person]], or delete the file")
        groups = {group for person in persons for group in person.groups}
        for number, person in enumerate(persons):
            for name in person.names:
                if name in groups:
                    self._wrong(("person", number), f"{name!r} is a group and a person", "call the group something else")
        return People(
            persons,
            self._read(("people",), settings, "trust_names", self._truth, usual.trust_names),
            self._read(("people",), settings, "sign", self._one_of(("rules", "always")), usual.sign),
            is_checked=True,
        )

    def _persons(self, path: Path, value: Any) -> tuple[Person, ...]:
        return tuple(self._person((*path, number), one) for number, one in enumerate(self._tables(path, value, "[[person]]")))

    def _person(self, path: Path, value: Any) -> Person:
        raw = self._table(path, value, PERSON)
        if "name" not in raw:
            self._wrong(path, "the person has no name", 'write name = "…"')
        name = self._read(path, raw, "name", self._person_name, "")
        aliases = self._read(path, raw, "aliases", self._aliases, ())
        for key, one in (("name", name), *(("aliases", alias) for alias in aliases)):
            if one:
                self._own((*path, key), one, name)
        return Person(
            name,
            aliases,
            self._read(path, raw, "groups", self._groups, ()),
            self._read(path, raw, "roles", self._roles, USUAL_ROLES),
            self._read(path, raw, "email", self._email, ""),
            self._read(path, raw, "key", self._person_keys, ()),
            line_of(self._lines, path),
        )

    def _own(self, path: Path, name: str, owner: str) -> None:
        """Record whose name this is: no two people may have one name, nor names that look the same."""
        key, line = person_key(name), line_of(self._lines, path)
        if key in self._owners:
            whose, at = self._owners[key]
            also = "is there twice" if whose == owner else f"is also {whose}'s, in line {at}"
            self._wrong(path, f"the name {name!r} {also}", "a name means one person: leave one of them out")
            return
        self._owners[key] = (owner, line)
        look = skeleton(key)
        if look in self._looks:
            other, other_key, at = self._looks[look]
            if not (key.isascii() and other_key.isascii()):
                self._wrong(path, f"{name!r} looks like {other!r} in line {at}", "write both with other letters")
            return
        self._looks[look] = (name, key, line)

    def _person_name(self, path: Path, value: Any) -> str:
        name = self._text(path, value)
        if problem := name_problem(name):
            raise self._wrong(path, *problem)
        return name

    def _aliases(self, path: Path, value: Any) -> tuple[str, ...]:
        return self._listed(path, value, self._person_name)

    def _groups(self, path: Path, value: Any) -> tuple[str, ...]:
        found = self._listed(path, value, self._text)
        if bad := [group for group in found if group != group.strip() or len(group) > LONGEST_NAME]:
            raise self._wrong(path, f"{bad[0][:LONGEST_NAME]!r} is no name of a group", f"write up to {LONGEST_NAME} characters")
        return found

    def _roles(self, path: Path, value: Any) -> tuple[Role, ...]:
        found = self._listed(path, value, self._text)
        for role in found:
            if role not in list(Role):
                raise self._wrong(path, f"there is no role {role!r}", did_you_mean(role, [one.value for one in Role]))
        return tuple(Role(role) for role in found)

    def _listed(self, path: Path, value: Any, read: Any) -> tuple[str, ...]:
        """Read a list of different texts; it may be empty."""
        if not isinstance(value, list):
            raise self._wrong(path, f"{self._name(path)} is not a list", f'write {self._name(path)} = ["…"]')
        found = tuple(read(path, item) for item in value)
        if len(set(found)) < len(found):
            raise self._wrong(path, f"{self._name(path)} has something twice", "name each once")
        return found

    def _email(self, path: Path, value: Any) -> str:
        email = self._text(path, value)
        if not re.fullmatch(r"[^\s@<>,]+@[^\s@<>,]+", email):
            raise self._wrong(path, f"{email[:LONGEST_NAME]!r} is no address", 'write email = "ann@example.com"')
        return email

    # Keys

    def _person_keys(self, path: Path, value: Any) -> tuple[PersonKey, ...]:
        return tuple(self._person_key((*path, number), one) for number, one in enumerate(self._tables(path, value, "[[person.key]]")))

    def _person_key(self, path: Path, value: Any) -> PersonKey:
        raw = self._table(path, value, KEY)
        if "key" not in raw:
            self._wrong(path, "the key is missing", 'write key = "ssh-ed25519 AAAA…"')
        added = self._read(path, raw, "added", self._moment, None)
        revoked = self._read(path, raw, "revoked", self._moment, None)
        if added is not None and revoked is not None and revoked < added:
            self._wrong((*path, "revoked"), "the key was revoked before it was added", "correct one of the dates")
        return PersonKey(self._read(path, raw, "key", self._public_key, ""), added, revoked, line_of(self._lines, path))

    def _public_key(self, path: Path, value: Any) -> str:
        text = self._text(path, value)
        if problem := key_problem(text):
            raise self._wrong(path, problem, "copy the one line of a file like ~/.ssh/id_ed25519.pub")
        material = (*text.split()[:2],)
        if material in self._keys:
            raise self._wrong(path, f"the same key is in line {self._keys[material]}", "a key belongs to one person, and is written once")
        self._keys[(material[0], material[1])] = line_of(self._lines, path)
        return text

    def _moment(self, path: Path, value: Any) -> float:
        """Read a date, which means its beginning in UTC, or a time with an offset; as Unix time."""
        if isinstance(value, dt.datetime) and value.tzinfo:
            return value.timestamp()
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp()
        raise self._wrong(path, f"{self._name(path)} is no date", "write it without quotes: 2026-11-29, or 2026-11-29T12:00:00Z")


def key_problem(text: str) -> str | None:
    """Why this line is no public key that OpenSSH can verify signatures with, as a clause; None if it is one."""
    parts: Sequence[str] = text.split(None, 2)
    if len(parts) < 2 or parts[0] not in KEY_TYPES:
        kind = f"{parts[0][:40]!r} is none of {', '.join(KEY_TYPES)}" if parts else "it is empty"
        return f"that is no public key of OpenSSH: {kind}"
    try:
        body = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return "that is no public key of OpenSSH: its second word is not base64"
    size = int.from_bytes(body[:4])
    if body[4 : 4 + size] != parts[0].encode() or len(body) < size + 36:
        return f"that is no public key of OpenSSH: it does not hold a key of type {parts[0]}, or was cut off"
    return None
