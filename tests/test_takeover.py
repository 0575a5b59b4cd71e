"""A person in an agent's place: every kind of thing that can be done there, on real graphs, handed back, and run to the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import Call, HandBack, PauseKind, Run, RunState, TakeOver
from tests.driving import PATIENCE_S, Place, Reviewer, approve, reject, respond, results, reviewer

LETTER = ("send", {"to": "bob", "body": "hello"})
SECOND = ("send", {"to": "eve"})
AGENTS = ("batched", "per_call", "react", "gated_agent")


async def taken(who: Reviewer, run: Run, *states: RunState) -> TakeOver:
    """The run in a person's hands, once it rests."""
    await who.wait(run, *(states or (RunState.WAITING,)))
    return await who.inbox.take_over(run.id)


async def ended(who: Reviewer, takeover: TakeOver) -> TakeOver:
    """The take-over, once the worker has done with it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        now = await who.inbox.takeover_of(takeover.run)
        assert now is not None
        if now.id != takeover.id or not now.is_live:
            return now
        assert time.monotonic() < until, f"the take-over is {now.state}"
        await asyncio.sleep(0.02)


async def handed_back(who: Reviewer, run: Run, **plan: Any) -> TakeOver:
    """The run taken over, handed back with a plan, and what came of that."""
    takeover = await taken(who, run, RunState.WAITING, RunState.FAILED, RunState.CANCELLED)
    await who.inbox.hand_back(takeover.id, HandBack(**plan))
    return await ended(who, takeover)


async def calls_of(who: Reviewer, run: Run) -> tuple[Call, ...]:
    """The agent's open calls."""
    await who.wait(run, RunState.WAITING, RunState.FAILED, RunState.CANCELLED)
    return (await who.inbox.head(run.id)).calls


def said(state: Any) -> list[tuple[str, str]]:
    """Who said what in a finished conversation, after the request."""
    return [(m["role"], m["text"]) for m in state["messages"][1:]]


def paired(state: Any) -> bool:
    """Whether every call of a conversation has its result, as providers demand."""
    calls = sum(len(m["calls"]) for m in state["messages"])
    return calls == sum(m["role"] == "tool" for m in state["messages"])


# What can be done in an agent's place, at each kind of pause


@pytest.mark.parametrize("agent", AGENTS)
async def test_a_person_answers_for_the_tool(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    (call,) = await calls_of(pauses, run)
    assert (call.name, call.args) == LETTER
    done = await handed_back(pauses, run, results={call.id: "bob was told by phone"})
    assert (done.state, done.note) == ("applied", "")
    state = await pauses.done(run)
    assert results(state) == {"send": ["bob was told by phone"]}
    assert pauses.did(run) == [], "the call never ran"
    assert said(state)[-1] == ("agent", "done: send=bob was told by phone")
    (row,) = await pauses.inbox.reviews_of(run.id)
    assert (row.state, row.decided) == ("applied", "taken over by ann")


@pytest.mark.parametrize("agent", AGENTS)
async def test_what_is_not_answered_is_asked_again(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER, SECOND])
    first, second = await calls_of(pauses, run)
    await handed_back(pauses, run, results={first.id: "by phone"})
    review = await pauses.one(run)
    assert [(a.name, a.args, a.tool_call) for a in review.actions] == [(*SECOND, second.id)]
    assert pauses.did(run) == []
    await pauses.decide(review, approve())
    state = await pauses.done(run)
    assert results(state) == {"send": ["by phone", "sent to eve"]}
    assert [d["to"] for d in pauses.did(run)] == ["eve"]
    assert paired(state)


@pytest.mark.parametrize("agent", AGENTS)
async def test_rewritten_calls_are_asked_before_they_run(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    (call,) = await calls_of(pauses, run)
    calls = (Call(call.id, "send", {"to": "zoe"}), Call("", "send", {"to": "joe", "body": "new"}))
    await handed_back(pauses, run, text="I write to two others.", calls=calls)
    until = time.monotonic() + PATIENCE_S
    while len(asked := [r for r in await pauses.inbox.reviews_of(run.id) if r.state == "open"]) < (2 if agent == "per_call" else 1):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
    assert pauses.did(run) == []
    actions = []
    for row in asked:
        review = await pauses.inbox.review(row.id)
        actions += [(a.name, a.args) for a in review.actions]
        await pauses.decide(review, *[approve()] * len(review.actions))
    assert actions == [("send", {"to": "zoe"}), ("send", {"to": "joe", "body": "new"})]
    state = await pauses.done(run)
    assert sorted(d["to"] for d in pauses.did(run)) == ["joe", "zoe"]
    assert ("agent", "I write to two others.") in said(state)
    assert paired(state)


@pytest.mark.parametrize("agent", AGENTS)
async def test_guidance_lets_the_agent_try_again(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER, SECOND])
    await handed_back(pauses, run, guidance=json.dumps([[["look", {"path": "the files"}]]]))
    if agent in ("react", "gated_agent"):
        review = await pauses.one(run)
        assert [a.name for a in review.actions] == ["look"]
        await pauses.decide(review, approve())
    state = await pauses.done(run)
    assert [d["did"] for d in pauses.did(run)] == ["look"]
    closed = results(state)["send"]
    assert len(closed) == 2
    assert all("ann took over" in text and "did not run" in text for text in closed)
    assert paired(state)
    assert [m["name"] for m in state["messages"] if m["role"] == "user"] == ["", "reviewer"]


@pytest.mark.parametrize("agent", AGENTS)
async def test_a_person_has_the_last_word(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    await handed_back(pauses, run, answer="Nobody needs to write to bob.")
    state = await pauses.done(run)
    assert said(state)[-1] == ("agent", "Nobody needs to write to bob.")
    assert pauses.did(run) == []
    assert paired(state)
    assert await pauses.states(run) == ["applied"]
