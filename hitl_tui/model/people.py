"""People and their rights: who may decide, and how somebody was identified."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from hitl_tui.model.actors import person_key


class Role(StrEnum):
    """What a person may do."""

    DECIDE = "decide"
    """Decide reviews; also launch, cancel and pause runs, rate, and accept lessons."""
    TAKE_OVER = "take_over"
    POLICY = "policy"
    """Accept policies of projects."""
    AUTONOMY = "autonomy"
    """Change autonomy levels."""
    GRANT = "grant"
    EXPORT = "export"
    PRUNE = "prune"
    PEOPLE = "people"
    """Change people.toml."""
    READ = "read"
    """Look; every person may."""


USUAL_ROLES = (Role.DECIDE, Role.TAKE_OVER)
DOES: Mapping[Role, str] = {
    Role.DECIDE: "decide reviews or start and stop runs",
    Role.TAKE_OVER: "take runs over",
    Role.POLICY: "accept policies",
    Role.AUTONOMY: "change autonomy levels",
    Role.GRANT: "make grants",
    Role.EXPORT: "export",
    Role.PRUNE: "delete runs",
    Role.PEOPLE: "change people",
    Role.READ: "look",
}
"""What a role lets somebody do, after "may"."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A public key of a person, by which their signatures are checked."""

    key: str
    """As OpenSSH writes it: type, base64, and perhaps a comment."""
    added: float | None = None
    """Unix time from which it counts; None for from the beginning."""
    revoked: float | None = None
    """Unix time from which it counts no more; None if it still counts."""
    line: int = 0

    @property
    def material(self) -> tuple[str, str]:
        """Type and base64, which are the key; the comment is not."""
        kind, body, *_ = self.key.split()
        return kind, body


@dataclass(frozen=True, slots=True)
class Person:
    """A `[[person]]` of people.toml."""

    name: str
    aliases: tuple[str, ...] = ()
    """Logins and former names."""
    groups: tuple[str, ...] = ()
    roles: tuple[Role, ...] = USUAL_ROLES
    email: str = ""
    keys: tuple[PersonKey, ...] = ()
    line: int = 0
    """Where the file names them."""

    @property
    def key(self) -> str:
        """The canonical form of the name."""
        return person_key(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class People:
    """The people of a home: those of its people.toml, or everybody where there is none."""

    persons: tuple[Person, ...] = ()
    trust_names: bool = False
    """Whether `--reviewer` may name somebody else than the login."""
    sign: Literal["rules", "always"] = "rules"
    """Which decisions need a signature: those of rules that say so, or all."""
    is_checked: bool = False
    """Whether there is a people.toml; without one everybody may do everything."""
    problem: str = ""
    """Why the file cannot be used, as a sentence. Until it is corrected everything asks, and nobody has a right."""
    is_waiting: bool = False
    """Whether people.toml was changed and nobody has signed the change; until then people have what both versions give them."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of further groups, by name or alias: the `[groups]` of the home's policy."""

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Person]:
        return {person_key(name): person for person in self.persons for name in person.names}

    @functools.cached_property
    def _by_group(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for person in self.persons:
            for group in person.groups:
                found.setdefault(group, set()).add(person.key)
        for group, members in self.groups.items():
            found.setdefault(group, set()).update(one.key for one in map(self.find, members) if one)
        return {group: frozenset(members) for group, members in found.items()}

    @property
    def own_groups(self) -> tuple[str, ...]:
        """The groups that people.toml names itself."""
        return tuple(dict.fromkeys(group for person in self.persons for group in person.groups))

    @property
    def groups_by_name(self) -> dict[str, tuple[str, ...]]:
        """Names of the members of each group, in the order of the file."""
        return {group: tuple(one.name for one in self.persons if one.key in members) for group, members in self._by_group.items()}

    def with_groups(self, groups: Mapping[str, Iterable[str]]) -> People:
        """The same people with the members of further groups, of whom those count that are among the people."""
        return replace(self, groups={group: tuple(members) for group, members in groups.items()})

    def find(self, name: str) -> Person | None:
        """The person with this name or alias."""
        return self._by_name.get(person_key(name))

    def called(self, name: str) -> Person | None:
        """The person with this name, alias or e-mail address, as a proxy calls those it signs in; None if several have it."""
        wanted, by_name = name.strip().casefold(), self.find(name)
        found = [one for one in self.persons if one is by_name or (one.email and one.email.casefold() == wanted)]
        return found[0] if len(found) == 1 else None

    def key_of(self, name: str) -> str:
        """The canonical form of a person's name; that of their present name if this is an alias."""
        person = self.find(name)
        return person.key if person else person_key(name)

    def same_person(self, one: str, other: str) -> bool:
        """Whether two names or aliases mean the same person."""
        return self.key_of(one) == self.key_of(other)

    def may(self, name: str, role: Role) -> bool:
        """Whether somebody has a role. Every name may look."""
        if not self.is_checked or role is Role.READ:
            return True
        person = self.find(name)
        return person is not None and role in person.roles

    def members(self, group: str) -> frozenset[str]:
        """Keys of the members of a group; of the person alone if it is a person's name or alias."""
        if group in self._by_group:
            return self._by_group[group]
        person = self.find(group)
        return frozenset({person.key}) if person else frozenset()

    def is_meant(self, name: str, to: str) -> bool:
        """Whether somebody may decide what a rule sends to this group or person; `to` is empty for anybody."""
        return not self.is_checked or not to or self.key_of(name) in self.members(to)


EVERYBODY = People()
"""Where there is no people.toml."""
