"""`audit verify` over signatures and versions of people.toml: what was forged, moved or rewritten is found offline, by the log's order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hitl_tui import openssh
from hitl_tui.cli import main
from hitl_tui.doctor import Finding, check_installation
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Answer, DecisionKind, PauseKind, Role
from hitl_tui.model.signatures import people_text, sha256
from hitl_tui.people.file import PeopleFile
from hitl_tui.settings import login
from hitl_tui.store import Store, audit, signature_history
from hitl_tui.store.audit import chained
from hitl_tui.store.people_log import ACCEPT, WAITS, TrustedPeople, belongs_to_another
from hitl_tui.store.signatures import hash_of
from tests.support.empty_database import open_store
from tests.support.ssh import make_key, needs_openssh, public
from tests.ui.homes import seed

pytestmark = needs_openssh

APPROVE = Answer(DecisionKind.APPROVE)


class Signers:
    """A home without agents, of which every decision must be signed."""

    def __init__(self, home: Path, store: Store, keys: Path) -> None:
        self.home, self.store, self.file = home, store, home / "people.toml"
        self.keys = {name: make_key(keys, name) for name in ("ann", "bob")}
        self.write()
        self.people = TrustedPeople(store, PeopleFile(home))

    def write(self, text: str = "", **more: str) -> None:
        people = "[people]\nsign = 'always'\n"
        for name, roles in (("ann", ["decide", "people"]), ("bob", ["decide"])):
            key = f"[[person.key]]\nkey = '{public(self.keys[name])}'\nadded = 2026-01-01\n{more.get(name, '')}\n"
            aliases = [login()] if name == "ann" else []
            people += f"[[person]]\nname = '{name}'\naliases = {aliases}\nroles = {roles}\n{key}"
        self.file.write_text(people + text)

    def inbox(self, name: str) -> Inbox:
        return Inbox(self.store, name, people=self.people.current, signing_key=self.keys[name])

    async def decide(self, name: str, count: int = 1) -> None:
        inbox, project = self.inbox(name), await seed.add_project(self.store)
        ids = [await seed.add_waiting_run(self.store, project, "mail", seed.pause(PauseKind.TOOL_CALLS, mail())) for _ in range(count)]
        reviews = [await inbox.reviews.get(id_) for id_ in ids]
        assert await inbox.reviews.decide_many([(review, {0: APPROVE}) for review in reviews]) == {}

    async def accept(self, by: str) -> None:
        text, people = await self.people.to_sign(by)
        await self.people.accept(await self.inbox(by).signing.made_of(text, people), text, by)

    def verify(self, home: Path | None = None) -> str:
        folder = home or self.home
        assert audit.verify(folder / "hitl.db").problem == ""
        with audit.reading(folder / "hitl.db") as db:
            return signature_history.found(db, folder / "people.toml")[1]


def mail() -> Any:
    return seed.action("send_mail", seed.mail().args)


@pytest.fixture
async def signers(tmp_path: Path) -> AsyncIterator[Signers]:
    home = tmp_path / "home"
    home.mkdir()
    async with open_store(home / "hitl.db") as store:
        found = Signers(home, store, tmp_path)
        await found.people.note()
        yield found


async def test_signatures_of_a_revoked_key_count_for_entries_before_alone(signers: Signers) -> None:
    await signers.decide("bob", 2)
    await signers.decide("ann")
    assert signers.verify() == ""
    signers.write(bob="revoked = 2999-01-01")
    await signers.people.note()
    assert signers.verify() == "people.toml is not the version that counts: nobody has signed the change"
    await signers.accept("ann")
    assert signers.verify() == ""
    signers.write(bob="revoked = 2026-01-02")  # before bob signed anything
    await signers.accept("ann")
    assert "was revoked" in signers.verify()


async def test_keys_count_by_the_log_where_the_clock_disagrees(signers: Signers) -> None:
    await signers.decide("bob")
    ahead = time.time() + 3 * 86_400
    async with signers.store.transaction() as db:
        audit.note(db, ahead, "anchored", Actor(""), {})  # by a clock that was three days ahead, and was set back since
    signers.write(bob=time.strftime("revoked = %Y-%m-%d", time.gmtime(ahead - 86_400)))
    await signers.accept("ann")
    with pytest.raises(openssh.NotSigned, match=r"your key .* was revoked"):
        await signers.decide("bob")
    assert signers.verify() == ""


async def test_change_of_people_counts_once_somebody_of_the_version_before_signs_it(signers: Signers, tmp_path: Path) -> None:
    await signers.decide("ann")
    signers.keys["eve"] = make_key(tmp_path, "eve")
    signers.write(EVE.format(public(signers.keys["eve"])))
    await signers.people.note()
    assert signers.people.waiting() and signers.people.current().find("eve") is None
    with pytest.raises(openssh.NotSigned, match="no key of eve"):
        await signers.decide("eve")
    for nobody in ("eve", "bob"):
        with pytest.raises(Refused, match="may not change people"):
            await signers.accept(nobody)
    waits = Finding("people.toml", False, f"{WAITS}; {ACCEPT}")
    home = Home(signers.file.parent)
    assert waits in await asyncio.to_thread(check_installation, home, (), lambda home, target: "")
    await signers.accept("ann")
    assert not signers.people.waiting() and waits not in await asyncio.to_thread(check_installation, home, (), lambda home, target: "")
    await signers.decide("eve")
    assert signers.verify() == ""
    signers.file.unlink()
    assert signers.people.current().persons == () and signers.people.current().is_checked
    assert "people.toml is not the version that counts" in signers.verify()


EVE = "[[person]]\nname = 'eve'\nroles = ['decide', 'people']\n[[person.key]]\nkey = '{}'\n"


@pytest.mark.parametrize("because", ["first", "account", "nobody", "signed", "forged", pytest.param("odd", marks=pytest.mark.slow)])
async def test_entry_that_a_program_writes_lets_no_version_count(signers: Signers, tmp_path: Path, because: str) -> None:
    await signers.decide("ann")
    signers.keys["eve"] = make_key(tmp_path, "eve")
    signers.write(EVE.format(public(signers.keys["eve"])))
    text = signers.file.read_text()
    signed = people_text(audit.home_id(signers.store), str(audit.head(signers.store.path)), digest_of(signers), sha256(text), "ann", 1.0)
    signature = await openssh.sign(signed, [public(signers.keys["eve"])], signers.keys["eve"])
    async with signers.store.transaction() as db:
        made = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", (signed, signature.text)).lastrowid
        db.execute("INSERT INTO people_versions (digest, text) VALUES (?, ?)", (sha256(text), text))
        by = {"signature": made, "signature_hash": hash_of(signed, signature.text) if because == "signed" else "0"}
        body = {"hash": sha256(text), "persons": 3, "because": "signed" if because == "forged" else because, **by}
        audit.note(db, time.time(), "people", Actor("ann"), body)
    assert signers.people.current().find("eve") is None and signers.people.current().find("ann") is not None
    assert signers.people.waiting() and "(people.toml)" in signers.verify()


async def test_former_version_gives_nothing_back_though_its_signature_is_replayed(signers: Signers) -> None:
    signers.write(bob="revoked = 2999-01-01")
    former = signers.file.read_text()
    await signers.accept("ann")
    [(body,)] = signers.store.read_now("SELECT body FROM audit WHERE kind = 'people' ORDER BY seq DESC LIMIT 1")
    signers.write(bob="revoked = 2026-01-02")
    await signers.accept("ann")
    signers.file.write_text(former)
    async with signers.store.transaction() as db:
        audit.note(db, time.time(), "people", Actor("ann"), json.loads(body))
    with pytest.raises(openssh.NotSigned, match=r"your key .* was revoked"):
        await signers.decide("bob")
    assert signers.people.waiting() and "its signature is of something else" in signers.verify()


async def test_signatures_that_somebody_switched_off_in_the_file_are_still_needed(signers: Signers) -> None:
    signers.file.write_text(
        signers.file.read_text().replace("'always'", "'rules'").replace("roles = ['decide']", "roles = ['decide', 'people']")
    )
    await signers.people.note()
    now = signers.people.current()
    assert now.sign == "always" and now.is_waiting and not now.may("bob", Role.PEOPLE)


async def test_names_that_the_file_takes_away_count_no_more_before_it_is_signed(signers: Signers) -> None:
    signers.file.write_text(signers.file.read_text().replace(f"aliases = ['{login()}']", "aliases = []"))
    now = signers.people.current()
    assert now.is_waiting and now.may("ann", Role.PEOPLE) and now.find(login()) is None
    signers.write()
    assert (found := signers.people.current().find(login())) and found.name == "ann"


@pytest.mark.parametrize("kept", ["ann", "bob"])
async def test_two_people_whom_the_file_makes_one_are_no_two_before_it_is_signed(signers: Signers, kept: str) -> None:
    (other,) = {"ann", "bob"} - {kept}
    key = f"[[person.key]]\nkey = '{public(signers.keys[kept])}'\n"
    signers.file.write_text(f"[[person]]\nname = '{kept}'\naliases = ['{other}']\n{key}")
    now = signers.people.current()
    assert now.is_waiting and [one.name for one in now.persons] == [kept] and not now.may(other, Role.DECIDE)


async def test_file_that_is_replaced_while_it_is_noted_takes_no_rights_away(signers: Signers, tmp_path: Path) -> None:
    signers.write(bob="revoked = 2999-01-01")
    text, people = await signers.people.to_sign("ann")
    signature = await signers.inbox("ann").signing.made_of(text, people)
    with contextlib.closing(sqlite3.connect(signers.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        accepting = asyncio.ensure_future(signers.people.accept(signature, text, "ann"))
        await asyncio.sleep(0)  # it has read the file, and waits for the database
        signers.write(EVE.format("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJrrdxpqAaUfIcnCEWyu9LPb4jfD3jzoRzqqjQsHRxT"))
        other.execute("COMMIT")
    await accepting
    again = TrustedPeople(signers.store, PeopleFile(signers.home))
    assert again.current().find("eve") is None and again.current().may("ann", Role.PEOPLE) and again.waiting()
    assert signers.verify() == "people.toml is not the version that counts: nobody has signed the change"


NOBODY = 65534


@contextlib.contextmanager
def ordinary_account() -> Iterator[None]:
    """Be an account without root's rights."""
    if os.geteuid():
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_link_of_the_homes_account_to_a_file_of_root_is_its_own() -> None:
    of_root = Path("/etc/passwd")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # that account may not reach pytest's own folders
        os.chown(name, NOBODY if os.geteuid() == 0 else -1, -1)
        link = Path(name) / "people.toml"
        with ordinary_account():
            link.symlink_to(of_root)
            assert belongs_to_another(of_root) and link.stat().st_uid == 0
            assert not belongs_to_another(link), "whoever can write the home chose the file"


@pytest.mark.slow
async def test_change_of_people_is_signed_only_while_one_waits_and_stays_as_it_is(signers: Signers) -> None:
    with pytest.raises(Refused, match=r"people.toml is as it was accepted"):
        await signers.people.to_sign("ann")
    signers.write("[[person]]\n")
    with pytest.raises(Refused, match="the person has no name"):
        await signers.people.to_sign("ann")
    signers.write(bob="revoked = 2999-01-01")
    text, people = await signers.people.to_sign("ann")
    signature = await signers.inbox("ann").signing.made_of(text, people)
    signers.write(bob="revoked = 2999-01-02")
    with pytest.raises(Refused, match="was changed again while it was signed"):
        await signers.people.accept(signature, text, "ann")
    assert signers.people.waiting()
    signers.write(bob="revoked = 2999-01-01")
    await signers.people.accept(signature, text, "ann")
    assert not signers.people.waiting() and signers.verify() == ""


@pytest.mark.slow
async def test_removed_people_count_once_the_removal_is_signed(signers: Signers) -> None:
    await signers.decide("ann")
    signers.file.unlink()
    await signers.people.note()
    assert signers.people.current().is_checked and signers.people.current().persons == () and signers.people.waiting()
    await signers.accept("ann")
    assert not signers.people.waiting() and not signers.people.current().is_checked and signers.verify() == ""
    signers.write()
    await signers.people.note()
    assert not signers.people.waiting() and signers.people.current().may("ann", Role.PEOPLE), "nobody was there who could sign it"
    assert signers.verify() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "text", "said"),
    [
        ("bob", None, "the version before does not let bob change people"),
        ("ann", None, "is bob's"),
        ("ann", "no json", "its signature is of something else"),
        ("ann", "{}", "its signature is of something else"),
    ],
)
async def test_signed_change_of_people_that_nobody_could_sign_so_does_not_count(
    signers: Signers, by: str, text: str | None, said: str
) -> None:
    before = digest_of(signers)
    signers.write(bob="revoked = 2999-01-01")
    content = signers.file.read_text()
    home, head = audit.home_id(signers.store), str(audit.head(signers.store.path))
    signed = people_text(home, head, before, sha256(content), by, time.time()) if text is None else text
    signature = await openssh.sign(signed, [public(signers.keys["bob"])], signers.keys["bob"])
    async with signers.store.transaction() as db:
        made = db.execute("INSERT INTO signatures (text, signature) VALUES (?, ?)", (signed, signature.text)).lastrowid
        db.execute("INSERT INTO people_versions (digest, text) VALUES (?, ?)", (sha256(content), content))
        named = {"signature": made, "signature_hash": hash_of(signed, signature.text)}
        audit.note(db, time.time(), "people", Actor(by), {"hash": sha256(content), "persons": 2, "because": "signed", **named})
    assert signers.people.waiting() and said in signers.verify()


def digest_of(signers: Signers) -> str:
    [(digest,)] = signers.store.read_now("SELECT digest FROM people_versions")
    return str(digest)


@pytest.mark.parametrize("change", ["DELETE FROM people_versions", "UPDATE people_versions SET text = replace(text, 'ann', 'eve')"])
async def test_nobody_has_a_right_once_the_versions_are_gone(signers: Signers, change: str) -> None:
    await signers.store.write(change)
    signers.file.write_text("[[person]]\nname = 'eve'\n")
    again = TrustedPeople(signers.store, PeopleFile(signers.home))
    assert again.current().is_checked and again.current().persons == ()
    signers.file.unlink()
    assert again.current().is_checked and again.current().persons == ()


Change = Callable[[sqlite3.Connection], Any]


def use_again(db: sqlite3.Connection) -> None:
    """Decide once more with a copy of a signature, and log it."""
    db.execute("INSERT INTO signatures (id, text, signature) SELECT 99, text, signature FROM signatures WHERE id = 1")
    db.execute("INSERT INTO statements (signature, review, slot, text) SELECT 99, review, slot, text FROM statements WHERE signature = 1")
    (previous, seq) = db.execute("SELECT hash, seq + 1 FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    (*entry, body) = db.execute("SELECT at, kind, actor, actor_kind, run, review, body FROM audit WHERE kind = 'decided'").fetchone()
    row = (seq, *entry, json.dumps({**json.loads(body), "decision": 99, "signature": 99}, sort_keys=True))
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, chained(previous, *row)))


FORGERIES: dict[str, tuple[Change, str]] = {
    "signature gone": (lambda db: db.execute("DELETE FROM signatures WHERE id = 1"), "its signature is gone from its table"),
    "statement gone": (lambda db: db.execute("DELETE FROM statements WHERE signature = 1"), "its signature is of something else"),
    "text changed": (lambda db: db.execute("UPDATE signatures SET text = text || ' ' WHERE id = 1"), "gone from its table, or was changed"),
    "version changed": (lambda db: db.execute("UPDATE people_versions SET text = text || ' '"), "the text of that version is gone"),
    "used again": (use_again, "its signature is that of entry"),
    "past rewritten": (lambda db: rewrite(db, 2, lambda at: at - 1), "the log before it is another one"),
}


def rewrite(db: sqlite3.Connection, seq: int, change: Callable[[float], float]) -> None:
    """Change the time of an entry, and make every hash from there on fit again."""
    (previous,) = db.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()
    for row in db.execute(
        "SELECT seq, at, kind, actor, actor_kind, run, review, body FROM audit WHERE seq >= ? ORDER BY seq", (seq,)
    ).fetchall():
        number, at, *rest = row
        at = change(at) if number == seq else at
        previous = chained(previous, number, at, *rest)
        db.execute("UPDATE audit SET at = ?, hash = ? WHERE seq = ?", (at, previous, number))


@pytest.mark.parametrize("name", FORGERIES)
async def test_forged_signature_or_rewritten_past_is_found(signers: Signers, tmp_path: Path, name: str) -> None:
    await signers.decide("ann")
    copy = tmp_path / "copy"
    await signers.store.all("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(signers.home, copy)
    with contextlib.closing(sqlite3.connect(copy / "hitl.db", isolation_level=None)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for trigger, _ in triggers:
            db.execute(f"DROP TRIGGER {trigger}")
        FORGERIES[name][0](db)
        for _, sql in triggers:
            db.execute(sql)
    with audit.reading(copy / "hitl.db") as db:
        assert FORGERIES[name][1] in signature_history.found(db, copy / "people.toml")[1]


async def test_unsigned_decision_is_found_where_all_must_be_signed(signers: Signers) -> None:
    project = await seed.add_project(signers.store)
    review = await seed.add_waiting_run(signers.store, project, "mail", seed.pause(PauseKind.TOOL_CALLS, mail()))
    ann = Inbox(signers.store, "ann")
    await ann.reviews.decide(await ann.reviews.get(review), {0: APPROVE})
    assert "is not signed, and had to be" in signers.verify()


def verified_by_hand(out: Path, text: bytes) -> bool:
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "ann", "-n", "hitl-tui", "-s", "1.sig"]
    return subprocess.run(command, input=text, cwd=out, check=False, capture_output=True).returncode == 0


async def test_exported_signature_verifies_with_ssh_keygen_alone(signers: Signers, tmp_path: Path) -> None:
    await signers.decide("ann", 2)
    home = ["--home", str(signers.home)]
    done = CliRunner().invoke(main, ["audit", "signatures", str(tmp_path / "out"), *home])
    assert done.output == f"1 signature written to {tmp_path / 'out'}\n"
    out = tmp_path / "out"
    text = (out / "1.json").read_bytes()
    assert verified_by_hand(out, text) and not verified_by_hand(out, text + b"\n")
    said = CliRunner().invoke(main, ["audit", "verify", *home])
    assert (said.exit_code, ", 1 signature; head" in said.output) == (0, True)
    assert CliRunner().invoke(main, ["audit", "signatures", str(out), *home]).exit_code == 1


async def test_commands_sign_the_change_that_they_make(signers: Signers) -> None:
    (signers.home / "config.toml").write_text(f"signing_key = '{signers.keys['ann']}'")

    async def people(*args: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, main, ["people", *args, "--home", str(signers.home)])
        return f"{done.output}{done.exception or ''}"

    assert (said := await people("add", "carl")).splitlines()[-1] == "the change is signed", said
    assert "no change of people.toml waits" in await people("accept")
    signers.file.write_text(signers.file.read_text().replace("carl", "dora"))
    assert "counts once it is signed" in await people("list")
    assert "signed by ann" in await people("accept")
    (signers.home / "config.toml").write_text("signing_key = '/none'")
    assert "the change does not count yet: there is no key /none" in await people("remove", "dora")
    assert signers.people.waiting() and signers.verify().startswith("people.toml is not the version")
