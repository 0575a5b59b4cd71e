"""Grants that must be signed: a signed one lets calls run; none that was forged, changed, replayed or revoked lets anything run."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hitl_tui import canonical_json, openssh
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Grant, Identified, ReviewState, Risk, Scope
from hitl_tui.people.file import PeopleFile
from hitl_tui.store import audit, grants, signature_history
from hitl_tui.store.grants import NewGrant
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.signature_checks import problem_of_stored_grant
from hitl_tui.store.signatures import hash_of
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, open_reviewer
from tests.support.ssh import make_key, needs_openssh, public

pytestmark = needs_openssh

FLIPS = 24
"""Bits that are changed, in the text and in the signature each."""


class GrantHome:
    """A home in which every decision and grant must be signed, and runs that ask for letters."""

    def __init__(self, sandbox: Sandbox, reviewer: Reviewer, keys: Path) -> None:
        self.sandbox, self.reviewer, self.store, self.home = sandbox, reviewer, reviewer.store, sandbox.home.path
        self.keys = {name: make_key(keys, name) for name in ("ann", "bob", "stranger")}
        self.people = TrustedPeople(self.store, PeopleFile(self.home))
        (self.home / "policy.toml").write_text("spot_check = 0\n")
        self.write_people()
        self.ann, self.bob = (Inbox(self.store, name, people=self.people.current, signing_key=self.keys[name]) for name in ("ann", "bob"))

    def write_people(self, roles: Sequence[str] = ("decide", "grant", "people"), **more: str) -> None:
        """Write people.toml; `roles` are ann's, `more` are lines for a person's key."""
        text = "[people]\nsign = 'always'\n"
        for name, may in (("ann", roles), ("bob", ("decide", "grant"))):
            key = f"[[person.key]]\nkey = '{public(self.keys[name])}'\nadded = 2026-01-01\n{more.get(name, '')}\n"
            text += f"[[person]]\nname = '{name}'\nroles = {list(may)}\n{key}"
        (self.home / "people.toml").write_text(text)

    async def ask(self, *names: str) -> list[int]:
        """Ask for a letter to each of these. Returns the reviews that wait then, in their order."""
        for name in names:
            await self.reviewer.launch("batched", [("send", {"to": name})])
        assert self.sandbox.run_until_idle() == 0
        return [row.id for row in await self.ann.reviews.pending(1000) if row.state is ReviewState.OPEN]

    async def grant(self, review: int, uses: int = 5) -> Grant:
        """ann's grant for letters like that of a review."""
        offer = await self.ann.grants.offer(review, 0)
        assert isinstance(offer.action.args, dict)
        risk = Risk.REVERSIBLE if offer.risk is None else None
        return await self.ann.grants.make(offer, Scope(condition=f"args.to == {json.dumps(offer.action.args['to'])}"), uses, risk=risk)

    def sent(self) -> list[str]:
        """Who got letters, in order."""
        lines = self.sandbox.journal.read_text().splitlines() if self.sandbox.journal.exists() else []
        return [json.loads(line)["to"] for line in lines]

    def sql(self, *statements: tuple[str, Any]) -> None:
        """Change rows and the log as somebody with the file does, without the triggers."""
        with contextlib.closing(sqlite3.connect(self.store.path)) as db:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
            for statement, values in statements:
                assert db.execute(statement, values).rowcount, statement
            db.commit()

    def replace_signature(self, grant: Grant, text: str, signature: str) -> None:
        """Put another signature in place of a grant's, also in the log."""
        kept = "UPDATE signatures SET text = ?, signature = ? WHERE id = (SELECT signature FROM grants WHERE id = ?)"
        logged = (
            "UPDATE audit SET body = json_set(body, '$.signature_hash', ?) WHERE kind = 'granted' AND json_extract(body, '$.grant') = ?"
        )
        self.sql(
            (kept, (text, signature, grant.id)),
            (logged, (hash_of(text, signature), grant.id)),
        )

    def signed(self, grant: Grant) -> tuple[str, str]:
        """The text and the signature of a grant."""
        found = grants.signature_of(self.store, grant.id)
        assert found
        return found


@pytest.fixture
async def grant_home(new_sandbox: SandboxFactory, tmp_path: Path) -> AsyncIterator[GrantHome]:
    sandbox = new_sandbox("pauses")
    async with open_reviewer(sandbox) as reviewer:
        yield GrantHome(sandbox, reviewer, tmp_path)


Attack = Callable[[GrantHome, Grant], Awaitable[None]]


async def take_the_signature_away(grant_home: GrantHome, grant: Grant) -> None:
    grant_home.sql(("UPDATE grants SET signature = NULL WHERE id = ?", (grant.id,)))


async def widen_the_row(grant_home: GrantHome, grant: Grant) -> None:
    grant_home.sql(("UPDATE grants SET uses = 900 WHERE id = ?", (grant.id,)))


async def widen_the_row_and_the_log(grant_home: GrantHome, grant: Grant) -> None:
    grant_home.sql(
        ("UPDATE grants SET uses = 900 WHERE id = ?", (grant.id,)),
        ("UPDATE audit SET body = json_set(body, '$.uses', 900) WHERE kind = 'granted' AND json_extract(body, '$.grant') = ?", (grant.id,)),
    )


def sign_again(key: str, **changed: str) -> Attack:
    """The same text, or one in which something was replaced, signed by this person's key."""

    async def attack(grant_home: GrantHome, grant: Grant) -> None:
        text, _ = grant_home.signed(grant)
        said = {**json.loads(text), **changed}
        text = canonical_json.canonical(said)
        made = await openssh.sign(text, [public(grant_home.keys[key])], grant_home.keys[key])
        grant_home.replace_signature(grant, text, made.text)

    return attack


async def use_the_signature_of_another_grant(grant_home: GrantHome, grant: Grant) -> None:
    grant_home.replace_signature(grant, *grant_home.signed(await grant_home.ann.grants.get(1)))


async def put_a_revoked_grant_back(grant_home: GrantHome, grant: Grant) -> None:
    await grant_home.ann.grants.revoke(grant.id, "enough")
    grant_home.sql(("UPDATE grants SET revoked_at = NULL, revoked_by = NULL, why = '' WHERE id = ?", (grant.id,)))


async def make_a_revoked_grant_again(grant_home: GrantHome, grant: Grant) -> None:
    await grant_home.ann.grants.revoke(grant.id, "enough")
    new = NewGrant(grant.review, grant.slot, grant.agent, grant.tool, grant.scope, grant.uses, grant.for_s, grant.run, grant.risk)
    await grants.make(grant_home.store, new, Actor("ann", identified=Identified.SIGNED), grant_home.signed(grant))


async def make_it_last_longer(grant_home: GrantHome, grant: Grant) -> None:
    grant_home.sql(("UPDATE grants SET expires_at = expires_at + 1e6 WHERE id = ?", (grant.id,)))


ATTACKS: dict[str, Attack] = {
    "no signature": take_the_signature_away,
    "more uses": widen_the_row,
    "more uses, in the log too": widen_the_row_and_the_log,
    "key of another": sign_again("bob"),
    "in the name of another": sign_again("bob", person="bob"),
    "key added by hand": sign_again("stranger"),
    "of another home": sign_again("ann", home="f" * 64),
    "of another log": sign_again("ann", head="1 " + "0" * 64),
    "of another grant": use_the_signature_of_another_grant,
    "put back": put_a_revoked_grant_back,
    "longer": make_it_last_longer,
    "made again": make_a_revoked_grant_again,
}


@pytest.mark.parametrize(
    "names", [pytest.param(("of another grant", "made again"), id="some"), pytest.param(tuple(ATTACKS), marks=pytest.mark.slow, id="all")]
)
async def test_signed_grant_lets_calls_run_and_no_forged_one_does(grant_home: GrantHome, names: tuple[str, ...]) -> None:
    made = {}
    for name, review in zip(("real", *names), await grant_home.ask("real", *names), strict=True):
        made[name] = await grant_home.grant(review)
    for name in names:
        await ATTACKS[name](grant_home, made[name])
    waiting = await grant_home.ask("real", *names)
    assert grant_home.sent() == ["real"]
    assert len(waiting) == 2 * len(names) + 1, "each of the others waits for a person"


@pytest.mark.slow
async def test_grant_that_is_used_up_lets_nothing_run_where_its_count_is_set_back(grant_home: GrantHome) -> None:
    made = await grant_home.grant((await grant_home.ask("zoe"))[0], uses=1)
    await grant_home.ask("zoe")
    assert grant_home.sent() == ["zoe"]
    grant_home.sql(("UPDATE grants SET taken = 0 WHERE id = ?", (made.id,)))
    assert len(await grant_home.ask("zoe")) == 2 and grant_home.sent() == ["zoe"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"ann": "revoked = 2026-01-02"}, {"roles": ("decide", "people")}], ids=["key revoked", "role taken away"]
)
async def test_signed_grant_ends_with_the_key_or_the_role_of_its_maker(grant_home: GrantHome, change: dict[str, Any]) -> None:
    await grant_home.grant((await grant_home.ask("zoe"))[0])
    grant_home.write_people(**change)
    await grant_home.ask("zoe")
    assert grant_home.sent() == []


@pytest.mark.slow
async def test_grant_needs_a_key_of_its_maker(grant_home: GrantHome) -> None:
    (review,) = await grant_home.ask("zoe")
    grant_home.ann.signing_key = grant_home.keys["stranger"]
    with pytest.raises(openssh.NotSigned, match="is not a valid key of yours"):
        await grant_home.grant(review)
    assert await grant_home.ann.grants.every() == []


@pytest.mark.slow
async def test_grant_with_one_bit_changed_in_its_signature_or_text_counts_nowhere(grant_home: GrantHome) -> None:
    made = await grant_home.grant((await grant_home.ask("zoe"))[0])
    assert problem_of_stored_grant(grant_home.store, made, grant_home.people.current()) == ""
    text, signature = grant_home.signed(made)
    for number in range(FLIPS):
        dice = random.Random(number)
        for said, armoured in ((flipped_text(text, dice), signature), (text, flipped_signature(signature, dice))):
            grant_home.replace_signature(made, said, armoured)
            assert problem_of_stored_grant(grant_home.store, made, grant_home.people.current()), (number, said, armoured)
    with audit.reading(grant_home.store.path) as db:
        assert signature_history.found(db, grant_home.home / "people.toml")[1], "it is found offline, too"


def flipped_text(text: str, dice: random.Random) -> str:
    """The text with another low bit in one of its characters, so that it stays a text."""
    at = dice.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1 << dice.randrange(4)) + text[at + 1 :]


def flipped_signature(signature: str, dice: random.Random) -> str:
    """The signature with another bit in what its base64 stands for."""
    data = bytearray(base64.b64decode("".join(signature.strip().removeprefix(openssh.BEGIN).removesuffix(openssh.END).split())))
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return f"{openssh.BEGIN}\n{base64.b64encode(data).decode()}\n{openssh.END}\n"
