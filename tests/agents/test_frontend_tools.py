"""Calls of front-end tools, with which a graph ends: a person gives their results, and the run goes on with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import DecisionKind, PauseKind, ReviewState, RunState, TakeoverPlan
from hitl_tui.policy.parser import parse
from tests.support.harness import Reviewer, SandboxFactory, approve, open_reviewer, reject, respond, tool_results

POLICY = """
[agents."frontend*"]
frontend_tools = ["pick_*"]

[[rule]]
name = "no maps"
tool = "show_map"
outcome = "deny"
"""
PICK = ("pick_date", {"from": "May"})


@pytest.fixture
async def frontend(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of a home whose policy names the front-end tools, with a worker."""
    sandbox = new_sandbox("pauses")
    (sandbox.home.path / "policy.toml").write_text(POLICY)
    sandbox.start()
    async with open_reviewer(sandbox) as reviewer:
        yield reviewer


def said(state: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["text"]) for message in state["messages"]][1:]


async def test_call_at_the_end_is_answered_with_its_result(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend", [PICK], [("send", {"to": "ann"})], [PICK])
    review = await frontend.open_review(run)
    (asked,) = review.actions
    assert (review.row.kind, asked.name, asked.args) == (PauseKind.FRONTEND_TOOLS, "pick_date", {"from": "May"})
    assert asked.allowed == (DecisionKind.REJECT, DecisionKind.RESPOND)
    with pytest.raises(Refused, match="pick_date cannot be answered with approve"):
        await frontend.decide(review, approve())
    await frontend.decide(review, respond("2 May"))
    again = await frontend.open_review(run)
    assert again.row.id != review.row.id
    await frontend.decide(again, reject("no date left"))
    found = tool_results(await frontend.result_of(run))
    assert found == {"pick_date": ["2 May", "no date left"], "send": ["sent to ann"]}
    assert await frontend.review_states(run) == ["applied", "applied"]
    assert [did["did"] for did in frontend.effects(run)] == ["talk", "talk", "send", "talk", "talk"]


async def test_call_at_the_end_that_no_policy_names_is_told_in_the_trace(pauses: Reviewer) -> None:
    run = await pauses.launch("frontend", [PICK, ("show_map", {})])
    assert (await pauses.wait(run)).state is RunState.DONE
    (last,) = [event.body for event in await pauses.inbox.runs.trace(run.id) if event.kind == "done"]
    assert last == {
        "text": "ended with calls that nobody ran: pick_date, show_map; "
        "to give their results, list them in policy.toml: [agents.frontend] frontend_tools"
    }


@pytest.mark.slow
async def test_other_calls_of_the_message_are_asked_too_and_a_rule_can_deny_them(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend", [PICK, ("show_map", {}), ("send", {"to": "bob"})])
    review = await frontend.open_review(run)
    assert [(action.name, action.outcome) for action in review.actions] == [("pick_date", "ask"), ("show_map", "deny"), ("send", "ask")]
    assert review.undecided == (0, 2)
    await frontend.inbox.reviews.decide(review, {0: respond("1 June"), 2: reject()})
    found = tool_results(await frontend.result_of(run))
    assert found["pick_date"] == ["1 June"] and "no maps" in found["show_map"][0] and "rejected" in found["send"][0]


@pytest.mark.slow
async def test_unlisted_calls_alone_end_the_run(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend", [("show_map", {})])
    await frontend.result_of(run)
    assert await frontend.review_states(run) == []


@pytest.mark.slow
async def test_gate_before_the_first_node_asks_after_the_result_too(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend_gated", [PICK])
    await frontend.decide(await frontend.open_review(run), approve())
    await frontend.decide(await frontend.open_review(run), respond("2 May"))
    gate = await frontend.open_review(run)
    assert gate.row.kind is PauseKind.GATE
    await frontend.decide(gate, approve())
    assert said(await frontend.result_of(run))[-1] == ("agent", "done: pick_date=2 May")


@pytest.mark.slow
async def test_graph_that_keeps_no_messages_of_its_input_just_ends(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend_replaced", [PICK])
    await frontend.result_of(run)
    assert await frontend.review_states(run) == []


@pytest.mark.slow
async def test_gate_whose_rejection_ends_the_run_asks_no_result(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend_gated", [PICK])
    await frontend.decide(await frontend.open_review(run), approve())
    await frontend.decide(await frontend.open_review(run), respond("2 May"))
    await frontend.decide(await frontend.open_review(run), reject())
    await frontend.result_of(run)


@pytest.mark.slow
async def test_review_is_stale_once_the_policy_names_the_tool_no_more(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend", [PICK])
    review = await frontend.open_review(run)
    (frontend.sandbox.home.path / "policy.toml").write_text("")
    await frontend.decide(review, respond("2 May"))
    await frontend.result_of(run)
    assert (await frontend.inbox.reviews.get(review.row.id)).row.state is ReviewState.STALE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plan", "last"),
    [
        ({"result": "3 May"}, ("agent", "done: pick_date=3 May")),
        ({"guidance": "take June"}, ("agent", "done: ")),
        ({"answer": "It is on 4 May."}, ("agent", "It is on 4 May.")),
    ],
)
async def test_takeover_at_such_calls_goes_on_as_handed_back(frontend: Reviewer, plan: dict[str, Any], last: tuple[str, str]) -> None:
    run = await frontend.launch("frontend", [PICK])
    await frontend.open_review(run)
    taken = await frontend.inbox.takeovers.take(run.id)
    (call,) = (await frontend.inbox.takeovers.head(run.id)).calls
    plan = {"results": {call.id: plan["result"]}} if "result" in plan else plan
    await frontend.inbox.takeovers.hand_back(taken.id, TakeoverPlan(**plan))
    assert said(await frontend.result_of(run))[-1] == last


@pytest.mark.slow
async def test_takeover_with_one_of_two_results_asks_for_the_other(frontend: Reviewer) -> None:
    run = await frontend.launch("frontend", [PICK, ("pick_seat", {})])
    before = review = await frontend.open_review(run)
    taken = await frontend.inbox.takeovers.take(run.id)
    call, _ = (await frontend.inbox.takeovers.head(run.id)).calls
    await frontend.inbox.takeovers.hand_back(taken.id, TakeoverPlan(results={call.id: "3 May"}))
    for _ in range(2000):
        if (review := await frontend.open_review(run)).row.id != before.row.id:
            break
        await asyncio.sleep(0.02)
    assert [action.name for action in review.actions] == ["pick_seat"]
    await frontend.decide(review, respond("4a"))
    assert tool_results(await frontend.result_of(run)) == {"pick_date": ["3 May"], "pick_seat": ["4a"]}


def test_policy_finds_the_front_end_tools_of_an_agent_by_name_or_glob() -> None:
    policy = parse('[agents."shop*"]\nfrontend_tools = "pay"\n[agents.shop]\nfrontend_tools = ["show_*"]\n')
    assert [policy.frontend_tools_of(agent) for agent in ("shop", "shop2", "other")] == [("show_*",), ("pay",), ()]
