"""`policy suggest`: rules from grants, rules that people work around, thresholds; and what three grants spare on a recorded history."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hitl_tui.model import DecisionKind, Facts, Grant, Message, Risk, Scope
from hitl_tui.oversight.grants import PastCall, evidence, judgements
from hitl_tui.oversight.statistics import wilson
from hitl_tui.oversight.suggestions import Attention, effect, suggestions
from hitl_tui.policy.engine import judge_unsampled
from hitl_tui.policy.grants import GrantIndex, outside_of
from hitl_tui.policy.parser import parse
from hitl_tui.policy.schema import Policy

AGENT = "mail_assistant"
ASKS = '[thresholds]\nauto = 1.0\nask = 0.0\n\n[[rule]]\nname = "mail"\ntool = "send_mail"\nrisk = "irreversible"\noutcome = "ask"\n'


def call(number: int, tool: str, args: dict[str, Any], decision: DecisionKind, **more: Any) -> PastCall:
    said = (
        Message("user", "Label and answer the mails of today."),
        Message("tool", f"m-{1000 + number} from ann@example.com: invoice", name="read_mail"),
    )
    risk = more.pop("risk", Risk.REVERSIBLE)
    facts = Facts(AGENT, tool, args, risk=risk, conversation=said, confidence=more.pop("sure", None))
    return PastCall(number, 0, float(number), decision, more.pop("down", False), facts, outside_of(facts))


def recorded(count: int = 200) -> list[PastCall]:
    """Decisions about a mail assistant's calls, oldest first: what the reviewer rejects can be seen in the arguments."""
    pick = random.Random(18)
    found = list[PastCall]()
    for number in range(count):
        mail, kind = f"m-{1000 + number}", pick.random()
        if kind < 0.5:
            label = pick.choice(("invoices", "newsletter", "meetings", "orders"))
            found.append(call(number, "label_mail", {"message_id": mail, "label": label}, DecisionKind.APPROVE))
        elif kind < 0.7:
            folder = pick.choice(("archive", "archive", "archive", "trash"))
            decision = DecisionKind.REJECT if folder == "trash" else DecisionKind.APPROVE
            found.append(call(number, "move_mail", {"message_id": mail, "folder": folder}, decision))
        elif kind < 0.85:
            to = pick.choice(("ann@example.com", "bob@example.com", "sales@elsewhere.org"))
            decision = DecisionKind.APPROVE if to.endswith("example.com") else DecisionKind.REJECT
            found.append(call(number, "draft_reply", {"message_id": mail, "to": to, "body": f"Dear all, text {number}."}, decision))
        else:
            decision = pick.choice((DecisionKind.APPROVE, DecisionKind.APPROVE, DecisionKind.EDIT, DecisionKind.REJECT))
            found.append(call(number, "send_mail", {"to": "ann@example.com", "body": str(number)}, decision, risk=Risk.IRREVERSIBLE))
    return found


def grants(uses: int = 10_000, taken: int = 0) -> list[tuple[Grant, dict[str, Any]]]:
    """Three grants as a person would make them from the first half, each with the arguments of its call."""
    mail = {"message_id": "read_mail"}
    scopes = (
        ("label_mail", Scope(sources=mail), {"message_id": "m-1001", "label": "invoices"}),
        ("move_mail", Scope(condition='args.folder == "archive"', sources=mail), {"message_id": "m-1002", "folder": "archive"}),
        (
            "draft_reply",
            Scope(condition='args.to in domain("example.com")', sources={**mail, "to": "read_mail"}),
            {"message_id": "m-1003", "to": "ann@example.com", "body": "Dear all"},
        ),
    )
    return [
        (Grant(place, 0.0, "ann", 1, 0, AGENT, tool, scope, uses, 60.0, 1e12, taken), args)
        for place, (tool, scope, args) in enumerate(scopes, 1)
    ]


def by_tool(past: Sequence[PastCall]) -> dict[tuple[str, str], list[PastCall]]:
    found: dict[tuple[str, str], list[PastCall]] = {}
    for one in reversed(past):
        found.setdefault((AGENT, one.facts.tool), []).append(one)
    return found


def asked(past: Sequence[PastCall], policy: Policy, index: GrantIndex) -> tuple[int, list[PastCall]]:
    """How many of the calls ask, and which rejected ones would run."""
    runs = [
        one
        for one in past
        if judge_unsampled(one.facts, policy, one.at, {}, "", index).grant is not None
        or judge_unsampled(one.facts, policy, one.at).outcome == "auto"
    ]
    return len(past) - len(runs), [one for one in runs if one.decision is DecisionKind.REJECT]


def test_three_grants_spare_most_questions_and_let_no_rejected_call_through() -> None:
    history = recorded()
    first, held_out = history[:100], history[100:]
    policy, made = parse(ASKS), [grant for grant, _ in grants()]
    assert all(not evidence(one.scope, by_tool(first)[AGENT, one.tool]).warning for one in made), "the first half speaks against none"
    before, _ = asked(held_out, policy, GrantIndex())
    after, rejected = asked(held_out, policy, GrantIndex(made))
    used_up = grants(uses=5, taken=5)
    found = suggestions(ASKS, policy, used_up, by_tool(first), Attention())
    suggested = parse(found[-1].text)
    replayed = effect(policy, suggested, held_out)
    print(
        f"asked {before} → {after} by three grants, {replayed.asked_after} by the suggested policy; rejected let through: {len(rejected)}"
    )
    assert before == 100 and after <= 40 and not rejected
    assert replayed.asked_after <= 40 and not replayed.let_through


def test_grant_that_was_used_up_cleanly_becomes_a_rule_that_keeps_its_bounds() -> None:
    history = recorded()
    found = suggestions(ASKS, parse(ASKS), grants(uses=5, taken=5)[1:2], by_tool(history), Attention())
    (one,) = found
    assert one.why.startswith("Grant 2 by ann was used up: 5 calls, none rejected or rated down")
    rule = parse(one.text).rules[-1]
    assert (rule.name, rule.tools, rule.outcome) == ("as grant 2", ("move_mail",), "auto")
    assert rule.when and rule.when.text == (
        'args.folder == "archive" and (not from_tool(args.message_id) or from_tool(args.message_id, "read_mail"))'
    )


def test_rule_of_a_grant_comes_before_the_one_that_left_it_open_and_after_those_that_deny() -> None:
    deny = '[[rule]]\nname = "no trash"\ntool = "move_mail"\nwhen = \'args.folder == "trash"\'\noutcome = "deny"\n\n'
    text = f'{deny}# filing\n[[rule]]\nname = "filing"\ntool = "*_mail"\nrisk = "reversible"\n'
    (one,) = suggestions(text, parse(text), grants(uses=5, taken=5)[1:2], by_tool(recorded()), Attention())
    assert [rule.name for rule in parse(one.text).rules] == ["no trash", "as grant 2", "filing"]
    assert effect(parse(text), parse(one.text), recorded()).asked_after < 200


@pytest.mark.parametrize("change", ["revoked", "left", "rejected", "exact"])
def test_grant_that_was_not_used_up_cleanly_becomes_no_rule(change: str) -> None:
    ((made, args), *_) = grants(uses=5, taken=4 if change == "left" else 5)[1:2]
    scope = {"exact": Scope(digest="2:0"), "rejected": Scope(sources={"message_id": "read_mail"})}.get(change, made.scope)
    changed = Grant(
        2, 0.0, "ann", 1, 0, AGENT, "move_mail", scope, 5, 60.0, 1e12, made.taken, revoked_at=1.0 if change == "revoked" else None
    )
    assert suggestions(ASKS, parse(ASKS), [(changed, args)], by_tool(recorded()), Attention()) == []


def test_rule_that_people_work_around_gets_grants() -> None:
    rule = '# filing\n[[rule]]\nname = "filing"\ntool = "label_mail"\noutcome = "ask"   # for now\n'
    (one,) = suggestions(rule, parse(rule), [], by_tool(recorded()), Attention())
    assert "Rule 'filing' asks about what people approve unchanged" in one.why
    assert one.text == rule + "grants = true\n" or "\ngrants = true" in one.text
    assert parse(one.text).rules[0].grants


QUICK, HASTY, SLOW, UNKNOWN = 3.0, 0.4, 60.0, None
"""Seconds that a call was viewed which nobody can read in less than one."""


@pytest.mark.parametrize(
    ("attention", "down", "viewed_s", "expected"),
    [
        (Attention(8, 8), 0, QUICK, 0.8),
        (Attention(), 0, QUICK, 0.8),
        (Attention(8, 8), 0, SLOW, None),  # they think about each
        (Attention(8, 8), 0, UNKNOWN, None),
        (Attention(), 0, HASTY, None),  # nobody has read it, and no check says that somebody looks
        (Attention(8, 8), 0, HASTY, 0.8),
        (Attention(8, 7), 0, QUICK, None),
        (Attention(8, 5), 0, HASTY, 0.95),
        (Attention(8, 5), 0, UNKNOWN, 0.95),
        (Attention(8, 5), 0, SLOW, None),  # they are not too fast
        (Attention(0, 0, 3), 0, HASTY, 0.95),
        (Attention(0, 0, 3), 0, SLOW, None),
        (Attention(), 1, QUICK, None),
    ],
)
def test_threshold_follows_how_people_review(attention: Attention, down: int, viewed_s: float | None, expected: float | None) -> None:
    text = "# ours\n[thresholds]\nask = 0.6\nauto = 0.9 # careful\n\n[groups]\n"
    past = [
        replace(
            call(n, "label_mail", {"label": "x"}, DecisionKind.APPROVE, sure=0.82, down=n < down), viewed_s=viewed_s, reading_s=1.0
        )
        for n in range(30)
    ]  # fmt: skip
    found = suggestions(text, parse(text), [], by_tool(past), attention)
    assert [round(parse(one.text).thresholds.auto, 2) for one in found] == ([] if expected is None else [expected])
    assert all("# ours" in one.text and "# careful" in one.text for one in found)


@pytest.mark.parametrize("text", ["", "spot_check = 0.1", "# ours\n\n[groups]\n", "seed = 'x'\n[groups]\n"])
def test_suggested_threshold_is_added_where_a_policy_has_none(text: str) -> None:
    past = [
        replace(call(n, "label_mail", {"label": "x"}, DecisionKind.APPROVE, sure=0.82), viewed_s=HASTY, reading_s=1.0) for n in range(30)
    ]
    (found,) = suggestions(text, parse(text), [], by_tool(past), Attention(8, 8))
    assert parse(found.text) == replace(parse(text), thresholds=replace(parse(text).thresholds, auto=0.8))
    assert found.text.replace("[thresholds]\nauto = 0.8\n\n", "").strip() == text.strip()


def test_effect_of_a_policy_names_the_rejected_calls_that_it_lets_through() -> None:
    past = [call(n, "label_mail", {}, decision, sure=0.7) for n, decision in enumerate(DecisionKind)]
    found = effect(parse(""), parse("[thresholds]\nauto = 0.65\n"), past)
    assert (found.calls, found.asked_before, found.asked_after) == (len(past), len(past), 0)
    assert [past[review].decision for review, _ in found.let_through] == [DecisionKind.REJECT, DecisionKind.RESPOND]


def test_suggested_threshold_says_what_it_rests_on() -> None:
    text = "[thresholds]\nauto = 0.9\n"
    past = [replace(call(n, "label_mail", {"label": "x"}, DecisionKind.APPROVE, sure=0.82), viewed_s=2.5, reading_s=1.0) for n in range(30)]
    (less,) = suggestions(text, parse(text), [], by_tool(past), Attention(8, 8))
    assert less.why == (
        "People approve unchanged what has a confidence from 0.8 (30 of 30, at least 88 %), within a median of 2.5 s, "
        "and missed no attention check."
    )
    hasty = [replace(one, viewed_s=0.2) for one in past]
    (more,) = suggestions(text, parse(text), [], by_tool(hasty), Attention(8, 5))
    assert more.why == (
        "People decided 30 of 30 calls faster than these can be read, and caught 5 of 8 attention checks: less should run by itself."
    )


def test_calls_decided_with_one_key_support_no_suggestion_by_themselves() -> None:
    apart = [replace(one, person="ann") for one in recorded() if one.facts.tool == "label_mail"]
    at_once = [replace(one, at=1.0) for one in apart]
    assert judgements(apart) == (len(apart), len(apart)) and judgements(at_once) == (1, 1)
    scope = Scope(sources={"message_id": "read_mail"})
    assert "judgement" not in evidence(scope, apart).told() and " in 1 judgement; " in evidence(scope, at_once).told()
    assert evidence(scope, at_once).bound == wilson(1, 1) != evidence(scope, apart).bound
    rule = '[[rule]]\nname = "filing"\ntool = "label_mail"\noutcome = "ask"\n'
    for past, suggested in ((apart, 1), (at_once, 0)):
        assert len(suggestions(rule, parse(rule), [], by_tool(past), Attention())) == suggested
    text = "[thresholds]\nask = 0.6\nauto = 0.9\n"
    sure = [replace(call(n, "label_mail", {"label": "x"}, DecisionKind.APPROVE, sure=0.82), viewed_s=2.0, reading_s=1.0) for n in range(30)]
    for past, suggested in ((sure, 1), ([replace(one, at=1.0) for one in sure], 0)):
        assert len(suggestions(text, parse(text), [], by_tool(past), Attention(8, 8))) == suggested
