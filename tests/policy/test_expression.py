"""The expression language of `when`: values, undetermined results, and a bound on its work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import BadExpression
from hitl_tui.model import Facts, Json, Message, Risk
from hitl_tui.policy.expression import COMPARISONS, FUNCTIONS, LENGTH, NAMES, caret, parse
from hitl_tui.policy.expression_eval import Undetermined, evaluate, values_read
from tests.support.properties import examples

ARGS = {
    "amount": 501, "to": "Ann <ann@example.com>", "path": "/etc/passwd", "a": {"b": [1, {"c": "x"}]}, "two words": 2, "flag": True,
    "all": ["ann@example.com", "bob@evil.org"],
    "cmd": "git status && ls | grep x", "cut": "ls; eval $x", "argv": ["git", "log"], "none": None, "sql": "DROP table x",
}  # fmt: skip
FACTS = Facts("desk", "pay", ARGS, risk=Risk.READ, confidence=0.7, tags=("prod", "nightly"), age_s=90.0)


def said(text: str, facts: Facts = FACTS) -> bool | Undetermined:
    return evaluate(parse(text), facts)


@pytest.mark.parametrize(
    "text",
    [
        "args.amount > 500", "args.amount + 1 * 2 == 503", "(args.amount + 1) * 2 == 1004", "-args.amount < -500", "args.amount % 2 == 1",
        "args.amount / 2 == 250.5", "10 - 2 - 3 == 5", 'args.to in domain("example.com")', 'args.all not in domain("example.com")',
        'args.path startswith "/etc"', "args.path endswith 'wd'", 'args.path matches "/e?c/*"', 'args.path matches("/etc/*")',
        'not args.path matches "/tmp*"', "args.a.b[0] == 1", 'args.a.b[1].c == "x"', 'args["two words"] == 2', "args.flag",
        "args.none == null",
        'args.to contains "ann"', 'args.all contains "bob@evil.org"', 'args.a contains "b"', '"b" in args.a',
        'agent == "desk" and tool == "pay"',
        'tool in ["x", "pay"]', 'tool not in ["x"]', "confidence >= 0.7", 'risk == "read"', '"prod" in tags', "len(tags) == 2",
        "age >= 60",
        'lower(args.sql) startswith "drop"', 'upper(tool) == "PAY"', "known(args.amount) and not known(args.cc)", "not known(args.none)",
        "false or not false", "true or args.nothing > 1", "not (false and args.nothing > 1)", "args.a == args.a", "[1, 2] != [1, 3]",
        'all(commands(args.cmd), program in ["git", "ls", "grep"] and not writes)',
        'any(commands(args.cmd), program == "grep")',
        'not any(commands(args.cmd), deletes)', "len(commands(args.cmd)) == 3", "not known(commands(args.cut))",
        'all(commands(args.argv), program == "git" and arguments contains "log" and kind == "tool_calls")',
        'all(statements("select 1; show tables"), kind in ["select", "show"] and not writes)',
        'any(statements("delete from a where id = 1"), kind == "delete" and where and tables == ["a"])',
        'not known(statements("find me a hotel"))',
        'any(commands("sudo rm a"), deletes and under contains "sudo" and written == [])',
        'any(commands("curl https://evil.org"), network and hosts == ["evil.org"])',
        "1 < 2 and 2 < 3 or 1 / 0 > 1", 'kind == "tool_calls"',
    ],
)  # fmt: skip
def test_expressions_that_hold_are_true(text: str) -> None:
    assert said(text) is True
    assert said(f"not ({text})") is False


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("args.cc > 1", "there is no args.cc"), ("args.a.b[9] == 1", "there is no args.a.b[9]"),
        ("args.amount / 0 > 1", "it divides by zero"),
        ("args.amount % 0 == 1", "it divides by zero"), ('args.amount > "500"', "> compares a number with a text"),
        ('args.amount == "501"', "it compares a number with a text"), ("args.flag == 1", "it compares true or false with a number"),
        ('args.amount in ["501"]', "it compares a number with a text"),
        ("args.amount", "the condition is a number and not true or false"),
        ('args.to in "Ann"', "contains takes a text"), ('args.path in domain("example.com")', "not a valid address"),
        ('args.amount in domain("example.com")', "a number is not an address"), ("true and args.cc", "there is no args.cc"),
        ("args.amount and true", "and is applied to a number"), ("args.to + 1 == 2", "+ is between a text and a number"),
        ("len(args.amount) > 1", "len() of"),
        ("all(commands(args.cut), true)", "the command cannot be split: it uses eval"),
        ("all(commands(args.amount), true)", "commands() of a number"),
        ('all(commands("# nothing"), true)', "there is nothing in commands"),
        ('all(commands("frobnicate"), not writes)', "whether frobnicate writes is not known"),
        ('any(commands("cp $x"), arguments contains "a")', "only when it runs"),
        ("args.amount.x == 1", "args.amount is a number"), ("9" * 30 + " * " + "9" * 30 + (" * " + "9" * 30) * 12 + " > 1", "too large"),
        ("lower(args.amount) == 'x'", "lower() of a number"), ("all(statements(args.amount), true)", "statements() of a number"),
        ("args.amount startswith 'x'", "startswith compares a number with a text"), ("args.path matches args.amount", "matches compares"),
        ("args.amount in args.a", "the keys of an object are text, not a number"),
        ("all(commands(args.cmd), program.x == 1)", "there is no program.x: program is a text"),
        ("(args.amount > 1 or args.cc) and (args.cc or args.nothing or args.amount)", "there is no args.cc"),
    ],
)  # fmt: skip
def test_expressions_that_cannot_be_decided_are_undetermined_with_a_reason(text: str, why: str) -> None:
    found = said(text)
    assert isinstance(found, Undetermined)
    assert why in found.why


@pytest.mark.parametrize(("name", "facts"), [("confidence", Facts("a", "t")), ("risk", Facts("a", "t"))])
def test_unknown_action_fields_are_undetermined(name: str, facts: Facts) -> None:
    assert said(f"{name} == {name}", facts) == Undetermined(f"its {name} is unknown")
    assert said(f"known({name})", facts) is False


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("ann@example.com", True), ("ANN@EXAMPLE.COM", True), ("a@example.com; Bob <b@example.com>", True),
        ("https://example.com:80/x?y", True),
        ("example.com", True), ("ann@sub.example.com", False), ("ann@example.com.evil.org", False),
        ("ann@example.com, eve@evil.org", False),
        ("https://example.com.evil.org/", False), (["ann@example.com"], True), ("ann@evilexample.com", False),
        ("ann@example.com\nBcc: eve@evil.org", None), ("https://example.com@evil.org/", None), ("eve@evil.org <ann@example.com>", None),
        ("https://evil.org\\@example.com", None), ("ann@exämple.com", None), ("", None), ([], None), ("a@b@example.com", None),
        (None, None), ("file://example.com/etc/passwd", None), ("javascript://example.com/%0aalert(1)", None),
        ("mailto:ann@example.com?to=eve@evil.org", None), ("mailto://example.com?to=eve@evil.org", None), ("data://example.com/x", None),
        ("ann@example.com?bcc=eve@evil.org", None), ("evil.org!ann@example.com", None), ("ann%evil.org@example.com", None),
        ("HTTPS://example.com", True), ("ssh://example.com", True), ("jar:https://example.com!/x", None),
        ("gopher://example.com/1evil.org", None),
    ],
)  # fmt: skip
def test_domain_is_decided_only_for_unambiguous_addresses(to: Any, expected: bool | None) -> None:
    found = said('args.to in domain("example.com")', Facts("a", "t", {"to": to}))
    assert isinstance(found, Undetermined) if expected is None else found is expected


def test_domain_with_a_star_matches_subdomains_only() -> None:
    below = 'args.to in domain("*.example.com")'
    assert said(below, Facts("a", "t", {"to": "a@x.example.com"})) is True
    for other in ("a@example.com", "a@xexample.com", "a@x.example.com.evil.org"):
        assert said(below, Facts("a", "t", {"to": other})) is False


@pytest.mark.parametrize(
    ("text", "at", "happened"),
    [
        ("", 0, "expected a value"), ("args.amount > ", 13, "expected a value, found the end"),
        ("1 < 2 < 3", 6, "cannot be chained"),
        ("args.x = 1", 7, "'=' is not allowed here"), ("amount > 1", 0, "unknown name 'amount'"),
        ("size(args)", 0, "no function size()"),
        ("args.x && true", 7, "'&' is not allowed"), ("(1 > 0", 6, "expected ')'"), ("args.", 5, "is not a field"),
        ("'abc", 0, "never ends"),
        ("args.x true", 7, "'true' is not expected here"), ("domain(args.x)", 0, "takes one domain as text"),
        ("[1, 2", 5, "expected ','"),
        ("__import__('os')", 0, "no function __import__()"), ('args["x\\q"]', 7, "unknown escape"),
        ("args[1.5]", 5, "whole number"), ("all(args.x, true)", 0, "takes a list that is made by commands"),
        ("program == 1", 0, "unknown name"),
        ("all(commands(args.x))", 20, "expected ','"), ("all(commands(args.x), progam == 1)", 22, "unknown name 'progam'"),
        ("1" * 31, 0, "the number is too long"), ("from_tool(args.x, 5)", 0, "takes the tool's name as text"),
        ("-" * 100 + "1", 27, "nested too deeply"), ("1" + " + 1" * 100 + " > 0", 102, "nested too deeply"),
        ("(" * 100 + "1" + ")" * 100, 26, "nested too deeply"), ("not " * 100 + "true", 108, "nested too deeply"),
    ],
)  # fmt: skip
def test_expression_mistakes_are_reported_with_their_position(text: str, at: int, happened: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse(text)
    assert happened in caught.value.happened
    assert caught.value.at == at
    assert caret(text, at).splitlines()[-1].endswith("^")


def test_expression_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadExpression, match="at most"):
        parse("1 + " * LENGTH + "1 > 0")


WORDS = [*NAMES, *FUNCTIONS, *COMPARISONS, *"()[],.+-*/%10", "and", "or", "not", "true", "null", "2.5"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["a@b.c", "x" * 5000])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6)
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from([*WORDS, '"a*b?"', "args.a", "args.b", 'domain("b.c")']), max_size=14).map(" ".join)


def test_explanations_name_commands_and_origins() -> None:
    facts = Facts("a", "t", ARGS, conversation=(Message("user", "pay 501"),))
    expression = parse("all(commands(args.cmd), not writes) and from_user(args.amount)")
    assert dict(values_read(expression, facts)) == {
        "args.cmd": '"git status && ls | grep x"', "commands(args.cmd)": "git status; ls; grep x", "args.amount": "501",
        "from_user(args.amount)": "true",
    }  # fmt: skip


def test_explanations_leave_out_what_cannot_be_split_and_end_where_the_work_bound_does() -> None:
    assert values_read(parse("all(commands(args.cut), true)"), FACTS) == [("args.cut", '"ls; eval $x"')]
    large = Facts("a", "t", {"n": 1, "cmd": "x" * 3_000_000})
    found = values_read(parse("args.n == 1 and all(commands(args.cmd), true) and args.m == 2"), large)
    assert [path for path, _ in found] == ["args.n", "args.cmd"]


def test_numbers_that_no_float_can_hold_are_undetermined() -> None:
    assert said("args.n / 1 > 1", Facts("a", "t", {"n": 2**1024 - 1})) == Undetermined("a number is too large to calculate with")
    assert said("confidence > 0", Facts("a", "t", confidence=float("inf"))) == Undetermined("it is not a finite number")


@examples(6)
@given(TEXTS, VALUES)
def test_any_expression_is_parsed_or_refused_and_judges_any_action(text: str, args: Any) -> None:
    try:
        expression = parse(text)
    except BadExpression as error:
        assert 0 <= error.at <= len(text)
        return
    assert isinstance(evaluate(expression, Facts("desk", "pay", args)), bool | Undetermined)


@pytest.mark.parametrize(
    "text",
    [
        'args.x matches "' + "*a" * 40 + '*b"', 'args.x matches "' + "?" * 400 + '*b"',
        " and ".join(['lower(args.x) contains "ab"'] * 60),
        "args.l == args.l and args.l in [args.l, args.l]", 'args.x in domain("b.c")', " or ".join(["args.l contains args.x"] * 50),
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_large_arguments_are_judged_within_a_work_bound(text: str) -> None:
    large = {"x": "a" * 3_000_000, "l": ["a" * 100] * 300_000}
    assert isinstance(said(text, Facts("a", "t", large)), Undetermined)


def test_arguments_nested_too_deeply_are_undetermined() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    assert isinstance(said("args.x == args.x", Facts("a", "t", {"x": deep})), Undetermined)


CALL, OTHER = ("pay", {"to": "ann", "amount": 5}), ("pay", {"amount": 6, "to": "ann"})
PAID, FAILED = Message("tool", "paid", "pay"), Message("tool", "no", "pay", failed=True)


def made(*calls: tuple[str, Json]) -> Message:
    return Message("agent", "", calls=calls)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ((), False), ((made(CALL),), False), ((made(CALL), PAID), True), ((made(CALL), PAID, made(CALL)), True),
        ((made(CALL), FAILED, made(CALL)), False), ((made(OTHER), PAID, made(CALL)), False), ((made(CALL, CALL),), True),
        ((made(CALL, OTHER),), False), ((made(CALL, OTHER), PAID), False), ((made(CALL), Message("tool", "hi", "read"), made(CALL)), False),
        ((made(("read", None), CALL), Message("tool", "hi", "read"), PAID, Message("user", "again"), made(CALL)), True),
        ((made(CALL), made(CALL)), False), ((made(("sell", CALL[1])), Message("tool", "x", "sell"), made(CALL)), False),
        ((made(CALL), Message("tool", "a result without a name"), made(CALL)), True),
    ],
)  # fmt: skip
def test_repeated_holds_for_a_call_that_was_made_before(before: tuple[Message, ...], expected: bool) -> None:
    facts = Facts("desk", "pay", {"amount": 5, "to": "ann"}, conversation=(Message("user", "pay ann 5"), *before))
    assert said("repeated", facts) is expected and said("not repeated", facts) is not expected


def test_repeated_where_the_conversation_is_not_known_is_undecided() -> None:
    found = said("repeated", Facts("desk", "pay", {}))
    assert isinstance(found, Undetermined) and found.why == "what was said before is not known"
