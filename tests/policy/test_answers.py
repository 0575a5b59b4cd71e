"""Answer templates (`[[answer]]`): strict parsing, warnings, what is filled in, and what a question is then offered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.agents.interrupt_payloads import normalise, resume_value
from hitl_tui.answer_templates import filled_in, with_templates
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, DecisionKind, Facts, Json, Outcome, PauseKind, Risk
from hitl_tui.policy import answers
from hitl_tui.policy.engine import judge
from hitl_tui.policy.loader import PolicyFile, policy_paths
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import Policy
from hitl_tui.ui.policy.list import policy_rows
from hitl_tui.ui.policy.render import row_lines
from hitl_tui.validation import check, schema_problem
from tests.support.properties import examples

RESPOND, APPROVE, REJECT = DecisionKind.RESPOND, DecisionKind.APPROVE, DecisionKind.REJECT
BOTH = """
[[answer]]
agent = "plan*"
node = ["ask", "confirm"]
approve = {approved = true, by = "$person"}
reject = {approved = false, reason = "$message"}
"""
AUTO = '[[rule]]\nname = "asks"\ntool = "ask"\noutcome = "auto"\n'
DENY = '[[rule]]\nname = "asks"\ntool = "ask"\noutcome = "deny"\n'


def question(value: Json = "Send it?", schema: Json = None) -> Action:
    """Return the action of a free question in the node `ask`."""
    _, (action,) = normalise(value, "ask", {}, schema)
    return action


def templated(text: str, action: Action | None = None, agent: str = "planner") -> Action:
    return with_templates(action or question(), PauseKind.QUESTION, agent, parse(text))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[answer]\napprove = true", 1, "answer is not a list of tables; write [[answer]]"),
        ('[[answer]]\nagent = "a"', 1, "the answer has no template; write approve = …, reject = …, or both"),
        ("[[answer]]\naprove = true", 1, "the answer has no template"),
        ("[[answer]]\naprove = true\nreject = 1", 2, "unknown key 'aprove' in answer; did you mean approve?"),
        ("[[answer]]\nrespond = 1\nreject = 1", 2, "unknown key 'respond' in answer"),
        ("[[answer]]\nnode = 3\nreject = 1", 2, "node is not a plain text"),
        ('[[answer]]\napprove = {by = ["$persn"]}', 2, "approve holds $persn, which nothing is filled in for; known are $m"),
        ('[[answer]]\n\nreject = "$message.text"', 3, "reject holds $message.text"),
        ("[[answer]]\napprove = {at = 2026-03-31}", 2, "approve holds a date, which JSON does not have; write it as text"),
        ("[[answer]]\napprove = [nan]", 2, "approve holds a number that JSON does not have"),
        ("[[answer]]\napprove = 99999999999999999999", 2, "approve holds a whole number of more than 64 bits"),
    ],
)  # fmt: skip
def test_bad_answer_section_is_reported_with_its_line(text: str, line: int, said: str) -> None:
    problems = parse_with_problems(text)[1]
    assert any(str(one).startswith(f"line {line}: {said}") and one.is_error for one in problems), list(map(str, problems))


def test_answer_that_never_applies_and_equal_templates_are_warned_of() -> None:
    text = '[[answer]]\nagent = "p*"\napprove = 1\n[[answer]]\nagent = "planner"\nreject = 1\n[[answer]]\napprove = 1\nreject = 1\n'
    assert [str(one) for one in parse_with_problems(text)[1]] == [
        "line 4: the answer can never apply: the one on line 1 matches every question that it does; put the narrower one first",
        "line 7: approve and reject send the same; let the graph tell them apart",
    ]


def test_review_section_in_a_projects_policy_is_warned_of() -> None:
    text = "spot_check = 0\n[review.unseen]\nread = 'allow'\n[review.undo_s]\nread = 0\n"
    assert parse_with_problems(text)[1] == []
    (warning,) = parse_with_problems(text, in_home=False)[1]
    assert str(warning) == "line 2: [review] has no effect in a project's policy.toml; move it to the home's policy.toml"
    assert not warning.is_error


def test_answer_links_in_a_projects_policy_are_warned_of() -> None:
    text = '[notify]\nbell = false\nlinks = "https://desk.example"\n'
    assert parse_with_problems(text)[1] == []
    (warning,) = parse_with_problems(text, in_home=False)[1]
    assert str(warning).startswith("line 3: [notify] links has no effect in a project's policy.toml")


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        (True, True),
        ({"ok": [1, "$message"]}, {"ok": [1, "too late"]}),
        ("$person: $message", "ann: too late"),
        ("$args", {"id": 7, "parts": [{"name": "a"}]}),
        ({"id": "$args.id", "text": "order $args.id of $args.parts.0.name"}, {"id": 7, "text": "order 7 of a"}),
        ("$$person costs $5", "$person costs $5"),
        ("$args.parts and more", '[{"name": "a"}] and more'),
    ],
    ids=str,
)  # fmt: skip
def test_names_in_a_template_are_filled_in(template: Json, sent: Json) -> None:
    assert answers.problem_of(template) is None
    assert answers.filled(template, "too late", "ann", {"id": 7, "parts": [{"name": "a"}]}) == sent


def test_template_offers_approve_and_reject_and_says_what_they_send() -> None:
    action = templated(BOTH)
    assert action.allowed == (APPROVE, REJECT, RESPOND)
    assert action.means == {
        "approve": 'sends {"approved": true, "by": "$person"}',
        "reject": 'sends {"approved": false, "reason": "$message"}',
    }
    assert filled_in(action, Answer(APPROVE), "ann").template == {"approved": True, "by": "ann"}
    assert filled_in(action, Answer(REJECT, message="no"), "ann").template == {"approved": False, "reason": "no"}
    assert filled_in(action, Answer(RESPOND, message="hm"), "ann").template is None


@pytest.mark.parametrize(
    ("agent", "action", "kind"),
    [
        ("mailer", question(), PauseKind.QUESTION),
        ("planner", Action(0, "other", {}, (RESPOND,)), PauseKind.QUESTION),
        ("planner", Action(0, "ask", {}, (RESPOND,)), PauseKind.ESCALATION),
        ("planner", Action(0, "ask", {}, tuple(DecisionKind)), PauseKind.TOOL_CALLS),
    ],
)  # fmt: skip
def test_template_when_it_does_not_match_a_free_question_changes_nothing(agent: str, action: Action, kind: PauseKind) -> None:
    assert with_templates(action, kind, agent, parse(BOTH)) is action
    assert with_templates(action, kind, agent, None) is action


def test_template_takes_the_place_of_the_questions_own_yes_and_no() -> None:
    action = templated('[[answer]]\napprove = "Y"', question("Send it? (yes/no)"))
    assert set(action.allowed) == {APPROVE, REJECT, RESPOND}
    sent = [resume_value(PauseKind.QUESTION, (action,), {0: filled_in(action, Answer(one), "ann")}) for one in (APPROVE, REJECT)]
    assert sent == ["Y", "no"]


def test_template_that_does_not_fit_the_response_schema_is_not_offered_and_says_why() -> None:
    schema = {"type": "object", "properties": {"approved": {"type": "boolean"}}, "additionalProperties": False}
    action = templated(BOTH, question(schema=schema))
    assert action.allowed == (RESPOND,) and action.means == {}
    with pytest.raises(Refused, match=r"the answer template of ask does not fit the response schema: .*'by' was unexpected"):
        check(PauseKind.QUESTION, action, Answer(APPROVE))


def test_message_that_does_not_fit_the_response_schema_is_refused() -> None:
    schema = {"properties": {"reason": {"maxLength": 10}}}
    action = templated(BOTH, question(schema=schema))
    assert REJECT in action.allowed
    with pytest.raises(Refused, match="does not fit the response schema: reason: 'much too long for it' is too long"):
        filled_in(action, Answer(REJECT, message="much too long for it"), "ann")


def test_template_that_needs_a_part_the_question_lacks_is_not_offered() -> None:
    text = '[[answer]]\napprove = {id = "$args.id"}'
    assert APPROVE not in templated(text, question({"question": "ok?"})).allowed
    assert APPROVE in templated(text, question({"question": "ok?", "id": 1})).allowed


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        (BOTH + AUTO, Outcome.AUTO, "rule 'asks' says auto"),
        (BOTH + DENY, Outcome.DENY, "rule 'asks' says deny"),
        (AUTO, Outcome.ASK, "it asks a person and is no tool call"),
        ('[[answer]]\nreject = 0\n' + AUTO, Outcome.ASK, "it asks a person and is no tool call"),
        (BOTH + '[[rule]]\nname = "asks"\ntool = "*"\noutcome = "auto"\n', Outcome.ASK, "the risk of ask is unknown"),
        (BOTH, Outcome.ASK, "it asks a person, and no rule says how it is decided"),
    ],
)  # fmt: skip
def test_rule_decides_a_question_only_by_name_and_with_a_template(text: str, outcome: Outcome, why: str) -> None:
    policy = parse("spot_check = 0\n" + text)
    action = with_templates(question(), PauseKind.QUESTION, "planner", policy)
    risk = None if "rule" in text else Risk.READ  # else the thresholds would ask because of it
    templates = tuple(action.templates)
    facts = Facts("planner", "ask", "Send it?", PauseKind.QUESTION, risk, 1.0, (), False, allowed=action.allowed, templates=templates)
    verdict = judge(facts, policy, 0.0)
    assert verdict.outcome is outcome and why in verdict.reason


TEXTS = st.lists(st.sampled_from(["$", "$message", "$args.a", "x", "$$", "."]), max_size=4).map("".join)
PLAIN = st.booleans() | st.integers(-9, 9) | TEXTS
TEMPLATES: st.SearchStrategy[Any] = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(TEXTS, PLAIN | st.lists(PLAIN), max_size=3)


@examples(2)
@given(TEMPLATES, st.sampled_from([None, {"type": "boolean"}, {"type": "string"}, {"type": "object"}]), st.sampled_from([{"a": 1}, "text"]))
def test_template_is_offered_only_if_what_it_sends_fits(template: Any, schema: Json, value: Json) -> None:
    if answers.problem_of(template):
        return
    rule = answers.AnswerRule(1, templates={APPROVE: template})
    policy = Policy(answers=(rule,))
    action = with_templates(question(value, schema), PauseKind.QUESTION, "planner", policy)
    if APPROVE in action.allowed:
        sent = resume_value(PauseKind.QUESTION, (action,), {0: filled_in(action, Answer(APPROVE, message="x"), "ann")})
        assert not schema_problem(sent, schema)
        return
    with pytest.raises(Refused):
        filled_in(action, Answer(APPROVE), "ann")


def test_project_policy_with_a_review_section_is_used_and_warned_of(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
    (project / "policy.toml").write_text('spot_check = 0\n[review.unseen]\nread = "allow"\n')
    file = PolicyFile(policy_paths(home, project), lambda path, digest: True)
    assert [(one.line, one.is_error) for one in file.now().problems] == [(2, False)]
    assert file.current() == parse((project / "policy.toml").read_text())
    (home / "policy.toml").write_text((project / "policy.toml").read_text())
    assert file.now().problems == ()


def test_policy_view_lists_answer_templates_with_what_they_send() -> None:
    policy = parse(BOTH)
    row = next(row for row in policy_rows(policy, ()) if row.name == "answers")
    assert row.summary == "ask, confirm of plan*"
    shown = [f"{line.lead} {line.text}".split() for line in row_lines(row, policy, 0.0)]
    assert ["line", "2", "ask,", "confirm", "of", "plan*"] in shown
    assert ["approve", '{"approved":', "true,", '"by":', '"$person"}'] in shown
