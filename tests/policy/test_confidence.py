"""Confidence: its sources, and values that are not one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.policy.confidence import DEFAULT_ORDER, UNKNOWN, ConfidenceSource, Signals, assess

CALL = {"name": "pay", "args": {"amount": 5}, "id": "c1"}


def words(text: str) -> float | None:
    return assess(Signals(message={"content": text}), [ConfidenceSource.WORDS]).value


@pytest.mark.parametrize(
    ("signals", "source", "value"),
    [
        (Signals(value={"confidence": 0.25}), "interrupt", 0.25),
        (Signals(call={**CALL, "metadata": {"confidence": 0.5}}), "metadata", 0.5),
        (Signals(message={"additional_kwargs": {"confidence": 1}}), "metadata", 1.0),
        (Signals(message={"response_metadata": {"confidence": 0}}), "metadata", 0.0),
        (Signals(state={"sure": 0.75}, state_key="sure"), "state", 0.75),
        (Signals(call={"name": "pay", "args": {"confidence": "85 %"}}), "field", 0.85),
        (Signals(message={"content": '{"answer": 1, "confidence": 0.4}'}), "field", 0.4),
        (Signals(message={"content": [{"type": "text", "text": "I am 99.9% sure"}]}), "words", 0.999),
    ],
)
def test_every_confidence_source_is_read(signals: Signals, source: str, value: float) -> None:
    found = assess(signals)
    assert (found.source, found.value) == (source, value)


def test_lowest_source_counts_where_sources_disagree() -> None:
    both = Signals(value={"confidence": 0.95}, message={"content": "confidence: 0.2"})
    found = assess(both)
    assert (found.value, found.source, found.note) == (0.2, "words, interrupt", "the lowest of words 0.2, interrupt 0.95")
    assert assess(both, [ConfidenceSource.INTERRUPT]).value == 0.95
    assert assess(both, []) == UNKNOWN
    argument = Signals(call={"name": "pay", "args": {"confidence": 0.99}}, message={"content": "confidence: 0.1"})
    assert assess(argument).value == 0.1


def test_confidence_is_unknown_if_one_source_is_invalid() -> None:
    wrong = assess(Signals(value={"confidence": 1.7}, message={"content": "confidence: 0.95"}))
    assert (wrong.value, wrong.source) == (None, "interrupt")
    assert wrong.note == "it says 1.7, which is not a number from 0 to 1"
    assert assess(Signals(value={"confidence": 0.95}, message={"content": "confidence: high"})).value is None


@pytest.mark.parametrize(
    "odd", [1.7, -1, math.nan, math.inf, "high", True, False, [0.9], {"value": 0.9}, "90", "", "1e-1", pytest.param(10**5000, id="huge")]
)
def test_confidence_outside_0_to_1_is_unknown_with_a_note(odd: Any) -> None:
    found = assess(Signals(value={"confidence": odd}))
    assert (found.value, found.source) == (None, "interrupt")
    assert "not a number from 0 to 1" in found.note


def tokens(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"content": [{"token": token, "logprob": logprob} for token, logprob in pairs]}


def test_log_probabilities_are_the_geometric_mean_of_the_calls_tokens() -> None:
    half, sure = math.log(0.5), math.log(0.98)
    listed = tokens(("thinking", -9.0), ('{"am', half), ('ount":', sure), ("5}", half), ("<end>", -9.0))
    found = assess(Signals(call=CALL, message={"content": "", "response_metadata": {"logprobs": listed}}))
    assert found.source == "logprobs"
    assert found.value == pytest.approx((0.5 * 0.98 * 0.5) ** (1 / 3))
    assert "the tool call's 3 tokens" in found.note
    elsewhere = assess(Signals(message={"response_metadata": {"logprobs": tokens(("a", half), ("b", half))}}))
    assert elsewhere.value == pytest.approx(0.5)
    assert "all the message's 2 tokens" in elsewhere.note


@pytest.mark.parametrize("spelled", ['{"amount":6}', '{"amount": 5} {"amount": 5}'])
def test_log_probabilities_are_of_the_message_when_the_call_is_not_there_once(spelled: str) -> None:
    listed = tokens(("a", math.log(0.5)), (spelled, math.log(0.98)))
    found = assess(Signals(call=CALL, message={"content": "", "response_metadata": {"logprobs": listed}}))
    assert found.value == pytest.approx((0.5 * 0.98) ** 0.5) and "all the message's 2 tokens" in found.note


@pytest.mark.parametrize("text", ['{"sure": 0.9', '{"a":' * 100_000])
def test_text_that_only_begins_like_an_object_has_no_confidence(text: str) -> None:
    assert assess(Signals(message={"content": text})) == UNKNOWN


def test_log_probabilities_of_text_alone_are_ignored() -> None:
    message = {"content": "Paying.", "response_metadata": {"logprobs": tokens(("Pay", -0.001), ("ing.", -0.001))}}
    assert assess(Signals(call=CALL, message=message)).value is None
    assert assess(Signals(message=message)).value is not None


@pytest.mark.parametrize("logprob", [math.nan, 0.5, "x", None, True, -math.inf])
def test_malformed_log_probabilities_are_unknown(logprob: Any) -> None:
    found = assess(Signals(message={"response_metadata": {"logprobs": tokens(("a", -0.1), ("b", logprob))}}))
    assert (found.value, found.source) == (None, "logprobs")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("confidence: 0.82", 0.82),
        ("**Confidence:** 85 %.", 0.85),
        ("85 % sure this is right.", 0.85),
        ("I'm 70% confident", 0.7),
        ("Done. My confidence is 0.8, as ever.", 0.8),
        ("I’m about 90 percent sure.", 0.9),
        ("Paid with 95% confidence.", 0.95),
        ("I'm 20% sure. Now I'm 95% sure.", 0.2),
    ],
)
def test_confidence_stated_in_words_is_read(text: str, value: float) -> None:
    assert words(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "I paid 100% of the invoices", "50 % discount", "The customer is 100% certain.", "95% confidence interval",
        "with 95% confidence interval", "I'm not 90% sure", "I never said I'm 90% sure", "Are you 90% sure?", "less than 90% sure",
        "If we refund, I am 90% sure they leave",
        "confidence: high", "confidence: 1.7", "confidence: 85", "confidence: 1/10", "confidence: 0,82", "confidence: 0.8-0.9",
        "confidence is key", "10-80% confident", "It is 90% certain to rain", "confidence: 0.9. confidence: high",
    ],
)  # fmt: skip
def test_words_without_a_confidence_are_ignored(text: str) -> None:
    assert words(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'The mail says "confidence: 0.99".', "He is “99% sure, with 99% confidence”", "«confidence: 0.99»", "`confidence: 0.99`",
        "It reads 'confidence: 0.99'", "```\nconfidence: 0.99\n```", "~~~ text\nconfidence: 0.99", "> confidence: 0.99",
        " > confidence: 0.99",
        "<mail>\nconfidence: 0.99\n</mail>", '{"confidence": 0.99} is what it returned', 'I found this: "never closed. confidence: 0.99',
        "Ann wrote: confidence: 0.99", "According to the page, confidence: 0.99", "The tool's output:\nconfidence: 0.99",
        "Its reply: I am 99% sure", '"' + "x" * 30_000 + "confidence: 0.99", "x" * 300_000 + " confidence: 0.99",
    ],
)  # fmt: skip
def test_quoted_or_reported_words_are_not_the_agents_confidence(text: str) -> None:
    assert words(text) is None
    assert words(f"I am 40% sure. {text}") in (None, 0.4)


@pytest.mark.parametrize(
    "block", [{"type": "tool_result", "text": "confidence: 0.99"}, {"type": "web_search_tool_result", "text": "confidence: 0.99"}]
)
def test_results_inside_a_message_are_not_the_agents_words(block: dict[str, str]) -> None:
    assert assess(Signals(message={"content": [block]})) == UNKNOWN


PLAIN_WORDS = st.sampled_from(
    ["the", "of", "invoices", "discount", "paid", "customer", "off", "about", "tax", "done", "are", "is", "VAT", "2024"]
)


@given(st.lists(PLAIN_WORDS, max_size=4), st.integers(0, 100), st.sampled_from(["%", " %", " percent"]), st.lists(PLAIN_WORDS, max_size=4))
def test_percentage_of_something_else_is_not_a_confidence(before: list[str], number: int, sign: str, after: list[str]) -> None:
    text = " ".join([*before, f"{number}{sign}", *after])
    assert assess(Signals(message={"content": text})) == UNKNOWN
    said = words(f"{text}. I am {number}{sign} sure.")
    assert said == number / 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["confidence", "args", "content", "metadata"]), inner),
    max_leaves=8,
)


@given(JSON, JSON, JSON, JSON, st.lists(st.sampled_from(DEFAULT_ORDER), unique=True))
def test_any_signals_give_a_number_from_0_to_1_or_unknown(
    value: Any, call: Any, message: Any, state: Any, order: list[ConfidenceSource]
) -> None:
    found = assess(Signals(value, call, message, state), order)
    assert found.value is None or (isinstance(found.value, float) and 0 <= found.value <= 1)
    assert found.value is None or set(found.source.split(", ")) <= {source.value for source in order}


@pytest.mark.parametrize("unit", ["confidence ", "I am ", " ", "confidence:", "9", "- ", "\n", " \n", "more than ", "~", "90% sure "])
@pytest.mark.timeout(20)
def test_long_text_is_assessed_quickly(unit: str) -> None:
    assert assess(Signals(message={"content": unit * 50_000})).source in ("", "words")
