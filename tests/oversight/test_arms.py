"""The arms of the oversight benchmark are policies that anybody can open and copy."""

from __future__ import annotations

import pytest

from hitl_tui.model import Facts, Outcome
from hitl_tui.policy.engine import judge_unsampled
from hitl_tui.policy.parser import parse_with_problems
from tests.oversight.benchmark.arms import EVERYTHING, FOLDER, NOBODY, RECIPES, arm_named


@pytest.mark.parametrize("name", RECIPES)
def test_file_of_an_arm_is_a_policy_without_problems(name: str) -> None:
    path = FOLDER / f"{RECIPES[name].file}.toml"
    policy, problems = parse_with_problems(path.read_text())
    assert problems == [] and arm_named(name).policy == policy and path.read_text().startswith("# ")


def test_arms_route_reads_and_writes_as_their_names_say() -> None:
    def said(arm: str, tool: str) -> Outcome:
        found = Facts("banking", tool, {"recipient": "CH9300762011623852957"}, confidence=0.7, confidence_source="words")
        return judge_unsampled(found, arm_named(arm).policy, 0.0).outcome

    assert {said(NOBODY, tool) for tool in ("get_iban", "send_money")} == {Outcome.AUTO}
    assert {said(EVERYTHING, tool) for tool in ("get_iban", "send_money")} == {Outcome.ASK}
    for arm in list(RECIPES)[3:]:
        assert (said(arm, "get_iban"), said(arm, "send_money")) == (Outcome.AUTO, Outcome.ASK), arm
