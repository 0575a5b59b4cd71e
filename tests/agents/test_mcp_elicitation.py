"""Questions of an MCP server during a tool call, answered through LangChain's own loop."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Answer, DecisionKind, PauseKind
from tests.support.harness import Reviewer, approve, edit, reject, respond, tool_results

PARTY = {
    "type": "object",
    "properties": {"people": {"type": "integer", "minimum": 1}, "smoking": {"type": "boolean"}},
    "required": ["people"],
}
FORM = {"party": {"message": "How many are you?", "requested_schema": PARTY}}
VISIT = {"pay": {"message": "Please pay.", "url": "https://example.invalid/pay"}}
SURE = {"sure": {"message": "Really?", "requested_schema": {"type": "object", "properties": {}}}}


def fill(**data: Any) -> Answer:
    return Answer(DecisionKind.RESPOND, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "answer", "told"),
    [
        (FORM, fill(people=3, smoking=False), {"party": {"action": "accept", "content": {"people": 3, "smoking": False}}}),
        (FORM, reject("none of its business"), {"party": {"action": "decline"}}),
        (VISIT, approve(), {"pay": {"action": "accept"}}),
        (VISIT, reject(), {"pay": {"action": "decline"}}),
        (SURE, approve(), {"sure": {"action": "accept", "content": {}}}),
        (SURE, fill(), {"sure": {"action": "accept", "content": {}}}),
    ],
    ids=["form", "form declined", "address", "address declined", "nothing to fill in", "empty form"],
)
async def test_elicitation_answer_reaches_the_server(pauses: Reviewer, asked: Any, answer: Answer, told: Any) -> None:
    run = await pauses.launch("elicit", [("book", {"rounds": [asked]})])
    review = await pauses.open_review(run)
    [(key, question)] = asked.items()
    [action] = review.actions
    assert (review.row.kind, review.node, action.name) == (PauseKind.MCP_ELICITATION, "tools", "book")
    assert (action.args["message"], action.args["key"]) == (question["message"], key)
    assert action.answer_schema == question.get("requested_schema")
    assert action.args.get("url") == question.get("url")
    assert set(action.means) >= {"approve", "reject"}
    await pauses.decide(review, answer)
    assert tool_results(await pauses.result_of(run))["book"] == ["booked"]
    assert pauses.effects(run) == [{"did": "told", **told}, {"did": "booked"}]


async def test_elicitations_of_several_rounds_are_asked_in_order(pauses: Reviewer) -> None:
    run = await pauses.launch("elicit", [("book", {"rounds": [{**FORM, **VISIT}, SURE]})])
    review = await pauses.open_review(run)
    assert [a.args["key"] for a in review.actions] == ["party", "pay"]
    assert [set(a.allowed) for a in review.actions] == [
        {DecisionKind.RESPOND, DecisionKind.REJECT},
        {DecisionKind.APPROVE, DecisionKind.REJECT},
    ]
    await pauses.decide(review, fill(people=2), reject())
    again = await pauses.open_review(run)
    assert again.actions[0].args["key"] == "sure"
    await pauses.decide(again, approve())
    await pauses.result_of(run)
    assert pauses.effects(run)[-2:] == [{"did": "told", "sure": {"action": "accept", "content": {}}}, {"did": "booked"}]
    assert {"did": "told", "party": {"action": "accept", "content": {"people": 2}}, "pay": {"action": "decline"}} in pauses.effects(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [fill(), fill(people=0), fill(people="two"), fill(people=2, more={"a": 1}), fill(people=2, more=[1]), respond("two"),
     Answer(DecisionKind.RESPOND, [2]), approve(), edit(people=2)],
    ids=lambda answer: f"{answer.kind} {answer.args} {answer.message}",
)  # fmt: skip
async def test_elicitation_answer_that_does_not_fit_is_refused(pauses: Reviewer, answer: Answer) -> None:
    run = await pauses.launch("elicit", [("book", {"rounds": [FORM]})])
    review = await pauses.open_review(run)
    with pytest.raises(Refused):
        await pauses.decide(review, answer)
    await pauses.decide(review, fill(people=1))
    await pauses.result_of(run)
    assert {"did": "booked"} in pauses.effects(run)
