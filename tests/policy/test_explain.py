"""The explanation of a verdict, step by step; it always ends with the verdict of `judge`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.model import DecisionKind, Facts, Outcome, Risk, Verdict
from hitl_tui.policy.engine import Mark, judge, judge_unsampled
from hitl_tui.policy.explain import Walk, explain, walk_json
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import Policy
from tests.policy.test_parser_and_engine import FACTS, NOON, RULES, rule
from tests.support.properties import examples

TAGS = st.sampled_from([(), ("prod",), ("prod", "night")])
MORE = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.sampled_from(["prod", ["prod", "night"]]),
        "hours": st.sampled_from(["mon-fri 09:00-17:00 UTC", "outside 09:00-17:00 UTC"]),
        "deadline": st.just("4h"),
    },
)
EXACT = "spot_check = 0\nconfidence.trust = ['words']\n"


def steps(walk: Walk) -> list[tuple[str, Mark]]:
    return [(step.name, step.mark) for step in walk.steps]


def why(walk: Walk, name: str) -> str:
    return next(step.why for step in walk.steps if step.name == name)


@examples(6)
@given(
    st.lists(st.tuples(RULES, MORE), max_size=4), FACTS, TAGS, st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.01, 1), st.floats(0, 2e9),
    st.sampled_from(["", "may have run once"]),
)  # fmt: skip
def test_explanation_ends_with_the_verdict_and_at_most_one_matching_rule(
    rules: list[tuple[dict[str, Any], dict[str, Any]]], facts: Facts, tags: tuple[str, ...], spot: float, auto: float, now: float, note: str
) -> None:
    import dataclasses

    facts = dataclasses.replace(facts, tags=tags, findings=(*facts.findings, *([note] if note else [])))
    tables = [rule(name=f"r{n}", **keys, **more) for n, (keys, more) in enumerate(rules) if (keys | more).keys() & {"outcome", "risk"}]
    text = f"spot_check = {spot}\n[thresholds]\nauto = {auto!r}\nask = {min(auto, 0.01)!r}\n" + "".join(tables)
    policy, problems = parse_with_problems(text)
    assert not [problem for problem in problems if problem.is_error]
    walk = explain(facts, policy, now, note)
    assert walk.verdict == judge_unsampled(facts, policy, now, note=note)
    assert walk.picked == judge(facts, policy, now).spot_check
    assert [step.name for step in walk.steps] == [*(one.name for one in policy.rules), "thresholds", "safety", "spot check"]
    assert all(step.why for step in walk.steps)
    *said, thresholds, safety, spot_check = walk.steps
    marks = [step.mark for step in said]
    spoke = [step.name for step in said if step.mark is Mark.MATCHED]
    first = marks.index(Mark.MATCHED) if spoke else len(marks)
    assert marks == [Mark.NO_MATCH] * first + ([Mark.MATCHED] + [Mark.SKIPPED] * (len(marks) - first - 1) if spoke else [])
    assert walk.verdict.rule == ("safety" if safety.mark is Mark.MATCHED else spoke[0] if spoke else "thresholds")
    assert spoke or thresholds.mark is Mark.MATCHED
    assert (spot_check.mark is Mark.MATCHED) == walk.picked
    assert walk_json(walk)["verdict"]["outcome"] == walk.verdict.outcome


def test_explanation_without_a_valid_policy_is_empty() -> None:
    facts = Facts("desk", "pay")
    for policy in (None, Policy(problem="line 3")):
        walk = explain(facts, policy, NOON)
        assert walk.steps == ()
        assert walk.verdict == judge_unsampled(facts, policy, NOON)


def test_explanation_names_every_reason_not_to_match() -> None:
    policy = parse(
        EXACT
        + rule(name="tools", tool=["read", "list_*"], outcome="auto")
        + rule(name="agents", agent="mail", tool="read", outcome="auto")
        + rule(name="tags", tags=["prod", "eu"], outcome="ask")
        + rule(name="hours", hours="sat,sun 00:00-24:00 UTC", outcome="ask")
        + rule(name="small", when="args.amount < 5 and args.to == 'x'", outcome="auto")
        + rule(name="large", when="args.amount > 500", outcome="takeover")
        + rule(name="rest", outcome="deny")
    )
    walk = explain(Facts("desk", "pay", {"amount": 501, "to": "a\u202eb"}, tags=("eu",)), policy, NOON)
    assert [mark for _, mark in steps(walk)] == [
        *[Mark.NO_MATCH] * 5, Mark.MATCHED, Mark.SKIPPED, Mark.SKIPPED, Mark.NO_EFFECT, Mark.SKIPPED,
    ]  # fmt: skip
    assert why(walk, "tools") == "its tool pay is not read or list_*"
    assert why(walk, "agents") == "its tool pay is not read; its agent desk is not mail"
    assert why(walk, "tags") == "its run has no tag prod"
    assert why(walk, "hours") == "it was not asked sat,sun 00:00-24:00 UTC"
    assert why(walk, "small") == "args.amount < 5 and args.to == 'x' is false (args.amount is 501, args.to is \"a\u202eb\")"
    assert why(walk, "large") == "rule 'large' says takeover (args.amount is 501)"
    assert why(walk, "rest") == "rule 'large' comes before it"
    assert why(walk, "thresholds") == "rule 'large' decides"
    assert walk.verdict == Verdict(Outcome.TAKEOVER, "large", "rule 'large' says takeover")


def test_explanation_of_an_undetermined_condition_says_why() -> None:
    policy = parse(
        EXACT + rule(name="large", when="args.amount > 500 or known(args.cc)", outcome="deny") + rule(name="rest", outcome="auto")
    )
    walk = explain(Facts("desk", "pay", {"amount": "501"}), policy, NOON)
    assert steps(walk)[:2] == [("large", Mark.MATCHED), ("rest", Mark.SKIPPED)]
    assert why(walk, "large") == (
        "rule 'large' could not be judged: > compares a text with a number (args.amount is \"501\", args.cc is missing)"
    )
    assert walk.verdict.outcome is Outcome.ASK


def test_explanation_of_a_rule_without_outcome_includes_the_thresholds() -> None:
    policy = parse(EXACT + rule(name="archive", tool="archive", risk="reversible"))
    walk = explain(Facts("desk", "archive", confidence=0.95), policy, NOON)
    assert steps(walk)[:2] == [("archive", Mark.MATCHED), ("thresholds", Mark.MATCHED)]
    assert why(walk, "thresholds") == "its confidence 0.95 is at least 0.9"
    assert walk.verdict.outcome is Outcome.AUTO
    assert why(walk, "spot check") == "not picked: 0 % go to a person first"


def test_explanation_ends_with_safety_and_spot_check() -> None:
    policy = parse("spot_check = 1.0\n" + rule(name="reading", tool="read", outcome="auto"))
    walk = explain(Facts("desk", "read"), policy, NOON)
    assert walk.picked
    assert why(walk, "spot check") == "picked: 100 % go to a person first"
    walk = explain(Facts("desk", "read", findings=("it holds odd text",)), policy, NOON)
    assert steps(walk) == [
        ("reading", Mark.MATCHED), ("thresholds", Mark.SKIPPED), ("safety", Mark.MATCHED), ("spot check", Mark.SKIPPED),
    ]  # fmt: skip
    assert why(walk, "safety").startswith("it holds odd text: a person must look, though rule 'reading' says auto")
    denied = parse(rule(name="no", outcome="deny"))
    assert explain(Facts("desk", "read", allowed=(DecisionKind.APPROVE,)), denied, NOON).verdict.rule == "safety"
    assert explain(Facts("desk", "read"), denied, NOON, "may have run once").verdict.outcome is Outcome.ASK


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("len(args.items) > 2 and args.items[0].n == 1", "args.items is [{\"n\": 2}], args.items[0].n is 2"),
        ("risk == 'read' or tags contains 'x'", 'risk is "irreversible", tags is ["eu"]'),
        ("args.gone.deep == 1", "args.gone.deep is missing"),
        ("not (args.long == 'x')", f'args.long is "{"y" * 58}…'),
    ],
)  # fmt: skip
def test_explanation_shows_the_values_a_condition_read(when: str, told: str) -> None:
    facts = Facts("desk", "pay", {"items": [{"n": 2}], "long": "y" * 100_000}, risk=Risk.IRREVERSIBLE, tags=("eu",))
    (first, *_) = explain(facts, parse(rule(when=when, outcome="ask")), NOON).steps
    assert first.why.endswith(f"({told})")
