"""Two people answer a call without seeing each other's answer, where a rule says `blind = true`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.errors import BadPolicy, Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, Pause, PauseKind, Review, Routed, Verdict
from hitl_tui.oversight.statistics import Agreement
from hitl_tui.policy.parser import parse
from hitl_tui.store import Store, audit, reconcile, runs
from hitl_tui.store.decisions import WORDS
from tests.ui.homes import seed

APPROVE, REJECT = Answer(DecisionKind.APPROVE), Answer(DecisionKind.REJECT, message="not to her")
EDIT = Answer(DecisionKind.EDIT, {"to": "cleo@example.com", "subject": "Re: invoice 4711", "body": "Paid."})


class BlindCalls:
    """A run whose calls two people answer blind."""

    def __init__(self, store: Store, run: int) -> None:
        self.store, self.run = store, run
        self.ann, self.bob = Inbox(store, "ann"), Inbox(store, "bob")
        self._pauses = list[Pause]()

    async def propose(self) -> Review:
        self._pauses.append(seed.pause(PauseKind.TOOL_CALLS, seed.mail(), interrupt=f"i{len(self._pauses)}"))

        def judge(pause: Pause) -> Routed:
            return Routed({0: Verdict(Outcome.ASK, "mail", "rule 'mail' says ask", reviewers=2, blind=True)})

        await reconcile.reconcile(self.store, self.run, "desk", "w", self._pauses, {}, judge=judge)
        (row,) = await self.store.all("SELECT max(id) FROM reviews")
        return await self.ann.reviews.get(row[0])

    async def decide(self, inbox: Inbox, review: Review, answer: Answer) -> tuple[str, str]:
        """Returns the review's state, and how far it is decided."""
        state = await inbox.reviews.decide(review, {0: answer})
        return str(state), (await inbox.reviews.get(review.row.id)).row.decided

    async def seen_by(self, inbox: Inbox, review: Review) -> list[tuple[str, DecisionKind, bool]]:
        return [(one.actor, one.answer.kind, one.is_hidden) for one in await inbox.reviews.endorsements(review.row.id)]


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[BlindCalls]:
    async with Store.open(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        (run,) = await runs.insert(store, [runs.NewRun(project, "desk", "t", "mail", {"text": "x"})])
        await store.db.execute("UPDATE runs SET worker = 'w', state = 'running' WHERE id = ?", (run,))
        yield BlindCalls(store, run)


async def test_the_first_answer_decides_nothing_and_is_hidden_until_there_is_a_second(calls: BlindCalls) -> None:
    review = await calls.propose()
    assert await calls.decide(calls.ann, review, REJECT) == ("open", "1 of 2 answers, by ann")
    assert await calls.seen_by(calls.bob, review) == [("ann", DecisionKind.RESPOND, True)]
    assert await calls.seen_by(calls.ann, review) == [("ann", DecisionKind.REJECT, False)]
    hidden = await calls.bob.reviews.endorsements(review.row.id)
    assert hidden[0].answer.message is None and "not to her" not in repr(hidden)
    assert await calls.decide(calls.bob, review, REJECT) == ("decided", "rejected with ann by bob")
    assert audit.verify(calls.store.path).problem == ""


async def test_people_may_change_their_own_answer_and_take_it_back(calls: BlindCalls) -> None:
    review = await calls.propose()
    await calls.decide(calls.ann, review, REJECT)
    assert await calls.decide(calls.ann, review, APPROVE) == ("open", "1 of 2 answers, by ann")
    assert await calls.decide(calls.bob, review, APPROVE) == ("decided", "approved with ann by bob")
    again = await calls.propose()
    await calls.decide(calls.ann, again, APPROVE)
    await calls.ann.reviews.undo(again.row.id)
    assert (await calls.ann.reviews.get(again.row.id)).row.decided == ""


async def test_answers_that_differ_let_nothing_run_and_count_for_the_agreement(calls: BlindCalls) -> None:
    review = await calls.propose()
    for number, (ann, bob) in enumerate(((APPROVE, APPROVE), (APPROVE, APPROVE), (REJECT, REJECT), (APPROVE, REJECT), (REJECT, APPROVE))):
        review = await calls.propose() if number else review
        await calls.decide(calls.ann, review, ann)
        state, told = await calls.decide(calls.bob, review, bob)
        assert (state == "open") == (ann != bob), "whoever came first"
        assert told.startswith("approved") == (ann == bob == APPROVE)
    assert await calls.seen_by(calls.bob, review) == [("ann", DecisionKind.REJECT, False), ("bob", DecisionKind.APPROVE, False)]
    assert await calls.decide(calls.ann, review, APPROVE) == ("decided", "approved with bob by ann"), "now that she sees his answer"
    (found,) = (await calls.ann.insights.read()).agreements
    assert (found.name, found.both, found.neither, found.first_only, found.second_only) == ("blind reviews", 2, 1, 1, 1)


@pytest.mark.parametrize(("ann", "bob"), [(APPROVE, REJECT), (REJECT, APPROVE), (APPROVE, EDIT)])
async def test_answers_that_differ_are_escalated_and_the_next_one_decides(calls: BlindCalls, ann: Answer, bob: Answer) -> None:
    cleo, last = Inbox(calls.store, "cleo"), None
    for decides, expected in ((APPROVE, "approved"), (REJECT, "rejected")):
        review = await calls.propose()
        await calls.decide(calls.ann, review, ann)
        assert await calls.ann.reviews.escalations(review.row.id) == []
        assert (await calls.decide(calls.bob, review, bob))[0] == "open"
        (told,) = await calls.ann.reviews.escalations(review.row.id)
        assert told.why.startswith("two blind answers differ: ann ") and f" and bob {WORDS[bob.kind]} " in told.why
        assert (told.actor, told.recipient, (await calls.ann.reviews.get(review.row.id)).row.escalated) == ("policy:mail", "", "anybody")
        for inbox in (calls.ann, calls.bob, cleo):
            assert [hidden for _, _, hidden in await calls.seen_by(inbox, review)] == [False, False]
        last = await calls.decide(cleo, review, decides)
        assert last[0] == "decided" and last[1].startswith(expected)
        assert len(await calls.ann.reviews.escalations(review.row.id)) == 1
    assert audit.verify(calls.store.path).problem == ""


@pytest.mark.parametrize(
    ("by", "answer", "expected"), [("ann", APPROVE, "approved"), ("bob", REJECT, "rejected"), ("ann", REJECT, "rejected")]
)
async def test_one_of_two_who_differ_may_give_way_or_insist_on_a_rejection(
    calls: BlindCalls, by: str, answer: Answer, expected: str
) -> None:
    review = await calls.propose()
    await calls.decide(calls.ann, review, REJECT)
    await calls.decide(calls.bob, review, APPROVE)
    with pytest.raises(Refused, match="you said so of review"):
        await calls.decide(calls.bob, review, APPROVE)
    state, told = await calls.decide({"ann": calls.ann, "bob": calls.bob}[by], review, answer)
    assert state == "decided" and told.startswith(expected)


def test_kappa_is_the_agreement_beyond_chance() -> None:
    found = Agreement("x", 20, 5, 10, 15)  # the worked example of the statistic: 0.4
    assert found.kappa is not None and [round(one, 2) for one in found.kappa] == [0.4, 0.15, 0.65]
    assert found.interval is not None and [round(one, 2) for one in found.interval] == [0.56, 0.81]
    assert Agreement("x", 5).kappa is None and Agreement("x").kappa is None and Agreement("x").interval is None
    apart = Agreement("x", 0, 5, 5, 0).kappa
    assert apart is not None and apart[0] == -1


def test_blind_needs_two_reviewers() -> None:
    rule = '[[rule]]\nname = "a"\ntool = "b"\noutcome = "ask"\nblind = true\n'
    assert parse(rule + "reviewers = 2\n").rules[0].blind
    with pytest.raises(BadPolicy, match="blind needs two reviewers"):
        parse(rule)
