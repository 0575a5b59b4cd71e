"""Two workers race for the last use of a grant: one call runs by it, the others ask."""

from __future__ import annotations

import asyncio

import pytest

from hitl_tui.model import ReviewState, Risk, Run, RunState, Scope
from hitl_tui.store import audit
from tests.support.harness import Reviewer, SandboxFactory, open_reviewer

RUNS, USES = 6, 2


async def until_settled(reviewer: Reviewer, run: Run) -> None:
    """Wait until the run is done, or waits for a person."""
    while (await reviewer.wait(run, RunState.DONE, RunState.WAITING, RunState.RUNNING, RunState.QUEUED)).state is not RunState.DONE:
        if any(row.state == ReviewState.OPEN for row in await reviewer.inbox.reviews.of_run(run.id)):
            return
        await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_two_workers_never_take_more_uses_than_a_grant_has(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("pauses")) as reviewer:
        sandbox, inbox = reviewer.sandbox, reviewer.inbox
        (sandbox.home.path / "policy.toml").write_text("spot_check = 0\n")
        first = await reviewer.launch("batched", [("send", {"to": "bob"})])
        assert sandbox.run_until_idle() == 0
        review = await reviewer.open_review(first)
        offer = await inbox.grants.offer(review.row.id, 0)
        risk = Risk.REVERSIBLE if offer.risk is None else None
        made = await inbox.grants.make(offer, Scope(condition='args.to == "bob"'), USES, risk=risk)
        runs = [await reviewer.launch("batched", [("send", {"to": "bob"})]) for _ in range(RUNS)]
        sandbox.start()
        sandbox.start()
        for run in runs:
            await until_settled(reviewer, run)
        done = [run for run in runs if (await inbox.runs.get(run.id)).state is RunState.DONE]
        sent = [effect for run in runs for effect in reviewer.effects(run)]
        assert (len(done), len(sent)) == (USES, USES)
        assert len(await inbox.grants.used_by(made.id)) == USES
        assert (await inbox.grants.get(made.id)).left == 0
        assert audit.verify(sandbox.home.database).problem == ""


@pytest.mark.slow
async def test_revoked_grant_lets_no_call_of_a_worker_through(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("pauses")) as reviewer:
        sandbox, inbox = reviewer.sandbox, reviewer.inbox
        first = await reviewer.launch("batched", [("send", {"to": "bob"})])
        assert sandbox.run_until_idle() == 0
        offer = await inbox.grants.offer((await reviewer.open_review(first)).row.id, 0)
        made = await inbox.grants.make(offer, Scope(digest=offer.action.digest), risk=Risk.REVERSIBLE)
        await inbox.grants.revoke(made.id)
        run = await reviewer.launch("batched", [("send", {"to": "bob"})])
        assert sandbox.run_until_idle() == 0
        assert not (await reviewer.open_review(run)).decisions and not reviewer.effects(run)
