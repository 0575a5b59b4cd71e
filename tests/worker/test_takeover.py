"""Takeovers on real graphs: every intervention, handed back and run to the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Call, PauseKind, Run, RunState, Takeover, TakeoverPlan
from hitl_tui.store import audit
from tests.support.harness import TIMEOUT_S, Reviewer, SandboxFactory, approve, open_reviewer, reject, respond, tool_results

LETTER = ("send", {"to": "bob", "body": "hello"})
SECOND = ("send", {"to": "eve"})
AGENTS = ("batched", "per_call", "react", "gated_agent")


async def taken(who: Reviewer, run: Run, *states: RunState) -> Takeover:
    """Wait until the run does not move, and take it over."""
    await who.wait(run, *(states or (RunState.WAITING,)))
    return await who.inbox.takeovers.take(run.id)


async def ended(who: Reviewer, takeover: Takeover) -> Takeover:
    """Wait until the worker has handled the hand back, and return the takeover."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        now = await who.inbox.takeovers.latest(takeover.run)
        assert now is not None
        if now.id != takeover.id or not now.is_live:
            return now
        assert time.monotonic() < until, f"the take-over is {now.state}"
        await asyncio.sleep(0.02)


async def handed_back(who: Reviewer, run: Run, **plan: Any) -> Takeover:
    """Take the run over, hand it back with a plan, and return the handled takeover."""
    takeover = await taken(who, run, RunState.WAITING, RunState.FAILED, RunState.CANCELLED)
    await who.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(**plan))
    return await ended(who, takeover)


async def calls_of(who: Reviewer, run: Run) -> tuple[Call, ...]:
    """Return the agent's open calls."""
    await who.wait(run, RunState.WAITING, RunState.FAILED, RunState.CANCELLED)
    return (await who.inbox.takeovers.head(run.id)).calls


def said(state: Any) -> list[tuple[str, str]]:
    """Return (role, text) of a finished conversation, after the request."""
    return [(m["role"], m["text"]) for m in state["messages"][1:]]


def paired(state: Any) -> bool:
    """Check that every call of a conversation has a result, as model providers require."""
    calls = sum(len(m["calls"]) for m in state["messages"])
    return bool(calls == sum(m["role"] == "tool" for m in state["messages"]))


def logged(who: Reviewer, run: Run) -> list[dict[str, Any]]:
    """Return the audit entries of a run."""
    return [entry for entry in audit.entries(who.sandbox.home.database) if entry["run"] == run.id]


# Interventions at each kind of pause


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS)
async def test_handback_with_a_result_replaces_the_tool(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    (call,) = await calls_of(pauses, run)
    assert (call.name, call.args) == LETTER
    done = await handed_back(pauses, run, results={call.id: "bob was told by phone"})
    assert (done.state, done.note) == ("applied", "")
    state = await pauses.result_of(run)
    assert tool_results(state) == {"send": ["bob was told by phone"]}
    assert pauses.effects(run) == [], "the call never ran"
    assert said(state)[-1] == ("agent", "done: send=bob was told by phone")
    (row,) = await pauses.inbox.reviews.of_run(run.id)
    assert (row.state, row.decided) == ("applied", "taken over by ann")


@pytest.mark.parametrize("agent", AGENTS)
async def test_handback_asks_again_for_calls_without_a_result(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER, SECOND])
    first, second = await calls_of(pauses, run)
    await handed_back(pauses, run, results={first.id: "by phone"})
    review = await pauses.open_review(run)
    assert [(a.name, a.args, a.tool_call) for a in review.actions] == [(*SECOND, second.id)]
    assert pauses.effects(run) == []
    await pauses.decide(review, approve())
    state = await pauses.result_of(run)
    assert tool_results(state) == {"send": ["by phone", "sent to eve"]}
    assert [d["to"] for d in pauses.effects(run)] == ["eve"]
    assert paired(state)


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS)
async def test_handback_with_rewritten_calls_asks_before_they_run(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    (call,) = await calls_of(pauses, run)
    calls = (Call(call.id, "send", {"to": "zoe"}), Call("", "send", {"to": "joe", "body": "new"}))
    await handed_back(pauses, run, text="I write to two others.", calls=calls)
    until = time.monotonic() + TIMEOUT_S
    while len(asked := [r for r in await pauses.inbox.reviews.of_run(run.id) if r.state == "open"]) < (2 if agent == "per_call" else 1):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
    assert pauses.effects(run) == []
    actions = []
    for row in asked:
        review = await pauses.inbox.reviews.get(row.id)
        actions += [(a.name, a.args) for a in review.actions]
        assert all(a.confidence.value is None and "a person rewrote it" in a.confidence.note for a in review.actions)
        await pauses.decide(review, *[approve()] * len(review.actions))
    assert actions == [("send", {"to": "zoe"}), ("send", {"to": "joe", "body": "new"})]
    state = await pauses.result_of(run)
    assert sorted(d["to"] for d in pauses.effects(run)) == ["joe", "zoe"]
    assert ("agent", "I write to two others.") in said(state)
    assert paired(state)


@pytest.mark.parametrize("agent", AGENTS)
async def test_handback_with_guidance_lets_the_agent_try_again(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER, SECOND])
    await handed_back(pauses, run, guidance=json.dumps([[["look", {"path": "the files"}]]]))
    if agent in ("react", "gated_agent"):
        review = await pauses.open_review(run)
        assert [a.name for a in review.actions] == ["look"]
        await pauses.decide(review, approve())
    state = await pauses.result_of(run)
    assert [d["did"] for d in pauses.effects(run)] == ["look"]
    closed = tool_results(state)["send"]
    assert len(closed) == 2
    assert all("ann took over" in text and "did not run" in text for text in closed)
    assert paired(state)
    assert [m["name"] for m in state["messages"] if m["role"] == "user"] == ["", "reviewer"]


@pytest.mark.parametrize("agent", AGENTS)
async def test_handback_with_an_answer_ends_the_run(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [LETTER])
    await handed_back(pauses, run, answer="Nobody needs to write to bob.")
    state = await pauses.result_of(run)
    assert said(state)[-1] == ("agent", "Nobody needs to write to bob.")
    assert pauses.effects(run) == []
    assert paired(state)
    assert await pauses.review_states(run) == ["applied"]


@pytest.fixture
async def operator(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/takeover."""
    async with open_reviewer(shared_sandbox("takeover")) as reviewer:
        yield reviewer


# The state


async def test_handback_with_edited_state_passes_a_plain_gate(operator: Reviewer) -> None:
    run = await operator.launch("spender", given={"amount": 100})
    await operator.wait(run, RunState.WAITING)
    head = await operator.inbox.takeovers.head(run.id)
    assert (head.nodes, head.text, head.calls) == (("spend",), None, ())
    assert head.context.state["amount"] == 100
    schema = await operator.inbox.takeovers.state_schema(run.id)
    assert schema["properties"]["amount"] == {"type": "integer"}
    edits = {"amount": 5, "tags": ["mine"], "address": {"street": "Side", "number": 2}, "limit": "high"}
    assert (await handed_back(operator, run, state=edits)).state == "applied"
    state = await operator.result_of(run)
    spent = {"did": "spend", "amount": 5, "tags": ["mine"], "to": "Side 2", "limit": "high"}
    assert operator.effects(run) == [{"did": "plan"}, spent], "what ran does not run again"
    assert state["tags"] == ["mine", "spent"], "the new value stands in the old one's place"


@pytest.mark.parametrize(
    ("plan", "last", "kind", "amount"),
    [
        ({"results": {"t1": "I paid it in cash"}, "state": {"amount": 7}}, "I paid it in cash", "tool", 7),
        ({"guidance": "wait until Friday"}, "wait until Friday", "human", 1),
        ({"text": "I will not"}, "I will not", "ai", 1),
    ],
    ids=["results", "human message", "rewritten"],
)
async def test_handback_at_a_plain_gate_runs_the_gated_node(operator: Reviewer, plan: Any, last: str, kind: str, amount: int) -> None:
    run = await operator.launch("announces", text="pay")
    gate = await operator.open_review(run)
    assert gate.row.kind is PauseKind.GATE
    assert (await handed_back(operator, run, **plan)).state == "applied"
    await operator.result_of(run)
    assert operator.effects(run) == [{"did": "announce"}, {"did": "book", "last": last, "kind": kind, "amount": amount}]
    assert len(await operator.inbox.reviews.of_run(run.id)) == 1, "the gate asks no second time"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"amount": "five"}, "the state does not fit the graph: amount: 'five' is not of type 'integer'"),
        ({"amount": None}, "the state does not fit the graph: amount: None is not of type 'integer'"),
        ({"sum": 5}, "the graph's state has no 'sum'; it has amount, tags, address, limit"),
        ({"address": {"street": "x"}}, "the state does not fit the graph: address: 'number' is a required property"),
        ({"address": {"street": "x", "number": 0}}, "address.number: 0 is less than the minimum of 1"),
        ({"limit": "none"}, "limit: 'none' is not one of"),
        ({"tags": [1]}, "tags.0: 1 is not of type 'string'"),
        ({"amount": 2**70}, "whole number of more than 64 bits"),
        ({"messages": []}, "messages cannot be edited as state"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
async def test_handback_with_state_that_breaks_the_schema_is_refused(operator: Reviewer, state: dict[str, Any], why: str) -> None:
    run = await operator.launch("spender", given={"amount": 100})
    takeover = await taken(operator, run)
    with pytest.raises(Refused) as refused:
        await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(state=state))
    assert why in str(refused.value)
    assert await operator.inbox.takeovers.latest(run.id) == takeover, "it is in the same hands still"
    await operator.inbox.takeovers.discard(takeover.id)
    await operator.decide(await operator.open_review(run), approve())
    assert (await operator.result_of(run))["amount"] == 100


async def test_handback_with_edited_state_keeps_untouched_parts_exact(operator: Reviewer) -> None:
    run = await operator.launch("measured", given={})
    await operator.wait(run, RunState.WAITING)
    state = (await operator.inbox.takeovers.head(run.id)).context.state
    edits = {
        "readings": {**state["readings"], "b": 3},
        "other": {**state["other"], "n": 2},
        "address": {**state["address"], "number": 5},
    }
    done = await handed_back(operator, run, state=edits)
    assert (done.state, done.note) == ("applied", "")
    await operator.result_of(run)
    (told,) = operator.effects(run)
    assert told["readings"] == "{'a': nan, 'b': 3.0}"
    assert told["other"] == "{'at': datetime.date(2026, 3, 31), 'size': {1, 2}, 'n': 2}"
    assert told["address"] == "Address(street='Main', number=5)"


async def test_handback_with_state_the_graph_refuses_changes_nothing(operator: Reviewer) -> None:
    run = await operator.launch("fickle", text="hello")
    done = await handed_back(operator, run, state={"mood": "bad"})
    assert (done.state, done.note) == ("failed", "its graph does not take that: ValueError: no way in this mood")
    review = await operator.open_review(run)
    assert review.row.claimed_by is None
    assert (await operator.inbox.runs.get(run.id)).ended_at is None
    again = await operator.inbox.takeovers.take(run.id)
    assert again.id != done.id
    assert again.plan == TakeoverPlan(state={"mood": "bad"}), "what could not be done is not lost"
    await operator.inbox.takeovers.hand_back(again.id, TakeoverPlan(state={"mood": "good"}))
    assert (await ended(operator, again)).state == "applied"
    assert (await operator.result_of(run))["mood"] == "good"


async def test_handback_after_a_failed_first_step_continues_with_new_state(operator: Reviewer) -> None:
    run = await operator.launch("first_fails", text="call")
    takeover = await taken(operator, run, RunState.FAILED)
    head = await operator.inbox.takeovers.head(run.id)
    assert head.nodes == ("dial",)
    assert "the line is dead" in head.context.error
    await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(state={"up": True}))
    await ended(operator, takeover)
    state = await operator.result_of(run)
    assert operator.effects(run) == [{"did": "dial", "up": None}, {"did": "dial", "up": True}]
    assert state == {"text": "call", "up": True}
    assert (await operator.inbox.runs.get(run.id)).error == ""


async def test_handback_after_a_failed_goto_continues_with_new_state(operator: Reviewer) -> None:
    run = await operator.launch("goes_to", given={"text": "x"})
    await operator.wait(run, RunState.FAILED)
    done = await handed_back(operator, run, state={"mood": "good"})
    assert (done.state, done.note) == ("applied", "")
    await operator.result_of(run)
    assert operator.effects(run) == [{"did": "act"}]


async def test_handback_with_new_state_asks_the_question_again(operator: Reviewer) -> None:
    run = await operator.launch("anything", given={"value": "red or blue?"})
    await handed_back(operator, run, state={"value": "red or green?"})
    review = await operator.open_review(run)
    assert review.value == "red or green?"
    await operator.decide(review, respond("green"))
    assert (await operator.result_of(run))["answer"] == "green"


async def test_handback_is_refused_when_a_parallel_node_has_ended(operator: Reviewer) -> None:
    run = await operator.launch("beside", given={"text": "x"})
    done = await handed_back(operator, run, state={"text": "y"})
    assert done.state == "failed"
    assert done.note == "quick has already ended in this step, and would run again; decide what waits first"
    await operator.decide(await operator.open_review(run), respond("yes"))
    await operator.result_of(run)
    assert [d["did"] for d in operator.effects(run)] == ["quick"]


# Other positions in the graph


async def test_handback_with_a_result_replaces_a_failed_tool(operator: Reviewer) -> None:
    run = await operator.launch("plain_agent", [("burst", {"text": "bang"}), ("look", {"path": "p"})])
    await operator.wait(run, RunState.FAILED)
    (call,) = [c for c in await calls_of(operator, run) if c.name == "burst"]
    await handed_back(
        operator, run, results={call.id: "it works by hand", **{c.id: "seen" for c in await calls_of(operator, run) if c != call}}
    )
    state = await operator.result_of(run)
    assert tool_results(state)["burst"] == ["it works by hand"]
    assert [d["did"] for d in operator.effects(run)].count("burst") == 1
    assert paired(state), state["messages"]


async def test_handback_keeps_results_of_calls_beside_the_failed_one(operator: Reviewer) -> None:
    run = await operator.launch("counting", [("add", {"number": 5}), ("burst", {"text": "bang"})])
    (call,) = await calls_of(operator, run)
    assert call.name == "burst"
    await handed_back(operator, run, results={call.id: "by hand"})
    state = await operator.result_of(run)
    assert tool_results(state) == {"add": ["added"], "burst": ["by hand"]}
    assert state["count"] == 5
    assert [d["did"] for d in operator.effects(run)].count("add") == 1


async def test_handback_with_rewritten_calls_asks_even_without_a_gate(operator: Reviewer) -> None:
    run = await operator.launch("plain_agent", [("burst", {"text": "bang"})])
    (call,) = await calls_of(operator, run)
    await handed_back(operator, run, calls=(Call(call.id, "send", {"to": "bob"}),))
    review = await operator.open_review(run)
    assert (review.row.kind, review.actions[0].name) == (PauseKind.TOOL_GATE, "send")
    assert [d["did"] for d in operator.effects(run)] == ["burst"]
    await operator.decide(review, approve())
    state = await operator.result_of(run)
    assert tool_results(state) == {"send": ["sent to bob"]}


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_handback_with_a_written_call_asks_for_an_ungated_tool(operator: Reviewer, agent: str) -> None:
    run = await operator.launch(agent, [LETTER])
    (call,) = await calls_of(operator, run)
    await handed_back(operator, run, calls=(Call(call.id, "look", {"path": "x"}),))
    review = await operator.open_review(run)
    assert (review.row.kind, review.actions[0].name) == (PauseKind.TOOL_GATE, "look")
    assert operator.effects(run) == []
    await operator.decide(review, reject("no need"))
    assert tool_results(await operator.result_of(run)) == {"look": ["no need"]}


async def test_handback_that_removes_all_calls_ends_the_run(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    await handed_back(operator, run, text="There is nothing to do.", calls=())
    assert said(await operator.result_of(run)) == [("agent", "There is nothing to do.")]


async def test_handback_stops_at_a_gate_after_the_tools(operator: Reviewer) -> None:
    run = await operator.launch("react_twice", [LETTER])
    gate = await operator.open_review(run)
    await operator.decide(gate, approve())
    await operator.until_applied(gate)
    (call,) = await calls_of(operator, run)
    await handed_back(operator, run, results={call.id: "told"})
    review = await operator.open_review(run)
    assert (review.row.kind, review.node) == (PauseKind.GATE, "talk")
    await operator.decide(review, approve())
    assert tool_results(await operator.result_of(run)) == {"send": ["told"]}


async def test_handback_with_guidance_after_a_failed_model_reaches_it(operator: Reviewer) -> None:
    run = await operator.launch("talker", text="hello")
    await operator.wait(run, RunState.FAILED)
    await handed_back(operator, run, guidance="say it twice")
    assert said(await operator.result_of(run)) == [("user", "say it twice"), ("agent", "you said: say it twice")]


async def test_handback_at_a_question_in_a_conversation_works(operator: Reviewer) -> None:
    run = await operator.launch("asks_in_talk", text="hello")
    takeover = await taken(operator, run)
    assert (await operator.inbox.takeovers.head(run.id)).text == "I heard 1"
    with pytest.raises(Refused, match="no tool call 'x' waits for a result; none does"):
        await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(results={"x": "y"}))
    await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(guidance="think first"))
    await ended(operator, takeover)
    review = await operator.open_review(run)
    context = await operator.inbox.reviews.context(review.row.id)
    assert [m.text for m in context.conversation] == ["hello", "I heard 1", "think first", "I heard 3"]
    await handed_back(operator, run, answer="No, you shall not.")
    assert said(await operator.result_of(run))[-1] == ("agent", "No, you shall not.")
    assert operator.effects(run) == []


async def test_handback_frees_a_poisoned_thread(operator: Reviewer) -> None:
    run = await operator.launch("fussy", given={"value": 1})
    await operator.decide(await operator.open_review(run), respond("bad"))
    await operator.wait(run, RunState.FAILED)
    await handed_back(operator, run, state={"value": 2})
    review = await operator.open_review(run)
    assert "may have run once" in review.row.note
    await operator.decide(review, respond("good"))
    assert (await operator.result_of(run))["answer"] == "good"


async def test_handback_inside_a_subgraph_can_guide_and_answer(operator: Reviewer) -> None:
    run = await operator.launch("deep_talk", [LETTER])
    done = await handed_back(operator, run, answer="That will do.")
    assert (done.state, done.note) == ("applied", "")
    assert said(await operator.result_of(run)) == [("agent", "That will do.")]
    run = await operator.launch("inside", given={"text": "x"})
    done = await handed_back(operator, run, state={"text": "y"})
    assert done.state == "failed"
    assert "it stands inside inner, which would begin again" in done.note
    await operator.decide(await operator.open_review(run), approve())
    assert [d["did"] for d in operator.effects(run)] != []


async def test_handback_with_a_result_replaces_a_delegated_call(operator: Reviewer) -> None:
    run = await operator.launch("tool1", [("delegate", {"text": "x"})])
    (call,) = await calls_of(operator, run)
    assert call.name == "delegate"
    await handed_back(operator, run, results={call.id: "I asked myself"})
    assert tool_results(await operator.result_of(run)) == {"delegate": ["I asked myself"]}
    assert operator.effects(run) == []


async def test_handback_with_state_for_an_entrypoint_is_refused(operator: Reviewer) -> None:
    run = await operator.launch("functional", given={"text": "a"})
    takeover = await taken(operator, run)
    await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(state={"x": 1}))
    done = await ended(operator, takeover)
    assert (done.state, done.note) == (
        "failed", "its graph has no state that could be edited; answer what it asks, or cancel the run",
    )  # fmt: skip
    await operator.decide(await operator.open_review(run), respond("yes"))


@pytest.mark.slow
async def test_handback_at_an_agent_inbox_request_works(pauses: Reviewer) -> None:
    run = await pauses.launch("letters", given={"text": "hello"})
    review = await pauses.open_review(run)
    assert review.row.kind is PauseKind.AGENT_INBOX
    takeover = await pauses.inbox.takeovers.take(run.id)
    with pytest.raises(Refused, match="the graph keeps no messages, so the plan cannot have 'answer'"):
        await pauses.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(answer="I wrote it."))
    await pauses.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(state={"text": "good day"}))
    assert (await ended(pauses, takeover)).state == "applied"
    review = await pauses.open_review(run)
    assert review.actions[0].args == {"to": "ann", "content": "good day"}
    await pauses.inbox.runs.cancel(run.id)


async def test_handback_with_guidance_inside_a_subgraph_restarts_the_agent(operator: Reviewer) -> None:
    run = await operator.launch("deep_talk", [LETTER])
    await handed_back(operator, run, guidance=json.dumps([[["look", {"path": "p"}]]]))
    review = await operator.open_review(run)
    assert [a.name for a in review.actions[:1]] != ["send"]
    await operator.decide(review, approve())
    await operator.result_of(run)
    assert [d["did"] for d in operator.effects(run)] == ["look"]


# Obstacles


async def test_takeover_suspends_deadlines(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    review = await operator.open_review(run)
    takeover = await operator.inbox.takeovers.take(run.id)
    await operator.store.write(
        "UPDATE reviews SET deadline_at = 1, deadline_then = 'reject', deadline_rule = 'letters' WHERE id = ?", (review.row.id,)
    )
    other = await operator.launch("talker", text="meanwhile")
    await operator.wait(other, RunState.FAILED)
    assert (await operator.inbox.reviews.get(review.row.id)).row.state == "open"
    await operator.inbox.takeovers.discard(takeover.id)
    await operator.result_of(run)
    assert (await operator.inbox.reviews.get(review.row.id)).row.decided == "rejected by timeout:letters"


async def test_takeover_of_a_running_run_is_refused(operator: Reviewer) -> None:
    run = await operator.launch("slow", given={"text": "x", "seconds": 1})
    await operator.until_effect(run, "slow_sync begins")
    with pytest.raises(Refused, match=f"run r{run.id} is moving: it is running"):
        await operator.inbox.takeovers.take(run.id)
    await operator.result_of(run)
    with pytest.raises(Refused, match=f"run r{run.id} is done: there is nothing left to take over"):
        await operator.inbox.takeovers.take(run.id)
    with pytest.raises(Refused, match="there is no run r999"):
        await operator.inbox.takeovers.take(999)


async def test_takeover_of_a_decided_review_is_refused(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("takeover")
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("batched", [LETTER])
        review = await ann.open_review(run)
        bob = Inbox(ann.store, "bob", grace_s=600)
        await bob.reviews.decide(review, {0: approve()})
        with pytest.raises(Refused, match=f"run r{run.id} is moving: review {review.row.id} was approved by bob"):
            await ann.inbox.takeovers.take(run.id)
        await bob.reviews.undo(review.row.id)
        assert (await ann.inbox.takeovers.take(run.id)).is_live


async def test_takeover_by_a_second_person_is_refused(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    review = await operator.open_review(run)
    bob = Inbox(operator.store, "bob")
    takeover = await operator.inbox.takeovers.take(run.id)
    assert await operator.inbox.takeovers.take(run.id) == takeover
    for who in (bob, operator.inbox):
        with pytest.raises(Stale, match="taken over by"):
            await who.reviews.decide(review, {0: approve()})
    with pytest.raises(Refused, match=rf"ann took run r{run.id} over at [\d:]+; take it from them with a reason"):
        await bob.takeovers.take(run.id)
    for verb in (
        bob.takeovers.save_plan(takeover.id, TakeoverPlan()),
        bob.takeovers.hand_back(takeover.id, TakeoverPlan(guidance="x")),
        bob.takeovers.discard(takeover.id),
    ):
        with pytest.raises(Stale, match=f"run r{run.id} is taken over by ann"):
            await verb
    with pytest.raises(Refused, match="the plan does nothing"):
        await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan())
    await operator.inbox.takeovers.save_plan(takeover.id, TakeoverPlan(guidance="ha"))
    theirs = await bob.takeovers.take(run.id, "ann is on holiday")
    assert (theirs.actor, theirs.plan) == ("bob", TakeoverPlan())
    with pytest.raises(Stale, match=f"the takeover of run r{run.id} is discarded: taken by bob: ann is on holiday"):
        await operator.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(guidance="x"))
    assert (await operator.inbox.reviews.get(review.row.id)).row.claimed_by == "bob"
    mine = await operator.inbox.takeovers.take(run.id, "I am back")
    assert mine.plan == TakeoverPlan(guidance="ha"), "what somebody took from under it is there again"
    await operator.inbox.takeovers.discard(mine.id)
    assert (await operator.inbox.takeovers.take(run.id)).plan == TakeoverPlan(), "a discarded plan is not kept"
    theirs = await bob.takeovers.take(run.id, "ann is on holiday")
    await bob.takeovers.discard(theirs.id)
    await operator.decide(review, approve())
    await operator.result_of(run)
    kinds = [entry["kind"] for entry in logged(operator, run)]
    assert [k for k in kinds if "taken" in k or "discard" in k] == ["taken_over", "discarded"] * 5


async def test_takeover_blocks_claim_and_escalate(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    review = (await operator.open_review(run)).row.id
    takeover = await operator.inbox.takeovers.take(run.id)
    for who, holder in ((operator.inbox, "you"), (Inbox(operator.store, "bob"), "ann")):
        for verb in (who.reviews.claim(review, "mine now"), who.reviews.release(review), who.reviews.escalate(review, "leads", "please")):
            with pytest.raises(Stale, match=f"the run of review {review} is taken over by {holder}"):
                await verb
    row = (await operator.inbox.reviews.get(review)).row
    assert (row.claimed_by, row.is_taken_over, row.escalated) == ("ann", True, "")
    await operator.inbox.takeovers.discard(takeover.id)
    await operator.inbox.reviews.claim(review)
    await operator.inbox.runs.cancel(run.id)


async def test_handback_when_the_thread_moved_elsewhere_changes_nothing(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("takeover")
    worker = sandbox.start()
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("batched", [LETTER])
        takeover = await taken(ann, run)
        worker.kill()
        async with AsyncSqliteSaver.from_conn_string(str(sandbox.home.checkpoints)) as saver:
            graph = create_agent(FakeListChatModel(responses=["x"]), []).copy(update={"checkpointer": saver})
            await graph.aupdate_state({"configurable": {"thread_id": run.thread}}, {"messages": [("ai", "elsewhere")]}, as_node="model")
        await ann.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(answer="Too late."))
        sandbox.start()
        done = await ended(ann, takeover)
        assert done.state == "stale"
        assert "the run has moved since it was taken over, so nothing was applied" in done.note
        assert (await ann.inbox.runs.get(run.id)).state is RunState.WAITING
        assert (await ann.inbox.takeovers.take(run.id)).plan == TakeoverPlan(answer="Too late."), "the plan stays"


async def test_takeover_can_cancel_the_run(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    takeover = await taken(operator, run)
    await operator.inbox.runs.cancel(run.id)
    now = await ended(operator, takeover)
    assert (now.state, now.note) == ("discarded", "the run was cancelled")
    await handed_back(operator, run, guidance="[]")
    assert "done: " in said(await operator.result_of(run))[-1][1], "one that was cancelled can go on as well"


@pytest.mark.parametrize(
    ("step", "state", "note"),
    [("submitted", "failed", "the run was interrupted before anything of it was applied"), ("resumed", "applied", "may have been applied")],
)
async def test_handback_interrupted_by_a_crash_is_resolved(new_sandbox: SandboxFactory, step: str, state: str, note: str) -> None:
    sandbox = new_sandbox("takeover")
    worker = sandbox.start()
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("batched", [LETTER, SECOND])
        (call, _) = await calls_of(ann, run)
        takeover = await taken(ann, run)
        worker.kill()
        await ann.inbox.takeovers.hand_back(takeover.id, TakeoverPlan(calls=(Call(call.id, "send", {"to": "zoe"}),)))
        sandbox.start(kill_at=step).wait()
        sandbox.start()
        done = await ended(ann, takeover)
        assert (done.state, note in done.note) == (state, True), done
        review = await ann.open_review(run)
        assert ann.effects(run) == []
        if step == "resumed":
            assert note in review.row.note
            await ann.decide(review, approve())
            await ann.until_applied(review)
            review = await ann.open_review(run)
            assert [a.args for a in review.actions] == [{"to": "zoe"}], "it is asked before it runs"
        else:
            assert len(review.actions) == 2, "the run is as it was"
        await ann.decide(review, *[approve()] * len(review.actions))
        await ann.result_of(run)
        assert sorted(d["to"] for d in ann.effects(run)) == (["zoe"] if step == "resumed" else ["bob", "eve"])


async def test_takeover_is_audited(operator: Reviewer) -> None:
    run = await operator.launch("batched", [LETTER])
    (call,) = await calls_of(operator, run)
    await handed_back(operator, run, results={call.id: "told"})
    await operator.result_of(run)
    found = [entry for entry in logged(operator, run) if "take" in entry["kind"] or "hand" in entry["kind"]]
    assert [(entry["kind"], entry["actor"]) for entry in found] == [
        ("taken_over", "ann"),
        ("handed_back", "ann"),
        ("take_over_applied", ""),
    ]
    assert json.loads(found[1]["body"])["plan"] == {"results": {call.id: "told"}}


@pytest.mark.slow
def test_takeover_commands_take_show_and_hand_back(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("takeover")
    sandbox.cli("launch", "react_twice", json.dumps([[LETTER]]))
    sandbox.cli("launch", "batched", json.dumps([[LETTER]]))
    assert sandbox.run_until_idle() == 0
    told = sandbox.cli_json("take-over", "r2")
    (call,) = told["head"]["calls"]
    assert (call["name"], call["args"]) == (LETTER[0], LETTER[1])
    assert told["state_schema"]["properties"]["messages"]
    assert "taken over by you" in sandbox.cli("take-over", "r2").stdout
    assert sandbox.cli_json("take-over", "r2")["typed"] == {}
    assert "taken over by you" not in sandbox.cli_error("take-over", "r2", "--reviewer", "eve")
    assert sandbox.cli_error("hand-back", "r2", "--plan", '{"result": {}}').startswith("a plan has no 'result'; it has state, text")
    assert sandbox.cli_error("hand-back", "r2", "--plan", "{").startswith("the plan is not JSON")
    assert sandbox.cli_error("hand-back", "r2").startswith("the plan does nothing")
    assert sandbox.cli_error("discard", "r1") == "run r1 is not taken over; `hitl-tui take-over r1` takes it over"
    plan = sandbox.folder / "plan.json"
    plan.write_text(json.dumps({"results": {call["id"]: "told"}}))
    sandbox.cli("hand-back", "r2", "--plan-file", str(plan))
    assert sandbox.run_until_idle() == 0
    run = next(run for run in sandbox.cli_json("runs") if run["run"] == "r2")
    assert run["state"] == "done"
    assert tool_results(run["result"]) == {"send": ["told"]}
    assert sandbox.cli_error("discard", "r2").startswith("run r2 is not taken over: the last takeover was applied")
