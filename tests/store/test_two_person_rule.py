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


class Team:
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
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with open_store(tmp_path / "hitl.db") as mine, open_store(tmp_path / "hitl.db") as theirs:
        yield Team((mine, theirs), await seed.add_project(mine))


@pytest.mark.parametrize("answer", [approve(), OTHER, respond("done by hand")], ids=["approve", "edit", "respond"])
async def test_second_equal_approval_decides(team: Team, answer: Answer) -> None:
    review = await team.ask()
    words = {"approve": ("1 of 2 approvals, by ann", "approved"), "edit": ("1 of 2 edits, by ann", "edited")}
    begun, done = words.get(answer.kind, ("1 of 2 answers, by ann", "answered"))
    assert await team.say(team.ann, review, answer) is OPEN
    assert await team.told(review) == begun
    (one,) = await team.bob.reviews.endorsements(review)
    assert (one.slot, one.answer, one.actor) == (0, answer, "ann")
    assert (await team.bob.reviews.get(review)).decisions == {}
    assert await team.say(team.bob, review, answer) is DECIDED
    found = await team.ann.reviews.get(review)
    assert (found.decisions[0].actor, found.decisions[0].answer) == ("bob", answer)
    assert found.row.decided == f"{done} with ann by bob"


async def test_same_person_counts_once(team: Team) -> None:
    review = await team.ask()
    await team.say(team.ann, review, approve())
    for name in ("ann", "Ann", " ann "):
        with pytest.raises(Refused, match=f"you said so of review {review} already: it has 1 of 2 approvals, by ann; another person must"):
            await team.say(Inbox(team.store, name), review, approve())
    assert await team.told(review) == "1 of 2 approvals, by ann"


async def test_person_in_two_spellings_counts_once(team: Team) -> None:
    review = await team.ask()
    upper, lower = (Inbox(team.store, name, grace_s=60) for name in ("Åsa", "a\u030asa"))
    await team.say(upper, review, approve())
    with pytest.raises(Refused, match="you said so"):
        await team.say(lower, review, approve())
    assert await team.say(team.bob, review, approve()) is DECIDED
    with pytest.raises(Refused, match="nothing of yours"):
        await lower.reviews.undo(review)


async def test_name_that_ends_with_another_name_is_a_different_person(team: Team) -> None:
    review = await team.ask(1)
    assert await team.say(Inbox(team.store, "carl by ann", grace_s=60), review, approve()) is DECIDED
    row = (await team.ann.reviews.get(review)).row
    assert row.decided == "approved by carl by ann"
    assert not assignment.decided_by(row, "ann") and assignment.undo_seconds(row, "ann", time.time()) == 0
    assert labels.closing(row, "ann")[1] == "approved by carl by ann"
    assert labels.closing(row, "carl by ann")[1] == "approved by you"
    with pytest.raises(Refused, match="the last decision is carl by ann's"):
        await team.ann.reviews.undo(review)


async def test_rejection_by_one_person_decides(team: Team) -> None:
    review, begun = await team.ask(), await team.ask()
    assert await team.say(team.ann, review, reject("no")) is DECIDED
    await team.say(team.ann, begun, approve())
    assert await team.say(team.ann, begun, reject("I was wrong")) is DECIDED
    await team.ann.reviews.undo(begun)
    assert await team.told(begun) == "", "who refused it speaks for it no more"


async def test_different_approvals_wait_until_one_has_a_second(team: Team) -> None:
    review = await team.ask()
    await team.say(team.ann, review, approve())
    assert await team.say(team.bob, review, OTHER) is OPEN
    assert await team.told(review) == "1 of 2 approvals, by ann; 1 of 2 edits, by bob"
    assert await team.say(team.carl, review, OTHER) is DECIDED
    assert (await team.ann.reviews.get(review)).decisions[0].answer == OTHER
    assert await team.told(review) == "edited with bob by carl"


async def test_edit_into_the_proposal_counts_as_approval(team: Team) -> None:
    review = await team.ask()
    await team.say(team.ann, review, Answer(DecisionKind.EDIT, seed.mail().args))
    assert await team.say(team.bob, review, approve()) is DECIDED


async def test_changed_approval_replaces_the_earlier_one(team: Team) -> None:
    review = await team.ask()
    await team.say(team.ann, review, approve())
    await team.say(team.ann, review, OTHER)
    assert await team.told(review) == "1 of 2 edits, by ann"
    assert await team.say(team.bob, review, approve()) is OPEN
    assert await team.say(team.bob, review, OTHER) is DECIDED


async def test_approval_can_be_undone_until_the_second_decides(team: Team) -> None:
    review = await team.ask()
    await team.say(team.ann, review, approve())
    with pytest.raises(Refused, match="nothing of yours to take back: nothing is decided"):
        await team.bob.reviews.undo(review)
    await team.ann.reviews.undo(review)
    assert (await team.told(review), await team.ann.reviews.endorsements(review)) == ("", [])
    await team.say(team.ann, review, approve())
    await team.say(team.bob, review, approve())
    with pytest.raises(Refused, match="the last decision is bob's"):
        await team.ann.reviews.undo(review)
    await team.bob.reviews.undo(review)
    assert await team.told(review) == "1 of 2 approvals, by ann"
    with pytest.raises(Refused, match="you said so"):
        await team.say(team.ann, review, approve())
    assert await team.say(team.carl, review, approve()) is DECIDED
    log = await team.store.all("SELECT kind, actor FROM audit WHERE review = ? AND kind != 'opened' ORDER BY seq", (review,))
    assert log == [
        ("endorsed", "ann"), ("withdrawn", "ann"), ("endorsed", "ann"), ("decided", "bob"), ("undone", "bob"), ("decided", "carl"),
    ]  # fmt: skip


async def test_batch_with_different_reviewer_counts_decides_each_action(team: Team) -> None:
    review = await team.ask(2, 1, 2)
    assert await team.say(team.ann, review, approve(), approve(), approve()) is OPEN
    assert await team.told(review) == "1 of 3 decided; 1 of 2 approvals, by ann"
    assert (await team.bob.reviews.get(review)).undecided == (0, 2)
    assert await team.say(team.bob, review, approve(), slot=2) is OPEN
    assert await team.told(review) == "2 of 3 decided; 1 of 2 approvals, by ann"
    assert await team.say(team.bob, review, approve(), approve(), approve()) is DECIDED
    assert await team.told(review) == "approved with ann by bob"


async def test_batch_can_be_decided_again_when_one_answer_is_new(team: Team) -> None:
    review = await team.ask(2, 2)
    await team.say(team.ann, review, approve())
    await team.say(team.bob, review, approve())
    assert await team.say(team.ann, review, approve(), approve()) is OPEN
    assert await team.told(review) == "1 of 2 decided; 1 of 2 approvals, by ann"
    with pytest.raises(Refused, match="you said so"):
        await team.say(team.ann, review, approve(), approve())
    assert await team.say(team.bob, review, approve(), slot=1) is DECIDED


async def test_new_answer_reopens_a_decided_action_of_an_open_review(team: Team) -> None:
    review = await team.ask(2, 1)
    await team.say(team.ann, review, approve())
    await team.say(team.bob, review, approve())
    assert await team.say(team.ann, review, OTHER) is OPEN
    assert (await team.ann.reviews.get(review)).decisions == {}, "one of the two has changed their mind"
    assert await team.say(team.carl, review, approve()) is OPEN
    assert await team.say(team.carl, review, approve(), slot=1) is OPEN
    assert await team.say(team.bob, review, approve()) is DECIDED


async def test_undo_keeps_actions_another_person_decided_with(team: Team) -> None:
    review = await team.ask(2, 2)
    await team.say(team.ann, review, approve(), approve())
    await team.say(team.bob, review, approve())
    await team.ann.reviews.undo(review)
    found = await team.ann.reviews.get(review)
    assert (found.row.decided, found.undecided) == ("1 of 2 decided", (1,))
    assert [one.slot for one in await team.ann.reviews.endorsements(review)] == [0]


async def test_first_approval_ends_the_claim(team: Team) -> None:
    review = await team.ask()
    await team.ann.reviews.claim(review)
    with pytest.raises(Refused, match="ann has review"):
        await team.say(team.bob, review, approve())
    await team.say(team.ann, review, approve())
    assert (await team.bob.reviews.get(review)).row.claimed_by is None
    await team.bob.reviews.claim(review)
    with pytest.raises(Refused, match="bob has review"):
        await team.say(team.carl, review, approve())
    assert await team.say(team.bob, review, approve()) is DECIDED


async def statement(team: Team, review: int, action: Action, answer: Answer, actor: str) -> int:
    """Count the decisions the store accepts without the inbox's checks."""
    return int(await record(team.store, review, action, answer, actor))


async def test_store_refuses_an_approval_by_one_person_alone(team: Team) -> None:
    review = await team.ask()
    (action,) = (await team.ann.reviews.get(review)).actions
    for actor in ("ann", "policy:letters", "timeout:letters"):
        for answer in (approve(), OTHER, respond("x")):
            assert await statement(team, review, action, answer, actor) == 0
    await team.say(team.ann, review, approve())
    for actor in ("ann", "ANN", "policy:letters", "timeout:letters"):
        assert await statement(team, review, action, approve(), actor) == 0
    assert await statement(team, review, action, OTHER, "bob") == 0
    await team.store.write("UPDATE endorsements SET digest = 'of something else'")
    assert await statement(team, review, action, approve(), "bob") == 0, "it was said of another action"
    await team.store.write("UPDATE endorsements SET digest = ?, withdrawn_at = 1", (action.digest,))
    assert await statement(team, review, action, approve(), "bob") == 0
    await team.store.write("UPDATE endorsements SET withdrawn_at = NULL")
    assert await statement(team, review, action, approve(), "bob") == 1


async def test_approval_of_a_changed_action_is_refused(team: Team) -> None:
    review = await team.ask()
    found = await team.ann.reviews.get(review)
    await team.store.write("UPDATE actions SET digest = 'another' WHERE review = ?", (review,))
    with pytest.raises(Stale, match="is not the one that was shown"):
        await team.ann.reviews.decide(found, {0: approve()})
    assert await team.ann.reviews.endorsements(review) == []


async def test_two_approvals_at_once_decide_once(team: Team) -> None:
    for number in range(10):
        review = await team.ask()
        crowd = [team.ann, team.bob] * 3
        random.Random(number).shuffle(crowd)
        found = await team.ann.reviews.get(review)
        outcomes = await asyncio.gather(*(who.reviews.decide(found, {0: approve()}) for who in crowd), return_exceptions=True)
        assert sorted(str(one) for one in outcomes if isinstance(one, ReviewState)) in (["decided", "open"], ["decided", "decided"])
        (decision,) = (await team.ann.reviews.get(review)).decisions.values()
        (endorsed,) = await team.ann.reviews.endorsements(review)
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
                team = Team((mine, theirs), await seed.add_project(mine))
                people = {"ann": team.ann, "bob": team.bob, "Ann": Inbox(theirs, "Ann", grace_s=60)}
                review = await team.ask(*[2] * slots)
                found = await team.ann.reviews.get(review)
                for number, at_once in enumerate(steps):
                    said = [(name, what) for name, what in at_once if not only_ann or name.lower() == "ann"]
                    await asyncio.gather(*(act(people[name], found, what, number % slots) for name, what in said))
                    await _by_two(team, review)
                    assert not only_ann or not (await team.ann.reviews.get(review)).decisions

    asyncio.run(work())


async def _by_two(team: Team, review: int) -> None:
    """Every decision has another person's approval of the same effect."""
    found = await team.ann.reviews.get(review)
    words = await team.ann.reviews.endorsements(review)
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
    team: Team, needed: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    review, real = await team.ask(*needed, 1), time.time
    await team.say(team.ann, review, approve())
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    await team.say(team.ann, review, reject("no") if needed[1] == 1 else approve(), slot=1)
    await team.ann.reviews.undo(review)
    left = await team.ann.reviews.get(review)
    endorsed = await team.ann.reviews.endorsements(review)
    assert {*left.decisions, *(one.slot for one in endorsed)} == {0}
