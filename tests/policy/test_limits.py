"""The limits that a run is launched with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Facts, Json, Outcome, Verdict
from hitl_tui.policy.limits import MOST, check, limited, outside, parse

REFUNDS = [("refund", {"amount": 300}), ("refund", {"amount": 100}), ("other", {"amount": 900})]


@pytest.mark.parametrize(
    ("limit", "args", "problem"),
    [
        ("count(refund) <= 3", {"amount": 1}, ""), ("count(refund) <= 2", {"amount": 1}, "makes it 3"),
        ("count(refund) < 3", {}, "makes it 3"),
        ("sum(refund.amount) <= 500", {"amount": 100}, ""), ("sum(refund.amount) <= 500", {"amount": 100.5}, "makes it 500.5"),
        ("sum(refund.amount) <= 500", {"amount": -900}, "cannot be told"), ("sum(refund.amount) <= 500", {"amount": "9"}, "cannot be told"),
        ("sum(refund.amount) <= 500", {}, "cannot be told"),
        ("sum(refund.amount) <= 500", {"amount": float("nan")}, "cannot be told"),
        ('refund.to in domain("example.com")', {"to": "ann@example.com"}, ""),
        ('refund.to in domain("example.com")', {"to": "a@evil.org"}, "refund.to"),
        ('refund.to in domain("example.com")', {}, "there is no args.to"), ("pay.amount <= 1", {"amount": 5}, ""),
        ('refund.note == "refund.x" and refund.amount >= 0', {"note": "refund.x", "amount": 1}, ""), ("count(pay) <= 0", {}, ""),
    ],
)  # fmt: skip
def test_a_call_is_held_against_the_limits_of_its_tool(limit: str, args: Json, problem: str) -> None:
    found = outside([limit], Facts("desk", "refund", args), REFUNDS)
    assert bool(problem) == bool(found) and (found is None or (problem in found.problem and not found.denies))
    denying = outside([f"{limit} else deny"], Facts("desk", "refund", args), REFUNDS)
    assert denying == (found and replace(found, denies=True))


def test_limit_that_denies_counts_before_one_that_asks() -> None:
    limits = ["count(refund) <= 1", "sum(refund.amount) <= 5 else deny", "count(other) <= 0 else deny"]
    found = outside(limits, Facts("desk", "refund", {"amount": 1}), REFUNDS)
    assert found and found.denies and "sum(refund.amount)" in found.problem
    assert limited(None, found).outcome is Outcome.DENY is limited(Verdict(Outcome.ASK, "r", "x"), found).outcome
    assert limited(Verdict(Outcome.AUTO, "r", "x"), found, may_deny=False).outcome is Outcome.ASK, "nothing may answer for a person here"
    assert limited(Verdict(Outcome.DENY, "r", "x"), found).rule == "r"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amount <= 5",
        "count(refund.amount) <= 2",
        "sum(refund) <= 2",
        "a.x == 1 and b.y == 2",
        "refund.x = 1",
        "refund.",
        "refund.x = 1 else deny",
    ],
)
def test_a_limit_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)


def test_more_limits_than_a_run_can_have_are_refused() -> None:
    check(["count(pay) <= 1"] * MOST)
    with pytest.raises(Refused, match=f"a run has {MOST + 1} limits"):
        check(["count(pay) <= 1"] * (MOST + 1))


def test_a_stored_limit_that_cannot_be_read_holds_back_every_call() -> None:
    assert outside(["count(pay)"], Facts("desk", "refund", {}), [])
