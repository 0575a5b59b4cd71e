"""Deadlines: undecided reviews are rejected or escalated once, and never approved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hitl_tui.errors import Stale
from hitl_tui.model import ReviewState, RunState
from hitl_tui.store.runs import get as get_run
from tests.support.empty_database import open_store
from tests.support.fake_clock import CHAIN, GROUPS, Clock, audit_entries, backdate, launch_and_wait, rule_toml, scheduled_jobs, write_policy
from tests.support.harness import Reviewer, SandboxFactory, approve, open_reviewer, tool_results

READ, MOVE, SEND = ("read", {"path": "a"}), ("move", {"path": "b"}), ("send", {"to": "ann"})
REJECTS = rule_toml("letters", "send", 'outcome = "ask"', 'deadline = "4h"', 'then = "reject"')
ESCALATES = rule_toml("letters", "send", 'outcome = "ask"', 'deadline = "4h"')
HOURS = 3600.0


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/policy in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        yield reviewer


async def test_deadline_when_passed_rejects_and_tells_the_agent(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    review = await backdate(fresh_reviewer, review, 5 * HOURS)
    clock = Clock(review.row.opened_at)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert (review.row.deadline_at, review.row.deadline_then) == (review.row.opened_at + 4 * HOURS, "reject")
    clock.advance(4 * HOURS - 1)
    assert not await work.run_due() and work.wait_s() == pytest.approx(1, abs=1e-3)
    assert (await fresh_reviewer.open_review(run)).undecided == (0,)

    clock.advance(1)
    assert await work.run_due()
    found = await fresh_reviewer.inbox.reviews.get(review.row.id)
    said = found.decisions[0]
    assert (found.row.state, said.actor, said.answer.kind) == (ReviewState.DECIDED, "timeout:letters", "reject")
    assert said.answer.message == "nobody decided it within 4 hours (rule 'letters')"
    assert not await work.run_due() and work.wait_s() is None
    with pytest.raises(Stale, match="rejected by timeout:letters"):
        await fresh_reviewer.decide(review, approve())

    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert "within 4 hours" in tool_results(await fresh_reviewer.result_of(run))["send"][0]
    assert fresh_reviewer.effects(run) == []
    assert [(actor, body["kind"]) for _, actor, body in await audit_entries(fresh_reviewer, review.row.id, "decided")] == [
        ("timeout:letters", "reject")
    ]


async def test_deadline_of_a_batch_is_the_earliest_one_and_rejects_every_call(fresh_reviewer: Reviewer) -> None:
    write_policy(
        fresh_reviewer.sandbox,
        rule_toml("reading", "read", 'outcome = "auto"', 'deadline = "1m"')
        + rule_toml("moves", "move", 'outcome = "ask"', 'deadline = "1h"', 'then = "reject"')
        + ESCALATES,
    )
    run, review = await launch_and_wait(fresh_reviewer, "batched", ("all of it", [READ, MOVE, SEND]))
    assert (review.row.deadline_at, review.row.deadline_then) == (review.row.opened_at + HOURS, "reject")
    review = await backdate(fresh_reviewer, review, 5 * HOURS)
    await fresh_reviewer.inbox.reviews.decide(review, {2: approve()})
    assert await scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), Clock(review.row.opened_at + HOURS)).run_due()
    found = await fresh_reviewer.inbox.reviews.get(review.row.id)
    assert [d.actor for _, d in sorted(found.decisions.items())] == ["policy:reading", "timeout:moves", "ann"]
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert sorted(did["did"] for did in fresh_reviewer.effects(run)) == ["read", "send"], "what a person approved is not taken back"


async def test_deadline_when_set_to_escalate_escalates_once_and_keeps_the_review_open(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + ESCALATES + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    assert review.row.escalated == ""
    clock = Clock(review.row.opened_at + 4 * HOURS)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    (escalation,) = await fresh_reviewer.inbox.reviews.escalations(review.row.id)
    assert (escalation.recipient, escalation.actor, escalation.step) == ("finance", "timeout:letters", 0)
    assert escalation.why == "nobody decided it within 4 hours"
    found = await fresh_reviewer.open_review(run)
    assert (found.row.escalated, found.row.deadline_at, found.decisions) == ("finance", None, {})


@pytest.mark.parametrize(
    ("agent", "why"), [("must_know", "the graph takes no rejection of ask"), ("writer", "the agent would only write another draft")]
)
async def test_deadline_when_the_pause_cannot_be_rejected_escalates_with_a_reason(fresh_reviewer: Reviewer, agent: str, why: str) -> None:
    write_policy(fresh_reviewer.sandbox, rule_toml("all", "*", 'outcome = "ask"', 'deadline = "30m"', 'then = "reject"'))
    run, review = await launch_and_wait(fresh_reviewer, agent)
    assert await scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), Clock(review.row.opened_at + HOURS)).run_due()
    last = (await fresh_reviewer.inbox.reviews.escalations(review.row.id))[-1]
    assert (last.actor, last.why) == ("timeout:all", f"nobody decided it within 30 minutes; it is not rejected, for {why}")
    assert (await fresh_reviewer.open_review(run)).undecided == (0,)


@pytest.mark.slow
async def test_deadline_when_the_call_may_have_run_escalates_instead_of_rejecting(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    await fresh_reviewer.decide(review, approve())
    fresh_reviewer.sandbox.start(kill_at="resumed").wait()
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    again = await fresh_reviewer.open_review(run)
    assert again.row.note.startswith("may have run once")
    assert await scheduled_jobs(
        fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), Clock(again.row.opened_at + 5 * HOURS)
    ).run_due()
    assert (await fresh_reviewer.open_review(run)).row.id == again.row.id
    assert (
        "it is not rejected, for it has a warning: may have run once"
        in (await fresh_reviewer.inbox.reviews.escalations(again.row.id))[-1].why
    )


@pytest.mark.slow
async def test_deadline_when_two_workers_and_a_person_race_is_decided_once(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    for _ in range(3):
        run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
        review = await backdate(fresh_reviewer, review, 5 * HOURS)
        now = await fresh_reviewer.inbox.runs.get(run.id)
        clock = Clock(review.row.opened_at + 4 * HOURS)
        async with open_store(fresh_reviewer.sandbox.home.database) as other:
            first, second, mine = await asyncio.gather(
                scheduled_jobs(fresh_reviewer, now, clock).run_due(),
                scheduled_jobs(fresh_reviewer, now, clock, other).run_due(),
                fresh_reviewer.decide(review, approve()),
                return_exceptions=True,
            )
        found = await fresh_reviewer.inbox.reviews.get(review.row.id)
        by = found.decisions[0].actor
        assert sorted((first, second), key=bool) == [False, by != "ann"], "only one of them acts"
        assert (mine is ReviewState.DECIDED) if by == "ann" else isinstance(mine, Stale)
        rows = await fresh_reviewer.store.one("SELECT count(*) FROM decisions WHERE review = ?", (review.row.id,))
        assert rows[0] == 1


async def test_decision_when_undone_after_the_deadline_is_rejected(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    clock = Clock(review.row.opened_at + 4 * HOURS)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    async with open_reviewer(fresh_reviewer.sandbox, "bob") as bob:
        bob.inbox.grace_s = 600
        await bob.decide(review, approve())
        assert not await work.run_due()
        await bob.inbox.reviews.undo(review.row.id)
    assert await work.run_due()
    assert (await fresh_reviewer.inbox.reviews.get(review.row.id)).decisions[0].actor == "timeout:letters"


async def test_deadline_when_the_run_is_taken_over_does_nothing(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    taken = await fresh_reviewer.inbox.takeovers.take(run.id)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), Clock(review.row.opened_at + 4 * HOURS))
    assert not await work.run_due() and work.wait_s() is None
    assert (await fresh_reviewer.open_review(run)).undecided == (0,)
    await fresh_reviewer.inbox.takeovers.discard(taken.id)
    assert await work.run_due()
    assert (await fresh_reviewer.inbox.reviews.get(review.row.id)).decisions[0].actor == "timeout:letters"


async def test_deadline_when_the_worker_is_otherwise_idle_is_applied(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, rule_toml("letters", "send", 'outcome = "ask"', 'deadline = "1s"', 'then = "reject"'))
    fresh_reviewer.sandbox.start()
    run = (await fresh_reviewer.inbox.runs.launch("per_call", text='[["a letter", [["send", {"to": "ann"}]]]]'))[0]
    assert "within 1 second" in tool_results(await fresh_reviewer.result_of(run))["send"][0]
    assert fresh_reviewer.effects(run) == []
    (review,) = await fresh_reviewer.inbox.reviews.of_run(run.id)
    assert (review.state, review.decided) == (ReviewState.APPLIED, "rejected by timeout:letters")


async def test_deadline_of_another_project_is_left_to_its_workers(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, REJECTS)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    now = await get_run(fresh_reviewer.store, run.id)
    assert now is not None and now.project is not None and now.state is RunState.WAITING
    clock = Clock(review.row.opened_at + 5 * HOURS)
    other = scheduled_jobs(fresh_reviewer, now, clock)
    other._project = now.project + 1
    assert not await other.run_due() and other.wait_s() is None
    assert await scheduled_jobs(fresh_reviewer, now, clock).run_due()
