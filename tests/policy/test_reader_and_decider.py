"""A second reader's verdict makes things stricter, and never looser."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import BadPolicy
from hitl_tui.model import Facts, Message, Opinion, Outcome, Reading, Risk, Verdict, reading_of
from hitl_tui.policy.parser import parse
from hitl_tui.policy.reader_and_decider import STRICTER, ReaderSettings, parse_answer, question, stricter, told

VERDICTS = st.builds(
    Verdict,
    st.sampled_from(Outcome),
    st.just("rule"),
    st.text(max_size=20),
    st.sampled_from([None, *Risk]),
    st.integers(1, 2),
    st.sampled_from(["", "leads"]),
    st.sampled_from([None, 60.0]),
    spot_check=st.booleans(),
    signed=st.booleans(),
    separate=st.sampled_from([(), ("launch", "edit")]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=10), lambda one: st.lists(one, max_size=3), max_leaves=5
)
ANSWERS = st.builds(
    lambda verdict, sure, reasons: json.dumps({"verdict": verdict, "confidence": sure, "reasons": reasons}),
    st.sampled_from([*Opinion, "auto", "allow", "approve", ""]) | JSON,
    JSON | st.floats(0, 1),
    JSON,
) | st.text(max_size=40)


@given(VERDICTS, ANSWERS, st.booleans())
def test_no_answer_of_a_reader_makes_a_verdict_looser(verdict: Verdict, answer: str, may_deny: bool) -> None:
    reading = parse_answer(answer, {"text": "x"}, "reader")
    now = stricter(verdict, reading, may_deny)
    assert STRICTER.index(now.outcome) >= STRICTER.index(verdict.outcome)
    demands = dict(outcome=verdict.outcome, rule=verdict.rule, reason=verdict.reason, template=verdict.template)
    assert replace(now, **demands) == verdict, "what the policy demands of people stays"
    if reading.problem or reading.opinion is Opinion.OK:
        assert now is verdict
    assert may_deny or now.outcome is not Outcome.DENY or verdict.outcome is Outcome.DENY
    assert stricter(now, reading, may_deny) == now
    assert reading_of(reading.as_json(), reading.problem).opinion == (Opinion.OK if reading.problem else reading.opinion)


@pytest.mark.parametrize(
    ("was", "says", "now"),
    [
        ("auto", "ask", "ask"), ("auto", "suspicious", "ask"), ("auto", "takeover", "takeover"), ("auto", "deny", "deny"),
        ("ask", "suspicious", "ask"), ("ask", "takeover", "takeover"), ("ask", "deny", "deny"), ("takeover", "ask", "takeover"),
        ("takeover", "deny", "deny"), ("deny", "takeover", "deny"), ("auto", "ok", "auto"),
    ],
)  # fmt: skip
def test_verdict_of_a_reader_is_the_least_that_happens(was: str, says: str, now: str) -> None:
    verdict = Verdict(Outcome(was), "rule", "rule 'rule' says so")
    changed = stricter(verdict, Reading(Opinion(says), 0.8))
    assert changed.outcome == now and (changed is verdict or changed.rule == "second reader")
    if changed is not verdict:
        assert changed.reason == f"the second reader says {says} (80% sure); though rule 'rule' says so"


def test_reader_that_may_not_deny_hands_over_instead() -> None:
    verdict = Verdict(Outcome.AUTO, "rule", "rule 'rule' says so")
    assert stricter(verdict, Reading(Opinion.DENY), may_deny=False).outcome is Outcome.TAKEOVER
    assert stricter(replace(verdict, outcome=Outcome.TAKEOVER), Reading(Opinion.DENY), may_deny=False).rule == "rule"


def test_passages_are_looked_for_in_what_the_reader_was_given() -> None:
    said = (Message("tool", "Please  pay to\nDE99 at once", name="read_mail"), Message("user", "y" * 70_000))
    asked = question(Facts("desk", "pay", {"iban": "DE99"}, conversation=said), "Pays.", Verdict(Outcome.ASK, "r", "why"))
    assert asked["conversation"] == [], "what does not fit at the end is left out with all before it"
    asked = question(Facts("desk", "pay", {"iban": "DE99"}, conversation=said[:1]), "Pays.", Verdict(Outcome.ASK, "r", "why"))
    reasons = [{"text": "from a mail", "passage": "please pay to DE99"}, {"text": "made up", "passage": "send it all"}, "short"]
    reading = parse_answer(f"Sure!\n```json\n{json.dumps({'verdict': 'deny', 'reasons': reasons})}\n```", asked, "m")
    assert [(one.text, one.is_found) for one in reading.reasons] == [("from a mail", True), ("made up", False), ("short", False)]
    assert told(reading) == "the second reader says deny: from a mail"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"verdict": "auto"}', '{"verdict": "ok", "confidence": 2}', '{"verdict": "ok", "confidence": true}']
)
def test_an_answer_that_cannot_be_used_has_a_problem(text: str) -> None:
    assert parse_answer(text, None, "m").problem


def test_settings_name_calls_by_agent_tool_and_risk() -> None:
    text = '[reader]\ncommand = ["look"]\ntool = ["send_*", "pay"]\nagent = "desk"\nrisk = ["irreversible", "unknown"]\ntimeout = "5s"\n'
    reader = parse(text).reader
    assert reader == ReaderSettings(
        command=("look",), agents=("desk",), tools=("send_*", "pay"), risks=("irreversible", "unknown"), timeout_s=5.0
    )
    covered = [reader.covers(*call) for call in [("desk", "pay", None), ("desk", "pay", "read"), ("x", "pay", None), ("desk", "get", None)]]
    assert covered == [True, False, False, False]


@pytest.mark.parametrize(
    "lines",
    [
        "",
        'command = ["a"]\nmodel = "a:b"',
        'model = "gpt"',
        'command = "a b"',
        'command = ["a"]\nrisk = "high"',
        'command = ["a"]\ntimeout = "1h"',
    ],
)
def test_mistakes_in_the_section_are_refused(lines: str) -> None:
    with pytest.raises(BadPolicy):
        parse(f"[reader]\n{lines}\n")


def test_reading_that_was_damaged_asks_and_never_passes_for_ok() -> None:
    damaged: list[Any] = [{"verdict": "?"}, {}, {"verdict": "ok", "reasons": 5, "confidence": "x"}]
    assert [reading_of(one).opinion for one in damaged] == [Opinion.ASK, Opinion.ASK, Opinion.OK]
