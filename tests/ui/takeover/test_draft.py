"""What is typed in a takeover: JSON that cannot be handed back says why, and what is valid is kept."""

from __future__ import annotations

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Call, Context, RunHead, TakeoverPlan
from hitl_tui.ui.takeover.draft import Draft, Intervention

SCHEMA = {"type": "object", "properties": {"messages": {"type": "array"}, "folder": {"type": "string"}}}
CALLS = (Call("c1", "send", {"to": "ann"}), Call("c2", "delete", {"path": "p"}))


def draft(text: str | None = "I send it.", plan: TakeoverPlan | None = None) -> Draft:
    """The draft of a run that waits with two calls."""
    return Draft.start(RunHead("c", ("tools",), Context(state={"folder": "inbox"}), text, CALLS), SCHEMA, plan or TakeoverPlan(), "", {})


def typed(made: Draft, intervention: Intervention, json_text: str) -> Draft:
    """The draft with a part typed as JSON."""
    made.values[intervention].show_json()
    made.values[intervention].json = json_text
    return made


@pytest.mark.parametrize(
    ("part", "text", "said"),
    [
        (Intervention.REWRITE, '{"calls": []}', "the rewrite does not have exactly message and calls"),
        (Intervention.REWRITE, '{"message": 5, "calls": []}', "the message is not a text"),
        (Intervention.REWRITE, '{"message": "x", "calls": {}}', "the calls are not a list"),
        (Intervention.REWRITE, '{"message": "x", "calls": [{"name": "send"}]}', "a call in the plan is malformed"),
        (Intervention.STATE, "[]", "the state is not an object"),
        (Intervention.STATE, "{}", "the key 'folder' is missing: a graph's state cannot lose a key"),
        (Intervention.STATE, '{"folder": ', "the state is not JSON"),
        (Intervention.RESULT, '{"c1": 5, "c2": ""}', "a result in the plan is not a text"),
    ],
)
def test_part_that_cannot_be_handed_back_says_why_and_the_others_are_kept(part: Intervention, text: str, said: str) -> None:
    made = typed(draft(), part, text)
    made.guidance = "ask her first"
    assert list(made.problems()) == [part] and said in made.problems()[part]
    with pytest.raises(Refused, match="^" + said[:20]):
        made.plan()
    assert made.valid_plan() == TakeoverPlan(guidance="ask her first")
    assert list(made.invalid_texts()) == [part]


@pytest.mark.parametrize(
    ("part", "text", "said"),
    [
        (Intervention.REWRITE, '{"message": "x", "calls": [5]}', "it is not a message with calls"),
        (Intervention.RESULT, '{"c1": "done"}', "these are not results of the open calls; write one for each of c1, c2"),
        (Intervention.STATE, "{", "the state is not JSON"),
    ],
)
def test_json_that_no_fields_can_show_stays_json(part: Intervention, text: str, said: str) -> None:
    value = typed(draft(), part, text).values[part]
    with pytest.raises(Refused, match=said):
        value.show_fields()
    assert value.is_raw and value.json == text


def test_rewrite_where_the_last_message_is_not_the_agents_is_not_possible() -> None:
    assert draft(None).unavailable(Intervention.REWRITE) == "nothing to rewrite"
    assert draft("").unavailable(Intervention.REWRITE) == ""
    plan = TakeoverPlan(text="I wait.", calls=CALLS[:1], state={"folder": "sent"})
    made = draft(plan=plan)
    assert made.plan() == plan
    assert made.summary().startswith("1 state key changed, the agent's message rewritten, 1 call instead of 2; ")
