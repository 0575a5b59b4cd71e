"""Answer templates on real graphs and workers: by a person, on the command line, by a rule and by a deadline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import Outcome, Review, Run
from hitl_tui.policy.loader import Policies
from tests.support.fake_clock import Clock, audit_entries, backdate, rule_toml, scheduled_jobs, write_policy
from tests.support.harness import Reviewer, SandboxFactory, approve, open_reviewer, reject
from tests.support.tiers import sampled

HOUR = 3600.0
SEND = '[[answer]]\nagent = "approved"\napprove = {approved = true}\nreject = {approved = false, reason = "$message"}\n'
ACCEPT = '[[answer]]\nagent = "acc*"\nnode = "ask"\napprove = {type = "accept"}\nreject = {type = "reject", by = "$person"}\n'
DEADLINE = ('outcome = "ask"', 'deadline = "1h"', 'then = "reject"')


@pytest.fixture
async def reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/answers in a fresh sandbox, without a worker; the home's policy counts for them."""
    async with open_reviewer(new_sandbox("answers")) as reviewer:
        home = reviewer.sandbox.home.path
        reviewer.inbox = Inbox(reviewer.store, "ann", policies=lambda: Policies(home, lambda target: None))
        yield reviewer


async def waiting(reviewer: Reviewer, agent: str) -> tuple[Run, Review]:
    """Launch an agent, and return its run and its review, once it waits."""
    run = await reviewer.launch(agent, given={})
    assert reviewer.sandbox.run_until_idle() == 0
    (row,) = await reviewer.inbox.reviews.of_run(run.id)
    return run, await reviewer.inbox.reviews.get(row.id)


async def answer_of(reviewer: Reviewer, run: Run) -> Any:
    """Let the worker apply what was decided, and return what the graph made of it."""
    assert reviewer.sandbox.run_until_idle() == 0
    return (await reviewer.result_of(run))["answer"]


@pytest.mark.parametrize(
    ("agent", "answer", "sent", "result"),
    sampled([
        ("approved", approve(), {"approved": True}, "sent"),
        ("approved", reject("too early"), {"approved": False, "reason": "too early"}, "cancelled: too early"),
        ("accept", approve(), {"type": "accept"}, "accepted"),
        ("accept", reject(), {"type": "reject", "by": "ann"}, "rejected"),
    ]),
)  # fmt: skip
async def test_template_is_sent_stored_and_audited(reviewer: Reviewer, agent: str, answer: Any, sent: Any, result: str) -> None:
    write_policy(reviewer.sandbox, SEND + ACCEPT)
    run, review = await waiting(reviewer, agent)
    await reviewer.decide(review, answer)
    assert await answer_of(reviewer, run) == result
    (decision,) = (await reviewer.inbox.reviews.get(review.row.id)).decisions.values()
    assert decision.answer.template == sent
    ((_, _, entry),) = await audit_entries(reviewer, review.row.id, "decided")
    assert json.loads(entry["template"]) == sent


@pytest.mark.slow
async def test_template_on_the_command_line_is_shown_and_sent(reviewer: Reviewer) -> None:
    sandbox = reviewer.sandbox
    run, review = await waiting(reviewer, "approved")
    number = str(review.row.id)
    assert "takes no yes or no" in sandbox.cli_error("decide", number, "approve")
    write_policy(sandbox, SEND)
    assert 'approve (sends {"approved": true})' in sandbox.cli("show", number).stdout
    sandbox.cli("decide", number, "reject", "--message", "too early")
    assert await answer_of(reviewer, run) == "cancelled: too early"
    assert 'sent {"approved": false, "reason": "too early"}' in sandbox.cli("show", number).stdout
    assert sandbox.cli_json("show", number)["decisions"][0]["template"] == {"approved": False, "reason": "too early"}
    assert sandbox.cli("audit", "verify").returncode == 0


@pytest.mark.parametrize(("outcome", "result"), sampled([("auto", "sent"), ("deny", "cancelled: rule 'all' says deny")]))
async def test_rule_sends_the_template_and_never_true(reviewer: Reviewer, outcome: str, result: str) -> None:
    write_policy(reviewer.sandbox, SEND + rule_toml("all", "ask", f'outcome = "{outcome}"'))
    run, review = await waiting(reviewer, "approved")
    assert [decision.actor for decision in review.decisions.values()] == ["policy:all"]
    assert (await reviewer.result_of(run))["answer"] == result
    _, hours = await waiting(reviewer, "hours")
    assert hours.decisions == {} and hours.row.route is Outcome.ASK
    assert "it asks a person and is no tool call" in hours.actions[0].reason


@pytest.mark.slow
async def test_rule_when_the_template_does_not_fit_asks_a_person(reviewer: Reviewer) -> None:
    template = '[[answer]]\nagent = "strict"\napprove = {fine = true}\nreject = {ok = false}\n'
    write_policy(reviewer.sandbox, template + rule_toml("all", "ask", 'outcome = "auto"'))
    _, review = await waiting(reviewer, "strict")
    assert review.decisions == {} and set(review.actions[0].allowed) == {"reject", "respond"}
    assert "the graph does not accept approve" in review.actions[0].reason


@pytest.mark.parametrize(
    ("agent", "escalated"), sampled([("approved", ""), ("hours", "it is not rejected, for the graph takes no rejection of ask")])
)
async def test_deadline_rejects_a_question_only_with_its_template(reviewer: Reviewer, agent: str, escalated: str) -> None:
    write_policy(reviewer.sandbox, SEND + rule_toml("all", "ask", *DEADLINE))
    run, review = await waiting(reviewer, agent)
    review = await backdate(reviewer, review, 2 * HOUR)
    jobs = scheduled_jobs(reviewer, await reviewer.inbox.runs.get(run.id), Clock(review.row.opened_at + 2 * HOUR))
    assert await jobs.run_due()
    if escalated:
        (last, *_) = await reviewer.inbox.reviews.escalations(review.row.id)
        assert escalated in last.why and (await reviewer.inbox.reviews.get(review.row.id)).decisions == {}
        return
    result = await answer_of(reviewer, run)
    assert result.startswith("cancelled: nobody decided it within 1 hour")


@pytest.mark.slow
async def test_template_of_a_projects_policy_counts_without_one_in_the_home(reviewer: Reviewer) -> None:
    folder = reviewer.sandbox.folder
    policy = folder / "policy.toml"
    policy.write_text(SEND)
    inbox = Inbox(reviewer.store, "ann", policies=lambda: Policies(reviewer.sandbox.home.path, lambda target: folder))
    await inbox.policy.accept(policy, hashlib.sha256(policy.read_bytes()).hexdigest())
    _, review = await waiting(reviewer, "approved")
    assert "approve" not in review.actions[0].allowed
    assert "approve" in (await inbox.reviews.get(review.row.id)).actions[0].allowed
