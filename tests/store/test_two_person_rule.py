"""The two-person rule: one person alone never approves, whatever the order of events; one can reject."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, Review, ReviewState, effect_of
from hitl_tui.store import Store
from hitl_tui.ui.review import assignment
from hitl_tui.ui.text import labels
from tests.support.direct_decisions import record
from tests.support.empty_database import open_store
from tests.support.harness import SandboxFactory, approve, edit, open_reviewer, reject, respond, tool_results
from tests.support.properties import examples
from tests.ui.homes import seed

TWO = '[[rule]]\nname = "letters"\ntool = "send"\noutcome = "ask"\nreviewers = 2\n'
OTHER, THIRD = edit(to="eve", subject="s", body="b"), edit(to="mallory", subject="s", body="b")
OPEN, DECIDED = ReviewState.OPEN, ReviewState.DECIDED


class Room:
    """A store and its reviewers; ann and bob have separate connections."""

    def __init__(self, stores: Sequence[Store], project: int) -> None:
        self.store = stores[0]
        self.project = project
        self.ann, self.bob, self.carl = (Inbox(stores[n % len(stores)], name, grace_s=60) for n, name in enumerate(("ann", "bob", "carl")))

    async def ask(self, *reviewers: int) -> int:
        """Add a review with one mail per number; the number of people who must approve it."""
        mails = [seed.action("send_mail", seed.mail().args, slot, reviewers=count) for slot, count in enumerate(reviewers or (2,))]
        return await seed.add_waiting_run(self.store, self.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, *mails))

    async def say(self, who: Inbox, review: int, *answers: Answer, slot: int = 0) -> ReviewState:
        found = await who.reviews.get(review)
        return await who.reviews.decide(found, {slot + n: answer for n, answer in enumerate(answers)})

    async def told(self, review: int) -> str:
        """Return the progress shown in the queue."""
        return (await self.ann.reviews.get(review)).row.decided


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_store(tmp_path / "hitl.db") as mine, open_store(tmp_path / "hitl.db") as theirs:
        yield Room((mine, theirs), await seed.add_project(mine))


@pytest.mark.parametrize("answer", [approve(), OTHER, respond("done by hand")], ids=["approve", "edit", "respond"])
async def test_second_equal_approval_decides(room: Room, answer: Answer) -> None:
    review = await room.ask()
    words = {"approve": ("1 of 2 approvals, by ann", "approved"), "edit": ("1 of 2 edits, by ann", "edited")}
    begun, done = words.get(answer.kind, ("1 of 2 answers, by ann", "answered"))
    assert await room.say(room.ann, review, answer) is OPEN
    assert await room.told(review) == begun
    (one,) = await room.bob.reviews.endorsements(review)
    assert (one.slot, one.answer, one.actor) == (0, answer, "ann")
    assert (await room.bob.reviews.get(review)).decisions == {}
    assert await room.say(room.bob, review, answer) is DECIDED
    found = await room.ann.reviews.get(review)
    assert (found.decisions[0].actor, found.decisions[0].answer) == ("bob", answer)
    assert found.row.decided == f"{done} with ann by bob"


async def test_same_person_counts_once(room: Room) -> None:
    review = await room.ask()
    await room.say(room.ann, review, approve())
    for name in ("ann", "Ann", " ann "):
        with pytest.raises(Refused, match=f"you said so of review {review} already: it has 1 of 2 approvals, by ann; another person must"):
            await room.say(Inbox(room.store, name), review, approve())
    assert await room.told(review) == "1 of 2 approvals, by ann"


async def test_person_in_two_spellings_counts_once(room: Room) -> None:
    review = await room.ask()
    upper, lower = (Inbox(room.store, name, grace_s=60) for name in ("Åsa", "a\u030asa"))
    await room.say(upper, review, approve())
    with pytest.raises(Refused, match="you said so"):
        await room.say(lower, review, approve())
    assert await room.say(room.bob, review, approve()) is DECIDED
    with pytest.raises(Refused, match="nothing of yours"):
        await lower.reviews.undo(review)


async def test_name_that_ends_with_another_name_is_a_different_person(room: Room) -> None:
    review = await room.ask(1)
    assert await room.say(Inbox(room.store, "carl by ann", grace_s=60), review, approve()) is DECIDED
    row = (await room.ann.reviews.get(review)).row
    assert row.decided == "approved by carl by ann"
    assert not assignment.decided_by(row, "ann") and assignment.undo_seconds(row, "ann", time.time()) == 0
    assert labels.closing(row, "ann")[1] == "approved by carl by ann"
    assert labels.closing(row, "carl by ann")[1] == "approved by you"
    with pytest.raises(Refused, match="the last decision is carl by ann's"):
        await room.ann.reviews.undo(review)


async def test_rejection_by_one_person_decides(room: Room) -> None:
    review, begun = await room.ask(), await room.ask()
    assert await room.say(room.ann, review, reject("no")) is DECIDED
    await room.say(room.ann, begun, approve())
    assert await room.say(room.ann, begun, reject("I was wrong")) is DECIDED
    await room.ann.reviews.undo(begun)
    assert await room.told(begun) == "", "who refused it speaks for it no more"


async def test_different_approvals_wait_until_one_has_a_second(room: Room) -> None:
    review = await room.ask()
    await room.say(room.ann, review, approve())
    assert await room.say(room.bob, review, OTHER) is OPEN
    assert await room.told(review) == "1 of 2 approvals, by ann; 1 of 2 edits, by bob"
    assert await room.say(room.carl, review, OTHER) is DECIDED
    assert (await room.ann.reviews.get(review)).decisions[0].answer == OTHER
    assert await room.told(review) == "edited with bob by carl"


async def test_edit_into_the_proposal_counts_as_approval(room: Room) -> None:
    review = await room.ask()
    await room.say(room.ann, review, Answer(DecisionKind.EDIT, seed.mail().args))
    assert await room.say(room.bob, review, approve()) is DECIDED


async def test_changed_approval_replaces_the_earlier_one(room: Room) -> None:
    review = await room.ask()
    await room.say(room.ann, review, approve())
    await room.say(room.ann, review, OTHER)
    assert await room.told(review) == "1 of 2 edits, by ann"
    assert await room.say(room.bob, review, approve()) is OPEN
    assert await room.say(room.bob, review, OTHER) is DECIDED


async def test_approval_can_be_undone_until_the_second_decides(room: Room) -> None:
    review = await room.ask()
    await room.say(room.ann, review, approve())
    with pytest.raises(Refused, match="nothing of yours to take back: nothing is decided"):
        await room.bob.reviews.undo(review)
    await room.ann.reviews.undo(review)
    assert (await room.told(review), await room.ann.reviews.endorsements(review)) == ("", [])
    await room.say(room.ann, review, approve())
    await room.say(room.bob, review, approve())
    with pytest.raises(Refused, match="the last decision is bob's"):
        await room.ann.reviews.undo(review)
    await room.bob.reviews.undo(review)
    assert await room.told(review) == "1 of 2 approvals, by ann"
    with pytest.raises(Refused, match="you said so"):
        await room.say(room.ann, review, approve())
    assert await room.say(room.carl, review, approve()) is DECIDED
    log = await room.store.all("SELECT kind, actor FROM audit WHERE review = ? AND kind != 'opened' ORDER BY seq", (review,))
    assert log == [
        ("endorsed", "ann"), ("withdrawn", "ann"), ("endorsed", "ann"), ("decided", "bob"), ("undone", "bob"), ("decided", "carl"),
    ]  # fmt: skip


async def test_batch_with_different_reviewer_counts_decides_each_action(room: Room) -> None:
    review = await room.ask(2, 1, 2)
    assert await room.say(room.ann, review, approve(), approve(), approve()) is OPEN
    assert await room.told(review) == "1 of 3 decided; 1 of 2 approvals, by ann"
    assert (await room.bob.reviews.get(review)).undecided == (0, 2)
    assert await room.say(room.bob, review, approve(), slot=2) is OPEN
    assert await room.told(review) == "2 of 3 decided; 1 of 2 approvals, by ann"
    assert await room.say(room.bob, review, approve(), approve(), approve()) is DECIDED
    assert await room.told(review) == "approved with ann by bob"


async def test_batch_can_be_decided_again_when_one_answer_is_new(room: Room) -> None:
    review = await room.ask(2, 2)
    await room.say(room.ann, review, approve())
    await room.say(room.bob, review, approve())
    assert await room.say(room.ann, review, approve(), approve()) is OPEN
    assert await room.told(review) == "1 of 2 decided; 1 of 2 approvals, by ann"
    with pytest.raises(Refused, match="you said so"):
        await room.say(room.ann, review, approve(), approve())
    assert await room.say(room.bob, review, approve(), slot=1) is DECIDED


async def test_new_answer_reopens_a_decided_action_of_an_open_review(room: Room) -> None:
    review = await room.ask(2, 1)
    await room.say(room.ann, review, approve())
    await room.say(room.bob, review, approve())
    assert await room.say(room.ann, review, OTHER) is OPEN
    assert (await room.ann.reviews.get(review)).decisions == {}, "one of the two has changed their mind"
    assert await room.say(room.carl, review, approve()) is OPEN
    assert await room.say(room.carl, review, approve(), slot=1) is OPEN
    assert await room.say(room.bob, review, approve()) is DECIDED


async def test_undo_keeps_actions_another_person_decided_with(room: Room) -> None:
    review = await room.ask(2, 2)
    await room.say(room.ann, review, approve(), approve())
    await room.say(room.bob, review, approve())
    await room.ann.reviews.undo(review)
    found = await room.ann.reviews.get(review)
    assert (found.row.decided, found.undecided) == ("1 of 2 decided", (1,))
    assert [one.slot for one in await room.ann.reviews.endorsements(review)] == [0]


async def test_first_approval_ends_the_claim(room: Room) -> None:
    review = await room.ask()
    await room.ann.reviews.claim(review)
    with pytest.raises(Refused, match="ann has review"):
        await room.say(room.bob, review, approve())
    await room.say(room.ann, review, approve())
    assert (await room.bob.reviews.get(review)).row.claimed_by is None
    await room.bob.reviews.claim(review)
    with pytest.raises(Refused, match="bob has review"):
        await room.say(room.carl, review, approve())
    assert await room.say(room.bob, review, approve()) is DECIDED


async def statement(room: Room, review: int, action: Action, answer: Answer, actor: str) -> int:
    """Count the decisions the store accepts without the inbox's checks."""
    return int(await record(room.store, review, action, answer, actor))


async def test_store_refuses_an_approval_by_one_person_alone(room: Room) -> None:
    review = await room.ask()
    (action,) = (await room.ann.reviews.get(review)).actions
    for actor in ("ann", "policy:letters", "timeout:letters"):
        for answer in (approve(), OTHER, respond("x")):
            assert await statement(room, review, action, answer, actor) == 0
    await room.say(room.ann, review, approve())
    for actor in ("ann", "ANN", "policy:letters", "timeout:letters"):
        assert await statement(room, review, action, approve(), actor) == 0
    assert await statement(room, review, action, OTHER, "bob") == 0
    await room.store.write("UPDATE endorsements SET digest = 'of something else'")
    assert await statement(room, review, action, approve(), "bob") == 0, "it was said of another action"
    await room.store.write("UPDATE endorsements SET digest = ?, withdrawn_at = 1", (action.digest,))
    assert await statement(room, review, action, approve(), "bob") == 0
    await room.store.write("UPDATE endorsements SET withdrawn_at = NULL")
    assert await statement(room, review, action, approve(), "bob") == 1


async def test_approval_of_a_changed_action_is_refused(room: Room) -> None:
    review = await room.ask()
    found = await room.ann.reviews.get(review)
    await room.store.write("UPDATE actions SET digest = 'another' WHERE review = ?", (review,))
    with pytest.raises(Stale, match="is not the one that was shown"):
        await room.ann.reviews.decide(found, {0: approve()})
    assert await room.ann.reviews.endorsements(review) == []


async def test_two_approvals_at_once_decide_once(room: Room) -> None:
    for number in range(10):
        review = await room.ask()
        crowd = [room.ann, room.bob] * 3
        random.Random(number).shuffle(crowd)
        found = await room.ann.reviews.get(review)
        outcomes = await asyncio.gather(*(who.reviews.decide(found, {0: approve()}) for who in crowd), return_exceptions=True)
        assert sorted(str(one) for one in outcomes if isinstance(one, ReviewState)) in (["decided", "open"], ["decided", "decided"])
        (decision,) = (await room.ann.reviews.get(review)).decisions.values()
        (endorsed,) = await room.ann.reviews.endorsements(review)
        assert {decision.actor, endorsed.actor} == {"ann", "bob"}
        assert all(isinstance(one, Refused) for one in outcomes if not isinstance(one, ReviewState))


SAY = st.tuples(st.sampled_from(["ann", "bob", "Ann"]), st.sampled_from([approve(), OTHER, THIRD, respond("x")]))
UNDO = st.tuples(st.sampled_from(["ann", "bob"]), st.none())
CLAIM = st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(["claim", "release"]))
AT_ONCE = st.lists(st.one_of(SAY, SAY, UNDO, CLAIM), min_size=1, max_size=4)


async def act(who: Inbox, found: Review, what: Answer | str | None, slot: int) -> None:
    review = found.row.id
    try:
        if isinstance(what, Answer):
            await who.reviews.decide(found, {slot: what})
        elif what is None:
            await who.reviews.undo(review)
        else:
            await (who.reviews.claim(review, "mine") if what == "claim" else who.reviews.release(review))
    except Refused:
        pass


@pytest.mark.slow
@examples(0.4)
@given(steps=st.lists(AT_ONCE, min_size=1, max_size=8), slots=st.integers(1, 2), only_ann=st.booleans())
def test_no_sequence_of_verbs_lets_one_person_approve_alone(steps: Any, slots: int, only_ann: bool) -> None:
    async def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hitl.db"
            async with open_store(path, "NORMAL") as mine, open_store(path, "NORMAL") as theirs:
                room = Room((mine, theirs), await seed.add_project(mine))
                people = {"ann": room.ann, "bob": room.bob, "Ann": Inbox(theirs, "Ann", grace_s=60)}
                review = await room.ask(*[2] * slots)
                found = await room.ann.reviews.get(review)
                for number, at_once in enumerate(steps):
                    said = [(name, what) for name, what in at_once if not only_ann or name.lower() == "ann"]
                    await asyncio.gather(*(act(people[name], found, what, number % slots) for name, what in said))
                    await _by_two(room, review)
                    assert not only_ann or not (await room.ann.reviews.get(review)).decisions

    asyncio.run(work())


async def _by_two(room: Room, review: int) -> None:
    """Every decision has another person's approval of the same effect."""
    found = await room.ann.reviews.get(review)
    words = await room.ann.reviews.endorsements(review)
    for slot, decision in found.decisions.items():
        action = found.actions[slot]
        others = [
            one.actor for one in words
            if one.slot == slot and one.actor.lower() != decision.actor.lower()
            and effect_of(action, one.answer) == effect_of(action, decision.answer)
        ]  # fmt: skip
        assert others, f"{decision.actor} alone decided {decision.answer}; {words}"
    assert (found.row.state is DECIDED) == (not found.undecided)


@pytest.mark.slow
async def test_decide_commands_of_two_people_let_the_agent_act(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text(TWO)
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        (run,) = await ann.inbox.runs.launch("per_call", text=json.dumps([["well", [["send", {"to": "zoe"}]]]]))
        (review,) = await ann.open_reviews(run)
        id_ = str(review.row.id)
        said = sandbox.cli("decide", id_, "approve", "--reviewer", "ann").stdout
        assert said == f"review {id_} has 1 of 2 approvals, by ann; another person must approve the same\n"
        assert "another person must approve the same" in sandbox.cli_error("decide", id_, "approve", "--reviewer", "ann")
        assert "1 of 2 approvals, by ann" in sandbox.cli("queue").stdout
        shown = sandbox.cli("show", id_).stdout
        assert "2 people must approve the same\n  approve by ann" in shown
        found = sandbox.cli_json("show", id_)
        assert found["actions"][0]["reviewers"] == 2
        assert [(one["slot"], one["decision"], one["by"]) for one in found["endorsements"]] == [(0, "approve", "ann")]
        assert sandbox.cli("undo", id_, "--reviewer", "ann").stdout == f"review {id_} is open again\n"
        sandbox.cli("decide", id_, "approve", "--reviewer", "ann")
        assert ann.effects(run) == []
        assert f"review {id_} is approved with ann by bob" in sandbox.cli("decide", id_, "approve", "--reviewer", "bob").stdout
        assert tool_results(await ann.result_of(run)) == {"send": ["sent to zoe"]}
        assert [did["did"] for did in ann.effects(run)] == ["send"]


@pytest.mark.slow
async def test_decide_commands_of_many_processes_decide_once(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text(TWO)
    async with open_reviewer(sandbox) as ann:
        (run,) = await ann.inbox.runs.launch("per_call", text=json.dumps([["well", [["send", {"to": "zoe"}]]]]))
        assert sandbox.run_until_idle() == 0
        review = await ann.open_review(run)
        crowd = ["ann", "bob"] * 4
        ended = [sandbox.start_cli("decide", str(review.row.id), "approve", "--reviewer", name)[0] for name in crowd]
        assert [process.wait() for process in ended].count(0) == 2
        (decision,) = (await ann.inbox.reviews.get(review.row.id)).decisions.values()
        (endorsed,) = await ann.inbox.reviews.endorsements(review.row.id)
        assert {decision.actor, endorsed.actor} == {"ann", "bob"}


@pytest.mark.slow
async def test_repeated_review_needs_two_people_again(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text(TWO)
    async with open_reviewer(sandbox) as ann:
        (run,) = await ann.inbox.runs.launch("per_call", text=json.dumps([["well", [["send", {"to": "zoe"}]]]]))
        assert sandbox.run_until_idle() == 0
        review = await ann.open_review(run)
        await ann.decide(review, approve())
        await Inbox(ann.store, "bob").reviews.decide(review, {0: approve()})
        assert sandbox.start(kill_at="submitted").wait() == -signal.SIGKILL
        sandbox.start()
        again = await ann.open_review(run)
        assert "may have run once" in again.row.note
        assert (again.row.decided, await ann.inbox.reviews.endorsements(again.row.id)) == ("", [])
        assert await ann.decide(again, approve()) is OPEN
        await Inbox(ann.store, "bob").reviews.decide(again, {0: approve()})
        await ann.result_of(run)
        assert [did["did"] for did in ann.effects(run)] == ["send"]


async def test_rule_that_needs_two_people_never_acts_automatically(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text('spot_check = 0\n[[rule]]\nname = "moves"\ntool = "move"\nreviewers = 2\n')
    async with open_reviewer(sandbox) as ann:
        (run,) = await ann.inbox.runs.launch("per_call", text=json.dumps([["I am 99 % sure", [["move", {"path": "b"}]]]]))
        assert sandbox.run_until_idle() == 0
        review = await ann.open_review(run)
        assert review.row.route == "ask"
        assert review.actions[0].reviewers == 2
        assert "2 people must approve it" in review.actions[0].reason


@pytest.mark.parametrize("needed", [(1, 1), (1, 2), (2, 1)], ids=["two decisions", "an approval last", "a decision last"])
async def test_undo_after_the_clock_was_set_back_takes_the_last_one(
    room: Room, needed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    review, real = await room.ask(*needed, 1), time.time
    await room.say(room.ann, review, approve())
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    await room.say(room.ann, review, reject("no") if needed[1] == 1 else approve(), slot=1)
    await room.ann.reviews.undo(review)
    left = await room.ann.reviews.get(review)
    endorsed = await room.ann.reviews.endorsements(review)
    assert {*left.decisions, *(one.slot for one in endorsed)} == {0}
