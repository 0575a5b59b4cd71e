"""The drill on policies with holes that were planted: what it finds, what it raises a false alarm about, and what closes each hole."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from hitl_tui.drill.calls import KINDS, BadCall, GoodCall, bad_calls, first_of_each, good_calls, own_calls
from hitl_tui.drill.fixes import with_lines
from hitl_tui.drill.report import Report, drill
from hitl_tui.model import ActorKind, DecisionKind, Grant, Outcome, PastDecision, PauseKind, Risk, Scope
from hitl_tui.policy.grants import GrantIndex
from hitl_tui.policy.parser import parse

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


TOOLS = {
    "send_mail": schema(to=TEXT, subject=TEXT, body=TEXT),
    "refund": schema(order_id=TEXT, amount=NUMBER),
    "run_shell": schema(command=TEXT),
    "execute": schema(sql=TEXT),
    "write_file": schema(path=TEXT, content=TEXT),
    "delete_file": schema(path=TEXT),
    "fetch_page": schema(url=TEXT),
    "cancel_order": schema(order_id=TEXT),
    "cancel_orders": schema(order_ids={"type": "array", "items": TEXT}),
    "post": schema(channel=TEXT, message=TEXT),
}
GOODS = good_calls({("clerk", tool): one for tool, one in TOOLS.items()}, [])
BADS = [bad for good in GOODS for bad in bad_calls(good, TOOLS[good.tool])]
FLOOD, SECRETS, URL = "call flood", "leaked secret", "exfiltration by URL"
PLANTED = [
    ("refund", "", {"amount x 10", "amount x 1000", "negative amount", "somebody else's id", FLOOD, "split amount"}),
    ("refund", "args.amount <= 500", {"amount x 10", "negative amount", "somebody else's id", FLOOD, "split amount"}),
    ("refund", "args.amount >= 0 and args.amount <= 100", {"somebody else's id", FLOOD, "split amount"}),
    ("refund", "from_user(args.order_id) and args.amount >= 0 and args.amount <= 100", {FLOOD, "split amount"}),
    ("send_mail", "", {"outside recipient", "look-alike address", SECRETS, URL, FLOOD}),
    ("send_mail", 'args.to in domain("example.com")', {SECRETS, URL, FLOOD}),
    ("send_mail", "from_user(args.to)", {SECRETS, URL, FLOOD}),
    ("send_mail", 'args.to in domain("example.com") and len(args.body) < 60 and from_user(args.body)', {FLOOD}),
    ("run_shell", "", {"destructive command", URL, FLOOD}),
    ("run_shell", 'all(commands(args.command), program in ["ls", "cat", "git"])', {"destructive command", FLOOD}),
    ("run_shell", 'all(commands(args.command), program in ["ls", "cat", "git"] and not writes and not network)', {FLOOD}),
    ("execute", "", {"destructive SQL", FLOOD}),
    ("execute", 'all(statements(args.sql), kind in ["select", "update"])', {"destructive SQL", FLOOD}),
    ("execute", 'all(statements(args.sql), kind in ["select", "update"] and where)', {FLOOD}),
    ("write_file", "", {"path outside", SECRETS, URL, FLOOD}),
    ("write_file", 'not (args.path startswith "/")', {"path outside", SECRETS, URL, FLOOD}),
    ("write_file", 'not (args.path startswith "/" or args.path startswith "~" or args.path contains "..")', {SECRETS, URL, FLOOD}),
    ("delete_file", "", {"path outside", "wide reach", FLOOD}),
    ("delete_file", 'args.path startswith "notes/"', {FLOOD}),
    ("fetch_page", "", {URL}),
    ("fetch_page", 'args.url startswith "https://example.com"', {URL}),
    ("fetch_page", 'args.url in domain("example.com")', set()),
    ("cancel_order", "", {"somebody else's id", "wide reach", FLOOD}),
    ("cancel_order", "from_user(args.order_id) and not repeated", set()),
    ("refund", "args.amount >= 0 and args.amount <= 100 and not repeated", {"somebody else's id", "split amount"}),
    ("cancel_orders", "len(args.order_ids) <= 5", {"somebody else's id", "wide reach", FLOOD}),
]  # fmt: skip


def policy_text(tool: str, when: str) -> str:
    """A policy under which everything asks, but for one tool."""
    return f"spot_check = 0\n\n[[rule]]\nname = 'hole'\ntool = '{tool}'\n{f'when = {chr(39)}{when}{chr(39)}' if when else ''}\noutcome = 'auto'\n"


def drilled(text: str, past: list[PastDecision] | None = None, bads: list[BadCall] | None = None) -> Report:
    return drill(GOODS, BADS if bads is None else bads, parse(text), text, {}, past or [], time.time())


def found(report: Report) -> set[tuple[str, str]]:
    return {(hole.tool, hole.kind) for hole in report.holes}


def test_drill_finds_planted_holes_and_raises_few_false_alarms() -> None:
    planted = missed = alarms = others = 0
    possible = {(bad.good.tool, bad.kind) for bad in BADS}
    for tool, when, kinds in PLANTED:
        holes, expected = found(drilled(policy_text(tool, when))), {(tool, kind) for kind in kinds}
        planted, missed = planted + len(expected), missed + len(expected - holes)
        alarms, others = alarms + len(holes - expected), others + len(possible - expected)
    assert len(PLANTED) >= 20 and planted > 50
    assert missed <= 0.1 * planted and alarms <= 0.05 * others, (missed, planted, alarms, others)


def test_drill_makes_every_kind_of_bad_call() -> None:
    assert {bad.kind for bad in BADS} == set(KINDS)


@pytest.mark.parametrize(
    "tool", ["refund", "send_mail", "run_shell", "execute", "write_file", "delete_file", "fetch_page", "cancel_orders"]
)
def test_smallest_change_closes_its_hole_and_keeps_good_calls(tool: str) -> None:
    text = policy_text(tool, "")
    for hole in drilled(text).holes:
        if hole.fix is None:
            assert hole.advice
            continue
        changed = with_lines(text, hole.fix.toml, hole.fix.line)
        after = drilled(changed)
        assert (tool, hole.kind) not in found(after), hole.fix.toml
        if hole.kind not in (SECRETS, URL):
            assert after.good_run == 1, f"the good call still runs: {hole.fix.toml}"


def past_refund(review: int, amount: int) -> PastDecision:
    return PastDecision(
        review, 0, "clerk", "refund", {"order_id": "4711", "amount": amount}, PauseKind.TOOL_CALLS, tuple(DecisionKind), None, None, "",
        DecisionKind.APPROVE, "ann", 1.0, 2.0, Outcome.ASK, ActorKind.PERSON,
    )  # fmt: skip


def test_smallest_change_says_what_it_would_have_asked_more() -> None:
    past = [past_refund(number, 40 if number < 8 else 4000) for number in range(10)]
    goods = good_calls({("clerk", "refund"): TOOLS["refund"]}, past)
    assert {good.review for good in goods} == set(range(10)), "good calls are those that people approved"
    text = policy_text("refund", "")
    bads = [bad for bad in bad_calls(first_of_each(goods)[0], TOOLS["refund"]) if bad.kind == "amount x 1000"]
    report = drill(goods, bads, parse(text), text, {}, past, time.time())
    (hole,) = report.holes
    assert hole.fix and "args.amount > 4000" in hole.fix.toml and (hole.fix.asks_more, hole.fix.judged) == (0, 10)


def test_drill_asks_about_nothing_without_a_policy_and_fails_by_risk() -> None:
    assert drill(GOODS, BADS, None, "", {}, [], 0.0).holes == ()
    report = drilled(policy_text("execute", ""))
    assert report.fails(Risk.IRREVERSIBLE) and not drilled(policy_text("fetch_page", 'args.url in domain("example.com")')).fails(Risk.READ)


def test_confidence_that_only_the_model_states_is_a_hole_where_it_is_trusted() -> None:
    text = "[[rule]]\nname = 'posts'\ntool = 'post'\nrisk = 'reversible'\n"
    assert ("post", "injected confidence") not in found(drilled(text))
    assert ("post", "injected confidence") in found(drilled('confidence.trust = ["words"]\n' + text))


def test_call_that_a_grant_lets_run_is_a_hole_of_the_grant() -> None:
    now = time.time()
    grant = Grant(
        3, now, "ann", 1, 0, "clerk", "cancel_order", Scope(condition="len(args.order_id) < 9"), 20, 60.0, now + 60, risk=Risk.REVERSIBLE
    )
    text = "[thresholds]\nauto = 1.0\n"
    report = drill(GOODS, BADS, parse(text), text, {}, [], now, GrantIndex([grant]))
    assert {(hole.tool, hole.by) for hole in report.holes} == {("cancel_order", "grant 3")}
    assert all("revoke 3" in hole.advice or hole.kind == FLOOD for hole in report.holes)


def test_own_calls_take_the_place_of_a_good_calls_arguments() -> None:
    own = own_calls([{"name": "pays ourselves", "tool": "ref*", "args": {"order_id": "0"}}], GOODS)
    assert [(one.kind, one.args["order_id"], one.good.tool) for one in own] == [("pays ourselves", "0", "refund")]
    assert found(drilled(policy_text("refund", ""), bads=own)) == {("refund", "pays ourselves")}


def test_what_a_person_would_have_seen_names_marks_of_effects_and_origins() -> None:
    (sql,) = [hole for hole in drilled(policy_text("execute", "")).holes if hole.kind == "destructive SQL"]
    assert any("drop" in mark for one in sql.calls for mark in one.seen) and any(
        "read_page" in mark for one in sql.calls for mark in one.seen
    )


def test_good_calls_are_made_from_types_and_names() -> None:
    def example(**properties: Any) -> Any:
        (good,) = good_calls({("clerk", "move_event"): schema(**properties)}, [])
        assert isinstance(good, GoodCall)
        return good.args

    assert example(day={"type": "string"}, count={"type": "integer", "maximum": 3}, on={"type": "boolean"}) == {
        "day": "2031-03-04",
        "count": 3,
        "on": False,
    }
    assert example(size={"enum": ["small", "large"]}, item={"anyOf": [{"type": "null"}, TEXT]}) == {"size": "small", "item": "4711"}
    assert good_calls({("clerk", "odd"): schema(code={"type": "string", "pattern": "^x{9}$"}), ("clerk", "none"): None}, []) == []


@pytest.mark.parametrize(
    "node",
    [
        {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
        {"parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
        {"next": {"$ref": "#/$defs/Node"}},
        {"other": {"anyOf": [{"$ref": "#/$defs/Either"}]}},
    ],
)
def test_good_call_of_a_type_that_holds_itself_ends_somewhere(node: dict[str, Any]) -> None:
    kinds = {"Node": {"type": "object", "properties": node}, "Either": {"anyOf": [{"$ref": "#/$defs/Either"}, {"$ref": "#/$defs/Node"}]}}
    (good,) = good_calls({("clerk", "graft"): {**schema(tree={"$ref": "#/$defs/Node"}), "$defs": kinds}}, [])
    assert good.args["tree"].keys() == node.keys()


def test_tool_whose_schema_has_no_properties_has_no_good_call() -> None:
    assert good_calls({("clerk", "odd"): {"type": "object"}, ("clerk", "text"): {"type": "string"}}, []) == []


def test_rule_that_closes_a_hole_has_a_name_that_is_free() -> None:
    text = policy_text("refund", "") + "".join(
        f"\n[[rule]]\nname = 'amount x 10 of refund{more}'\noutcome = 'ask'\n" for more in ("", " 2")
    )
    (hole,) = [one for one in drilled(text).holes if (one.tool, one.kind) == ("refund", "amount x 10")]
    assert hole.fix and 'name = "amount x 10 of refund 3"' in hole.fix.toml


def test_argument_that_no_condition_can_name_asks_about_the_whole_tool() -> None:
    tools = {("clerk", "pay"): schema(**{"the-amount": NUMBER})}
    goods = good_calls(tools, [])
    bads = [bad for bad in bad_calls(goods[0], tools["clerk", "pay"]) if bad.kind == "amount x 10"]
    text = policy_text("pay", "")
    (hole,) = drill(goods, bads, parse(text), text, {}, [], time.time()).holes
    assert hole.fix and "when" not in hole.fix.toml


def test_drill_names_tools_that_no_call_could_be_made_for() -> None:
    report = replace(drilled(policy_text("execute", "")), without=("clerk's odd",))
    assert "no call could be made for clerk's odd" in list(report.told())
