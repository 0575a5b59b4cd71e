"""Paused agents: the step under way finishes, nothing new starts, decisions wait, and everything goes on after `resume`."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from hitl_tui.model import ReviewState, RunState, TakeoverPlan
from tests.support.harness import SandboxFactory, approve, open_reviewer, tool_results

MOVE, SEND = ("move", {"path": "b"}), ("send", {"to": "ann"})


@pytest.mark.slow
async def test_runs_and_decisions_when_all_agents_are_paused_wait_and_then_go_on(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("trouble")
    async with open_reviewer(sandbox) as ann:
        sandbox.start()
        waiting = await ann.launch("steps_to_gate", given={})
        review = await ann.open_review(waiting)
        running = await ann.launch("steps", given={"seconds": 0.4})
        await ann.until_effect(running, "one begins")
        assert "paused" in sandbox.cli("pause").stdout
        assert sandbox.cli_error("pause") == "all agents are paused already; nothing was changed"
        assert sandbox.cli_error("resume", "steps").startswith("all agents are paused, not only steps")
        await ann.inbox.reviews.decide(review, {0: approve()})
        fresh = await ann.launch("steps", given={})
        await ann.wait(running, RunState.QUEUED)  # its step ended, and the next did not begin
        assert [did["did"] for did in ann.effects(running)][-1].endswith("ends")
        await asyncio.sleep(0.3)  # nothing may happen: there is no event to wait for
        assert (await ann.inbox.reviews.get(review.row.id)).row.state == ReviewState.DECIDED
        assert (await ann.inbox.runs.get(fresh.id)).state == RunState.QUEUED
        sandbox.cli("resume")
        for run in (waiting, running, fresh):
            assert (await ann.result_of(run))["log"] == ["one", "two", "three"]
        assert [did["did"] for did in ann.effects(running)] == [
            f"{step} {what}" for step in ("one", "two", "three") for what in ("begins", "ends")
        ]
        assert sandbox.cli_error("resume") == "no agent is paused; nothing was changed"


@pytest.mark.slow
async def test_other_agents_when_one_is_paused_go_on(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("trouble")
    async with open_reviewer(sandbox) as ann:
        sandbox.cli("agents", sandbox.target)
        await ann.inbox.agents.pause("steps")
        held, other = await ann.launch("steps", given={}), await ann.launch("inner", given={})
        assert sandbox.run_until_idle() == 0
        assert (await ann.wait(other)).state == RunState.DONE
        assert (await ann.inbox.runs.get(held.id)).state == RunState.QUEUED
        assert sandbox.cli_error("pause", "stepss").startswith("no agent stepss is known; known: steps")


@pytest.mark.slow
async def test_policy_decisions_and_handbacks_when_agents_are_paused_wait(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text('spot_check = 0\n[confidence]\ntrust = ["words"]\n')
    async with open_reviewer(sandbox) as ann:
        (taken,) = await ann.inbox.runs.launch("batched", text=json.dumps([["well", [SEND]]]))
        assert sandbox.run_until_idle() == 0
        takeover = await ann.inbox.takeovers.take(taken.id)
        (call,) = (await ann.inbox.takeovers.head(taken.id)).calls
        (automatic,) = await ann.inbox.runs.launch("batched", text=json.dumps([["I am 95 % sure", [MOVE]]]))
        assert sandbox.start(kill_at="opened").wait() == -signal.SIGKILL  # decided by policy, and not applied yet
        await ann.inbox.agents.pause("")
        await ann.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(results={call.id: "told by phone"}))
        assert sandbox.run_until_idle() == 0
        assert await ann.review_states(automatic) == ["decided"] and ann.effects(automatic) == []
        latest = await ann.inbox.takeovers.latest(taken.id)
        assert latest is not None and latest.state == "handed_back"
        await ann.inbox.agents.resume("")
        assert sandbox.run_until_idle() == 0
        assert tool_results(await ann.result_of(automatic)) == {"move": ["moved b"]}
        assert tool_results(await ann.result_of(taken)) == {"send": ["told by phone"]} and ann.effects(taken) == []
