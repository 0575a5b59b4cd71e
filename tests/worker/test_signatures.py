"""Decisions that must be signed: what is signed runs, and no forged, replayed, altered or revoked signature lets anything run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hitl_tui import openssh, takeover_plan
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Answer, DecisionKind, Identified, Review, ReviewState, Takeover, TakeoverPlan, Viewing
from hitl_tui.model.signatures import Statement, hand_back_text, state
from hitl_tui.people.file import PeopleFile
from hitl_tui.store import audit, decisions, signature_history, takeovers
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.signatures import SignedStatements, SignedText, hash_of
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, edit, open_reviewer, reject
from tests.support.ssh import make_key, needs_openssh, public

pytestmark = needs_openssh

POLICY = """
spot_check = 0
[[rule]]
name = "letters"
tool = "send"
outcome = "ask"
signed = true
[[rule]]
name = "moves"
tool = "move"
outcome = "ask"
reviewers = 2
signed = true
"""
NOW = Viewing()
APPROVE = Answer(DecisionKind.APPROVE)


class Team:
    """A home with a policy that wants signatures, people with keys, and reviews that wait."""

    def __init__(self, sandbox: Sandbox, reviewer: Reviewer, keys: Path) -> None:
        self.sandbox = sandbox
        self.reviewer = reviewer
        self.store = reviewer.store
        self.home = sandbox.home.path
        self.keys = {name: make_key(keys, name) for name in ("ann", "bob", "stranger")}
        self.people = TrustedPeople(self.store, PeopleFile(self.home))
        self.ann, self.bob = self.inbox("ann"), self.inbox("bob")
        (self.home / "policy.toml").write_text(POLICY)
        self.write_people()

    def inbox(self, name: str) -> Inbox:
        return Inbox(self.store, name, people=self.people.current, signing_key=self.keys[name])

    def write_people(self, **more: str) -> None:
        """Write people.toml; `more` are lines for a person's key."""
        text = ""
        for name in ("ann", "bob"):
            key = f"[[person.key]]\nkey = '{public(self.keys[name])}'\nadded = 2026-01-01\n{more.get(name, '')}\n"
            text += f"[[person]]\nname = '{name}'\nroles = ['decide', 'take_over', 'people']\n{key}"
        (self.home / "people.toml").write_text(text)

    async def ask(self, *tools: str) -> list[Review]:
        """Open a review for each of these tools. Returns them in this order."""
        for number, tool in enumerate(tools):
            await self.reviewer.launch("per_call", text=json.dumps([("I am 50 % sure", [(tool, _args(tool, number))])]))
        assert self.sandbox.run_until_idle() == 0
        rows = sorted(await self.ann.reviews.pending(1000), key=lambda row: row.run)  # the runs pause in any order
        return [await self.ann.reviews.get(row.id) for row in rows if row.state is ReviewState.OPEN]

    def effects(self) -> list[str]:
        """What tools did, in order: the argument of each."""
        lines = self.sandbox.journal.read_text().splitlines() if self.sandbox.journal.exists() else []
        return [line.get("to") or line.get("path") for line in map(json.loads, lines)]

    async def forge(self, review: Review, answer: Answer, key: str = "ann", by: str = "ann", **changed: Any) -> None:
        """Store a decision with a statement of which some fields are others, signed with this person's key."""
        home, head = audit.home_id(self.store), str(audit.head(self.store.path))
        statement = replace(state(home, head, review.row.id, review.actions[0], answer, by, 1.0, None), **changed)
        await self.store_signed(review, answer, statement, self.keys[key], by)

    async def store_signed(self, review: Review, answer: Answer, statement: Statement, key: Path, by: str = "ann") -> None:
        made = await openssh.sign(statement.text, [public(key)], key)
        await self.store_with(review, SignedStatements({(review.row.id, 0): statement}, made.text), answer, by)

    async def store_with(self, review: Review, signed: SignedStatements, answer: Answer = APPROVE, by: str = "ann") -> None:
        """Store a decision with any signature."""
        shown = {0: review.actions[0]}
        chosen = decisions.ReviewAnswers(review.row.id, {0: answer}, shown, 0.0, {0: NOW})
        await decisions.decide(self.store, chosen, Actor(by, identified=Identified.SIGNED), signed)

    def verify(self) -> tuple[int, str]:
        """The number of signatures, and what `audit verify` says is wrong."""
        assert audit.verify(self.store.path).problem == ""
        with audit.reading(self.store.path) as db:
            return signature_history.found(db, self.home / "people.toml")

    def sql(self, statement: str, *values: Any) -> None:
        """Change a row as somebody with the file does, without the triggers."""
        with contextlib.closing(sqlite3.connect(self.store.path, isolation_level=None)) as db:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
            assert db.execute(statement, values).rowcount, statement


def _args(tool: str, number: int) -> dict[str, str]:
    return {"to" if tool == "send" else "path": f"{tool}{number}"}


@pytest.fixture
async def team(new_sandbox: SandboxFactory, tmp_path: Path) -> AsyncIterator[Team]:
    sandbox = new_sandbox("policy")
    async with open_reviewer(sandbox) as reviewer:
        yield Team(sandbox, reviewer, tmp_path)


async def test_signed_decisions_run_alone_together_and_by_two_people(team: Team) -> None:
    alone, edited, refused, first, second, move = await team.ask("send", "send", "send", "send", "send", "move")
    await team.ann.reviews.decide(alone, {0: approve()})
    await team.ann.reviews.decide(edited, {0: edit(to="zoë")})
    await team.ann.reviews.decide(refused, {0: reject("no")})
    assert await team.ann.reviews.decide_many([(first, {0: approve()}), (second, {0: approve()})]) == {}
    await team.ann.reviews.decide(move, {0: approve()})
    assert (await team.bob.reviews.get(move.row.id)).row.state is ReviewState.OPEN
    await team.bob.reviews.decide(move, {0: approve()})
    assert [len(await team.store.all(f"SELECT 1 FROM {table}")) for table in ("signatures", "statements")] == [6, 7]
    assert (await team.ann.reviews.get(alone.row.id)).decisions[0].identified is Identified.SIGNED
    assert team.sandbox.run_until_idle() == 0
    assert [(await team.ann.reviews.get(one.row.id)).row.note for one in (alone, edited, refused, first, second, move)] == [""] * 6
    assert sorted(team.effects()) == ["move5", "send0", "send3", "send4", "zoë"]
    assert (found := team.verify())[0] == 6 and not found[1], found


Attack = Callable[[Team, Review], Awaitable[None]]
CHANGE_SIGNED = "UPDATE decisions SET kind = ?, args = ? WHERE review = ?"
BY_HAND = """
INSERT INTO decisions (review, slot, agent, tool, kind, actor, actor_kind, actor_key, digest, effect, at, effective_at)
SELECT review, slot, 'per_call', name, 'approve', ?, ?, ?, digest, digest, 1, 1 FROM actions WHERE review = ?
"""
DECIDED = "UPDATE reviews SET state = 'decided', decided_at = 1, effective_at = 1 WHERE id = ?"


async def write_row_as_person(team: Team, review: Review) -> None:
    team.sql(BY_HAND, "ann", "person", "ann", review.row.id)
    team.sql(DECIDED, review.row.id)


async def write_row_as_rule(team: Team, review: Review) -> None:
    team.sql(BY_HAND, "policy:letters", "policy", "policy:letters", review.row.id)
    team.sql(DECIDED, review.row.id)


async def decide_unsigned_where_the_row_says_so(team: Team, review: Review) -> None:
    team.sql("UPDATE actions SET signed = 0 WHERE review = ?", review.row.id)
    await Inbox(team.store, "ann").reviews.decide(replace(review, actions=(replace(review.actions[0], signed=False),)), {0: approve()})


async def edit_arguments_after_approval(team: Team, review: Review) -> None:
    await team.ann.reviews.decide(review, {0: approve()})
    team.sql(CHANGE_SIGNED, "edit", '{"to": "mallory"}', review.row.id)


async def edit_arguments_of_an_edit(team: Team, review: Review) -> None:
    await team.ann.reviews.decide(review, {0: edit(to="zoë")})
    team.sql(CHANGE_SIGNED, "edit", '{"to": "mallory"}', review.row.id)


async def turn_rejection_into_approval(team: Team, review: Review) -> None:
    await team.ann.reviews.decide(review, {0: reject("no")})
    team.sql("UPDATE decisions SET kind = 'approve', message = NULL WHERE review = ?", review.row.id)


async def undone_decision_put_back(team: Team, review: Review) -> None:
    ann = Inbox(team.store, "ann", grace_s=60, people=team.people.current, signing_key=team.keys["ann"])
    await ann.reviews.decide(review, {0: approve()})
    await ann.reviews.undo(review.row.id)
    team.sql("UPDATE decisions SET superseded = 0, undone_at = NULL WHERE review = ?", review.row.id)
    team.sql(DECIDED, review.row.id)


async def replay_of_undone_decision(team: Team, review: Review) -> None:
    ann = Inbox(team.store, "ann", grace_s=60, people=team.people.current, signing_key=team.keys["ann"])
    await ann.reviews.decide(review, {0: approve()})
    await ann.reviews.undo(review.row.id)
    team.sql(BY_HAND, "ann", "person", "ann", review.row.id)
    team.sql("UPDATE decisions SET signature = (SELECT max(id) FROM signatures) WHERE review = ?", review.row.id)
    team.sql(DECIDED, review.row.id)


async def undone_decision_made_again_with_its_signature(team: Team, review: Review) -> None:
    ann = Inbox(team.store, "ann", grace_s=60, people=team.people.current, signing_key=team.keys["ann"])
    await ann.reviews.decide(review, {0: approve()})
    await ann.reviews.undo(review.row.id)
    await team.store_with(review, await newest_signature(team, review))


async def withdrawn_approval_given_again_with_its_signature(team: Team, review: Review) -> None:
    await team.bob.reviews.decide(review, {0: approve()})
    await team.bob.reviews.undo(review.row.id)
    await team.store_with(review, await newest_signature(team, review), by="bob")
    await team.ann.reviews.decide(review, {0: approve()})


async def newest_signature(team: Team, review: Review) -> SignedStatements:
    """What was signed last, as it would be on its way into the tables once more."""
    text, signature = await team.store.one("SELECT text, signature FROM signatures ORDER BY id DESC LIMIT 1")
    statement = Statement(**{k: v for k, v in json.loads(text).items() if k != "hitl-tui"})
    return SignedStatements({(review.row.id, 0): statement}, signature)


async def signature_of_another_review(team: Team, review: Review) -> None:
    (text, signature) = await team.store.one("SELECT text, signature FROM signatures ORDER BY id LIMIT 1")
    statement = Statement(**{k: v for k, v in json.loads(text).items() if k != "hitl-tui"})
    signed = SignedStatements({(review.row.id, 0): statement}, signature)
    chosen = decisions.ReviewAnswers(review.row.id, {0: approve()}, {0: review.actions[0]}, 0.0, {0: NOW})
    await decisions.decide(team.store, chosen, Actor("ann", identified=Identified.SIGNED), signed)


async def statement_changed_under_its_signature(team: Team, review: Review) -> None:
    await team.ann.reviews.decide(review, {0: reject("no")})
    (text,) = await team.store.one("SELECT text FROM statements WHERE review = ?", (review.row.id,))
    found = {k: v for k, v in json.loads(text).items() if k != "hitl-tui"}
    made = state(found["home"], found["head"], review.row.id, review.actions[0], approve(), "ann", found["at"], None)
    for table in ("statements", "signatures"):
        team.sql(f"UPDATE {table} SET text = ? WHERE text = ?", made.text, text)
    team.sql("UPDATE decisions SET kind = 'approve', message = NULL WHERE review = ?", review.row.id)


def forged(**how: Any) -> Attack:
    async def attack(team: Team, review: Review) -> None:
        await team.forge(review, approve(), **how)

    return attack


async def key_in_nobodys_name(team: Team, review: Review) -> None:
    await team.forge(review, approve(), key="stranger")


async def signature_of_another_text(team: Team, review: Review) -> None:
    await team.forge(review, approve())
    made = await openssh.sign("{}", [public(team.keys["ann"])], team.keys["ann"])
    team.sql("UPDATE signatures SET signature = ? WHERE id = (SELECT max(id) FROM signatures)", made.text)
    (text,) = await team.store.one("SELECT text FROM signatures ORDER BY id DESC LIMIT 1")
    team.sql(
        "UPDATE audit SET body = json_set(body, '$.signature_hash', ?) WHERE seq = (SELECT max(seq) FROM audit)", hash_of(text, made.text)
    )


async def signature_for_another_namespace(team: Team, review: Review) -> None:
    """The key also signs commits: a signature of git's, of a text that says what this one would."""
    statement = state(
        audit.home_id(team.store), str(audit.head(team.store.path)), review.row.id, review.actions[0], approve(), "ann", 1.0, None
    )
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(team.keys["ann"])]
    made = (
        await asyncio.to_thread(subprocess.run, command, input=statement.text.encode(), check=True, capture_output=True)
    ).stdout.decode()
    await team.store_with(review, SignedStatements({(review.row.id, 0): statement}, made))


async def statement_smuggled_into_a_batch(team: Team, review: Review) -> None:
    home, head = audit.home_id(team.store), str(audit.head(team.store.path))
    mine, *others = [state(home, head, number, review.actions[0], approve(), "ann", 1.0, None) for number in (review.row.id, 98, 99)]
    batch = SignedStatements({(one.review, 0): one for one in others}, "").text
    made = await openssh.sign(batch, [public(team.keys["ann"])], team.keys["ann"])
    smuggled = SignedStatements({(review.row.id, 0): mine}, made.text)
    smuggled.__dict__["text"] = batch  # in place of what is computed of its statements
    await team.store_with(review, smuggled)


async def second_person_by_hand(team: Team, review: Review) -> None:
    """The review of a rule that wants two people has an approval that nobody signed."""
    team.sql(
        "INSERT INTO endorsements (review, slot, kind, actor, actor_key, digest, effect, at) "
        "SELECT review, slot, 'approve', 'bob', 'bob', digest, digest, 1 FROM actions WHERE review = ?", review.row.id,
    )  # fmt: skip
    await team.ann.reviews.decide(review, {0: approve()})


ATTACKS: dict[str, tuple[Attack, str]] = {
    "row as person": (write_row_as_person, "it is not signed"),
    "row as rule": (write_row_as_rule, "the policy does not let it run by itself"),
    "row says no signature": (decide_unsigned_where_the_row_says_so, "it is not signed"),
    "edited after approval": (edit_arguments_after_approval, "of another decision"),
    "edited again": (edit_arguments_of_an_edit, "of other arguments"),
    "rejection made approval": (turn_rejection_into_approval, "of another decision"),
    "undone put back": (undone_decision_put_back, "the log does not say"),
    "undone replayed": (replay_of_undone_decision, "the log does not say"),
    "undone made again": (undone_decision_made_again_with_its_signature, "was used before"),
    "other review": (signature_of_another_review, "of another review"),
    "statement changed": (statement_changed_under_its_signature, "the log does not say"),
    "other home": (forged(home="f" * 64), "of another home"),
    "other call": (forged(call=2), "of another call"),
    "other digest": (forged(action="2:" + "0" * 64), "of a call that was changed"),
    "other decision": (forged(decision="reject"), "of another decision"),
    "other person": (forged(person="bob"), "by bob"),
    "key of another": (forged(key="bob"), "is bob's"),
    "key added by hand": (key_in_nobodys_name, "is not in people.toml"),
    "other log": (forged(head="1 " + "0" * 64), "the log before it is another one"),
    "signature of another text": (signature_of_another_text, "is not of what it says"),
    "other namespace": (signature_for_another_namespace, "is none of ssh-keygen's"),
    "smuggled into a batch": (statement_smuggled_into_a_batch, "its signature is of something else"),
    "later log": (forged(head="999999 " + "0" * 64), "the log before it is another one"),
    "second person by hand": (second_person_by_hand, "it needs the signatures of 2 people"),
    "second person withdrew": (withdrawn_approval_given_again_with_its_signature, "it needs the signatures of 2 people"),
}
GATE = ("row as person", "edited after approval", "undone made again", "other review", "key of another", "second person by hand")


@pytest.mark.parametrize("names", [pytest.param(GATE, id="some"), pytest.param(tuple(ATTACKS), marks=pytest.mark.slow, id="all")])
async def test_forged_decision_runs_nothing_and_is_asked_again(team: Team, names: tuple[str, ...]) -> None:
    tools = ["move" if name.startswith("second person") else "send" for name in names]
    real, *reviews = await team.ask("send", *tools)
    await team.ann.reviews.decide(real, {0: approve()})
    for name, review in zip(names, reviews, strict=True):
        await ATTACKS[name][0](team, review)
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == ["send0"]
    for name, review in zip(names, reviews, strict=True):
        now = await team.ann.reviews.get(review.row.id)
        assert (name, now.row.state) == (name, ReviewState.OPEN)
        assert ATTACKS[name][1] in now.row.note and "nothing ran" in now.row.note, (name, now.row.note)
        entries = [entry.kind for entry in await audit.of_review(team.store, review.row.id)]
        assert "not_accepted" in entries and entries[-1] == "asked_again", name


async def test_key_revoked_after_the_decision_runs_nothing(team: Team) -> None:
    (review,) = await team.ask("send")
    await team.ann.reviews.decide(review, {0: approve()})
    team.write_people(ann="revoked = 2026-01-02")
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == []
    assert "was revoked" in (await team.ann.reviews.get(review.row.id)).row.note
    with pytest.raises(openssh.NotSigned, match=r"your key .* was revoked"):
        await team.ann.reviews.decide(await team.ann.reviews.get(review.row.id), {0: approve()})
    await team.bob.reviews.decide(await team.ann.reviews.get(review.row.id), {0: approve()})
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == ["send0"]


@pytest.mark.slow
async def test_second_key_of_a_person_makes_no_second_person(team: Team, tmp_path: Path) -> None:
    team.keys["second"] = make_key(tmp_path, "second")
    team.write_people(ann=f"[[person.key]]\nkey = '{public(team.keys['second'])}'")
    move, other = await team.ask("move", "move")
    await team.ann.reviews.decide(move, {0: approve()})
    await team.forge(move, approve(), key="second", by="bob")
    await team.forge(other, approve(), key="second", by="ann")
    team.ann.signing_key = team.keys["second"]
    with pytest.raises(Refused, match="you said so of review"):
        await team.ann.reviews.decide(other, {0: approve()})
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == []
    assert "is ann's" in (await team.bob.reviews.get(move.row.id)).row.note
    await team.bob.reviews.decide(other, {0: approve()})
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == ["move1"], "each of ann's keys counts, once for both"


async def test_rejection_is_signed_too_and_nothing_is_stored_without_key(team: Team) -> None:
    (review,) = await team.ask("send")
    team.ann.signing_key = team.home / "none"
    for answer in (approve(), reject("no")):
        with pytest.raises(openssh.NotSigned, match="there is no key"):
            await team.ann.reviews.decide(review, {0: answer})
    assert (await team.ann.reviews.get(review.row.id)).decisions == {}
    assert DecisionKind.APPROVE in review.actions[0].allowed


# Hand-backs


async def plan_of(team: Team, review: Review, result: str = "told by phone") -> tuple[Takeover, TakeoverPlan]:
    """ann takes over what a review asks; a plan that gives the call's result."""
    taken = await team.ann.takeovers.take(review.row.run)
    (call,) = (await team.ann.takeovers.head(review.row.run)).calls
    return taken, TakeoverPlan(results={call.id: result})


async def test_hand_back_is_signed_and_confirmed_where_the_rule_wants_that(team: Team) -> None:
    letter, move = await team.ask("send", "move")
    taken, plan = await plan_of(team, letter)
    assert not (await team.ann.takeovers.hand_back(taken.id, plan)).is_unconfirmed
    taken, plan = await plan_of(team, move)
    shown = await team.ann.takeovers.hand_back(taken.id, plan)
    assert shown.is_unconfirmed and await team.bob.takeovers.confirm(shown)
    assert team.sandbox.run_until_idle() == 0
    for review in (letter, move):
        ended = await team.ann.takeovers.latest(review.row.run)
        assert ended and (ended.state, ended.note) == ("applied", "")
    assert team.effects() == [], "its result was given in place of the tool's"
    assert (found := team.verify())[0] == 3 and not found[1], found


async def hand_back_unsigned(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    await takeovers.hand_back(team.store, taken.id, Actor("ann"), plan)


async def hand_back_where_the_row_wants_no_signature(team: Team, review: Review) -> None:
    team.sql("UPDATE actions SET signed = 0 WHERE review = ?", review.row.id)
    await hand_back_unsigned(team, review)


async def hand_back_where_the_log_says_that_it_ended(team: Team, review: Review) -> None:
    """The row and the log say that nothing is asked any more, as whoever can write the file could."""
    await hand_back_unsigned(team, review)
    note = {"run": review.row.run, "review": review.row.id}
    async with team.store.transaction() as db:
        audit.note(db, 1.0, "applied", Actor(""), {"note": ""}, **note)
    team.sql("UPDATE reviews SET state = 'applied' WHERE id = ?", review.row.id)


def hand_back_signed(key: str = "ann", **changed: Any) -> Attack:
    """A hand-back with a signature of another key, or of something else."""

    async def attack(team: Team, review: Review) -> None:
        taken, plan = await plan_of(team, review)
        other = replace(taken, **changed.get("taken", {}))
        home, head = changed.get("home") or audit.home_id(team.store), str(audit.head(team.store.path))
        signed = changed.get("plan") or takeover_plan.as_json(plan)
        text = hand_back_text(home, head, other, signed, changed.get("person", "ann"), 1.0)
        made = await openssh.sign(text, [public(team.keys[key])], team.keys[key])
        by = Actor("ann", identified=Identified.SIGNED)
        await takeovers.hand_back(team.store, taken.id, by, plan, signed=SignedText(text, made.text))

    return attack


async def signature_of_a_decision(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    (text, signature) = await team.store.one("SELECT text, signature FROM signatures ORDER BY id LIMIT 1")
    by = Actor("ann", identified=Identified.SIGNED)
    await takeovers.hand_back(team.store, taken.id, by, plan, signed=SignedText(text, signature))


async def confirm_unsigned(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    await team.ann.takeovers.hand_back(taken.id, plan)
    await takeovers.confirm(team.store, taken.id, Actor("bob"), takeover_plan.as_json(plan), team.people.current())


def confirm_signed(person: str) -> Attack:
    """A confirmation in bob's name that ann's key has signed, of a text that names this person."""

    async def attack(team: Team, review: Review) -> None:
        taken, plan = await plan_of(team, review)
        await team.ann.takeovers.hand_back(taken.id, plan)
        said = takeover_plan.as_json(plan)
        text = hand_back_text(audit.home_id(team.store), str(audit.head(team.store.path)), taken, said, person, 1.0)
        made = await openssh.sign(text, [public(team.keys["ann"])], team.keys["ann"])
        by = Actor("bob", identified=Identified.SIGNED)
        await takeovers.confirm(team.store, taken.id, by, said, team.people.current(), SignedText(text, made.text))

    return attack


async def revoke_the_key_after_handing_back(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    await team.ann.takeovers.hand_back(taken.id, plan)
    team.write_people(ann="revoked = 2026-01-02")


async def hand_back_discarded_and_made_again(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    await team.ann.takeovers.hand_back(taken.id, plan)
    signed = SignedText(*await team.store.one("SELECT text, signature FROM signatures ORDER BY id DESC LIMIT 1"))
    await team.ann.takeovers.discard(taken.id)
    team.sql("UPDATE takeovers SET state = 'open' WHERE id = ?", taken.id)
    await takeovers.hand_back(team.store, taken.id, Actor("ann", identified=Identified.SIGNED), plan, signed=signed)


async def confirm_again_with_the_signature_of_before(team: Team, review: Review) -> None:
    taken, plan = await plan_of(team, review)
    await team.bob.takeovers.confirm(await team.ann.takeovers.hand_back(taken.id, plan))
    signed = SignedText(*await team.store.one("SELECT text, signature FROM signatures ORDER BY id DESC LIMIT 1"))
    await team.ann.takeovers.discard(taken.id)
    team.sql("UPDATE takeovers SET state = 'open' WHERE id = ?", taken.id)
    await team.ann.takeovers.hand_back(taken.id, plan)
    by, said = Actor("bob", identified=Identified.SIGNED), takeover_plan.as_json(plan)
    await takeovers.confirm(team.store, taken.id, by, said, team.people.current(), signed)


HAND_BACKS: dict[str, tuple[Attack, str]] = {
    "not signed": (hand_back_unsigned, "it is not signed"),
    "ended in the log": (hand_back_where_the_log_says_that_it_ended, "it is not signed"),
    "row says no signature": (hand_back_where_the_row_wants_no_signature, "it is not signed"),
    "key of another": (hand_back_signed("bob"), "is bob's"),
    "key added by hand": (hand_back_signed("stranger"), "is not in people.toml"),
    "other person": (hand_back_signed("bob", person="bob"), "of something else"),
    "other plan": (hand_back_signed(plan={"answer": "no"}), "of something else"),
    "other takeover": (hand_back_signed(taken={"id": 99}), "of something else"),
    "other run": (hand_back_signed(taken={"run": 99}), "of something else"),
    "other checkpoint": (hand_back_signed(taken={"head": "elsewhere"}), "of something else"),
    "other home": (hand_back_signed(home="f" * 64), "of something else"),
    "signature of a decision": (signature_of_a_decision, "of something else"),
    "confirmed unsigned": (confirm_unsigned, "by bob: it is not signed"),
    "confirmed by the author's signature": (confirm_signed("ann"), "by bob: its signature is of something else"),
    "confirmed by the author's key": (confirm_signed("bob"), "is ann's"),
    "discarded and made again": (hand_back_discarded_and_made_again, "was used before"),
    "confirmed again": (confirm_again_with_the_signature_of_before, "by bob: its signature was used before"),
    "key revoked": (revoke_the_key_after_handing_back, "was revoked"),
}


CONFIRMED = tuple(name for name in HAND_BACKS if name.startswith("confirmed"))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(tuple(HAND_BACKS)[:2], id="some"),
        pytest.param(tuple(name for name in HAND_BACKS if name not in CONFIRMED)[2:], marks=pytest.mark.slow, id="handed back"),
        pytest.param(CONFIRMED, marks=pytest.mark.slow, id="confirmed"),
    ],
)
async def test_forged_hand_back_is_not_applied(team: Team, names: tuple[str, ...]) -> None:
    real, *reviews = await team.ask("send", *["move" if name.startswith("confirmed") else "send" for name in names])
    await team.ann.reviews.decide(real, {0: approve()})
    for name, review in zip(names, reviews, strict=True):
        await HAND_BACKS[name][0](team, review)
    assert team.sandbox.run_until_idle() == 0
    for name, review in zip(names, reviews, strict=True):
        ended = await team.bob.takeovers.latest(review.row.run)
        assert ended and ended.state == "stale" and HAND_BACKS[name][1] in ended.note, (name, ended)


# What the rules demand, lowered in the row and in the log

LOWERED = "UPDATE audit SET body = json_set(body, '$.calls[0]', json(?), '$.signed', json('[0]')) WHERE kind = 'opened' AND review = ?"


async def lower(team: Team, review: Review, **demands: Any) -> Review:
    """Write other demands into a review's row and into the log, as somebody with the file could."""
    call = [review.actions[0].digest, demands.get("reviewers", 1), demands.get("decider", ""), demands.get("separate", [])]
    team.sql(LOWERED, json.dumps(call), review.row.id)
    set_row = "UPDATE actions SET reviewers = ?, decider = ?, separate = ? WHERE review = ?"
    team.sql(set_row, *call[1:3], json.dumps(call[3]), review.row.id)
    return await team.ann.reviews.get(review.row.id)


async def test_two_people_must_sign_though_row_and_log_say_that_one_is_enough(team: Team) -> None:
    (review,) = await team.ask("move")
    review = await lower(team, review)
    assert await team.ann.reviews.decide(review, {0: approve()}) is ReviewState.DECIDED
    assert team.sandbox.run_until_idle() == 0 and team.effects() == []
    now = await team.ann.reviews.get(review.row.id)
    assert "it needs the signatures of 2 people" in now.row.note and now.actions[0].reviewers == 2
    await team.ann.reviews.decide(now, {0: approve()})
    await team.bob.reviews.decide(now, {0: approve()})
    assert team.sandbox.run_until_idle() == 0
    assert team.effects() == ["move0"], "two people can decide it then"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("demand", "said"),
    [('to = "bob"', "it needs the signature of one person of bob"), ('separate = ["launch"]', "who neither launched the run nor wrote")],
)
async def test_those_whom_the_rule_names_must_sign_though_row_and_log_name_nobody(team: Team, demand: str, said: str) -> None:
    (team.home / "policy.toml").write_text(POLICY.replace('tool = "send"\n', f'tool = "send"\n{demand}\n'))
    (review,) = await team.ask("send")
    team.sql("UPDATE audit SET actor = 'ann' WHERE kind = 'launched'")
    review = await lower(team, review)
    assert await team.ann.reviews.decide(review, {0: approve()}) is ReviewState.DECIDED
    assert team.sandbox.run_until_idle() == 0 and team.effects() == []
    now = await team.bob.reviews.get(review.row.id)
    assert said in now.row.note
    await team.bob.reviews.decide(now, {0: approve()})
    assert team.sandbox.run_until_idle() == 0 and team.effects() == ["send0"]


@pytest.mark.slow
async def test_rule_that_begins_to_want_signatures_counts_for_reviews_that_wait(team: Team) -> None:
    (team.home / "policy.toml").write_text(POLICY.replace("signed = true", "").replace("reviewers = 2", ""))
    (review,) = await team.ask("move")
    await team.ann.reviews.decide(review, {0: approve()})
    (team.home / "policy.toml").write_text(POLICY)
    assert team.sandbox.run_until_idle() == 0 and team.effects() == []
    now = await team.ann.reviews.get(review.row.id)
    assert "it is not signed" in now.row.note and (now.actions[0].signed, now.actions[0].reviewers) == (True, 2)
    await team.ann.reviews.decide(now, {0: approve()})
    await team.bob.reviews.decide(now, {0: approve()})
    assert team.sandbox.run_until_idle() == 0 and team.effects() == ["move0"]
    assert (found := team.verify())[0] == 2 and not found[1], "the log says what is demanded since"


@pytest.mark.slow
async def test_hand_back_of_what_two_must_sign_is_not_applied_by_one(team: Team) -> None:
    (review,) = await team.ask("move")
    await lower(team, review)
    taken, plan = await plan_of(team, review)
    assert not (await team.ann.takeovers.hand_back(taken.id, plan)).is_unconfirmed
    assert team.sandbox.run_until_idle() == 0
    ended = await team.ann.takeovers.latest(review.row.run)
    assert ended and ended.state == "stale" and "it needs the signatures of 2 people" in ended.note
