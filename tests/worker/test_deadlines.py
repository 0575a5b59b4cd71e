"""What nobody decides in time: rejected or put before somebody else, once, and never approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from hitl_tui.errors import Stale
from hitl_tui.model import ReviewState, RunState
from hitl_tui.store import Store
from hitl_tui.store.runs import get as get_run
from tests.support.fake_clock import CHAIN, GROUPS, Clock, aged, asked, jobs, log, policy, rule
from tests.support.harness import Place, Reviewer, approve, results, reviewer

Own = Callable[[str], Place]
READ, MOVE, SEND = ("read", {"path": "a"}), ("move", {"path": "b"}), ("send", {"to": "ann"})
REJECTS = rule("letters", "send", 'outcome = "ask"', 'deadline = "4h"', 'then = "reject"')
ESCALATES = rule("letters", "send", 'outcome = "ask"', 'deadline = "4h"')
HOURS = 3600.0


@pytest.fixture
async def alone(own: Own) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/policy, without a worker."""
    async with reviewer(own("policy")) as someone:
        yield someone


async def test_a_deadline_that_passes_rejects_with_a_sentence_and_the_agent_is_told(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    review = await aged(alone, review, 5 * HOURS)
    clock = Clock(review.row.opened_at)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert (review.row.deadline_at, review.row.deadline_then) == (review.row.opened_at + 4 * HOURS, "reject")
    clock.later(4 * HOURS - 1)
    assert not await work.run_due() and work.wait_s() == pytest.approx(1, abs=1e-3)
    assert (await alone.one(run)).undecided == (0,)

    clock.later(1)
    assert await work.run_due()
    found = await alone.inbox.reviews.get(review.row.id)
    said = found.decisions[0]
    assert (found.row.state, said.actor, said.answer.kind) == (ReviewState.DECIDED, "timeout:letters", "reject")
    assert said.answer.message == "nobody decided it within 4 hours (rule 'letters')"
    assert not await work.run_due() and work.wait_s() is None
    with pytest.raises(Stale, match="rejected by timeout:letters"):
        await alone.decide(review, approve())

    assert alone.place.run_until_idle() == 0
    assert "within 4 hours" in results(await alone.done(run))["send"][0]
    assert alone.did(run) == []
    assert [(actor, body["kind"]) for _, actor, body in await log(alone, review.row.id, "decided")] == [("timeout:letters", "reject")]


async def test_the_soonest_deadline_of_what_people_decide_counts_and_the_rest_is_rejected_with_it(alone: Reviewer) -> None:
    policy(
        alone.place,
        rule("reading", "read", 'outcome = "auto"', 'deadline = "1m"')
        + rule("moves", "move", 'outcome = "ask"', 'deadline = "1h"', 'then = "reject"')
        + ESCALATES,
    )
    run, review = await asked(alone, "batched", ("all of it", [READ, MOVE, SEND]))
    assert (review.row.deadline_at, review.row.deadline_then) == (review.row.opened_at + HOURS, "reject")
    review = await aged(alone, review, 5 * HOURS)
    await alone.inbox.reviews.decide(review, {2: approve()})
    assert await jobs(alone, await alone.inbox.runs.get(run.id), Clock(review.row.opened_at + HOURS)).run_due()
    found = await alone.inbox.reviews.get(review.row.id)
    assert [d.actor for _, d in sorted(found.decisions.items())] == ["policy:reading", "timeout:moves", "ann"]
    assert alone.place.run_until_idle() == 0
    assert sorted(did["did"] for did in alone.did(run)) == ["read", "send"], "what a person approved is not taken back"


async def test_a_deadline_that_escalates_does_so_once_and_the_review_stays_open(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + ESCALATES + CHAIN)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    assert review.row.escalated == ""
    clock = Clock(review.row.opened_at + 4 * HOURS)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    (escalation,) = await alone.inbox.reviews.escalations(review.row.id)
    assert (escalation.recipient, escalation.actor, escalation.step) == ("finance", "timeout:letters", 0)
    assert escalation.why == "nobody decided it within 4 hours"
    found = await alone.one(run)
    assert (found.row.escalated, found.row.deadline_at, found.decisions) == ("finance", None, {})


@pytest.mark.parametrize(
    ("agent", "why"), [("must_know", "the graph takes no rejection of ask"), ("writer", "the agent would only write another draft")]
)
async def test_what_cannot_well_be_rejected_escalates_and_says_so(alone: Reviewer, agent: str, why: str) -> None:
    policy(alone.place, rule("all", "*", 'outcome = "ask"', 'deadline = "30m"', 'then = "reject"'))
    run, review = await asked(alone, agent)
    assert await jobs(alone, await alone.inbox.runs.get(run.id), Clock(review.row.opened_at + HOURS)).run_due()
    last = (await alone.inbox.reviews.escalations(review.row.id))[-1]
    assert (last.actor, last.why) == ("timeout:all", f"nobody decided it within 30 minutes; it is not rejected, for {why}")
    assert (await alone.one(run)).undecided == (0,)


async def test_what_may_have_run_is_not_even_rejected_without_a_person(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    await alone.decide(review, approve())
    alone.place.start(kill_at="resumed").wait()
    assert alone.place.run_until_idle() == 0
    again = await alone.one(run)
    assert again.row.note.startswith("may have run once")
    assert await jobs(alone, await alone.inbox.runs.get(run.id), Clock(again.row.opened_at + 5 * HOURS)).run_due()
    assert (await alone.one(run)).row.id == again.row.id
    assert "it is not rejected, for it has a warning: may have run once" in (await alone.inbox.reviews.escalations(again.row.id))[-1].why


async def test_of_two_workers_and_a_person_at_the_last_moment_the_first_wins(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    for _ in range(3):
        run, review = await asked(alone, "per_call", ("a letter", [SEND]))
        review = await aged(alone, review, 5 * HOURS)
        now = await alone.inbox.runs.get(run.id)
        clock = Clock(review.row.opened_at + 4 * HOURS)
        async with Store.open(alone.place.home.database) as other:
            first, second, mine = await asyncio.gather(
                jobs(alone, now, clock).run_due(),
                jobs(alone, now, clock, other).run_due(),
                alone.decide(review, approve()),
                return_exceptions=True,
            )
        found = await alone.inbox.reviews.get(review.row.id)
        by = found.decisions[0].actor
        assert sorted((first, second), key=bool) == [False, by != "ann"], "only one of them acts"
        assert (mine is ReviewState.DECIDED) if by == "ann" else isinstance(mine, Stale)
        rows = await alone.store.one("SELECT count(*) FROM decisions WHERE review = ?", (review.row.id,))
        assert rows[0] == 1


async def test_what_is_undone_after_its_deadline_is_rejected_then(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    clock = Clock(review.row.opened_at + 4 * HOURS)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    async with reviewer(alone.place, "bob") as bob:
        bob.inbox.grace_s = 600
        await bob.decide(review, approve())
        assert not await work.run_due()
        await bob.inbox.reviews.undo(review.row.id)
    assert await work.run_due()
    assert (await alone.inbox.reviews.get(review.row.id)).decisions[0].actor == "timeout:letters"


async def test_a_run_that_somebody_has_taken_over_is_not_rejected_under_their_hands(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    taken = await alone.inbox.takeovers.take(run.id)
    work = jobs(alone, await alone.inbox.runs.get(run.id), Clock(review.row.opened_at + 4 * HOURS))
    assert not await work.run_due() and work.wait_s() is None
    assert (await alone.one(run)).undecided == (0,)
    await alone.inbox.takeovers.discard(taken.id)
    assert await work.run_due()
    assert (await alone.inbox.reviews.get(review.row.id)).decisions[0].actor == "timeout:letters"


async def test_a_real_worker_keeps_a_deadline_while_nothing_else_happens(alone: Reviewer) -> None:
    policy(alone.place, rule("letters", "send", 'outcome = "ask"', 'deadline = "1s"', 'then = "reject"'))
    alone.place.start()
    run = (await alone.inbox.runs.launch("per_call", text='[["a letter", [["send", {"to": "ann"}]]]]'))[0]
    assert "within 1 second" in results(await alone.done(run))["send"][0]
    assert alone.did(run) == []
    (review,) = await alone.inbox.reviews.of_run(run.id)
    assert (review.state, review.decided) == (ReviewState.APPLIED, "rejected by timeout:letters")


async def test_the_deadlines_of_another_project_are_its_own_workers_to_keep(alone: Reviewer) -> None:
    policy(alone.place, REJECTS)
    run, review = await asked(alone, "per_call", ("a letter", [SEND]))
    now = await get_run(alone.store, run.id)
    assert now is not None and now.project is not None and now.state is RunState.WAITING
    clock = Clock(review.row.opened_at + 5 * HOURS)
    other = jobs(alone, now, clock)
    other._project = now.project + 1
    assert not await other.run_due() and other.wait_s() is None
    assert await jobs(alone, now, clock).run_due()
