"""Messages of a model that are no clean proposal: calls that share an id, calls that cannot be read, an end that was cut off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import DecisionKind, Outcome, Review, Run, RunState
from tests.support.harness import Reviewer, SandboxFactory, approve, edit, open_reviewer, reject, respond, tool_results
from tests.support.tiers import sampled
from tests.worker.test_takeover import calls_of, handed_back, paired

POLICY = """
spot_check = 0
[[rule]]
name = "all"
tool = ["send", "delete", "look"]
risk = "read"
outcome = "auto"
"""


@pytest.fixture
async def messages(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("messages")) as reviewer:
        yield reviewer


async def launch(reviewer: Reviewer, agent: str, *rounds: dict[str, Any]) -> Run:
    """Launch an agent whose model writes messages with these fields."""
    return await reviewer.launch(agent, text=json.dumps(rounds))


def call(name: str, id_: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id_, "type": "tool_call"}


def two(id_: str = "x") -> dict[str, Any]:
    return {"tool_calls": [call("send", id_, to="ann"), call("send", id_, to="bob")]}


def sent_to(reviewer: Reviewer, run: Run) -> list[str]:
    return sorted(effect["to"] for effect in reviewer.effects(run) if effect["did"] == "send")


AGENTS = ["batched", "gate", "classic"]


@pytest.mark.parametrize(("agent", "id_"), sampled([("batched", "x"), *((agent, id_) for agent in AGENTS for id_ in ("x", ""))]))
async def test_calls_that_share_an_id_get_one_answer(messages: Reviewer, agent: str, id_: str) -> None:
    run = await launch(messages, agent, two(id_))
    review = await messages.open_review(run)
    assert f"calls 1 and 2 share the id {id_!r}" in review.row.note
    assert all(DecisionKind.EDIT not in action.allowed for action in review.actions)
    for answers in ({0: approve()}, {0: approve(), 1: reject()}, {1: respond("no")}, {0: reject("a"), 1: reject("b")}):
        with pytest.raises(Refused, match="share one id"):
            await messages.inbox.reviews.decide(review, answers)
    with pytest.raises(Refused, match="cannot be answered with edit"):
        await messages.decide(review, edit(to="eve"), edit(to="eve"))
    await messages.decide(review, approve(), approve())
    await messages.result_of(run)
    assert sent_to(messages, run) == ["ann", "bob"]
    assert (await messages.inbox.reviews.get(review.row.id)).row.warning == ""


@pytest.mark.slow
async def test_takeover_of_calls_that_share_an_id_gives_each_the_written_result(messages: Reviewer) -> None:
    run = await launch(messages, "batched", two())
    await messages.open_review(run)
    assert [call.args for call in await calls_of(messages, run)] == [{"to": "ann"}, {"to": "bob"}]
    await handed_back(messages, run, results={"x": "both by phone"})
    state = await messages.result_of(run)
    told = [one.get("text") for one in state["messages"] if one["role"] == "tool"]
    assert told == ["both by phone"] * len(told) and told and sent_to(messages, run) == []


@pytest.mark.slow
async def test_number_of_64_bits_as_an_argument_arrives_and_a_longer_one_ends_the_run(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("store", {"data": 2**64 - 1})])
    review = await pauses.open_review(run)
    assert review.actions[0].args == {"data": 2**64 - 1}
    with pytest.raises(Refused, match="more than 64 bits"):
        await pauses.decide(review, edit(data=10**40))
    await pauses.decide(review, approve())
    await pauses.wait(run, RunState.DONE)
    assert [effect["data"] for effect in pauses.effects(run)] == [2**64 - 1]
    longer = await pauses.launch("batched", [("store", {"data": 10**40})])
    failed = await pauses.wait(longer, RunState.FAILED)
    assert "its state holds something that cannot be stored" in failed.error and pauses.effects(longer) == []


@pytest.mark.parametrize("agent", sampled(AGENTS, gate=0))
async def test_calls_that_share_an_id_are_refused_together(messages: Reviewer, agent: str) -> None:
    run = await launch(messages, agent, two())
    await messages.decide(await messages.open_review(run), reject("no"), reject("no"))
    await messages.result_of(run)
    assert sent_to(messages, run) == []


@pytest.mark.parametrize(
    ("first", "second", "ran"),
    sampled([(approve(), reject("no"), ["ann"]), (reject("no"), approve(), ["bob"]), (edit(to="eve"), approve(), ["bob", "eve"]),
             (approve(), approve(), ["ann", "bob"]), (edit(to="eve"), edit(to="dan"), ["dan", "eve"])]),
)  # fmt: skip
async def test_calls_that_share_an_id_are_decided_apart_where_each_asks(
    messages: Reviewer, first: Any, second: Any, ran: list[str]
) -> None:
    run = await launch(messages, "per_call", two())
    reviews = await messages.open_reviews(run, 2)
    assert "2 calls of this message share the id 'x'; this decides one of them" in reviews[0].row.note
    answers = {"ann": first, "bob": second}
    for review in reviews:
        await messages.decide(review, answers[review.actions[0].args["to"]])
    await messages.wait(run, RunState.DONE)
    assert sent_to(messages, run) == ran


SAME = {"tool_calls": [call("send", "x", to="ann"), call("send", "x", to="ann")]}


@pytest.mark.parametrize(("first", "second", "ran"), sampled([
    (edit(to="eve"), reject("no"), ["eve"]), (edit(to="eve"), None, ["eve"]), (approve(), None, ["ann"]),
    (reject("no"), edit(to="eve"), ["eve"]), (edit(to="bob"), reject("no"), ["bob"]), (respond("done"), edit(to="ann"), ["ann"]),
]))  # fmt: skip
async def test_call_runs_while_another_with_its_id_is_refused_or_waits(messages: Reviewer, first: Any, second: Any, ran: list[str]) -> None:
    run = await launch(messages, "per_call", two())
    ann, bob = sorted(await messages.open_reviews(run, 2), key=lambda review: str(review.actions[0].args["to"]))
    if second:
        await messages.decide(bob, second)
        await messages.until_applied(bob)
    await messages.decide(ann, first)
    await messages.until_applied(ann)
    if not second:
        await messages.decide(bob, reject("no"))
    await messages.wait(run, RunState.DONE)
    assert sent_to(messages, run) == ran


@pytest.mark.parametrize("first", sampled([approve(), reject("twice"), edit(to="eve")]))
async def test_equal_calls_that_share_an_id_are_decided_apart(messages: Reviewer, first: Any) -> None:
    run = await launch(messages, "per_call", SAME)
    one, other = await messages.open_reviews(run, 2)
    await messages.decide(one, first)
    await messages.until_applied(one)
    await messages.decide(other, reject("once is enough"))
    await messages.wait(run, RunState.DONE)
    assert sent_to(messages, run) == {"approve": ["ann"], "edit": ["eve"]}.get(first.kind, [])


# A step that ended for some of its calls


def lost(to: str, id_: str = "x") -> dict[str, Any]:
    return call("post", id_, to=to, is_lost=True)


def posted(to: str, id_: str = "x") -> dict[str, Any]:
    return call("post", id_, to=to)


async def half_done(reviewer: Reviewer, *calls: dict[str, Any]) -> tuple[Run, Review]:
    """Approve calls at a gate of which some fail, retry the run, and return the review of those that are left."""
    run = await launch(reviewer, "gate", {"tool_calls": list(calls)})
    await reviewer.decide(await reviewer.open_review(run), *(approve() for _ in calls))
    await reviewer.wait(run, RunState.FAILED)
    await reviewer.inbox.runs.retry(run.id)
    return run, await reviewer.open_review(run)


def posts(reviewer: Reviewer, run: Run) -> list[str]:
    return sorted(effect["to"] for effect in reviewer.effects(run) if effect["did"] == "post")


HALF_DONE: list[Any] = [
    ([posted("bob"), lost("ann")], [approve()], ["ann", "ann", "bob"], {"posted to ann", "posted to bob"}),
    ([posted("bob"), lost("ann")], [reject("enough")], ["ann", "bob"], {"enough", "posted to bob"}),
    ([lost("ann"), posted("bob")], [respond("by hand")], ["ann", "bob"], {"by hand", "posted to bob"}),
    ([posted("bob"), lost("ann"), lost("eve", "y")], [approve(), reject("enough")], ["ann", "ann", "bob", "eve"],
     {"posted to ann", "posted to bob", "enough"}),
    ([lost("ann"), posted("bob"), lost("eve", "y")], [reject("enough"), edit(to="dan")], ["ann", "bob", "dan", "eve"],
     {"enough", "posted to bob", "posted to dan"}),
    ([lost("ann"), posted("bob"), lost("eve", "y")], [approve(), edit(to="dan")], ["ann", "ann", "bob", "dan", "eve"],
     {"posted to ann", "posted to bob", "posted to dan"}),
    ([lost("ann", "a"), posted("bob", "b"), lost("eve", "c")], [approve(), edit(to="dan")], ["ann", "ann", "bob", "dan", "eve"],
     {"posted to ann", "posted to bob", "posted to dan"}),
    ([lost("ann", "a"), posted("bob", "b"), lost("eve", "c")], [approve(), reject("enough")], ["ann", "ann", "bob", "eve"],
     {"posted to ann", "posted to bob", "enough"}),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "answers", "ran", "told"), sampled(HALF_DONE))
async def test_calls_left_of_a_half_done_step_are_asked_and_answered(
    messages: Reviewer, calls: list[Any], answers: list[Any], ran: list[str], told: set[str]
) -> None:
    run, review = await half_done(messages, *calls)
    left = [one["args"]["to"] for one in calls if one["args"].get("is_lost")]
    assert [action.args["to"] for action in review.actions] == left
    attempts = (await messages.inbox.reviews.context(review.row.id)).attempts
    assert {(one.args["to"], one.result) for one in attempts} == {("bob", "posted to bob")}, "no call shows the result of another"
    await messages.decide(review, *answers)
    state = await messages.result_of(run)
    assert posts(messages, run) == ran
    assert {text for results in tool_results(state).values() for text in results} == told and paired(state)


@pytest.mark.slow
@pytest.mark.parametrize("plan", [{"results": {"x": "by hand"}}, {"text": "once more"}, {"calls": [("ann", False)]}, {"guidance": "[]"}])
async def test_takeover_of_a_half_done_step_gets_the_calls_that_are_left(messages: Reviewer, plan: dict[str, Any]) -> None:
    run, _ = await half_done(messages, posted("bob"), lost("ann"))
    [left] = await calls_of(messages, run)
    assert left.args["to"] == "ann"
    again = "calls" in plan or "text" in plan
    if "calls" in plan:
        plan = {"calls": (replace(left, args={"to": "ann", "is_lost": False}),)}
    await handed_back(messages, run, **plan)
    if again:
        review = await messages.open_review(run)
        assert [action.args["to"] for action in review.actions] == ["ann"]
        await messages.decide(review, approve())
    state = await messages.result_of(run)
    assert posts(messages, run) == ["ann", "ann", "bob"] if again else ["ann", "bob"]
    assert paired(state), state["messages"]


async def test_call_without_an_id_cannot_be_edited_where_the_edit_would_be_lost(messages: Reviewer) -> None:
    run = await launch(messages, "batched", {"tool_calls": [call("send", "", to="ann")]})
    review = await messages.open_review(run)
    assert review.actions[0].allowed == (DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.RESPOND)
    await messages.decide(review, approve())
    await messages.result_of(run)
    assert sent_to(messages, run) == ["ann"]


async def test_call_that_shares_its_id_with_one_nobody_is_asked_about_says_so(messages: Reviewer) -> None:
    run = await launch(messages, "batched", {"tool_calls": [call("send", "x", to="ann"), call("look", "x", path="/p")]})
    review = await messages.open_review(run)
    assert "call 1 shares the id 'x' with 1 more of its message, about which nobody is asked" in review.row.note
    await messages.decide(review, approve())
    await messages.result_of(run)
    assert sorted(effect["did"] for effect in messages.effects(run)) == ["look", "send"]


async def test_approved_call_that_left_no_result_is_shown_as_such(messages: Reviewer) -> None:
    run = await launch(messages, "forgetful", {"tool_calls": [call("send", "a", to="ann"), call("send", "b", to="bob")]})
    review = await messages.open_review(run)
    await messages.decide(review, approve(), approve())
    await messages.result_of(run)
    shown = messages.sandbox.cli("show", str(review.row.id)).stdout
    assert "approved, but the agent went on without a result: call 1 (send) and call 2 (send)" in shown


CUT: list[dict[str, Any]] = [
    {"response_metadata": {"finish_reason": "length"}}, {"response_metadata": {"stop_reason": "max_tokens"}},
    {"response_metadata": {"finishReason": "MAX_TOKENS"}}, {"response_metadata": {"finish_reason": "lengthlength"}},
    {"response_metadata": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}},
    {"response_metadata": {"stopReason": "max_tokens"}}, {"response_metadata": {"done_reason": "length"}},
    {"additional_kwargs": {"finish_reason": "length"}}, {"response_metadata": {"candidates": [{"finish_reason": "MAX_TOKENS"}]}},
    {"response_metadata": {"stop_reason": "model_context_window_exceeded"}}, {"response_metadata": {"finish_reason": "content_filter"}},
]  # fmt: skip
WHOLE: list[dict[str, Any]] = [
    {"response_metadata": {"finish_reason": "tool_calls"}}, {"response_metadata": {"stop_reason": "tool_use", "model_name": "length"}},
    {"response_metadata": {"status": "completed", "incomplete_details": None, "max_tokens": 500, "content_length": 5}},
    {"additional_kwargs": {"parsed": {"status": "incomplete", "finish_reason": "length"}}},
    {"response_metadata": {"finish_reason": "stop", "usage": {"completion_tokens_details": {"reasoning_tokens": 5}}}},
]  # fmt: skip


async def test_message_that_was_cut_off_is_said_and_never_goes_on_by_itself(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("messages")
    (sandbox.home.path / "policy.toml").write_text(POLICY)
    async with open_reviewer(sandbox) as reviewer:
        one: dict[str, Any] = {"tool_calls": [call("delete", "a", path="/tmp/sandbox/")]}
        unreadable: dict[str, Any] = {
            "invalid_tool_calls": [{"name": "send", "args": '{"to": "bo', "id": "b", "error": None, "type": "invalid_tool_call"}]
        }
        cut = [await launch(reviewer, "batched", {**one, **more}) for more in CUT]
        at_gate = await launch(reviewer, "gate", {**one, **CUT[0]})
        broken = await launch(reviewer, "batched", {**one, **unreadable})
        whole = [await launch(reviewer, "batched", {**one, **more}) for more in WHOLE]
        assert sandbox.run_until_idle() == 0
        for run, more in zip([*cut, at_gate], [*CUT, CUT[0]], strict=True):
            review = await reviewer.open_review(run)
            assert review.row.note == "the model was cut off: arguments may be incomplete", more
            assert review.actions[0].outcome is Outcome.ASK
        review = await reviewer.open_review(broken)
        assert review.row.note == 'the message also holds a call that cannot be read and will not run: send {"to": "bo'
        assert ("send (cannot be read)", '{"to": "bo') in (await reviewer.inbox.reviews.context(review.row.id)).conversation[-1].calls
        for run in whole:
            await reviewer.result_of(run)
            assert [effect["did"] for effect in reviewer.effects(run)] == ["delete"]
