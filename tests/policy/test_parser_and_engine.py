"""policy.toml: strict parsing, and the verdict on an action."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import BadPolicy
from hitl_tui.home import sample_agents
from hitl_tui.model import DecisionKind, Facts, Json, Message, Outcome, PauseKind, People, Person, Risk
from hitl_tui.policy.confidence import ConfidenceSource
from hitl_tui.policy.engine import is_picked, judge, judge_unsampled, risk_of
from hitl_tui.policy.globs import covers, matches
from hitl_tui.policy.lint import missed_below
from hitl_tui.policy.loader import PolicyFile, digest_of, policy_paths
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import Policy
from hitl_tui.store.policy_log import is_packaged
from hitl_tui.toml_reader import key_lines
from tests.support.properties import examples

NOON = 1_700_568_000.0  # Tuesday 21 November 2023, 12:00 UTC
GROUPS = '[groups]\nfinance = ["ann", "bob"]\nleads = ["cleo"]\n'


def wrong(text: str) -> list[str]:
    """Return the problems of a policy, each with its line."""
    return [str(problem) for problem in parse_with_problems(text)[1]]


def outcome(policy: str, tool: str = "pay", now: float = NOON, **facts: Any) -> tuple[Outcome, str]:
    """Return outcome and rule, without spot checks."""
    verdict = judge_unsampled(Facts("desk", tool, **facts), parse(policy), now)
    return verdict.outcome, verdict.rule


def rule(**keys: Any) -> str:
    """Return a `[[rule]]` table."""
    lines = [f"{key} = {value!r}" for key, value in {"name": "r", **keys}.items()]
    return "\n".join(["[[rule]]", *lines]) + "\n"


def test_starter_policy_has_no_problems() -> None:
    policy, problems = parse_with_problems((sample_agents() / "policy.toml").read_text())
    assert problems == []
    assert [one.name for one in policy.rules] == [
        "reading", "queries", "large refunds", "no mass changes", "outgoing mail", "deletions", "filing, unknown or repeated", "filing",
    ]  # fmt: skip

    def said(tool: str, **facts: Any) -> Outcome:
        return judge_unsampled(Facts("sql_steward", tool, **facts), policy, NOON).outcome

    assert said("read_mail") == Outcome.AUTO
    assert said("execute", args={"sql": "DELETE FROM users"}) == Outcome.DENY
    assert said("execute", args={"sql": "DELETE FROM users WHERE id = 1"}) == Outcome.ASK
    assert said("send_mail", confidence=1.0) == Outcome.ASK
    assert said("query", args={"sql": "SELECT 1 FROM users"}) == Outcome.AUTO
    assert said("query", args={"sql": "DROP TABLE users"}) == Outcome.ASK == said("query", args={"sql": "PRAGMA user_version = 1"})
    filed = (Message("tool", "m-101 Ann", "search_mail"), Message("agent", "", calls=(("archive_mail", {"message_id": "m-101"}),)))
    found: dict[str, Any] = {"args": {"message_id": "m-101"}, "conversation": filed}
    assert said("archive_mail", **found, confidence=0.95) == Outcome.AUTO
    assert said("archive_mail", **found, confidence=0.95, confidence_source="words") == Outcome.ASK
    assert said("archive_mail", **found, confidence=0.5) == Outcome.TAKEOVER
    assert said("archive_mail", args={"message_id": "m-999"}, conversation=filed, confidence=0.95) == Outcome.ASK
    again = (*filed, Message("tool", "Archived m-101", "archive_mail"), filed[1])
    assert said("archive_mail", args={"message_id": "m-101"}, conversation=again, confidence=0.95) == Outcome.ASK


def test_policy_in_the_docs_is_valid_and_does_what_its_comments_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    text, *_ = [part.split("```")[0] for part in page.split("```toml\n") if part.startswith("# policy.toml")]
    policy, problems = parse_with_problems(text)
    assert problems == [] and policy.errors and [(step.to, step.after_s) for step in policy.chain] == [("finance", 0.0), ("leads", 900.0)]
    refund = judge(Facts("desk", "refund", {"amount": 501}, confidence=1.0), policy, NOON)
    assert (refund.outcome, refund.risk, refund.reviewers, refund.to) == (Outcome.ASK, Risk.IRREVERSIBLE, 2, "finance")
    assert (refund.deadline_s, refund.then) == (4 * 3600.0, "reject")
    assert judge_unsampled(Facts("desk", "read_mail"), policy, NOON).outcome is Outcome.AUTO
    assert judge_unsampled(Facts("desk", "refund", {"amount": 5}, confidence=0.5), policy, NOON).outcome is Outcome.TAKEOVER


@pytest.mark.parametrize(
    ("cmd", "expected"),
    [
        ("git status && ls | grep x", "looking around"), ("git push", "deletions"), ("sudo ls", "deletions"), ("ls > a", "thresholds"),
        ("find . -exec rm {} \\;", "deletions"), ("eval ls", "looking around"), (["git", "log"], "looking around"),
    ],
)  # fmt: skip
def test_policy_about_commands_in_the_docs_does_what_it_says(cmd: Json, expected: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    text = page.partition("```toml\n# policy.toml: commands\n")[2].partition("```")[0]
    found = judge_unsampled(Facts("ops", "run_shell", {"cmd": cmd}, confidence=0.7), parse(text), NOON)
    assert found.rule == expected
    assert (found.outcome is Outcome.AUTO) == (expected == "looking around" and cmd != "eval ls")


def test_every_policy_setting_is_parsed() -> None:
    policy = parse(
        'spot_check = 0.5\nseed = "x"\n[thresholds]\nauto = 0.8\nask = 0.3\n[confidence]\nsources = ["words"]\nstate_key = "sure"\n'
        f'[confidence.agents]\n"d*" = ["state", "logprobs"]\n{GROUPS}'
        '[[escalation.step]]\nto = "finance"\n[[escalation.step]]\nto = "cleo"\nafter = "10m"\n'
        '[notify]\nbell = false\ncommand = ["say", "x"]\nurls = ["json://localhost"]\nquiet = "22:00-06:00 UTC"\ncontent = "summary"\n'
        '[[rule]]\nname = "big"\nagent = ["d*", "x"]\ntool = "pay"\nwhen = "args.amount > 500"\nrisk = "irreversible"\noutcome = "ask"\n'
        'reviewers = 2\nto = "finance"\ndeadline = "30m"\nthen = "reject"\nsigned = true\n'
        'hours = "mon-fri 09:00-17:00 UTC"\ntags = ["prod"]\n'
    )
    assert (policy.spot_check, policy.thresholds.auto, policy.thresholds.ask) == (0.5, 0.8, 0.3)
    assert policy.sources.of("desk") == (ConfidenceSource.STATE, ConfidenceSource.LOGPROBS)
    assert policy.sources.of("other") == (ConfidenceSource.WORDS,)
    assert [(step.to, step.after_s) for step in policy.chain] == [("finance", 0.0), ("cleo", 600.0)]
    assert (policy.people("finance"), policy.people("cleo")) == (("ann", "bob"), ("cleo",))
    assert policy.notify.command == ("say", "x")
    assert "localhost" not in repr(policy)
    verdict = judge(Facts("desk", "pay", {"amount": 501}, tags=("prod",)), policy, NOON)
    assert (verdict.outcome, verdict.rule, verdict.reviewers, verdict.to) == (Outcome.ASK, "big", 2, "finance")
    assert (verdict.deadline_s, verdict.then, verdict.risk, verdict.signed) == (1800.0, "reject", Risk.IRREVERSIBLE, True)
    assert judge(Facts("desk", "pay", {"amount": 501}), policy, NOON).rule == "thresholds"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x = [", 1, "not TOML"),
        ("\n[treshold]\nauto = 1.0", 2, "unknown key 'treshold'; did you mean thresholds?"),
        ("[thresholds]\nauto = 1.5", 2, "auto is not a number from 0 to 1"),
        ("[thresholds]\nauto = 0.5\n\nask = 0.7", 4, "nothing could ever ask"),
        ("[thresholds]\nauto = 0\nask = 0", 2, "would let every action run"),
        ("[thresholds]\nauto = nan", 2, "not a number"),
        ("spot_check = true", 1, "not a number"),
        ('[confidence]\nsources = ["wrods"]', 2, "did you mean words?"),
        ("# c\n" + rule(outcome="maybe"), 4, "outcome cannot be 'maybe'; it is one of auto, ask, takeover, deny"),
        (rule(outcome="ask", tol="x"), 4, "unknown key 'tol' in rule; did you mean tool?"),
        ('[[rule]]\noutcome = "ask"', 1, "the rule has no name"),
        (rule(outcome="ask") + rule(outcome="ask", tool="x"), 5, "line 1 has a rule 'r' already"),
        (rule(name="safety", outcome="ask"), 2, "cannot be called 'safety'"),
        (rule(tool="x"), 1, "the rule has no effect"),
        (rule(outcome="ask", deadline="30m", then="approve"), 5, "never approve"),
        (rule(outcome="ask", then="reject"), 4, "then without a deadline"),
        (rule(outcome="ask", deadline="soon"), 4, "deadline is not a duration"),
        (rule(outcome="ask", deadline="30"), 4, "deadline is not a duration"),
        (rule(outcome="auto", reviewers=2), 4, "auto asks nobody"),
        (rule(outcome="auto") + "signed = true", 4, "auto asks nobody, so nobody signs"),
        (rule(outcome="deny") + "signed = true", 4, "deny asks nobody, so nobody signs"),
        (rule(outcome="ask", signed="yes"), 4, "neither true nor false"),
        (rule(outcome="ask", reviewers=3), 4, "from 1 to 2"),
        (GROUPS + rule(outcome="ask", to="finanse"), 7, "there is no group 'finanse', nor is anybody of that name in one; did you mean"),
        (GROUPS + rule(outcome="ask", to="leads", reviewers=2), 8, "2 people must approve, and 'leads' is one"),
        (rule(outcome="ask", when="args.amount >"), 4, "expected a value, found the end, at character 14 of it\nargs.amount >\n"),
        (rule(outcome="ask", when="1 / 0 > 1"), 1, "can never be judged: it divides by zero"),
        (rule(outcome="ask", hours="mon-fri 9-17"), 4, "is not a time of the week"),
        (rule(outcome="ask", hours="09:00-17:00 Mars/Base"), 4, "unknown time zone 'Mars/Base'"),
        ('[[escalation.step]]\nto = "nobody"', 2, "there is no group 'nobody'"),
        (GROUPS + '[[escalation.step]]\nto = "ann"\n[[escalation.step]]\nto = "bob"', 6, "has no 'after'"),
        ('[notify]\ncommand = "rm -rf /"', 2, "no shell reads it"),
        ('[notify]\nurls = ["nowhere"]', 2, "no URL"),
        ('[groups]\na = ["b"]\nb = ["c"]', 3, "is a group and a person"),
        ("[groups]\nleads = []", 2, "nobody is in group 'leads'"),
        ('[groups]\nleads = ["cleo", "Cleo"]', 2, "somebody is in group 'leads' twice"),
        ("rule = 1", 1, "write [[rule]]"),
        ('[review.unseen]\nirreversible = "allow"', 2, "cannot be 'allow': such a call is seen whole first; write never or confirm"),
        ('[review.unseen]\nread = "allow"\nunknown = "allow"', 3, "unseen.unknown cannot be 'allow'"),
        ('[review.unseen]\nread = "maybe"', 2, "cannot be 'maybe'; it is one of never, confirm, allow"),
        ('[review.undo_s]\nread = "10s"', 2, "read is not a number of seconds from 0 to 3,600; 10 is ten seconds"),
        ("[review.undo_s]\nread = -1", 2, "is not a number of seconds"),
        ('[review.unseen]\nreads = "never"', 2, "unknown key 'reads' in review.unseen; did you mean read?"),
        ('[confidence]\nsources = ["words", "words"]', 2, "names a source twice"),
        ('[notify]\nlinks = "https://h"\nlinks_for = "2d"', 3, "links_for is not a time of up to a day"),
        ('[audit]\nafter = "1s"', 2, "after is less than 10 s"),
        ('[audit]\nanchor = "logger -t x"', 2, "anchor has arguments, and is no list"),
        ('[decider]\nperson = "ann"', 1, "decider has no command"),
        ('[decider]\ncommand = ["judge"]', 1, "decider has no person"),
        (rule(outcome="ask", when=1), 4, "when is not a text"),
        (rule(outcome="auto") + 'separate = ["launch"]', 4, "auto asks nobody, so nobody approves"),
        (rule(outcome="ask", hours="10:00-10:00"), 4, "covers no time"),
        (rule(outcome="ask", hours="24:00-10:00"), 4, "covers no time"),
        (rule(outcome="ask", hours="10:00-24:30"), 4, "24:30 is not a time of day"),
        (rule(outcome="ask", hours="mon-xyz 10:00-11:00"), 4, "'xyz' is not a day"),
        (rule(outcome="ask", hours=["10:00-11:00", "outside 12:00-13:00"]), 4, "differ in `outside` or in their time zone"),
        (rule(outcome="ask", hours=["10:00-11:00 UTC", "12:00-13:00"]), 4, "differ in `outside` or in their time zone"),
        ("\nthresholds = { auto = 2 }", 2, "auto is not a number from 0 to 1"),
        ("a = " + "[" * 5000, 1, "nested too deeply"),
        ("#" * 1_000_001, 1, "it has 1,000,001 characters"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_with_its_line_and_a_hint(text: str, line: int, said: str) -> None:
    first, *_ = wrong(text)
    assert first.startswith(f"line {line}: ")
    assert said in first
    with pytest.raises(BadPolicy, match=f"line {line}: "):
        parse(text)


@pytest.mark.parametrize(
    ("risk", "default", "chosen"),
    [("read", "confirm", "allow"), ("reversible", "confirm", "never"), ("irreversible", "never", "confirm"), (None, "confirm", "confirm")],
)
def test_unseen_text_is_allowed_by_risk(risk: str | None, default: str, chosen: str) -> None:
    policy = parse('[review.unseen]\nread = "allow"\nreversible = "never"\nirreversible = "confirm"\n')
    assert (Policy().review.unseen_of(risk), policy.review.unseen_of(risk)) == (default, chosen)


def test_unseen_text_of_a_risk_in_the_graphs_own_words_is_as_of_an_unknown_one() -> None:
    assert parse('[review.unseen]\nunknown = "never"\n').review.unseen_of("high") == "never"


def test_undo_s_by_risk_when_a_risk_is_not_named_is_the_default() -> None:
    review = parse("[review.undo_s]\nirreversible = 10\nread = 0\nunknown = 2.5\n").review
    assert [review.undo_s_of(risk, 3.0) for risk in ("irreversible", "read", "high", None, "reversible")] == [10, 0, 2.5, 2.5, 3]


def test_decider_that_is_nobody_of_people_toml_is_refused() -> None:
    people = People(persons=(Person("ann"),), is_checked=True)
    text = '[decider]\ncommand = ["judge"]\nperson = "{}"\n'
    assert parse(text.format("ann"), people=people).decider.person == "ann"
    (problem,) = parse_with_problems(text.format("anne"), people=people)[1]
    assert (problem.line, problem.text) == (3, "people.toml has no 'anne'") and "ann" in problem.hint


def test_empty_list_of_frontend_tools_takes_back_those_of_other_globs() -> None:
    assert parse('[agents.desk]\nfrontend_tools = []\n[agents."x*"]\nfrontend_tools = ["map"]\n').frontend_tools == {
        "desk": (),
        "x*": ("map",),
    }


def test_all_mistakes_are_reported_at_once() -> None:
    text = 'spot_chek = 1\n[thresholds]\nauto = "x"\n' + rule(outcome="ask", to="x", when="(")
    assert [problem.split(":")[0] for problem in wrong(text)] == ["line 1", "line 3", "line 7", "line 8"]


def test_rules_that_can_never_match_are_warned_about() -> None:
    text = (
        rule(name="all", tool="pay*", outcome="ask")
        + rule(name="one", tool="pay_in", outcome="auto")
        + rule(name="two", tool="p*", outcome="ask")
    )
    policy, problems = parse_with_problems(text)
    assert len(policy.rules) == 3
    (problem,) = problems
    assert not problem.is_error
    assert (problem.line, problem.text) == (5, "rule 'one' can never match: rule 'all' on line 1 matches everything that it does")
    assert wrong(rule(name="a", outcome="ask", when="args.x > 1") + rule(name="b", outcome="ask")) == []
    assert "always true" in wrong(rule(outcome="ask", when="1 < 2"))[0]


def test_auto_rule_whose_tool_is_a_glob_is_warned_about() -> None:
    (problem,) = parse_with_problems(rule(tool="delete_*", risk="irreversible", outcome="auto"))[1]
    assert (problem.line, problem.is_error) == (1, False)
    assert problem.text == "rule 'r' never lets delete_* run by itself: that is irreversible, and the rule does not name it exactly"
    assert wrong(rule(tool="delete_draft", risk="irreversible", outcome="auto")) == []
    assert wrong(rule(tool="delete_*", risk="reversible", outcome="auto")) == []


GLOBS = st.text("ab*?", max_size=6)


@given(GLOBS, GLOBS, st.text("ab", max_size=6))
def test_glob_that_covers_another_matches_all_it_matches(wide: str, narrow: str, text: str) -> None:
    assert not covers(wide, narrow) or not matches(narrow, text) or matches(wide, text)
    assert covers(wide, wide)


@given(GLOBS, st.text("ab", max_size=8))
def test_glob_matches_like_its_regular_expression(glob: str, text: str) -> None:
    import re

    assert matches(glob, text) == bool(re.fullmatch(glob.replace("*", ".*").replace("?", "."), text))


def test_key_lines_are_found_after_multiline_values_and_comments() -> None:
    text = '# [no]\na = """\nb = 1\n"""\nc = [\n  "]", # ]\n]\n[t."x y"]\nd.e = {f = 1}\n[[r]]\ng = 1\n[[r]]\n\ng = 2\n[r.sub]\nh = 1\n'
    found = key_lines(text)
    lines = {("a",): 2, ("c",): 5, ("t", "x y"): 8, ("t", "x y", "d", "e"): 9, ("r", 0, "g"): 11, ("r", 1): 12, ("r", 1, "g"): 14}
    assert {path: found[path] for path in lines} == lines
    assert found["r", 1, "sub", "h"] == 16
    assert ("b",) not in found


# Judging


def test_missing_or_broken_policy_asks_for_everything() -> None:
    sure = Facts("desk", "read", risk=Risk.READ, confidence=1.0)
    assert (judge(sure, None, NOON).outcome, judge(sure, None, NOON).rule) == (Outcome.ASK, "no policy")
    broken = judge(sure, Policy(problem="line 3"), NOON)
    assert (broken.outcome, broken.rule) == (Outcome.ASK, "no policy")
    assert "line 3" in broken.reason


@pytest.mark.parametrize(
    ("confidence", "risk", "expected"),
    [
        (0.9, Risk.READ, Outcome.AUTO), (0.95, Risk.REVERSIBLE, Outcome.AUTO), (0.89, Risk.READ, Outcome.ASK), (0.6, None, Outcome.ASK),
        (0.59, Risk.READ, Outcome.TAKEOVER), (1.0, Risk.IRREVERSIBLE, Outcome.ASK), (1.0, None, Outcome.ASK),
        (None, Risk.READ, Outcome.ASK),
        (float("nan"), Risk.READ, Outcome.ASK), (1.7, Risk.READ, Outcome.ASK), (True, Risk.READ, Outcome.ASK),
        ("high", Risk.READ, Outcome.ASK),
    ],
)  # fmt: skip
def test_thresholds_decide_by_confidence_and_risk(confidence: Any, risk: Risk | None, expected: Outcome) -> None:
    assert outcome("", confidence=confidence, risk=risk) == (expected, "thresholds")


def test_first_matching_rule_decides() -> None:
    policy = rule(name="big", tool="p*", when="args.amount > 500", outcome="takeover") + rule(name="pay", tool="pay", outcome="auto")
    assert outcome(policy, args={"amount": 501}) == (Outcome.TAKEOVER, "big")
    assert outcome(policy, args={"amount": 5}) == (Outcome.AUTO, "pay")
    assert outcome(policy, "other") == (Outcome.ASK, "thresholds")


@pytest.mark.parametrize("args", [{}, {"amount": "501"}, {"amount": None}, None, [], {"amount": float("nan")}])
def test_rule_with_an_undetermined_condition_asks_with_a_reason(args: Any) -> None:
    policy = parse(rule(name="big", when="args.amount > 500", outcome="deny") + rule(name="pay", tool="pay", outcome="auto"))
    verdict = judge(Facts("desk", "pay", args), policy, NOON)
    assert (verdict.outcome, verdict.rule) == (Outcome.ASK, "big")
    assert verdict.reason.startswith("rule 'big' could not be judged: ")


def test_irreversible_is_auto_only_by_a_rule_naming_the_tool() -> None:
    def said(**keys: Any) -> Outcome:
        return outcome(rule(outcome="auto", **keys), risk=Risk.IRREVERSIBLE, confidence=1.0)[0]

    assert said(tool="pay") == said(tool=["x", "pay"]) == Outcome.AUTO
    assert said(tool="pa*") == said(tool="pa?") == said(tool="pa*", risk="read") == said(risk="read") == Outcome.ASK
    lowered = rule(tool="pa*", risk="read")
    assert outcome(lowered, risk=Risk.IRREVERSIBLE, confidence=1.0)[0] == Outcome.ASK


def test_unknown_risk_is_auto_only_by_a_rule_naming_tool_or_risk() -> None:
    assert outcome(rule(outcome="auto", tool="pa*"))[0] == Outcome.ASK
    assert outcome(rule(outcome="auto", tool="*", risk="read"))[0] == Outcome.ASK
    assert outcome(rule(outcome="auto", tool="pa*", risk="read"))[0] == Outcome.AUTO
    assert outcome(rule(outcome="auto", tool="pay"))[0] == Outcome.AUTO


def test_suspicious_or_unapprovable_actions_are_asked() -> None:
    auto, deny = rule(outcome="auto", tool="pay"), rule(outcome="deny")
    assert outcome(auto, findings=("it has unseen characters",)) == (Outcome.ASK, "safety")
    assert outcome(deny, findings=("it has unseen characters",)) == (Outcome.DENY, "r")
    for facts in ({"kind": PauseKind.QUESTION}, {"kind": PauseKind.GATE}, {"known_shape": False}):
        assert outcome(auto, **facts)[0] == outcome(deny, **facts)[0] == Outcome.ASK
    assert outcome(auto, allowed=(DecisionKind.REJECT,))[0] == Outcome.ASK
    assert outcome(deny, allowed=(DecisionKind.APPROVE,))[0] == Outcome.ASK


@pytest.mark.parametrize(
    ("demand", "why"),
    [
        ("signed = true", "a person must sign what is decided"),
        ('separate = ["launch"]', "somebody must approve it"),
        ("reviewers = 2", "2 people must approve it"),
    ],
)
def test_sure_call_asks_when_a_rule_demands_people(demand: str, why: str) -> None:
    sure = Facts("desk", "pay", risk=Risk.READ, confidence=1.0)
    assert judge_unsampled(sure, Policy(), NOON).outcome is Outcome.AUTO
    verdict = judge_unsampled(sure, parse(rule(name="demands", tool="pay") + demand), NOON)
    assert verdict.outcome is Outcome.ASK and why in verdict.reason


@pytest.mark.parametrize(
    ("hours", "inside"),
    [
        ("mon-fri 09:00-17:00 UTC", True), ("outside mon-fri 09:00-17:00 UTC", False), ("12:00-12:01 UTC", True),
        ("11:00-12:00 UTC", False),
        ("mon 22:00-12:00 UTC", False), ("mon 22:00-13:00 UTC", True), ("tue 22:00-13:00 UTC", False), ("sat-tue 00:00-24:00 UTC", True),
        ("tue 13:00-13:30 Europe/Berlin", True),
        ("sat,sun 00:00-24:00 UTC", False),
    ],
)  # fmt: skip
def test_rule_with_hours_matches_only_inside_them(hours: str, inside: bool) -> None:
    assert (outcome(rule(outcome="deny", hours=hours))[0] == Outcome.DENY) is inside


@pytest.mark.parametrize(
    ("metadata", "risk"),
    [
        ({"risk": "read"}, Risk.READ), ({"readOnlyHint": True}, Risk.READ), ({"destructiveHint": True}, Risk.IRREVERSIBLE),
        ({"annotations": {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True}}, Risk.REVERSIBLE),
        ({"readOnlyHint": False, "destructiveHint": None}, Risk.IRREVERSIBLE),
        ({"readOnlyHint": True, "destructiveHint": True}, Risk.IRREVERSIBLE),
        ({"idempotentHint": True}, None), ({"risk": "low"}, None), ({"readOnlyHint": "yes"}, None), (None, None), ("read", None),
    ],
)  # fmt: skip
def test_risk_is_read_from_tool_metadata(metadata: Any, risk: Risk | None) -> None:
    assert risk_of(metadata) == risk


def test_spot_checks_are_a_reproducible_share() -> None:
    policy = parse('spot_check = 0.25\nseed = "s"\n' + rule(outcome="auto", tool="read"))
    ids = [f"t:{number}:0" for number in range(2000)]
    picked = [id_ for id_ in ids if is_picked(id_, policy)]
    assert 400 < len(picked) < 600
    verdicts = [judge(Facts("desk", "read", id=id_), policy, NOON) for id_ in ids]
    assert [v.outcome is Outcome.ASK for v in verdicts] == [v.spot_check for v in verdicts] == [id_ in set(picked) for id_ in ids]
    assert {v.rule for v in verdicts} == {"r"}
    assert not is_picked("any", parse("spot_check = 0.0"))
    assert is_picked("any", parse("spot_check = 1.0"))


NAMES = st.sampled_from(["pay", "pay_in", "read", "*", "pa*", "re?d", "?*"])
RULES = st.fixed_dictionaries(
    {"tool": NAMES | st.lists(NAMES, min_size=1, max_size=2)},
    optional={
        "outcome": st.sampled_from(["auto", "ask", "takeover", "deny"]),
        "risk": st.sampled_from([risk.value for risk in Risk]),
        "when": st.sampled_from(["args.amount > 5", "confidence > 0.5", "true", "not known(args.amount)", "risk == 'read'",
        "1 / args.amount > 0"]),
        "agent": st.sampled_from(["*", "desk", "x"]),
    },
)  # fmt: skip
FACTS = st.builds(
    Facts,
    agent=st.sampled_from(["desk", "x"]),
    tool=st.sampled_from(["pay", "pay_in", "read", "*", "pa*", ""]),
    args=st.none() | st.dictionaries(st.just("amount"), st.integers() | st.floats() | st.text(max_size=3) | st.none()),
    kind=st.sampled_from(PauseKind),
    risk=st.none() | st.sampled_from(Risk),
    confidence=st.none() | st.floats() | st.floats(0, 1) | st.sampled_from([True, 0.95]),
    findings=st.sampled_from([(), ("odd",)]),
    known_shape=st.booleans(),
    allowed=st.sampled_from([tuple(DecisionKind), (DecisionKind.APPROVE,), (DecisionKind.REJECT,)]),
    id=st.text(max_size=3),
)


def test_lowered_risk_is_auto_only_when_the_rule_says_auto() -> None:
    facts = Facts("desk", "pay_in", risk=Risk.IRREVERSIBLE, confidence=1.0)
    lowered, _ = parse_with_problems(rule(name="r", tool="pay_in", risk="read"))
    assert judge(facts, lowered, NOON).outcome is Outcome.ASK
    said, _ = parse_with_problems("spot_check = 0\n" + rule(name="r", tool="pay_in", risk="read", outcome="auto"))
    assert judge(facts, said, NOON).outcome is Outcome.AUTO


@examples(6)
@given(st.lists(RULES, max_size=4), FACTS, st.sampled_from([0.0, 0.5]), st.floats(0.01, 1), st.floats(0, 2e9))
def test_irreversible_unknown_or_suspicious_is_never_auto_without_a_rule(
    rules: list[dict[str, Any]], facts: Facts, spot: float, auto: float, now: float
) -> None:
    tables = [rule(name=f"r{n}", **keys) for n, keys in enumerate(rules) if keys.keys() & {"outcome", "risk"}]
    text = f"spot_check = {spot}\n[thresholds]\nauto = {auto!r}\nask = {min(auto, 0.01)!r}\n" + "".join(tables)
    policy, problems = parse_with_problems(text)
    assert not [problem for problem in problems if problem.is_error]
    verdict = judge(facts, policy, now)
    assert verdict == judge(facts, policy, now)
    if verdict.outcome is not Outcome.AUTO:
        return
    assert not facts.findings
    assert facts.known_shape
    assert facts.kind not in (PauseKind.QUESTION, PauseKind.GATE, PauseKind.MCP_ELICITATION)
    assert DecisionKind.APPROVE in facts.allowed
    spoke = next((one for one in policy.rules if one.name == verdict.rule), None)
    named = spoke is not None and spoke.outcome is Outcome.AUTO and facts.tool in spoke.tools and not set(facts.tool) & set("*?")
    assert named or verdict.risk in (Risk.READ, Risk.REVERSIBLE)
    assert named or facts.risk is not Risk.IRREVERSIBLE
    by_rule = spoke is not None and spoke.outcome is Outcome.AUTO
    assert named or facts.risk is not None or (spoke is not None and spoke.risk is not None)
    sure = not isinstance(facts.confidence, bool) and facts.confidence is not None and auto <= facts.confidence <= 1
    assert by_rule or sure


# Files


def test_broken_policy_file_still_gives_its_recipients(tmp_path: Path) -> None:
    told = '[escalation]\nerrors = false\n[[escalation.step]]\nto = "finance"\n[notify]\ndesktop = true\ncontent = "summary"\n'
    (tmp_path / "policy.toml").write_text(GROUPS + told + rule(tool="t", outcome="auto") + "[thresholds]\nauto = 0.1\nask = 0.2\n")
    found = PolicyFile(policy_paths(tmp_path)).current() or Policy()
    assert (found.people("finance"), [step.to for step in found.chain], found.errors) == (("ann", "bob"), ["finance"], True)
    assert (found.notify.desktop, found.notify.content, found.rules) == (True, "nothing", ())
    assert judge(Facts("a", "t", risk=Risk.READ, confidence=1.0), found, NOON).outcome == Outcome.ASK
    (tmp_path / "policy.toml").write_text(GROUPS + '[[escalation.step]]\nto = "ann"\n[[escalation.step]]\nto = "bob"\nafter = "soon"\n')
    assert (PolicyFile(policy_paths(tmp_path)).current() or Policy()).chain == ()


def test_policy_that_an_agent_replaces_with_a_pipe_asks_and_waits_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(rule(tool="t", outcome="auto"))
    file, sure = PolicyFile(policy_paths(tmp_path / "home", tmp_path), lambda path, digest: True), Facts("a", "t", risk=Risk.READ)
    assert judge_unsampled(sure, file.current(), NOON).outcome == Outcome.AUTO
    (tmp_path / "policy.toml").unlink()
    os.mkfifo(tmp_path / "policy.toml")
    assert judge_unsampled(sure, file.current(), NOON).outcome == Outcome.ASK
    assert "it is no ordinary file" in (file.current() or Policy()).problem


def test_policy_of_a_project_asks_until_its_digest_is_accepted(tmp_path: Path) -> None:
    home, project, accepted = tmp_path / "home", tmp_path / "project", set[str]()
    home.mkdir()
    project.mkdir()
    file = PolicyFile(policy_paths(home, project), lambda path, digest: digest in accepted)
    sure = Facts("a", "t", risk=Risk.READ, confidence=1.0)

    def said() -> Outcome:
        return judge_unsampled(sure, file.current(), NOON).outcome

    text = GROUPS + rule(tool="t", outcome="auto") + "[notify]\ndesktop = true\n[[answer]]\napprove = 1\n"
    (project / "policy.toml").write_text(text)
    shown = file.current() or Policy()
    assert (said(), file.now().accepted, [one.name for one in shown.rules]) == (Outcome.ASK, False, ["r"])
    assert (shown.groups, shown.notify.desktop, shown.answers) == ({}, False, ()), "nothing of it has an effect"
    assert "nobody has accepted" in judge_unsampled(sure, shown, NOON).reason
    accepted.add(file.now().digest)
    assert (said(), file.now().accepted, bool((file.current() or Policy()).groups)) == (Outcome.AUTO, True, True)
    (project / "policy.toml").write_text(text + "# changed\n")
    assert (said(), bool((file.current() or Policy()).groups)) == (Outcome.ASK, True), "the accepted version's groups stay"
    (project / "policy.toml").write_text("rule = 5")
    assert (said(), file.now().accepted) == (Outcome.ASK, False)
    (home / "policy.toml").write_text(rule(tool="t", outcome="auto"))
    assert said() == Outcome.AUTO, "the home's needs no acceptance"


def test_packaged_policy_is_accepted_in_the_folder_of_the_sample_agents_only(tmp_path: Path) -> None:
    packaged = sample_agents().resolve() / "policy.toml"
    digest = digest_of(packaged.read_text())
    assert is_packaged(packaged, digest)
    assert not is_packaged(tmp_path / "policy.toml", digest)
    assert not is_packaged(packaged, digest_of(packaged.read_text() + "\n"))


@pytest.mark.parametrize("source", ["words", "field", "words, field"])
@pytest.mark.parametrize(
    "policy", ["", rule(tool="pay", when="confidence > 0.8", outcome="auto"), rule(tool="x", when="confidence < 0.9", outcome="ask") + rule(
        name="rest", tool="pay", outcome="auto")], ids=["thresholds", "rule", "rule that does not match"]
)  # fmt: skip
def test_confidence_the_model_states_lets_nothing_run_unless_it_is_trusted(policy: str, source: str) -> None:
    policy = policy.replace("tool = 'x'", "tool = 'pay'")
    said: dict[str, Any] = {"risk": Risk.READ, "confidence": 0.95}
    assert outcome(policy, **said, confidence_source=source) == (Outcome.ASK, "safety")
    assert outcome(policy, **said, confidence_source=f"{source}, metadata")[0] == Outcome.AUTO, "another source says so too"
    assert outcome(policy, **said, confidence_source="logprobs")[0] == Outcome.AUTO
    trusted = f"[confidence]\ntrust = ['{source.split(', ')[0]}']\n"
    assert outcome(policy + trusted, **said, confidence_source=source)[0] == Outcome.AUTO
    low: dict[str, Any] = {"risk": Risk.READ, "confidence": 0.1, "confidence_source": source}
    assert outcome("", **low)[0] == Outcome.TAKEOVER, "a low one counts whoever says it"


def test_trust_names_only_sources_that_the_model_writes() -> None:
    assert wrong("[confidence]\ntrust = ['metadata']") == [
        "line 2: confidence.trust cannot hold metadata; only field and words are written by the model itself"
    ]
    assert parse("[confidence]\ntrust = ['words', 'field']").sources.trust == (ConfidenceSource.WORDS, ConfidenceSource.FIELD)


@pytest.mark.parametrize("name", ["read_mail;delete_all", "read_mail delete", "read_$(rm)", "read_mail\n", "read_'x'", "read_​x"])
def test_tool_with_an_odd_name_runs_only_by_a_rule_that_names_it(name: str) -> None:
    by_glob = rule(tool="read_*", risk="read", outcome="auto")
    assert outcome(by_glob, name)[0] == Outcome.ASK
    assert outcome("", name, risk=Risk.READ, confidence=1.0)[0] == Outcome.ASK
    assert outcome(by_glob, "read_mail")[0] == outcome(by_glob, "read_ns.mail:v2/x-y")[0] == Outcome.AUTO
    if name.isprintable():
        assert outcome(rule(tool=name, risk="read", outcome="auto"), name)[0] == Outcome.AUTO


@pytest.mark.parametrize(
    ("when", "result", "warned"),
    [
        ("args.amount <= 500", "auto", "only from above"), ("500 > args.amount", "auto", "only from above"),
        ("args.amount <= 500 and args.to == 'ann'", None, "only from above"), ("0 <= args.amount and args.amount <= 500", "auto", ""),
        ("args.amount > 500", "ask", "looks for a large"), ("args.x.y[0] >= 500", "deny", "looks for a large args.x.y[0]"),
        ("args.amount > 500 or args.amount < 0", "takeover", ""), ("confidence < 0.5", "auto", ""), ("len(args.to) < 5", "auto", ""),
    ],
)  # fmt: skip
def test_policy_check_warns_of_numbers_that_are_bounded_on_one_side(when: str, result: str | None, warned: str) -> None:
    keys = {"tool": "pay", "when": when, **({"outcome": result} if result else {"risk": "read"})}
    policy, found = parse_with_problems(rule(**keys))
    problems = [one for one in (*found, *missed_below(policy.rules)) if "bounds" in one.text or "looks for" in one.text]
    assert [warned in one.text and not one.is_error for one in problems] == [True] * bool(warned)


def test_policy_file_is_reread_on_change_and_asks_while_broken(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    file = PolicyFile(policy_paths(home, project), lambda path, digest: True)
    assert file.current() is None
    (project / "policy.toml").write_text(GROUPS)
    read = file.current()
    assert read is not None
    assert read is file.current()
    assert "finance" in read.groups
    (home / "policy.toml").write_text('seed = "home"\n' + GROUPS)
    assert (file.current() or Policy()).seed == "home"
    (home / "policy.toml").write_text("seed = 5")
    broken = file.current() or Policy()
    assert "line 1: seed is not a plain text" in broken.problem
    assert "finance" in broken.groups
    assert judge(Facts("a", "t", risk=Risk.READ, confidence=1.0), broken, NOON).outcome == Outcome.ASK
    (home / "policy.toml").write_bytes(b"\xff")
    assert "not UTF-8" in (file.current() or Policy()).problem
    (home / "policy.toml").write_text('seed = "back"')
    assert file.current() == Policy(seed="back")
    os.remove(home / "policy.toml")
    os.remove(project / "policy.toml")
    assert file.current() is None


@pytest.mark.parametrize(
    ("when", "outcome", "expected"),
    [
        ('all(commands(args.cmd), program == "git" and not writes)', "auto", None),
        ('all(commands(args.cmd), program == "git")', "auto", "lets its programs run whatever they do"),
        ('any(commands(args.cmd), program == "ls" and not writes)', "auto", "if one of them matches"),
        ("all(commands(args.cmd), deletes)", "deny", "denies only if all"),
        ("any(commands(args.cmd), deletes)", "deny", None),
    ],
)  # fmt: skip
def test_conditions_on_commands_that_let_too_much_through_are_warned_of(when: str, outcome: str, expected: str | None) -> None:
    found = parse_with_problems(f"[[rule]]\nname = 'x'\ntool = 'run'\nrisk = 'reversible'\nwhen = '''{when}'''\noutcome = '{outcome}'\n")[1]
    assert [expected in one.text for one in found] == [True] if expected else found == []


def test_views_and_domains_of_a_policy_are_parsed_and_checked() -> None:
    policy = parse(
        '[organisation]\ndomains = ["Example.com"]\n'
        "[[rule]]\nname = 'a'\ntool = 'run_*'\nview = 'shell'\n[[rule]]\nname = 'b'\ntool = 'x'\nview = {q = 'sql', path = 'none'}\n"
    )
    assert policy.domains == ("example.com",)
    assert (policy.views_of("any", "run_it"), policy.views_of("any", "x")) == ({"*": "shell"}, {"q": "sql", "path": "none"})
    assert policy.views_of("any", "y") == {}
    problems = parse_with_problems("[organisation]\ndomains = ['https://x']\n[[rule]]\nname = 'a'\nview = 'bash'\n")[1]
    assert ["is no domain" in problems[0].text, "view cannot be 'bash'" in problems[1].text] == [True, True]


def test_rule_may_name_groups_and_people_of_people_toml() -> None:
    people = People((Person("ann", ("a.meyer",), ("finance",)), Person("bob")), is_checked=True)
    for to in ("finance", "bob", "a.meyer"):
        assert parse_with_problems(rule(outcome="ask", to=to), people=people)[1] == []
    assert "there is no group 'legal'" in str(parse_with_problems(rule(outcome="ask", to="legal"), people=people)[1])
    one = parse_with_problems(rule(outcome="ask", to="finance", reviewers=2), people=people)[1]
    assert [str(problem) for problem in one] == ["line 5: 2 people must approve, and 'finance' is one; name a larger group"]


@pytest.mark.parametrize(
    ("keys", "separate"),
    [({}, ()), ({"reviewers": 2}, ("launch", "edit")), ({"separate": ["edit"]}, ("edit",)), ({"reviewers": 2, "separate": []}, ())],
)
def test_separation_is_the_default_for_two_reviewers(keys: dict[str, Any], separate: tuple[str, ...]) -> None:
    verdict = judge_unsampled(Facts("desk", "pay"), parse(rule(outcome="ask", **keys)), NOON)
    assert verdict.separate == separate
    assert "separate cannot be 'read'" in str(wrong(rule(outcome="ask", separate=["read"])))
