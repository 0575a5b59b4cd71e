"""Changes of people.toml by a person who may change people; each is logged with the file's digest."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hitl_tui.errors import BadPeople
from hitl_tui.model import Person, Role
from hitl_tui.people import editing
from hitl_tui.people.file import NAME, read_text
from hitl_tui.store import audit

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox


class PeopleEditor:
    """One person's verbs on a home's people.toml."""

    def __init__(self, inbox: Inbox, home: Path) -> None:
        self._inbox = inbox
        self.path = home / NAME

    async def add(self, person: Person) -> bool:
        """Add a person. Without a file one is made, in which this reviewer has every role, as until then.

        Returns whether the file was made.

        Raises:
            NotAllowed: this reviewer may not change people; that is logged.
            Refused: somebody has one of the names, or the file cannot be written.
            BadPeople: the file has a mistake, or would have one.
        """
        text = await self._text()
        made = not text
        if made and person.key != self._inbox.actor.key:
            text = editing.with_person("", Person(self._inbox.reviewer, roles=_every_role()))
        elif made:
            person = Person(person.name, person.aliases, person.groups, _every_role(), person.email)
        await self._write(editing.with_person(text, person), f"added {person.name}")
        return made

    async def add_key(self, name: str, key: str) -> None:
        """Add a public key of a person; raises as `add` does."""
        today = time.strftime("%Y-%m-%d", time.gmtime())
        await self._write(editing.with_key(await self._text(), name, key, today), f"added a key of {name}")

    async def remove(self, name: str) -> None:
        """Remove a person; their decisions stay. Raises as `add` does."""
        await self._write(editing.without_person(await self._text(), name), f"removed {name}")

    async def _text(self) -> str:
        """The file's text, if this reviewer may change it; empty where there is no file."""
        if problem := self._inbox.people().problem:
            raise BadPeople(problem, "correct it by hand: `hitl-tui people check` lists the mistakes")
        await self._inbox.require(Role.PEOPLE, "change people")
        try:
            return read_text(self.path)
        except FileNotFoundError:
            return ""

    async def _write(self, text: str, change: str) -> None:
        editing.write(self.path, text)
        body = {"change": change, "digest": hashlib.sha256(text.encode()).hexdigest()}
        async with self._inbox.store.transaction() as db:
            audit.note(db, time.time(), "people_changed", self._inbox.actor, body)
        self._inbox.ring()


async def sign_change(inbox: Inbox, home: Path) -> bool:
    """Sign the change of people.toml that waits, with this reviewer's key of the version before. Returns whether one waited.

    Raises:
        NotSigned: it could not be signed; the change goes on to wait.
        Refused: the version before does not let this reviewer change people.
    """
    from hitl_tui.people.file import PeopleFile
    from hitl_tui.store.people_log import TrustedPeople

    trusted = TrustedPeople(inbox.store, PeopleFile(home))
    await trusted.note()
    if not trusted.waiting():
        return False
    text, people = await trusted.to_sign(inbox.reviewer)
    await trusted.accept(await inbox.signing.made_of(text, people), text, inbox.reviewer)
    inbox.ring()
    return True


def _every_role() -> tuple[Role, ...]:
    return tuple(role for role in Role if role is not Role.READ)
