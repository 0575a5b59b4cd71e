"""Characters that look like others: drawn as codes in addresses, URLs, paths and names, a finding, and undecidable for policy."""

from __future__ import annotations

import pytest

from hitl_tui.argument_text import name_text
from hitl_tui.look_alikes import skeleton
from hitl_tui.model import Facts, Outcome, Risk
from hitl_tui.policy.engine import judge
from hitl_tui.policy.expression import parse
from hitl_tui.policy.expression_eval import Undetermined, evaluate
from hitl_tui.policy.parser import parse as parse_policy
from hitl_tui.sanitize import draw, findings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("examp1e.com", "example.com"),
        ("pаypal", "paypal"),
        ("０0O", "OOO"),
        ("ⅷ", "viii"),
        ("exarnple", "example"),
        ("e\u0301", "é"),
        ("a\u200bb", "ab"),
    ],
)
def test_texts_that_look_the_same_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("mail to аnn@exаmple.com", "mail to ⟨U+0430⟩nn@ex⟨U+0430⟩mple.com"), ("/usr/bin/рython", "/usr/bin/⟨U+0440⟩ython"),
        ("https://ａbc.com", "https://⟨U+FF41⟩bc.com"), ("my‐bank.com", "my⟨U+2010⟩bank.com"), ("C:\\ехе", "C:\\⟨U+0435⟩⟨U+0445⟩⟨U+0435⟩"),
        ("ΑΒΕ@x.org", "⟨U+0391⟩⟨U+0392⟩⟨U+0395⟩@x.org"),
    ],
)  # fmt: skip
def test_look_alikes_in_addresses_are_codes_and_a_finding(text: str, drawn: str) -> None:
    assert draw(text).text == drawn
    assert "look like others" in "; ".join(findings("send", {"text": text}))


@pytest.mark.parametrize(
    "text",
    ["анна@пример.рф", "/home/иван/отчёт.txt", "https://пример.рф/путь", "σ = 5 μm, π ≈ 3", "10–20 km/h", "日本語.jp 東京/大阪",
     "naïve@café.fr",
     "Привет, это обычный текст. Да/нет?", "see a.b…", "Ελλάδα.gr", "/home/bjørn/æbler/größe.txt", "þór@ís.is", "żółw@łódź.pl", "cœur.fr"],
)  # fmt: skip
def test_words_of_other_scripts_are_neither_codes_nor_findings(text: str) -> None:
    assert draw(text).text == text
    assert findings("send", {"text": text}) == ()


def test_look_alikes_in_names_are_codes_and_a_finding() -> None:
    assert name_text("аmount") == "⟨U+0430⟩mount"
    assert name_text("сумма") == "сумма"
    assert "U+0435 like e" in findings("sеnd", {})[0]
    assert "another spelling" in "; ".join(findings("send", {"to": "rene\u0301@x.org"}))


@pytest.mark.parametrize(
    ("condition", "args"),
    [
        ('args.t contains "password"', {"t": "my pаssword"}), ('args.t == "prod"', {"t": "prоd"}), ('args.t != "prod"', {"t": "prоd"}),
        ('args.t startswith "/etc/"', {"t": "∕etc/x"}), ('args.t endswith ".exe"', {"t": "a.ехе"}), 
        ('args.t matches "*.sql"', {"t": "x․sql"}),
        ('args.t in ["dev", "prod"]', {"t": "ρrod"}), ('args.l contains "root"', {"l": ["rооt"]}), ('"to" in args', {"tо": 1}),
        ('args.l == ["root"]', {"l": ["rооt"]}), ('args.t in domain("example.com")', {"t": "ann@examp1e.com"}),
        ('args.t in domain("example.com")', {"t": "https://exarnple.com/x"}), ('args.t in domain("*.example.com")', {"t": "a.exampIe.com"}),
        ('args.t in domain("example.com")', {"t": "xn--exmple-4nf.com"}),
    ],
)  # fmt: skip
def test_condition_that_holds_or_fails_only_by_looks_is_undetermined(condition: str, args: dict[str, object]) -> None:
    for text in (condition, f"not ({condition})"):
        assert isinstance(evaluate(parse(text), Facts("a", "t", args)), Undetermined)


def test_look_alike_asks_though_the_rule_would_let_others_run() -> None:
    policy = parse_policy(
        '[[rule]]\nname = "words"\ntool = ["post"]\nwhen = \'not (args.text contains "password")\'\noutcome = "auto"\n', "policy.toml"
    )
    said = {
        text: judge(Facts("a", "post", {"text": text}, risk=Risk.REVERSIBLE, allowed=()), policy, 0.0).reason
        for text in ("hello", "pаssword")
    }
    assert "rule 'words' says auto" in said["hello"]
    asked = judge(Facts("a", "post", {"text": "the pаssword"}, risk=Risk.REVERSIBLE), policy, 0.0)
    assert asked.outcome is Outcome.ASK and "only looks like password" in asked.reason
