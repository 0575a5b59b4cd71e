"""Takeover plans: their JSON form, and what of them a run cannot take."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_tui import takeover_plan
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Context, Json, Message, RunHead, TakeoverPlan

pytestmark = pytest.mark.slow

CALL = Call("c1", "pay", {"amount": 5})
PAY: Json = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
SCHEMA: Json = {"type": "object", "properties": {"messages": {}, "total": {"type": "integer"}}}
HEAD = RunHead("cp", ("tools",), Context((Message("user", "pay 5"),), state={"total": 5}), "Paying.", (CALL,), {"pay": PAY})
USER_LAST = RunHead("cp", ("agent",), Context((Message("user", "pay 5"),)))
NO_MESSAGES = RunHead("cp", ("step",), Context(state={"total": 5}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "the plan is not an object"),
        (None, "the plan is not an object"),
        ({"textt": "x"}, "a plan has no 'textt'"),
        ({"text": 5}, "'text' of the plan is not a text"),
        ({"guidance": None}, "'guidance' of the plan is not a text"),
        ({"state": []}, "'state' of the plan is not an object of new values by key"),
        ({"calls": {}}, "'calls' of the plan is not a list of calls"),
        ({"results": {"c1": 5}}, "a result in the plan is not a text"),
        ({"calls": ["pay"]}, "a call in the plan is malformed"),
        ({"calls": [{"name": "pay"}]}, "a call in the plan is malformed"),
        ({"calls": [{"name": "pay", "args": {}, "id": 5}]}, "a call in the plan is malformed"),
        ({"calls": [{"name": "pay", "args": {}, "type": "x"}]}, "a call in the plan is malformed"),
    ],
)
def test_json_that_is_no_plan_is_refused(given: Json, said: str) -> None:
    with pytest.raises(Refused) as caught:
        takeover_plan.parse(given)
    assert caught.value.happened == said and caught.value.todo


def test_plan_is_the_same_after_it_was_written_as_json() -> None:
    plan = TakeoverPlan({"total": 6}, "Wait.", (Call("c1", "pay", {"amount": 6}), Call("", "pay", {"amount": 1})), {"c2": "done"})
    assert takeover_plan.parse(takeover_plan.as_json(plan)) == plan
    assert takeover_plan.as_json(TakeoverPlan(guidance="ask first")) == {"guidance": "ask first"}


def plan(**parts: Any) -> TakeoverPlan:
    return TakeoverPlan(**parts)


@pytest.mark.parametrize(
    ("made", "head", "said"),
    [
        (plan(), HEAD, "the plan does nothing"),
        (plan(answer="x", guidance="y"), HEAD, "an answer ends the run, and guidance lets the agent go on"),
        (plan(answer=" "), HEAD, "the answer is empty"),
        (plan(answer="x", calls=(CALL,)), HEAD, "an answer ends the run: the rewritten calls would never run"),
        (plan(guidance="x", calls=(CALL,)), HEAD, "with guidance the agent tries again"),
        (plan(guidance="x"), NO_MESSAGES, "the graph keeps no messages"),
        (plan(text="a\ud800"), HEAD, "the plan "),
        (plan(state={"messages": []}), HEAD, "messages cannot be edited as state"),
        (plan(state={"totl": 1}), HEAD, "the graph's state has no 'totl'"),
        (plan(state={"total": "many"}), HEAD, "the state does not fit the graph"),
        (plan(text="x"), USER_LAST, "the last message is not the agent's: it cannot be rewritten"),
        (plan(calls=()), USER_LAST, "the last message is not the agent's: it has no calls to rewrite"),
        (plan(calls=(CALL, CALL)), HEAD, "two calls have the same id"),
        (plan(calls=(Call("", "refund", {}),)), HEAD, "the agent has no tool refund"),
        (plan(calls=(Call("c1", "pay", {"amount": "x"}),)), HEAD, "the arguments of pay do not fit"),
        (plan(results={"c9": "done"}), HEAD, "no tool call 'c9' waits for a result"),
        (plan(results={"c1": "done"}, calls=()), HEAD, "no tool call 'c1' waits for a result"),
    ],
)
def test_plan_that_does_not_fit_the_run_is_refused(made: TakeoverPlan, head: RunHead, said: str) -> None:
    with pytest.raises(Refused) as caught:
        takeover_plan.validate(made, head, None if head is NO_MESSAGES else SCHEMA)
    assert caught.value.happened.startswith(said) and caught.value.todo


@pytest.mark.parametrize(
    "made",
    [
        plan(state={"total": 6}),
        plan(text="Wait.", calls=(Call("c1", "pay", {"amount": 6}),)),
        plan(results={"c1": "done"}),
        plan(answer="Paid."),
        plan(guidance="ask first", results={"c1": "done"}),
    ],
)
def test_plan_that_fits_the_run_is_accepted(made: TakeoverPlan) -> None:
    takeover_plan.validate(made, HEAD, SCHEMA)
