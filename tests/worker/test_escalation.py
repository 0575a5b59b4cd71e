"""Reviews put before somebody: by policy, by the agent, by people, by failures; and the chain along which they go unclaimed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Escalation, PauseKind, Review, ReviewState, Run, RunState
from hitl_tui.policy.loader import Policies
from hitl_tui.store import Store
from tests.support.fake_clock import CHAIN, GROUPS, Clock, asked, jobs, log, policy, rule
from tests.support.harness import PATIENCE_S, Place, Reviewer, approve, reject, respond, reviewer

Own = Callable[[str], Place]
MOVE, SEND = ("move", {"path": "b"}), ("send", {"to": "ann"})
MINUTES = 60.0
ERRORS = "[escalation]\nerrors = true\n"


@pytest.fixture
async def alone(own: Own) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/policy, without a worker."""
    async with reviewer(own("policy")) as someone:
        yield someone


async def steps(someone: Reviewer, review: Review) -> list[tuple[str, int | None, str]]:
    """To whom, as which step, and why, oldest first."""
    return [(e.recipient, e.step, e.why) for e in await someone.inbox.reviews.escalations(review.row.id)]


async def last(someone: Reviewer, review: Review) -> Escalation:
    return (await someone.inbox.reviews.escalations(review.row.id))[-1]


def with_policy(someone: Reviewer, name: str = "ann") -> Inbox:
    """Somebody who knows the policy, as the console and the command line do."""
    return Inbox(someone.store, name, policies=lambda: Policies(someone.place.home.path, lambda _: None))


# By policy and by the agent


async def test_low_confidence_opens_a_review_escalated_to_anybody(alone: Reviewer) -> None:
    policy(alone.place, "")
    _, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    assert review.row.escalated == "anybody"
    (only,) = await alone.inbox.reviews.escalations(review.row.id)
    assert (only.recipient, only.actor, only.why) == ("", "policy:thresholds", "its confidence 0.3 is below 0.6 (thresholds)")
    assert (only.step, only.next_at, only.at) == (None, None, review.row.opened_at)
    assert [(actor, body["to"]) for _, actor, body in await log(alone, review.row.id, "escalated")] == [("policy:thresholds", "")]


async def test_what_is_sure_enough_is_not_escalated(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    _, review = await asked(alone, "per_call", ("I am 70 % sure", [MOVE]))
    assert (review.row.escalated, await alone.inbox.reviews.escalations(review.row.id)) == ("", [])


async def test_a_rule_sends_what_is_risky_to_a_group(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + rule("letters", "send", 'outcome = "ask"', 'to = "leads"'))
    _, review = await asked(alone, "per_call", ("a letter", [SEND]))
    assert (review.row.recipient, review.row.escalated) == ("leads", "leads")
    only = await last(alone, review)
    assert (only.recipient, only.actor, only.why) == ("leads", "policy:letters", "rule 'letters' sends it to leads")


async def test_an_agent_that_is_stuck_asks_for_a_group_by_itself_with_or_without_a_policy(alone: Reviewer) -> None:
    run, review = await asked(alone, "stuck")
    assert (review.row.kind, review.row.escalated) == (PauseKind.ESCALATION, "leads")
    only = await last(alone, review)
    assert (only.actor, only.why) == ("agent:stuck", "the agent asks for a person: the order is in no system")
    await alone.decide(review, respond("in Kiel"))
    assert alone.place.run_until_idle() == 0
    assert (await alone.done(run))["answer"] == "in Kiel"


@pytest.mark.parametrize("chain", ["", '[[escalation.step]]\nto = "finance"\n'])
async def test_an_agent_that_asks_for_a_group_that_there_is_not_is_heard_by_others_and_it_is_said(alone: Reviewer, chain: str) -> None:
    policy(alone.place, '[groups]\nfinance = ["bob"]\n' + chain)
    _, review = await asked(alone, "stuck")
    only = await last(alone, review)
    assert (only.recipient, only.step, review.row.escalated) == (("finance", 0, "finance") if chain else ("", None, "anybody"))
    assert only.note == "it asked for 'leads', and there is no such group, nor is anybody of that name in one"
    assert only.note in alone.place.cli("show", str(review.row.id)).stdout


# The chain


async def test_the_worker_starts_the_chain_with_what_is_escalated(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    _, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    only = await last(alone, review)
    assert (only.recipient, only.step, review.row.escalated) == ("finance", 0, "finance")
    assert only.next_at is not None and 14 * MINUTES < only.next_at - only.at < 16 * MINUTES
    assert [(actor, body["to"]) for _, actor, body in await log(alone, review.row.id, "escalated")] == [
        ("policy:thresholds", ""), ("policy:escalation", "finance"),
    ]  # fmt: skip


async def test_unclaimed_it_goes_from_step_to_step_each_once_whoever_works_and_ends(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    run, clock = await alone.inbox.runs.get(run.id), Clock()
    async with Store.open(alone.place.home.database) as other:
        first, second = jobs(alone, run, clock), jobs(alone, run, clock, other)
        assert not await first.run_due()
        assert 0 < (first.wait_s() or 0) <= 15 * MINUTES
        for wait in (16 * MINUTES, 121 * MINUTES):
            clock.later(wait)
            acted = await asyncio.gather(first.run_due(), second.run_due())
            assert any(acted)
            assert [await one.run_due() for one in (first, second, jobs(alone, run, clock))] == [False] * 3
        clock.later(1000 * MINUTES)
        assert not await first.run_due() and first.wait_s() is None
    assert await steps(alone, review) == [
        ("finance", 0, "its confidence 0.3 is below 0.6 (thresholds)"),
        ("leads", 1, "nobody claimed it within 15 minutes"),
        ("dora", 2, "nobody claimed it within 2 hours"),
    ]
    found = await alone.one(run)
    assert (found.row.escalated, found.decisions) == ("dora", {})


async def test_a_worker_that_was_away_for_a_day_raises_one_step_at_a_time(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    clock = Clock()
    clock.later(24 * 60 * MINUTES)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    assert [step for _, step, _ in await steps(alone, review)] == [0, 1], "leads have their two hours from now on"


@pytest.mark.parametrize("how", ["claimed", "claimed and given back", "decided", "cancelled"])
async def test_who_claims_or_decides_stops_the_chain(alone: Reviewer, how: str) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    if how == "cancelled":
        await alone.inbox.runs.cancel(run.id)
    elif how == "decided":
        await alone.decide(review, reject("no"))
    else:
        await alone.inbox.reviews.claim(review.row.id)
        only = await last(alone, review)
        assert only.acknowledged_by == "ann"
    if how == "claimed and given back":
        await alone.inbox.reviews.release(review.row.id)
    clock = Clock()
    clock.later(300 * MINUTES)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert not await work.run_due() and work.wait_s() is None
    assert [step for _, step, _ in await steps(alone, review)] == [0]


async def test_a_chain_whose_first_step_waits_begins_with_anybody(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + '[[escalation.step]]\nto = "finance"\nafter = "5m"\n')
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    assert (review.row.escalated, (await last(alone, review)).step) == ("anybody", None)
    clock = Clock()
    clock.later(6 * MINUTES)
    assert await jobs(alone, await alone.inbox.runs.get(run.id), clock).run_due()
    assert (await steps(alone, review))[1:] == [("finance", 0, "nobody claimed it within 5 minutes")]


async def test_who_is_named_outside_the_chain_comes_before_it_and_who_is_in_it_is_that_step(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + rule("moves", "move", 'outcome = "ask"', 'to = "bob"') + rule("rest", "*", 'to = "leads"') + CHAIN)
    run, outside = await asked(alone, "per_call", ("so", [MOVE]))
    _, inside = await asked(alone, "per_call", ("so", [SEND]))
    assert [(await last(alone, one)).step for one in (outside, inside)] == [None, 1]
    clock = Clock()
    clock.later(16 * MINUTES)
    assert await jobs(alone, await alone.inbox.runs.get(run.id), clock).run_due()
    assert (await steps(alone, outside))[-1][:2] == ("finance", 0)
    assert len(await steps(alone, inside)) == 1, "leads have two hours"


async def test_a_chain_that_became_shorter_ends(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    policy(alone.place, GROUPS)
    clock = Clock()
    clock.later(16 * MINUTES)
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert not await work.run_due() and work.wait_s() is None
    assert len(await steps(alone, review)) == 1


async def test_a_real_worker_goes_along_the_chain_by_itself(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + '[[escalation.step]]\nto = "finance"\n[[escalation.step]]\nto = "leads"\nafter = "1s"\n')
    alone.place.start()
    run = (await alone.inbox.runs.launch("per_call", text='[["I am 30 % sure", [["move", {"path": "b"}]]]]'))[0]
    review = await alone.one(run)
    async with asyncio.timeout(PATIENCE_S):
        while (await alone.inbox.reviews.get(review.row.id)).row.escalated != "leads":  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)
    assert [(to, step) for to, step, _ in await steps(alone, review)] == [("finance", 0), ("leads", 1)]


# By people


async def test_a_reviewer_escalates_with_a_note_and_gives_the_review_back(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 70 % sure", [MOVE]))
    await alone.inbox.reviews.claim(review.row.id)
    await alone.inbox.reviews.escalate(review.row.id, "leads", " is this\nthe right folder? ")
    only = await last(alone, review)
    assert (only.recipient, only.actor, only.why, only.note) == ("leads", "ann", "ann escalated it", "is this\nthe right folder?")
    found = await alone.one(run)
    assert (found.row.escalated, found.row.claimed_by) == ("leads", None)
    told = await log(alone, review.row.id, "claimed", "released", "escalated")
    assert [(kind, actor) for kind, actor, _ in told] == [("claimed", "ann"), ("released", "ann"), ("escalated", "ann")]

    clock = Clock()
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    assert (await last(alone, review)).step == 1, "leads are a step of the chain, which goes on from there"
    clock.later(121 * MINUTES)
    assert await work.run_due()
    assert (await last(alone, review)).recipient == "dora"


async def test_a_newer_escalation_takes_the_place_of_an_older_ones_chain(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    await alone.inbox.reviews.escalate(review.row.id, "erin", "")
    clock = Clock()
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    assert await work.run_due()
    clock.later(16 * MINUTES)
    assert await work.run_due()
    assert [to for to, _, _ in await steps(alone, review)] == ["finance", "erin", "finance"]


async def test_whom_nobody_can_mean_is_refused_and_a_stranger_is_not(alone: Reviewer) -> None:
    policy(alone.place, GROUPS)
    _, review = await asked(alone, "per_call", ("I am 70 % sure", [MOVE]))
    inbox = with_policy(alone)
    for wrong, told in [
        ("Leads", "did you mean leads?"),
        ("finances", "did you mean finance?"),
        ("ANN", "ANN is you"),
        ("a\x1b[31m", "visible"),
    ]:
        with pytest.raises(Refused, match=told.replace("?", r"\?")):
            await inbox.reviews.escalate(review.row.id, wrong, "")
    assert await alone.inbox.reviews.escalations(review.row.id) == []
    for good in ("leads", "Dora", "erin", ""):
        await inbox.reviews.escalate(review.row.id, good, "")
    assert [to for to, _, _ in await steps(alone, review)] == ["leads", "Dora", "erin", ""]
    with pytest.raises(Refused, match="there is no review 99"):
        await inbox.reviews.escalate(99, "", "")


async def test_what_somebody_else_has_or_is_decided_cannot_be_escalated(alone: Reviewer) -> None:
    _, review = await asked(alone, "per_call", ("so", [MOVE]))
    bob = Inbox(alone.store, "bob")
    await bob.reviews.claim(review.row.id)
    with pytest.raises(Refused, match=f"bob has review {review.row.id}"):
        await alone.inbox.reviews.escalate(review.row.id, "erin", "")
    await bob.reviews.release(review.row.id)
    await alone.decide(review, approve())
    with pytest.raises(Stale, match="approved by ann"):
        await alone.inbox.reviews.escalate(review.row.id, "erin", "")
    assert await alone.inbox.reviews.escalations(review.row.id) == []


async def test_the_command_line_escalates_and_shows_it(alone: Reviewer) -> None:
    policy(alone.place, GROUPS)
    _, review = await asked(alone, "per_call", ("I am 70 % sure", [MOVE]))
    number = str(review.row.id)
    assert "did you mean leads?" in alone.place.refused("escalate", number, "--to", "lead")
    assert alone.place.cli("escalate", number, "--to", "leads", "--note", "too hot", "--reviewer", "ann").stdout == (
        f"review {number} is escalated to leads\n"
    )
    shown = alone.place.cli("show", number).stdout
    assert "by ann: ann escalated it" in shown and "too hot" in shown
    (told,) = alone.place.json("show", number)["escalations"]
    assert (told["to"], told["by"], told["note"], told["acknowledged"]) == ("leads", "ann", "too hot", None)


# By failures


async def failed(someone: Reviewer) -> tuple[Run, Review]:
    """A run that failed, and the review of that; its worker has ended."""
    run = (await someone.inbox.runs.launch("shaky", given={}))[0]
    assert someone.place.run_until_idle() == 0
    (row,) = await someone.inbox.reviews.of_run(run.id)
    return await someone.wait(run, RunState.FAILED), await someone.inbox.reviews.get(row.id)


def mend(someone: Reviewer) -> None:
    someone.place.journal.with_name("journal.mended").touch()


async def states(someone: Reviewer, run: Run) -> list[Any]:
    return [(await someone.inbox.runs.get(run.id)).state, *await someone.states(run)]


async def test_a_run_that_fails_asks_whether_to_try_again_and_does(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + ERRORS + CHAIN)
    run, review = await failed(alone)
    (action,) = review.actions
    assert (review.row.kind, review.row.escalated, action.args) == (PauseKind.FAILURE, "finance", {"error": run.error})
    assert action.means == {"approve": "tries it again, from its last checkpoint", "reject": "leaves it failed"}
    assert "the line is dead" in (await alone.inbox.reviews.context(review.row.id)).error
    assert (await last(alone, review)).why == f"the run failed: {run.error}"
    mend(alone)
    with pytest.raises(Refused, match="cannot be answered with respond"):
        await alone.decide(review, respond("no"))
    await alone.decide(review, approve())
    assert alone.place.run_until_idle() == 0
    assert (await alone.done(run))["answer"] == "went through"
    assert await states(alone, run) == [RunState.DONE, "applied"]
    assert [did["did"] for did in alone.did(run)] == ["tries", "tries"]


async def test_a_policy_that_is_broken_from_the_start_still_says_whom_to_ask(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN + rule("letters", "send", 'outcom = "ask"'))
    _, review = await failed(alone)
    only = await last(alone, review)
    assert (review.row.kind, only.recipient, only.step) == (PauseKind.FAILURE, "finance", 0)
    assert only.next_at is not None


async def test_a_failure_that_is_left_stays_failed_and_the_next_one_asks_anew(alone: Reviewer) -> None:
    policy(alone.place, ERRORS)
    run, review = await failed(alone)
    await alone.decide(review, reject("the line is dead for good"))
    assert alone.place.run_until_idle() == 0
    assert await states(alone, run) == [RunState.FAILED, "applied"]
    await alone.inbox.runs.retry(run.id)
    assert alone.place.run_until_idle() == 0
    assert await states(alone, run) == [RunState.FAILED, "applied", "open"]


async def test_a_run_that_is_tried_again_by_other_means_asks_no_more(alone: Reviewer) -> None:
    policy(alone.place, ERRORS)
    run, review = await failed(alone)
    await alone.inbox.runs.retry(run.id)
    with pytest.raises(Stale, match="the run goes on"):
        await alone.decide(review, approve())
    mend(alone)
    assert alone.place.run_until_idle() == 0
    assert await states(alone, run) == [RunState.DONE, "stale"]


async def test_the_answer_to_a_failure_can_be_undone_while_its_grace_runs_and_is_applied_once(alone: Reviewer) -> None:
    policy(alone.place, ERRORS)
    run, review = await failed(alone)
    slow, clock = Inbox(alone.store, "bob", grace_s=60), Clock()
    work = jobs(alone, run, clock)
    await slow.reviews.decide(review, {0: approve()})
    assert not await work.run_due()
    await slow.reviews.undo(review.row.id)
    assert await states(alone, run) == [RunState.FAILED, "open"]
    await slow.reviews.decide(review, {0: approve()})
    clock.later(61)
    async with Store.open(alone.place.home.database) as other:
        acted = await asyncio.gather(work.run_due(), jobs(alone, run, clock, other).run_due())
    assert sorted(acted) == [False, True]
    assert await states(alone, run) == [RunState.QUEUED, "applied"]


async def test_without_the_policys_word_a_failure_asks_nobody(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN)
    run = (await alone.inbox.runs.launch("shaky", given={}))[0]
    assert alone.place.run_until_idle() == 0
    assert await states(alone, run) == [RunState.FAILED]
    policy(alone.place, ERRORS)
    assert not await jobs(alone, await alone.inbox.runs.get(run.id), Clock()).run_due(), "what failed before was not asked for"


async def test_two_workers_ask_of_a_failure_once(alone: Reviewer) -> None:
    policy(alone.place, ERRORS)
    run, review = await failed(alone)
    await alone.store.write("UPDATE reviews SET state = 'stale' WHERE id = ?", (review.row.id,))
    await alone.store.write(
        "UPDATE runs SET failure_seen = 0 WHERE id = ?", (run.id,)
    )  # as it is when the worker dies right after the failure
    async with Store.open(alone.place.home.database) as other:
        acted = await asyncio.gather(jobs(alone, run, Clock()).run_due(), jobs(alone, run, Clock(), other).run_due())
    assert any(acted)
    assert await states(alone, run) == [RunState.FAILED, "stale", "open"]
    assert len(await alone.inbox.reviews.escalations(review.row.id + 1)) == 1


async def test_repair_leaves_the_review_of_a_failed_run_open(alone: Reviewer) -> None:
    policy(alone.place, ERRORS)
    run, review = await failed(alone)
    alone.place.cli("doctor", "--repair", code=None)
    assert await states(alone, run) == [RunState.FAILED, "open"]
    assert (await alone.inbox.reviews.get(review.row.id)).row.state is ReviewState.OPEN


# Who is told


async def test_every_channel_has_one_notice_of_each_escalation(alone: Reviewer) -> None:
    policy(alone.place, GROUPS + CHAIN + '[notify]\ncommand = ["true"]\n')
    run, review = await asked(alone, "per_call", ("I am 30 % sure", [MOVE]))
    clock = Clock()
    work = jobs(alone, await alone.inbox.runs.get(run.id), clock)
    clock.later(16 * MINUTES)
    assert await work.run_due() and not await work.run_due()
    told = await alone.inbox.reviews.notifications(review.row.id)
    assert [(notice.channel, notice.due_at) for notice in told[1:]] == [("command", clock.now)]
    assert len({notice.escalation for notice in told}) == len(told) == 2


# A policy that cannot be meant


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[[escalation.step]]\nto = "finanze"\n', 5, "did you mean finance?"),
        ('[[escalation.step]]\nto = "finance"\n[[escalation.step]]\nto = "leads"\n', 6, "no 'after'"),
        ('[[escalation.step]]\nto = "finance"\n[[escalation.step]]\nto = "leads"\nafter = "0s"\n', 8, "after cannot be 0"),
        ('[escalation]\nerrors = "yes"\n', 5, "neither true nor false"),
        ("[escalation]\nerror = true\n", 5, "did you mean errors?"),
        ('[[rule]]\nname = "a"\noutcome = "ask"\ndeadline = "0m"\n', 7, "deadline cannot be 0"),
        ('[[rule]]\nname = "a"\noutcome = "ask"\ndeadline = "2000d"\n', 7, "of up to a year"),
        ('[[rule]]\nname = "errors"\noutcome = "ask"\n', 5, "cannot be called 'errors'"),
        ('[[rule]]\nname = "a"\noutcome = "deny"\ndeadline = "1h"\n', 4, "denies, which asks nobody"),
    ],
)
def test_check_says_what_cannot_be_meant(own: Own, text: str, line: int, told: str) -> None:
    place = own("policy")
    path = place.home.path / "policy.toml"
    path.write_text(GROUPS + text)
    said = place.cli("policy", "check", str(path), code=None).stdout
    assert any(f":{line}: " in one and told in one for one in said.splitlines()), said
