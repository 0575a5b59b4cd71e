"""Escalations by policy, agents, people and failures, and the chain for unclaimed ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Escalation, PauseKind, Review, ReviewState, Run, RunState
from hitl_tui.policy.loader import Policies
from tests.support.empty_database import open_store
from tests.support.fake_clock import CHAIN, GROUPS, Clock, audit_entries, launch_and_wait, rule_toml, scheduled_jobs, write_policy
from tests.support.harness import TIMEOUT_S, Reviewer, SandboxFactory, approve, open_reviewer, reject, respond

MOVE, SEND = ("move", {"path": "b"}), ("send", {"to": "ann"})
MINUTES = 60.0
ERRORS = "[escalation]\nerrors = true\n"


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/policy in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        yield reviewer


async def steps(reviewer: Reviewer, review: Review) -> list[tuple[str, int | None, str]]:
    """Return (recipient, step, reason) of a review's escalations, oldest first."""
    return [(e.recipient, e.step, e.why) for e in await reviewer.inbox.reviews.escalations(review.row.id)]


async def last(reviewer: Reviewer, review: Review) -> Escalation:
    return (await reviewer.inbox.reviews.escalations(review.row.id))[-1]


def with_policy(reviewer: Reviewer, name: str = "ann") -> Inbox:
    """Return an inbox that knows the policy, as in the console and the command line."""
    return Inbox(reviewer.store, name, policies=lambda: Policies(reviewer.sandbox.home.path, lambda _: None))


# By policy and by the agent


async def test_low_confidence_opens_an_unassigned_escalation(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, "")
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    assert review.row.escalated == "anybody"
    (only,) = await fresh_reviewer.inbox.reviews.escalations(review.row.id)
    assert (only.recipient, only.actor, only.why) == ("", "policy:thresholds", "its confidence 0.3 is below 0.6 (thresholds)")
    assert (only.step, only.next_at, only.at) == (None, None, review.row.opened_at)
    assert [(actor, body["to"]) for _, actor, body in await audit_entries(fresh_reviewer, review.row.id, "escalated")] == [
        ("policy:thresholds", "")
    ]


async def test_confidence_above_the_threshold_is_not_escalated(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 70 % sure", [MOVE]))
    assert (review.row.escalated, await fresh_reviewer.inbox.reviews.escalations(review.row.id)) == ("", [])


async def test_rule_with_a_group_routes_the_review_to_it(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + rule_toml("letters", "send", 'outcome = "ask"', 'to = "leads"'))
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("a letter", [SEND]))
    assert (review.row.recipient, review.row.escalated) == ("leads", "leads")
    only = await last(fresh_reviewer, review)
    assert (only.recipient, only.actor, only.why) == ("leads", "policy:letters", "rule 'letters' sends it to leads")


async def test_agent_that_escalates_itself_reaches_its_group_without_a_policy_too(fresh_reviewer: Reviewer) -> None:
    run, review = await launch_and_wait(fresh_reviewer, "stuck")
    assert (review.row.kind, review.row.escalated) == (PauseKind.ESCALATION, "leads")
    only = await last(fresh_reviewer, review)
    assert (only.actor, only.why) == ("agent:stuck", "the agent asks for a person: the order is in no system")
    await fresh_reviewer.decide(review, respond("in Kiel"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == "in Kiel"


@pytest.mark.parametrize("chain", ["", '[[escalation.step]]\nto = "finance"\n'])
async def test_agent_escalation_to_an_unknown_group_goes_to_the_chain_with_a_reason(fresh_reviewer: Reviewer, chain: str) -> None:
    write_policy(fresh_reviewer.sandbox, '[groups]\nfinance = ["bob"]\n' + chain)
    _, review = await launch_and_wait(fresh_reviewer, "stuck")
    only = await last(fresh_reviewer, review)
    assert (only.recipient, only.step, review.row.escalated) == (("finance", 0, "finance") if chain else ("", None, "anybody"))
    assert only.note == "it asked for 'leads', and there is no such group, nor is anybody of that name in one"
    assert only.note in fresh_reviewer.sandbox.cli("show", str(review.row.id)).stdout


# The chain


async def test_escalation_starts_at_the_first_step_of_the_chain(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    only = await last(fresh_reviewer, review)
    assert (only.recipient, only.step, review.row.escalated) == ("finance", 0, "finance")
    assert only.next_at is not None and 14 * MINUTES < only.next_at - only.at < 16 * MINUTES
    assert [(actor, body["to"]) for _, actor, body in await audit_entries(fresh_reviewer, review.row.id, "escalated")] == [
        ("policy:thresholds", ""), ("policy:escalation", "finance"),
    ]  # fmt: skip


async def test_escalation_when_unclaimed_takes_each_step_of_the_chain_once(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    run, clock = await fresh_reviewer.inbox.runs.get(run.id), Clock()
    async with open_store(fresh_reviewer.sandbox.home.database) as other:
        first, second = scheduled_jobs(fresh_reviewer, run, clock), scheduled_jobs(fresh_reviewer, run, clock, other)
        assert not await first.run_due()
        assert 0 < (first.wait_s() or 0) <= 15 * MINUTES
        for wait in (16 * MINUTES, 121 * MINUTES):
            clock.advance(wait)
            acted = await asyncio.gather(first.run_due(), second.run_due())
            assert any(acted)
            assert [await one.run_due() for one in (first, second, scheduled_jobs(fresh_reviewer, run, clock))] == [False] * 3
        clock.advance(1000 * MINUTES)
        assert not await first.run_due() and first.wait_s() is None
    assert await steps(fresh_reviewer, review) == [
        ("finance", 0, "its confidence 0.3 is below 0.6 (thresholds)"),
        ("leads", 1, "nobody claimed it within 15 minutes"),
        ("dora", 2, "nobody claimed it within 2 hours"),
    ]
    found = await fresh_reviewer.open_review(run)
    assert (found.row.escalated, found.decisions) == ("dora", {})


async def test_escalation_after_a_day_without_a_worker_advances_one_step_at_a_time(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    clock = Clock()
    clock.advance(24 * 60 * MINUTES)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    assert [step for _, step, _ in await steps(fresh_reviewer, review)] == [0, 1], "leads have their two hours from now on"


@pytest.mark.parametrize("how", ["claimed", "claimed and given back", "decided", "cancelled"])
async def test_escalation_chain_stops_when_the_review_is_claimed_or_over(fresh_reviewer: Reviewer, how: str) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    if how == "cancelled":
        await fresh_reviewer.inbox.runs.cancel(run.id)
    elif how == "decided":
        await fresh_reviewer.decide(review, reject("no"))
    else:
        await fresh_reviewer.inbox.reviews.claim(review.row.id)
        only = await last(fresh_reviewer, review)
        assert only.acknowledged_by == "ann"
    if how == "claimed and given back":
        await fresh_reviewer.inbox.reviews.release(review.row.id)
    clock = Clock()
    clock.advance(300 * MINUTES)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert not await work.run_due() and work.wait_s() is None
    assert [step for _, step, _ in await steps(fresh_reviewer, review)] == [0]


async def test_escalation_chain_whose_first_step_has_a_delay_starts_unassigned(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + '[[escalation.step]]\nto = "finance"\nafter = "5m"\n')
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    assert (review.row.escalated, (await last(fresh_reviewer, review)).step) == ("anybody", None)
    clock = Clock()
    clock.advance(6 * MINUTES)
    assert await scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock).run_due()
    assert (await steps(fresh_reviewer, review))[1:] == [("finance", 0, "nobody claimed it within 5 minutes")]


async def test_escalation_to_a_recipient_starts_the_chain_there_or_before_it(fresh_reviewer: Reviewer) -> None:
    write_policy(
        fresh_reviewer.sandbox,
        GROUPS + rule_toml("moves", "move", 'outcome = "ask"', 'to = "bob"') + rule_toml("rest", "*", 'to = "leads"') + CHAIN,
    )
    run, outside = await launch_and_wait(fresh_reviewer, "per_call", ("so", [MOVE]))
    _, inside = await launch_and_wait(fresh_reviewer, "per_call", ("so", [SEND]))
    assert [(await last(fresh_reviewer, one)).step for one in (outside, inside)] == [None, 1]
    clock = Clock()
    clock.advance(16 * MINUTES)
    assert await scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock).run_due()
    assert (await steps(fresh_reviewer, outside))[-1][:2] == ("finance", 0)
    assert len(await steps(fresh_reviewer, inside)) == 1, "leads have two hours"


async def test_escalation_chain_when_shortened_by_a_new_policy_ends(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    write_policy(fresh_reviewer.sandbox, GROUPS)
    clock = Clock()
    clock.advance(16 * MINUTES)
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert not await work.run_due() and work.wait_s() is None
    assert len(await steps(fresh_reviewer, review)) == 1


async def test_escalation_chain_is_advanced_by_a_running_worker(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + '[[escalation.step]]\nto = "finance"\n[[escalation.step]]\nto = "leads"\nafter = "1s"\n')
    fresh_reviewer.sandbox.start()
    run = (await fresh_reviewer.inbox.runs.launch("per_call", text='[["I am 30 % sure", [["move", {"path": "b"}]]]]'))[0]
    review = await fresh_reviewer.open_review(run)
    async with asyncio.timeout(TIMEOUT_S):
        while (await fresh_reviewer.inbox.reviews.get(review.row.id)).row.escalated != "leads":  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)
    assert [(to, step) for to, step, _ in await steps(fresh_reviewer, review)] == [("finance", 0), ("leads", 1)]


# By people


async def test_escalate_with_a_note_releases_the_reviewers_claim(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 70 % sure", [MOVE]))
    await fresh_reviewer.inbox.reviews.claim(review.row.id)
    await fresh_reviewer.inbox.reviews.escalate(review.row.id, "leads", " is this\nthe right folder? ")
    only = await last(fresh_reviewer, review)
    assert (only.recipient, only.actor, only.why, only.note) == ("leads", "ann", "ann escalated it", "is this\nthe right folder?")
    found = await fresh_reviewer.open_review(run)
    assert (found.row.escalated, found.row.claimed_by) == ("leads", None)
    told = await audit_entries(fresh_reviewer, review.row.id, "claimed", "released", "escalated")
    assert [(kind, actor) for kind, actor, _ in told] == [("claimed", "ann"), ("released", "ann"), ("escalated", "ann")]

    clock = Clock()
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert await work.run_due() and not await work.run_due()
    assert (await last(fresh_reviewer, review)).step == 1, "leads are a step of the chain, which goes on from there"
    clock.advance(121 * MINUTES)
    assert await work.run_due()
    assert (await last(fresh_reviewer, review)).recipient == "dora"


async def test_escalation_by_a_person_replaces_the_running_chain(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    await fresh_reviewer.inbox.reviews.escalate(review.row.id, "erin", "")
    clock = Clock()
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    assert await work.run_due()
    clock.advance(16 * MINUTES)
    assert await work.run_due()
    assert [to for to, _, _ in await steps(fresh_reviewer, review)] == ["finance", "erin", "finance"]


async def test_escalate_to_a_misspelled_group_is_refused_and_to_an_unknown_person_is_not(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS)
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 70 % sure", [MOVE]))
    inbox = with_policy(fresh_reviewer)
    for wrong, told in [
        ("Leads", "did you mean leads?"),
        ("finances", "did you mean finance?"),
        ("ANN", "ANN is you"),
        ("a\x1b[31m", "visible"),
    ]:
        with pytest.raises(Refused, match=told.replace("?", r"\?")):
            await inbox.reviews.escalate(review.row.id, wrong, "")
    assert await fresh_reviewer.inbox.reviews.escalations(review.row.id) == []
    for good in ("leads", "Dora", "erin", ""):
        await inbox.reviews.escalate(review.row.id, good, "")
    assert [to for to, _, _ in await steps(fresh_reviewer, review)] == ["leads", "Dora", "erin", ""]
    with pytest.raises(Refused, match="there is no review 99"):
        await inbox.reviews.escalate(99, "", "")


async def test_escalate_when_claimed_by_another_or_decided_is_refused(fresh_reviewer: Reviewer) -> None:
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("so", [MOVE]))
    bob = Inbox(fresh_reviewer.store, "bob")
    await bob.reviews.claim(review.row.id)
    with pytest.raises(Refused, match=f"bob has review {review.row.id}"):
        await fresh_reviewer.inbox.reviews.escalate(review.row.id, "erin", "")
    await bob.reviews.release(review.row.id)
    await fresh_reviewer.decide(review, approve())
    with pytest.raises(Stale, match="approved by ann"):
        await fresh_reviewer.inbox.reviews.escalate(review.row.id, "erin", "")
    assert await fresh_reviewer.inbox.reviews.escalations(review.row.id) == []


async def test_escalate_command_escalates_and_show_displays_it(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS)
    _, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 70 % sure", [MOVE]))
    number = str(review.row.id)
    assert "did you mean leads?" in fresh_reviewer.sandbox.cli_error("escalate", number, "--to", "lead")
    assert fresh_reviewer.sandbox.cli("escalate", number, "--to", "leads", "--note", "too hot", "--reviewer", "ann").stdout == (
        f"review {number} is escalated to leads\n"
    )
    shown = fresh_reviewer.sandbox.cli("show", number).stdout
    assert "by ann: ann escalated it" in shown and "too hot" in shown
    (told,) = fresh_reviewer.sandbox.cli_json("show", number)["escalations"]
    assert (told["to"], told["by"], told["note"], told["acknowledged"]) == ("leads", "ann", "too hot", None)


# By failures


async def failed(reviewer: Reviewer) -> tuple[Run, Review]:
    """Launch a run that fails, and return it with its review; no worker runs."""
    run = (await reviewer.inbox.runs.launch("shaky", given={}))[0]
    assert reviewer.sandbox.run_until_idle() == 0
    (row,) = await reviewer.inbox.reviews.of_run(run.id)
    return await reviewer.wait(run, RunState.FAILED), await reviewer.inbox.reviews.get(row.id)


def mend(reviewer: Reviewer) -> None:
    reviewer.sandbox.journal.with_name("journal.mended").touch()


async def states(reviewer: Reviewer, run: Run) -> list[Any]:
    return [(await reviewer.inbox.runs.get(run.id)).state, *await reviewer.review_states(run)]


async def test_failed_run_with_a_policy_opens_a_review_and_approve_retries_it(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + ERRORS + CHAIN)
    run, review = await failed(fresh_reviewer)
    (action,) = review.actions
    assert (review.row.kind, review.row.escalated, action.args) == (PauseKind.FAILURE, "finance", {"error": run.error})
    assert action.means == {"approve": "tries it again, from its last checkpoint", "reject": "leaves it failed"}
    assert "the line is dead" in (await fresh_reviewer.inbox.reviews.context(review.row.id)).error
    assert (await last(fresh_reviewer, review)).why == f"the run failed: {run.error}"
    mend(fresh_reviewer)
    with pytest.raises(Refused, match="cannot be answered with respond"):
        await fresh_reviewer.decide(review, respond("no"))
    await fresh_reviewer.decide(review, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == "went through"
    assert await states(fresh_reviewer, run) == [RunState.DONE, "applied"]
    assert [did["did"] for did in fresh_reviewer.effects(run)] == ["tries", "tries"]


async def test_failed_run_with_a_broken_policy_still_escalates(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN + rule_toml("letters", "send", 'outcom = "ask"'))
    _, review = await failed(fresh_reviewer)
    only = await last(fresh_reviewer, review)
    assert (review.row.kind, only.recipient, only.step) == (PauseKind.FAILURE, "finance", 0)
    assert only.next_at is not None


@pytest.mark.slow
async def test_failed_run_review_when_rejected_leaves_the_run_failed(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, ERRORS)
    run, review = await failed(fresh_reviewer)
    await fresh_reviewer.decide(review, reject("the line is dead for good"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert await states(fresh_reviewer, run) == [RunState.FAILED, "applied"]
    await fresh_reviewer.inbox.runs.retry(run.id)
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert await states(fresh_reviewer, run) == [RunState.FAILED, "applied", "open"]


async def test_failed_run_review_closes_when_the_run_is_retried_elsewhere(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, ERRORS)
    run, review = await failed(fresh_reviewer)
    await fresh_reviewer.inbox.runs.retry(run.id)
    with pytest.raises(Stale, match="the run goes on"):
        await fresh_reviewer.decide(review, approve())
    mend(fresh_reviewer)
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert await states(fresh_reviewer, run) == [RunState.DONE, "stale"]


async def test_failed_run_review_can_be_undone_in_its_grace_time_and_applies_once(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, ERRORS)
    run, review = await failed(fresh_reviewer)
    slow, clock = Inbox(fresh_reviewer.store, "bob", grace_s=60), Clock()
    work = scheduled_jobs(fresh_reviewer, run, clock)
    await slow.reviews.decide(review, {0: approve()})
    assert not await work.run_due()
    await slow.reviews.undo(review.row.id)
    assert await states(fresh_reviewer, run) == [RunState.FAILED, "open"]
    await slow.reviews.decide(review, {0: approve()})
    clock.advance(61)
    async with open_store(fresh_reviewer.sandbox.home.database) as other:
        acted = await asyncio.gather(work.run_due(), scheduled_jobs(fresh_reviewer, run, clock, other).run_due())
    assert sorted(acted) == [False, True]
    assert await states(fresh_reviewer, run) == [RunState.QUEUED, "applied"]


async def test_failed_run_without_the_policy_setting_opens_no_review(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN)
    run = (await fresh_reviewer.inbox.runs.launch("shaky", given={}))[0]
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert await states(fresh_reviewer, run) == [RunState.FAILED]
    write_policy(fresh_reviewer.sandbox, ERRORS)
    assert not await scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), Clock()).run_due(), (
        "what failed before was not asked for"
    )


async def test_failed_run_with_two_workers_opens_one_review(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, ERRORS)
    run, review = await failed(fresh_reviewer)
    await fresh_reviewer.store.write("UPDATE reviews SET state = 'stale' WHERE id = ?", (review.row.id,))
    await fresh_reviewer.store.write(
        "UPDATE runs SET failure_seen = 0 WHERE id = ?", (run.id,)
    )  # as it is when the worker dies right after the failure
    async with open_store(fresh_reviewer.sandbox.home.database) as other:
        acted = await asyncio.gather(
            scheduled_jobs(fresh_reviewer, run, Clock()).run_due(), scheduled_jobs(fresh_reviewer, run, Clock(), other).run_due()
        )
    assert any(acted)
    assert await states(fresh_reviewer, run) == [RunState.FAILED, "stale", "open"]
    assert len(await fresh_reviewer.inbox.reviews.escalations(review.row.id + 1)) == 1


@pytest.mark.slow
async def test_failed_run_review_stays_open_after_repair(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, ERRORS)
    run, review = await failed(fresh_reviewer)
    fresh_reviewer.sandbox.cli("doctor", "--repair", code=None)
    assert await states(fresh_reviewer, run) == [RunState.FAILED, "open"]
    assert (await fresh_reviewer.inbox.reviews.get(review.row.id)).row.state is ReviewState.OPEN


# Who is notified


async def test_escalation_queues_one_notice_per_channel(fresh_reviewer: Reviewer) -> None:
    write_policy(fresh_reviewer.sandbox, GROUPS + CHAIN + '[notify]\ncommand = ["true"]\n')
    run, review = await launch_and_wait(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    clock = Clock()
    work = scheduled_jobs(fresh_reviewer, await fresh_reviewer.inbox.runs.get(run.id), clock)
    clock.advance(16 * MINUTES)
    assert await work.run_due() and not await work.run_due()
    told = await fresh_reviewer.inbox.reviews.notifications(review.row.id)
    assert [(notice.channel, notice.due_at) for notice in told[1:]] == [("command", clock.now)]
    assert len({notice.escalation for notice in told}) == len(told) == 2


# A policy that makes no sense


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
def test_policy_check_reports_unusable_recipients(new_sandbox: SandboxFactory, text: str, line: int, told: str) -> None:
    sandbox = new_sandbox("policy")
    path = sandbox.home.path / "policy.toml"
    path.write_text(GROUPS + text)
    said = sandbox.cli("policy", "check", str(path), code=None).stdout
    assert any(f":{line}: " in one and told in one for one in said.splitlines()), said


# Reject loops


async def test_a_real_run_that_proposes_a_rejected_call_again_pauses_for_a_takeover(fresh_reviewer: Reviewer) -> None:
    denied = rule_toml("no letters", "send", 'outcome = "deny"')
    write_policy(fresh_reviewer.sandbox, "[escalation]\nrejections = 2\n" + denied)
    again = ("once more", [SEND])
    run, review = await launch_and_wait(fresh_reviewer, "per_call", again, again, again)
    assert (review.row.route, review.row.escalated) == ("takeover", "anybody")
    told = "keeps proposing what was rejected: 2 times, the last by policy:no letters"
    assert review.actions[0].reason.startswith(told) and told in fresh_reviewer.sandbox.cli("show", str(review.row.id)).stdout
    assert (await last(fresh_reviewer, review)).actor == "policy:reject loop"
    await fresh_reviewer.decide(review, reject("stop"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state is RunState.DONE and fresh_reviewer.effects(run) == []
