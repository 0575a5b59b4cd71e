"""Actors: a person, a rule of the policy, a deadline, an agent or the program itself."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of invisible characters: two names that differ only in them look the same."""


class Identified(StrEnum):
    """How a person was identified; stored with each decision."""

    NAMED = "named"
    """Not at all: the name was chosen, with `--reviewer` or in config.toml."""
    LOGIN = "login"
    """By the operating system's user."""
    PINNED = "pinned"
    """By a session that cannot choose its name."""
    SIGNED = "signed"
    """By a signature."""


class ActorKind(StrEnum):
    """The kind of an actor; stored beside the name, so that no name has to be parsed."""

    PERSON = "person"
    POLICY = "policy"
    """A rule of the policy; named `policy:<rule>`."""
    GRANT = "grant"
    """A permission that a person gave in advance."""
    TIMEOUT = "timeout"
    """A deadline; named `timeout:<rule>`."""
    AGENT = "agent"
    """An agent that asks for a person; named `agent:<name>`."""
    SYSTEM = "system"
    """The program itself."""


@functools.lru_cache(maxsize=1024)
def person_key(name: str) -> str:
    """The canonical form of a person's name: NFKC, case-folded, without invisible characters, spaces collapsed.

    People are compared by it alone; names are shown as they were typed.
    """
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) not in INVISIBLE or c in "\t\n")
    return unicodedata.normalize("NFKC", " ".join(visible.casefold().split()))


def same_person(one: str, other: str) -> bool:
    """Whether two names mean the same person: case, Unicode spelling and invisible characters do not matter."""
    return person_key(one) == person_key(other)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something."""

    name: str
    """The name as shown: a person's name, `policy:<rule>`, `timeout:<rule>` or `agent:<name>`."""
    kind: ActorKind = ActorKind.PERSON
    identified: Identified | None = None
    """How a person was identified; None for others than people, and where it is not known."""

    @property
    def key(self) -> str:
        """The name in the form in which actors are compared."""
        return person_key(self.name) if self.is_person else self.name

    @property
    def is_person(self) -> bool:
        """Whether the actor is a person."""
        return self.kind is ActorKind.PERSON


PROGRAM = Actor("", ActorKind.SYSTEM)
"""The program itself."""
